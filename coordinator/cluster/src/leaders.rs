//! Which controllers of the control plane are at work: the one that leads renews a Lease every few seconds. A restart of etcd ends them, and the next
//! one waits until the Lease of the one before has run out: for up to half a minute the API server is ready, and nothing is done for anybody.

use std::collections::BTreeMap;

use k8s_openapi::api::coordination::v1::Lease;

use crate::{ClusterApi, Error, KUBE_SYSTEM};

/// They elect by these Leases in `kube-system`. [kubernetes.io: Leases]
const CONTROLLERS: [&str; 2] = ["kube-controller-manager", "kube-scheduler"];

/// By controller, a mark that is another one after each renewal.
pub type Renewals = BTreeMap<&'static str, String>;

impl ClusterApi {
    /// The last renewals. One that elects nobody has none; and where our rights are of a release before this question, there are none at all.
    pub async fn renewals(&self) -> Result<Renewals, Error> {
        let api: kube::Api<Lease> = kube::Api::namespaced(self.client(), KUBE_SYSTEM);
        let mut renewals = Renewals::new();
        for name in CONTROLLERS {
            let found = match self.call_opt(&format!("look at the Lease of {name}"), api.get(name)).await {
                Err(Error::Forbidden { .. }) => return Ok(Renewals::new()),
                found => found?,
            };
            let spec = found.and_then(|lease| lease.spec).unwrap_or_default();
            if let Some(renewed) = spec.renew_time {
                renewals.insert(name, format!("{} {}", spec.holder_identity.unwrap_or_default(), renewed.0));
            }
        }
        Ok(renewals)
    }
}

/// The controllers that have not renewed their Lease between two looks.
pub fn idle(before: &Renewals, now: &Renewals) -> Vec<&'static str> {
    now.iter().filter(|(name, mark)| before.get(*name) == Some(mark)).map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_is_idle_whose_mark_stays() {
        let marks = |manager: &str, scheduler: &str| {
            Renewals::from([("kube-controller-manager", manager.to_owned()), ("kube-scheduler", scheduler.to_owned())])
        };
        assert_eq!(idle(&marks("a 1", "b 1"), &marks("a 1", "b 2")), ["kube-controller-manager"]);
        assert_eq!(idle(&marks("a 1", "b 1"), &marks("c 1", "b 2")), Vec::<&str>::new(), "another one leads");
        assert_eq!(idle(&Renewals::new(), &marks("a 1", "b 1")), Vec::<&str>::new());
        assert_eq!(idle(&marks("a 1", "b 1"), &Renewals::new()), Vec::<&str>::new(), "nobody is elected");
    }
}
