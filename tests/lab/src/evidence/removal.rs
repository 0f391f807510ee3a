//! How a removal must end, whatever happened on its way: the same world, and each effect once. Every test of `scale-in` is judged by
//! this, so that none is content with less.

use anyhow::{Context as _, Result, ensure};

use crate::evidence::{Moment, cluster_traces, evicted, host_traces, images, node_deletions, resets};
use crate::host::Host;
use crate::lab::Lab;

/// What is kept from before a removal.
pub(crate) struct Removal<'a> {
    lab: &'a Lab,
    host: &'a Host,
    moment: Moment,
    resets: usize,
    images: (String, String),
}

impl<'a> Removal<'a> {
    /// Looks at the worker before it leaves.
    pub(crate) fn ahead(lab: &'a Lab, host: &'a Host) -> Result<Self> {
        sees_a_worker(lab, host)?;
        Ok(Self { lab, host, moment: Moment::now(lab)?, resets: resets(host)?, images: images(host)? })
    }

    /// When it began.
    pub(crate) fn moment(&self) -> &Moment {
        &self.moment
    }

    /// Nothing irreversible has happened yet.
    pub(crate) fn has_not_reset(&self) -> Result<()> {
        let now = resets(self.host)?;
        ensure!(now == self.resets, "kubeadm reset was called {} times", now - self.resets);
        ensure!(node_deletions(&self.moment.audit(self.lab)?, self.host.name()) == 0, "the Node was deleted");
        Ok(())
    }

    /// Checks that the worker has left, that its host is clean, and that nothing was done twice. `foreign` are paths in Kubernetes'
    /// folders that are somebody else's.
    pub(crate) fn ended_well(&self, foreign: &[&str]) -> Result<()> {
        let name = self.host.name();
        let left = cluster_traces(self.lab, name)?;
        ensure!(left.is_empty(), "the API still holds of {name}: {left:#?}");
        let left = host_traces(self.host, foreign)?;
        ensure!(left.is_empty(), "Kubernetes has left on {name}: {left:#?}");
        ensure!(images(self.host)? == self.images, "images or plugins of {name} have changed");
        each_effect_once(self.lab, self.host, &self.moment, self.resets).context("an effect was there twice, or never")
    }
}

/// By the audit log and the host's own kubeadm: since `moment` no pod was evicted twice, the Node was deleted once, and `kubeadm reset`
/// was called once more than the `resets` before.
pub(super) fn each_effect_once(lab: &Lab, host: &Host, moment: &Moment, resets_before: usize) -> Result<()> {
    let audit = moment.audit(lab)?;
    let twice: Vec<_> = evicted(&audit).into_iter().filter(|(_, times)| *times != 1).collect();
    ensure!(twice.is_empty(), "evicted: {twice:?}");
    let deleted = node_deletions(&audit, host.name());
    ensure!(deleted == 1, "the Node was deleted {deleted} times");
    let resets = resets(host)? - resets_before;
    ensure!(resets == 1, "kubeadm reset was called {resets} times");
    Ok(())
}

/// A witness that does not see a worker where there is one would also see none where there is.
fn sees_a_worker(lab: &Lab, host: &Host) -> Result<()> {
    let seen = [host_traces(host, &[])?, cluster_traces(lab, host.name())?].concat().join("\n");
    let kinds = [
        "kubelet is-active: active",
        "container ",
        "task ",
        "file /etc/kubernetes/kubelet.conf",
        "file /var/lib/kubelet/pods/",
        "file /var/lib/cni/",
        "link cni0",
        "KUBE-",
        "kube-proxy",
        "process kubelet",
        "mount /var/lib/kubelet/pods/",
        &format!("node/{}", host.name()),
        &format!("lease.coordination.k8s.io/{}", host.name()),
        "\"Pod\" ",
    ];
    let missed: Vec<_> = kinds.into_iter().filter(|kind| !seen.contains(kind)).collect();
    ensure!(missed.is_empty(), "{} is a worker, and the witness sees no {missed:?} in {seen}", host.name());
    Ok(())
}
