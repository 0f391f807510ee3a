//! The address that moves between masters: who has it by the masters' own word, and whether what moves it runs on each. Pure.

use std::collections::BTreeSet;

use slipway_proto::coordinator::Finding;
use slipway_proto::types::{HostFacts, VipGuard};

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
    found.extend(of_guards(masters));
    found
}

/// Guards that cannot be understood, or that count fewer masters in than others do.
fn of_guards(masters: &[Master<'_>]) -> Vec<Finding> {
    let guards = masters.iter().filter_map(|master| Some((master.name, master.facts.vip_guard.as_ref()?)));
    let present = |guard: &VipGuard| -> BTreeSet<String> {
        let all = guard.set.iter().flat_map(|set| &set.masters);
        all.filter(|one| one.present).map(|one| one.name.clone()).collect()
    };
    let of_all: BTreeSet<String> =
        guards.clone().filter(|(_, guard)| guard.written).flat_map(|(_, guard)| present(guard)).collect();
    let mut found = Vec::new();
    for (name, guard) in guards {
        let about = format!("host {name}");
        if !guard.trouble.is_empty() {
            let says = format!("its VIP guard has no settings that it can use: {}", guard.trouble);
            found.push(finding(&about, "warn", says, "slipway-vip-guard --print-config there".into()));
        }
        let own = present(guard);
        let lacks: Vec<&str> = of_all.difference(&own).map(String::as_str).collect();
        if guard.written && !lacks.is_empty() {
            let says = format!("its VIP guard does not count {} in, and that of another master does", lacks.join(", "));
            let next = "let /etc/slipway/vip-guard.d/80-masters.toml say the same on all masters, then slipway-vip-guard write";
            found.push(finding(&about, "warn", says, next.into()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_proto::types::{KubeconfigServer, UnitState, VipMaster, VipSet};

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
    fn a_guard_that_counts_fewer_masters_in_is_named() {
        let guard = |names: &[&str]| {
            let master = |name: &&str| VipMaster { name: (*name).to_owned(), present: true, ..Default::default() };
            let set = VipSet { masters: names.iter().map(master).collect(), ..Default::default() };
            Some(VipGuard { set: Some(set), written: true, ..Default::default() })
        };
        let with = |facts: HostFacts, names| HostFacts { vip_guard: guard(names), ..facts };
        let one = with(facts(&["10.0.0.11/24", "10.0.0.10/32"], "active"), &["m1", "m2"]);
        let two = with(facts(&["10.0.0.12/24"], "active"), &["m2"]);
        let says = "host m2 its VIP guard does not count m1 in, and that of another master does".to_owned();
        assert_eq!(judged(&one, &two)[1..], [("warn".to_owned(), says)]);
        assert_eq!(judged(&one, &with(two, &["m1", "m2"])).len(), 1);
    }

    #[test]
    fn where_clients_use_a_machines_own_address_no_address_moves() {
        let mut own = facts(&["10.0.0.11/24"], "active");
        own.kubeconfigs[0].server = "https://10.0.0.11:6443".into();
        assert!(judged(&own, &own).is_empty());
    }
}
