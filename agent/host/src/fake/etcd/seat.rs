//! Which member a machine is: its process of etcd takes the place that its data says, or founds, joins, or starts one that was added for it.
//! Whoever lost its data has lost its place.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::cluster::{Cluster, Member};
use super::shared::SharedEtcd;
use crate::Error;
use crate::etcd::{CONF, Local, MANIFEST, in_conf, in_manifest};
use crate::fake::{Node, State};

const VERSION: &str = "3.5.24";

/// The member that a machine's data belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seating {
    /// Its id.
    pub member: u64,
    /// Where its data lies.
    pub data_dir: String,
}

impl Seating {
    fn wal(&self) -> String {
        format!("{}/member/wal/0000000000000000-0000000000000000.wal", self.data_dir)
    }
}

/// The version of etcd in an image of that name: `3.5.24` of `registry.k8s.io/etcd:3.5.24-0`.
fn version_in(image: &str) -> Option<&str> {
    image.rsplit_once(':').and_then(|(_, tag)| tag.split('-').next())
}

/// The etcd that the machine's files describe.
pub(super) fn configured(state: &State) -> Option<Local> {
    let text = |path: &str| match state.files.get(Path::new(path)) {
        Some(Node::File(text)) => Some(text.as_str()),
        _ => None,
    };
    text(MANIFEST).and_then(in_manifest).or_else(|| text(CONF).and_then(in_conf))
}

/// Whether its own etcd is told to answer at the URL. Every call asks this, so nothing is taken apart for it.
pub(super) fn answers_at(state: &State, url: &str) -> bool {
    let names = |path: &str| matches!(state.files.get(Path::new(path)), Some(Node::File(text)) if text.contains(url));
    names(MANIFEST) || names(CONF)
}

/// Whether a process of etcd runs on the machine.
pub(super) fn runs(state: &State) -> bool {
    state.processes.iter().any(|process| process.comm == "etcd")
}

/// Brings machine and cluster in step. `joins`: an etcd without data is let in as kubeadm would have done; else only one that was added.
pub(in crate::fake) fn sit(state: &mut State, etcd: &SharedEtcd, joins: bool) -> Result<(), Error> {
    let runs = runs(state);
    if let Some(seat) = state.etcd.clone() {
        let has_data = state.files.contains_key(Path::new(&seat.wal()));
        let alive = runs && has_data;
        let version = state.pod_images.get("etcd").and_then(|image| version_in(image)).unwrap_or_default();
        etcd.with(|cluster| {
            let differs = |member: &Member| member.runs != alive || (alive && member.version != version);
            let changed = cluster.member(seat.member).is_some_and(differs);
            if let Some(member) = cluster.member_mut(seat.member).filter(|_| changed) {
                (member.runs, member.caught_up) = (alive, alive);
                version.clone_into(&mut member.version);
                cluster.settle();
            }
        })?;
        if has_data {
            return Ok(());
        }
        state.etcd = None;
    }
    let Some(local) = configured(state).filter(|_| runs) else { return Ok(()) };
    let Some(member) = etcd.with(|cluster| enter(cluster, &local, joins))? else { return Ok(()) };
    let seat = Seating { member, data_dir: local.data_dir.display().to_string() };
    state.write(&format!("{}/member/snap/db", seat.data_dir), "secrets of the cluster");
    state.write(&seat.wal(), &format!("{member:x}"));
    state.etcd = Some(seat);
    Ok(())
}

fn enter(cluster: &mut Cluster, local: &Local, joins: bool) -> Option<u64> {
    let added = cluster
        .members
        .iter_mut()
        .find(|member| !member.is_started() && member.peer_urls.iter().any(|url| local.peer_urls.contains(url)));
    let id = match added {
        Some(member) => {
            local.name.clone_into(&mut member.name);
            member.client_urls.clone_from(&local.client_urls);
            (member.runs, member.caught_up) = (true, true);
            member.id
        }
        None if joins || cluster.id == 0 => found_or_join(cluster, local),
        None => return None,
    };
    cluster.settle();
    Some(id)
}

fn found_or_join(cluster: &mut Cluster, local: &Local) -> u64 {
    if cluster.id == 0 {
        (cluster.id, cluster.version) = (0xcdf8_181e_3278_3bd2, VERSION.to_owned());
    }
    let id = cluster.next_id();
    cluster.members.push(Member {
        id,
        name: local.name.clone(),
        peer_urls: local.peer_urls.clone(),
        client_urls: local.client_urls.clone(),
        runs: true,
        caught_up: true,
        ..Member::default()
    });
    cluster.index += 1;
    id
}
