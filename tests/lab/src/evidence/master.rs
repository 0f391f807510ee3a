//! How the removal of a master must end, whatever happened on its way: what holds for any removal, and besides that the member of etcd
//! gone once, the rest of them whole, nothing of the cluster's secrets on the host, nobody sent to it any more.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::removal::each_effect_once;
use crate::eventually::eventually;
use crate::evidence::{
    EtcdMember, Moment, cluster_traces, etcd_data, evicted, host_traces, images, member_of, members_now, removals,
    resets, vip_answers_once,
};
use crate::host::Host;
use crate::lab::Lab;
use crate::shape::Etcd;

/// What is kept from before the removal of a master.
pub(crate) struct MasterRemoval<'a> {
    lab: &'a Lab,
    host: &'a Host,
    moment: Moment,
    resets: usize,
    images: (String, String),
    /// Its member of an etcd that kubeadm runs.
    member: Option<EtcdMember>,
    members: usize,
}

impl<'a> MasterRemoval<'a> {
    /// Looks at the master before it leaves.
    pub(crate) fn ahead(lab: &'a Lab, host: &'a Host) -> Result<Self> {
        sees_a_master(lab, host)?;
        let member = match lab.shape().etcd {
            Etcd::Stacked => Some(member_of(lab, host.name())?),
            Etcd::External => None,
        };
        Ok(Self {
            lab,
            host,
            moment: Moment::now(lab)?,
            resets: resets(host)?,
            images: images(host)?,
            member,
            members: members_now(lab)?.len(),
        })
    }

    /// When it began.
    pub(crate) fn moment(&self) -> &Moment {
        &self.moment
    }

    /// The id of its member.
    pub(crate) fn member_id(&self) -> Result<&str> {
        self.member.as_ref().map(|member| member.id.as_str()).context("it has no member of its own")
    }

    /// Nothing irreversible has happened: all members are there, nothing was reset, the Node is there and not cordoned.
    pub(crate) fn nothing_happened(&self) -> Result<()> {
        let name = self.host.name();
        let members = members_now(self.lab)?;
        ensure!(members.len() == self.members, "etcd had {} members and has {members:?}", self.members);
        ensure!(resets(self.host)? == self.resets, "kubeadm reset was called on {name}");
        let cordoned = self.lab.kubectl(&["get", "node", name, "-o", "jsonpath={.spec.unschedulable}"])?;
        ensure!(cordoned.is_empty(), "{name} was cordoned");
        ensure!(evicted(&self.moment.audit(self.lab)?).is_empty(), "pods were evicted");
        Ok(())
    }

    /// Checks that the master has left, that the rest is whole, that its host is clean, and that nothing was done twice.
    pub(crate) fn ended_well(&self) -> Result<()> {
        let name = self.host.name();
        let left = cluster_traces(self.lab, name)?;
        ensure!(left.is_empty(), "the API still holds of {name}: {left:#?}");
        self.host_is_clean()?;
        self.etcd_is_whole()?;
        if self.lab.shape().has_vip() {
            let holder = vip_answers_once(self.lab)?;
            ensure!(holder != name, "{name} still holds the address for all");
        }
        nobody_is_sent_to(self.lab, self.host)?;
        each_effect_once(self.lab, self.host, &self.moment, self.resets).context("an effect was there twice, or never")
    }

    /// Nothing of Kubernetes is on the host, least of all the Secrets that etcd kept.
    pub(crate) fn host_is_clean(&self) -> Result<()> {
        let name = self.host.name();
        let mut left = host_traces(self.host, &[])?;
        if self.member.is_some() {
            left.extend(etcd_data(self.host)?);
            let running = self.host.run_ok(&["ps", "-e", "-o", "comm="])?;
            left.extend(running.lines().filter(|name| *name == "etcd").map(|name| format!("process {name}")));
        }
        ensure!(left.is_empty(), "Kubernetes has left on {name}: {left:#?}");
        ensure!(images(self.host)? == self.images, "images or plugins of {name} have changed");
        Ok(())
    }

    /// The member is gone, once; all others are there, answer, vote, and have one leader.
    pub(crate) fn etcd_is_whole(&self) -> Result<()> {
        let members = members_now(self.lab)?;
        let Some(gone) = &self.member else { return Ok(()) };
        ensure!(members.iter().all(|member| member.id != gone.id), "{} is still a member: {members:?}", gone.id);
        ensure!(members.len() == self.members - 1, "of {} members there are {members:?}", self.members);
        ensure!(members.iter().all(|member| member.healthy && !member.learner), "not all are well: {members:?}");
        ensure!(members.iter().filter(|member| member.leads).count() == 1, "not one leads: {members:?}");
        for member in &members {
            let witness = self.lab.host(&member.name)?;
            let times = removals(self.lab, witness, &gone.id)?;
            ensure!(times == 1, "by the log of {}, {} was removed {times} times", member.name, gone.id);
        }
        Ok(())
    }
}

/// No joiner, no pod and no member of the control plane is told the address of this host.
pub(crate) fn nobody_is_sent_to(lab: &Lab, host: &Host) -> Result<()> {
    let own = host.address();
    eventually(&format!("nobody to be sent to {}", host.name()), Duration::from_secs(40), || {
        let endpoints = lab.kubectl_json(&["get", "endpointslices", "-l", "kubernetes.io/service-name=kubernetes"])?;
        ensure!(!names(&endpoints.to_string(), &own), "the Service kubernetes leads there");
        for (namespace, name) in [("kube-public", "cluster-info"), ("kube-system", "kubeadm-config")] {
            let text = lab.kubectl_json(&["-n", namespace, "get", "configmap", name])?["data"].to_string();
            ensure!(!names(&text, &own), "the ConfigMap {name} names it");
        }
        let proxy = lab.kubectl(&["-n", "kube-system", "get", "configmap", "kube-proxy", "-o", "yaml"])?;
        ensure!(!names(&proxy, &own), "kube-proxy's configuration names it");
        Ok(())
    })
}

/// 10.70.0.1 is no part of 10.70.0.11.
fn names(text: &str, address: &str) -> bool {
    let digit = |of: Option<char>| of.is_some_and(|of| of.is_ascii_digit());
    text.match_indices(address)
        .any(|(at, _)| !digit(text[at + address.len()..].chars().next()) && !digit(text[..at].chars().next_back()))
}

/// A witness that does not see a master where there is one would also see none where there is.
fn sees_a_master(lab: &Lab, host: &Host) -> Result<()> {
    let name = host.name();
    let seen = [host_traces(host, &[])?, cluster_traces(lab, name)?, etcd_data(host)?].concat().join("\n");
    let kinds = [
        "kubelet is-active: active",
        "container ",
        "file /etc/kubernetes/manifests/kube-apiserver.yaml",
        "file /etc/kubernetes/admin.conf",
        "file /etc/kubernetes/pki/ca.key",
        "/var/lib/etcd/member",
        "process kube-apiserver",
        "KUBE-",
        &format!("node/{name}"),
    ];
    let missed: Vec<_> = kinds.into_iter().filter(|kind| !seen.contains(kind)).collect();
    if !missed.is_empty() {
        bail!("{name} is a master, and the witness sees no {missed:?} in {seen}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn an_address_is_not_found_in_a_longer_one() {
        assert!(names("https://10.70.0.1:6443", "10.70.0.1"));
        assert!(!names("https://10.70.0.11:6443", "10.70.0.1"));
        assert!(!names("210.70.0.1", "10.70.0.1"));
    }
}
