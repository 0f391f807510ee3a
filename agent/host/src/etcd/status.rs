//! The whole picture of an etcd, as its member on this host gives it: the list, then every member asked for itself. A member that does not
//! answer is told as such; it hides nothing of the others.

use std::path::Path;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt, join_all, select_ok};
use slipway_proto::types::{EtcdKind, EtcdMember, EtcdStatus};

use super::{Access, Asked, Members, find};
use crate::{Error, Host};

/// Where kubeadm lets a member keep its data.
const DEFAULT_DATA: &str = "/var/lib/etcd";
/// The most that one member may take to answer for itself.
pub const LONGEST_ANSWER: Duration = Duration::from_secs(3);
/// More members than any etcd has; a longer list is not asked through.
const MEMBERS: usize = 64;

/// How the etcd of this host stands. Where none is set up, that is the answer; only a host that cannot be read is an error.
pub async fn status(host: &Host) -> Result<EtcdStatus, Error> {
    let Some(local) = find(host).await? else {
        let has_data = has_data(host, Path::new(DEFAULT_DATA)).await?;
        return Ok(EtcdStatus { kind: EtcdKind::None.into(), has_data, ..EtcdStatus::default() });
    };
    let mut status = EtcdStatus {
        kind: EtcdKind::from(local.kind).into(),
        data_dir: local.data_dir.display().to_string(),
        has_data: has_data(host, &local.data_dir).await?,
        ..EtcdStatus::default()
    };
    let (read, members) = tokio::join!(host.etcd.quorum_read(&local.access), host.etcd.members(&local.access));
    match read {
        Ok(()) => status.quorum_read = true,
        Err(error) => note(&mut status, &error),
    }
    match members {
        Ok(members) => {
            status.cluster_id = members.cluster_id;
            status.own_member_id = members.answered;
            let alarms = host.etcd.alarms(&local.access);
            let each = members.list.into_iter().take(MEMBERS).map(|member| ask(host, &local.access, member));
            let (alarms, members) = tokio::join!(alarms, join_all(each));
            status.members = members;
            status.alarms = alarms.unwrap_or_default();
        }
        Err(error) => note(&mut status, &error),
    }
    Ok(status)
}

async fn has_data(host: &Host, folder: &Path) -> Result<bool, Error> {
    match host.files.list(folder).await {
        // A file system of its own has that from the beginning.
        Ok(entries) => Ok(entries.iter().any(|entry| !entry.path.ends_with("lost+found"))),
        // A link in place of the folder: there may be anything behind it.
        Err(Error::Symlink { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

fn note(status: &mut EtcdStatus, error: &Error) {
    let coded = error.coded();
    coded.code.as_str().clone_into(&mut status.error_code);
    status.error = coded.message;
}

/// The members as a majority has them: first a read that a majority agrees to, so that the list after it is no older.
pub async fn current(host: &Host, at: &Access) -> Result<Members, Error> {
    host.etcd.quorum_read(at).await?;
    host.etcd.members(at).await
}

async fn ask(host: &Host, at: &Access, mut member: EtcdMember) -> EtcdMember {
    if member.client_urls.is_empty() {
        "it was added and never started".clone_into(&mut member.error);
        return member;
    }
    let accesses: Vec<Access> = member.client_urls.iter().take(8).map(|url| at.at(url)).collect();
    let calls: Vec<BoxFuture<'_, Result<Asked, Error>>> =
        accesses.iter().map(|access| host.etcd.member_status(access).boxed()).collect();
    match tokio::time::timeout(LONGEST_ANSWER, select_ok(calls)).await {
        Err(_) => member.error = format!("it did not answer within {} s", LONGEST_ANSWER.as_secs()),
        Ok(Err(error)) => member.error = error.coded().message,
        Ok(Ok((asked, _))) if asked.answered != member.id => {
            member.error = format!("at {} the member {:x} answered", accesses[0].url, asked.answered);
        }
        Ok(Ok((asked, _))) => member.status = Some(asked.status),
    }
    member
}
