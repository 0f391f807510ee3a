//! The part of the suite that is about etcd. It leaves the cluster as it was: the one member that it adds is a learner that nobody will start,
//! which counts in no majority, and it goes again.

use std::collections::BTreeSet;

use futures::StreamExt;
use sha2::{Digest, Sha256};

use super::{Verdict, ensure, ok};
use crate::etcd::{self, Access, Local, Refusal, TlsFiles};
use crate::{Error, Host};

/// An address that is for examples alone and that nobody has.
const NOWHERE: &str = "https://192.0.2.1:2380";
const NOBODY: u64 = 0x51_1b_3a;

/// Everything below, in turn.
pub async fn all(host: &Host) -> Verdict {
    let local = ok("looking for etcd", etcd::required(host).await)?;
    the_picture_is_whole(host, &local).await?;
    what_is_not_there_is_said(host, &local).await?;
    refusals(host, &local).await?;
    a_learner_comes_and_goes(host, &local).await?;
    a_snapshot_is_whole(host, &local).await
}

fn refused<T: std::fmt::Debug>(doing: &str, result: Result<T, Error>, expected: Refusal) -> Verdict {
    match result {
        Err(error) if error.refusal() == Some(expected) => Ok(()),
        other => Err(format!("{doing} was not {expected:?} but {other:?}")),
    }
}

async fn the_picture_is_whole(host: &Host, local: &Local) -> Verdict {
    let status = ok("asking etcd", etcd::status(host).await)?;
    ensure(status.error.is_empty() && status.quorum_read, &format!("no majority: {}", status.error))?;
    let own = status.members.iter().find(|member| member.id == status.own_member_id);
    let Some(own) = own else { return Err("the member of this host is not in the list".into()) };
    ensure(own.peer_urls == local.peer_urls, "the member has other peer URLs than its configuration")?;
    ensure(own.name == local.name, "the member has another name than its configuration")?;
    let leaders: BTreeSet<u64> =
        status.members.iter().filter_map(|member| Some(member.status.as_ref()?.leader)).collect();
    ensure(leaders.len() == 1 && !leaders.contains(&0), &format!("the members do not agree on a leader: {leaders:?}"))?;
    let Some(said) = &own.status else { return Err(format!("the own member does not answer: {}", own.error)) };
    ensure(said.version.starts_with('3') && said.raft_index > 0, "a status without version or index")?;
    ensure(said.db_size_bytes >= said.db_in_use_bytes && said.db_in_use_bytes > 0, "a status without sizes")
}

async fn what_is_not_there_is_said(host: &Host, local: &Local) -> Verdict {
    let nobody = Access { url: "https://127.0.0.1:9".into(), tls: local.access.tls.clone() };
    refused("asking where nobody listens", host.etcd.members(&nobody).await, Refusal::Silent)?;
    let Some(tls) = &local.access.tls else { return Ok(()) };
    let none = TlsFiles { key: "/nonexistent/etcd.key".into(), ..tls.clone() };
    let without = Access { tls: Some(none), ..local.access.clone() };
    let answer = host.etcd.members(&without).await;
    ensure(matches!(answer, Err(Error::EtcdCertificates { .. })), "a missing key was not missed")
}

async fn refusals(host: &Host, local: &Local) -> Verdict {
    let at = &local.access;
    let before = ok("listing", etcd::current(host, at).await)?;
    refused("removing nobody", host.etcd.remove_member(at, NOBODY).await, Refusal::Absent)?;
    refused("promoting nobody", host.etcd.promote(at, NOBODY).await, Refusal::Absent)?;
    refused("promoting a voter", host.etcd.promote(at, before.answered).await, Refusal::Refused)?;
    refused("leading by nobody", host.etcd.move_leader(at, NOBODY).await, Refusal::Refused)?;
    refused("adding a member twice", host.etcd.add_learner(at, &local.peer_urls).await, Refusal::Refused)?;
    ensure(ok("listing", etcd::current(host, at).await)? == before, "a refused change changed something")
}

async fn a_learner_comes_and_goes(host: &Host, local: &Local) -> Verdict {
    let at = &local.access;
    let before = ok("listing", etcd::current(host, at).await)?;
    let index = ok("asking", host.etcd.member_status(at).await)?.status.raft_index;
    let id = ok("adding a learner", host.etcd.add_learner(at, &[NOWHERE.to_owned()]).await)?;
    let grown = ok("listing", etcd::current(host, at).await)?;
    let learner = grown.list.iter().find(|member| member.id == id);
    let as_added =
        learner.is_some_and(|member| member.learner && member.name.is_empty() && member.client_urls.is_empty());
    // From here on the learner must go, whatever is found.
    let found = [
        ensure(as_added, "a learner that was never started is listed otherwise"),
        refused(
            "adding a second learner",
            host.etcd.add_learner(at, &["https://192.0.2.2:2380".to_owned()]).await,
            Refusal::Refused,
        ),
        refused("promoting one that has caught up with nothing", host.etcd.promote(at, id).await, Refusal::Refused),
    ];
    ok("removing the learner", host.etcd.remove_member(at, id).await)?;
    found.into_iter().collect::<Verdict>()?;
    refused("removing it again", host.etcd.remove_member(at, id).await, Refusal::Absent)?;
    ensure(ok("listing", etcd::current(host, at).await)? == before, "the members are not as they were")?;
    let now = ok("asking", host.etcd.member_status(at).await)?.status.raft_index;
    ensure(now > index, "two changes were made and the raft index did not rise")
}

async fn a_snapshot_is_whole(host: &Host, local: &Local) -> Verdict {
    let mut snapshot = ok("beginning a snapshot", host.etcd.snapshot(&local.access).await)?;
    ensure(snapshot.member_id > 0 && snapshot.version.starts_with('3'), "a snapshot does not say whose it is")?;
    let mut bytes = Vec::new();
    while let Some(piece) = snapshot.pieces.next().await {
        bytes.extend(ok("taking a snapshot", piece)?);
    }
    let Some(database) = bytes.len().checked_sub(32) else { return Err("a snapshot of nothing".into()) };
    ensure(database > 0 && database % 512 == 0, &format!("a snapshot of {} bytes", bytes.len()))?;
    let (database, hash) = bytes.split_at(database);
    ensure(Sha256::digest(database).as_slice() == hash, "the hash at the end is not that of the database")
}
