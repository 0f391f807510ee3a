//! I1: no voluntary disruption of a control-plane node starts while another one is disrupted for any reason; and no two of them are worked on at
//! once, whichever run does it.

use super::start::{counted, starts};
use super::{Event, Invariant};
use crate::interleavings::scene::is_master;

/// See the module.
pub(super) struct OneMasterAtATime;

/// Operations during which a master does not serve.
const WORK: [&str; 5] = ["/upgrade-kubeadm-", "/restart-kubelet-", "/set-etcd-image-", "/reset-", "/mask-kubelet-"];

fn works(open: &str) -> bool {
    WORK.iter().any(|work| open.contains(work))
}

impl Invariant for OneMasterAtATime {
    fn name(&self) -> &'static str {
        "I1"
    }

    fn at(&mut self, event: &Event<'_>) -> Result<(), String> {
        for start in starts(event).into_iter().filter(|start| is_master(&start.node)) {
            let others = counted(&start, event, is_master);
            if !others.is_empty() {
                let (node, how) = (start.node, start.how);
                return Err(format!("{node} is taken out of service ({how}) while {} is out", others.join(", ")));
            }
        }
        let hosts = event.after.hosts.iter().filter(|(name, host)| is_master(name) && works(&host.open));
        let at_work: Vec<&str> = hosts.map(|(name, _)| name.as_str()).collect();
        if at_work.len() > 1 {
            return Err(format!("{} are worked on at once", at_work.join(" and ")));
        }
        Ok(())
    }
}
