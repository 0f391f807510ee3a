//! A master brought into the role in which its removal is hardest, and joined again by hand after it left, as an operator would.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::cluster::{IGNORED, ignored_by_masters, start_keepalived};
use crate::eventually::eventually;
use crate::evidence::{etcdctl, member_of, members, members_now, vip_answers_once, vip_holders};
use crate::host::Host;
use crate::install::serve_coordinator_by;
use crate::lab::Lab;
use crate::scene::worker::{forget_tokens, wait_serves};
use crate::shape::Etcd;

/// For one join; the Secret that it opens is deleted right after.
const CERTIFICATE_KEY: &str = "f0e1d2c3b4a5968778695a4b3c2d1e0ff0e1d2c3b4a5968778695a4b3c2d1e0f";
const UPLOAD: &str = "/root/upload-certs.yaml";
const SETTLES: Duration = Duration::from_mins(2);

/// Leads etcd, holds the address for all, serves the coordinator: all at once on this master.
pub(crate) fn make_hardest(lab: &Lab, host: &Host) -> Result<()> {
    let name = host.name();
    make_leader(lab, host)?;
    if lab.shape().has_vip() {
        make_vip_holder(lab, host)?;
    }
    serve_coordinator_by(lab, host)?;
    ensure!(member_of(lab, name)?.leads, "{name} has lost the lead of etcd meanwhile");
    if lab.shape().has_vip() {
        ensure!(vip_answers_once(lab)? == name, "{name} has lost the address meanwhile");
    }
    Ok(())
}

/// Makes the member of this host etcd's leader.
pub(crate) fn make_leader(lab: &Lab, host: &Host) -> Result<()> {
    let member = member_of(lab, host.name())?;
    if !member.leads {
        let all = members_now(lab)?;
        let endpoints: Vec<&str> = all.iter().flat_map(|one| &one.client_urls).map(String::as_str).collect();
        let moved = etcdctl(lab, lab.master()?, &["--endpoints", &endpoints.join(","), "move-leader", &member.id])?;
        ensure!(moved.is_ok(), "move the lead of etcd to {}: {moved}", host.name());
    }
    eventually(&format!("{} to lead etcd", host.name()), Duration::from_secs(10), || {
        ensure!(member_of(lab, host.name())?.leads, "another does");
        Ok(())
    })
}

/// Makes this host the holder of the address for all: the others give up for a moment, and whoever has it then keeps it.
pub(crate) fn make_vip_holder(lab: &Lab, host: &Host) -> Result<()> {
    let others: Vec<&Host> = lab.masters().into_iter().filter(|other| other.name() != host.name()).collect();
    let running = |other: &&&Host| other.is_up() && matches!(runs_keepalived(other), Ok(true));
    let others: Vec<&Host> = others.iter().filter(running).copied().collect();
    for other in &others {
        other.run_ok(&["systemctl", "stop", "keepalived"])?;
    }
    eventually(&format!("{} to hold the address", host.name()), Duration::from_secs(20), || {
        match vip_holders(lab)?.as_slice() {
            [one] if one == host.name() => Ok(()),
            holders => bail!("{holders:?} have it"),
        }
    })?;
    others.iter().try_for_each(|other| other.run_ok(&["systemctl", "start", "keepalived"]).map(|_| ()))
}

fn runs_keepalived(host: &Host) -> Result<bool> {
    Ok(host.run(&["systemctl", "is-active", "--quiet", "keepalived"])?.is_ok())
}

/// Joins a cleaned host again as a master, with no preflight error ignored but those that are true of a container, and waits until it is
/// one in full: a voter in etcd, an API server, a node, a possible holder of the address.
pub(crate) fn join_master_again(lab: &Lab, host: &Host) -> Result<()> {
    let before = members_now(lab)?.len();
    host.run_ok(&["systemctl", "unmask", "kubelet"])?;
    host.run_ok(&["systemctl", "--quiet", "enable", "kubelet"])?;
    let by = lab.master()?;
    upload_certificates(lab, by)?;
    let token = ["kubeadm", "token", "create", "--ttl", "10m", "--certificate-key", CERTIFICATE_KEY];
    let line = by.run_ok(&[&token[..], &["--print-join-command"]].concat())?;
    let address = host.address();
    let mut join: Vec<&str> = line.split_whitespace().collect();
    let ignored = ignored_by_masters(lab.shape());
    join.extend(["--apiserver-advertise-address", &address, IGNORED]);
    join.extend(ignored.iter().map(String::as_str));
    host.run_ok(&join)?;
    if lab.shape().has_vip() {
        start_keepalived(host)?;
    }
    wait_is_master(lab, host)?;
    if lab.shape().etcd == Etcd::Stacked {
        let after = members_now(lab)?.len();
        ensure!(after == before + 1, "etcd had {before} members before the join and {after} after it");
    }
    forget_tokens(lab)?;
    lab.kubectl(&["-n", "kube-system", "delete", "secret", "kubeadm-certs", "--ignore-not-found"])?;
    wait_serves(lab, host)
}

/// Lays the shared certificates down in the cluster for the next join.
fn upload_certificates(lab: &Lab, by: &Host) -> Result<()> {
    let of_cluster = "jsonpath={.data.ClusterConfiguration}";
    let cluster = lab.kubectl(&["-n", "kube-system", "get", "configmap", "kubeadm-config", "-o", of_cluster])?;
    let own = format!(
        "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\ncertificateKey: {CERTIFICATE_KEY}\n\
         localAPIEndpoint: {{advertiseAddress: {}}}\n\
         nodeRegistration: {{criSocket: \"unix:///run/containerd/containerd.sock\"}}\n---\n",
        by.address()
    );
    by.write_file(UPLOAD, "0600", format!("{own}{cluster}"))?;
    by.run_ok(&["kubeadm", "init", "phase", "upload-certs", "--upload-certs", "--config", UPLOAD])?;
    by.run_ok(&["rm", UPLOAD]).map(|_| ())
}

/// Waits until a master is one in full, by its own word and by the others'.
pub(crate) fn wait_is_master(lab: &Lab, host: &Host) -> Result<()> {
    let ready = format!("https://{}:6443/readyz", host.address());
    eventually(&format!("the API server on {} to be ready", host.name()), SETTLES, || {
        let said = host.run_ok(&["curl", "--silent", "--insecure", "--max-time", "2", &ready])?;
        ensure!(said.trim() == "ok", "it says {said}");
        Ok(())
    })?;
    eventually(&format!("{} to vote in etcd", host.name()), SETTLES, || {
        let all = members(lab, host)?;
        let own = all.iter().find(|member| member.name == host.name()).context("it is no member")?;
        ensure!(own.healthy && !own.learner, "it is {own:?}");
        ensure!(all.iter().filter(|member| member.leads).count() == 1, "nobody leads: {all:?}");
        Ok(())
    })
}

/// Adds a member that will never start, as a join leaves it that was broken off. Returns its id.
pub(crate) fn add_ghost(lab: &Lab) -> Result<String> {
    let known: Vec<String> = members_now(lab)?.into_iter().map(|member| member.id).collect();
    let added = etcdctl(lab, lab.master()?, &["member", "add", "ghost", "--peer-urls", "https://10.70.0.99:2380"])?;
    ensure!(added.is_ok(), "add a member that never starts: {added}");
    let new = members_now(lab)?.into_iter().find(|member| !known.contains(&member.id)).context("it was added")?;
    ensure!(new.name.is_empty() && !new.healthy, "a member that never started is {new:?}");
    Ok(new.id)
}

/// Removes a member by hand.
pub(crate) fn remove_member(lab: &Lab, id: &str) -> Result<()> {
    let removed = etcdctl(lab, lab.master()?, &["member", "remove", id])?;
    ensure!(removed.is_ok(), "remove the member {id}: {removed}");
    Ok(())
}
