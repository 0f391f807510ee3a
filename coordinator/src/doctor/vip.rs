//! The address that moves between masters: who has it by the masters' own word, and whether what moves it runs on each. Pure.

use std::collections::BTreeSet;

use slipway_proto::coordinator::Finding;
use slipway_proto::types::HostFacts;

use super::finding;
use crate::endpoints::{KEEPALIVED, VIP_GUARD, address_beside, holds};

/// A master, as it says itself.
pub(super) struct Master<'f> {
    pub(super) name: &'f str,
    pub(super) facts: &'f HostFacts,
}

/// What is to be said; nothing, where no address moves. `own`: addresses that belong to one machine each.
pub(super) fn judge(masters: &[Master<'_>], own: &BTreeSet<String>) -> Vec<Finding> {
    let Some(address) = masters.iter().find_map(|master| address_beside(master.facts, own)) else { return Vec::new() };
    let about = format!("address {address}");
    let holders: Vec<&str> =
        masters.iter().filter(|master| holds(master.facts, &address)).map(|master| master.name).collect();
    let mut found = vec![match holders.as_slice() {
        [one] => finding(&about, "ok", format!("is on {one}"), String::new()),
        [] => finding(&about, "bad", "is on none of the masters".into(), "journalctl -u keepalived on each".into()),
        several => finding(
            &about,
            "bad",
            format!("is on {} at once", several.join(" and ")),
            "see whether they hear each other: a cut network, a firewall, another virtual_router_id".into(),
        ),
    }];
    for master in masters {
        for unit in [KEEPALIVED, VIP_GUARD] {
            let state = master.facts.units.iter().find(|known| known.unit == unit);
            // A unit that nobody installed, or that nobody wants at boot, is nothing to complain of.
            let Some(state) = state.filter(|state| state.enablement == "enabled" && state.active != "active") else {
                continue;
            };
            let says = format!("{unit} is {}", state.active);
            found.push(finding(
                &format!("host {}", master.name),
                "warn",
                says,
                format!("systemctl status {unit} there"),
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_proto::types::{KubeconfigServer, UnitState};

    fn facts(addresses: &[&str], keepalived: &str) -> HostFacts {
        let server = KubeconfigServer { server: "https://10.0.0.10:6443".into(), ..Default::default() };
        let unit = UnitState { unit: KEEPALIVED.into(), active: keepalived.into(), enablement: "enabled".into() };
        HostFacts {
            kubeconfigs: vec![server],
            addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
            units: vec![unit],
            ..Default::default()
        }
    }

    fn judged(one: &HostFacts, two: &HostFacts) -> Vec<(String, String)> {
        let masters = [Master { name: "m1", facts: one }, Master { name: "m2", facts: two }];
        let own = BTreeSet::from(["10.0.0.11".to_owned(), "10.0.0.12".to_owned()]);
        judge(&masters, &own)
            .into_iter()
            .map(|found| (found.level, format!("{} {}", found.about, found.says)))
            .collect()
    }

    #[test]
    fn one_holder_is_well_and_none_or_two_are_not() {
        let (with, without) = (facts(&["10.0.0.11/24", "10.0.0.10/32"], "active"), facts(&["10.0.0.12/24"], "active"));
        assert_eq!(judged(&with, &without), [("ok".into(), "address 10.0.0.10 is on m1".into())]);
        assert_eq!(judged(&with, &with)[0], ("bad".into(), "address 10.0.0.10 is on m1 and m2 at once".into()));
        assert_eq!(judged(&without, &without)[0].0, "bad");
    }

    #[test]
    fn a_keepalived_that_is_down_is_named_with_its_host() {
        let (with, without) = (facts(&["10.0.0.10/32"], "active"), facts(&["10.0.0.12/24"], "failed"));
        assert_eq!(judged(&with, &without)[1], ("warn".into(), "host m2 keepalived.service is failed".into()));
    }

    #[test]
    fn where_clients_use_a_machines_own_address_no_address_moves() {
        let mut own = facts(&["10.0.0.11/24"], "active");
        own.kubeconfigs[0].server = "https://10.0.0.11:6443".into();
        assert!(judged(&own, &own).is_empty());
    }
}
