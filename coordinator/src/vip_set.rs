//! Who takes part in the address that moves between masters, after one has come or gone. Pure: what the guards of the masters say goes in, what all of
//! them are to be told comes out.
//!
//! How far the bases lie apart decides what keepalived adds to them, and masters hear of a change one after the other. So a newcomer gets a base within
//! that distance, and one that has left keeps its own until somebody takes it over.

use std::collections::BTreeMap;

use slipway_errors::{Code, Coded};
use slipway_proto::types::{VipGuard, VipMaster, VipSet};

/// The highest priority of one that does not own the address.
const HIGHEST: u32 = 254;
/// Between the first two bases of a set: a third has room between them, and all three stay apart.
const APART: u32 = 50;

/// What the guards of these masters have in common; none, where none of them writes keepalived's configuration. Masters that were told of a change before
/// others, or were silent then, differ in who takes part: whoever takes part for one of them does. `guards`: each with the name of its host.
pub fn agreed(guards: &[(&str, &VipGuard)]) -> Result<Option<VipSet>, Coded> {
    let mut all: Option<VipSet> = None;
    let mut masters: BTreeMap<String, VipMaster> = BTreeMap::new();
    for (host, guard) in guards.iter().filter(|(_, guard)| guard.written) {
        let Some(set) = &guard.set else { continue };
        let first = all.get_or_insert_with(|| VipSet { masters: Vec::new(), ..set.clone() });
        let same = VipSet { masters: Vec::new(), ..set.clone() };
        if *first != same {
            return Err(differ(format!("the guard of {host} is set to {}, {}", set.vip, of_others(first))));
        }
        for master in &set.masters {
            let known = masters.entry(master.name.clone()).or_insert_with(|| master.clone());
            known.present |= master.present;
            if (known.base, &known.address) != (master.base, &master.address) {
                let said = format!("the guard of {host} knows {} by another address or base than others", master.name);
                return Err(differ(said));
            }
        }
    }
    Ok(all.map(|set| VipSet { masters: masters.into_values().collect(), ..set }))
}

fn of_others(set: &VipSet) -> String {
    format!("and that of another master to {} with other settings", set.vip)
}

fn differ(said: String) -> Coded {
    Coded::new(Code::VIP_OTHER_CONFIGURATION, said)
        .do_this("let /etc/slipway/vip-guard.d say the same on all masters: slipway-vip-guard --print-config shows it")
}

/// The set with that master in it.
pub fn with(set: &VipSet, name: &str, address: &str) -> Result<VipSet, Coded> {
    let mut masters: Vec<VipMaster> = set.masters.iter().filter(|one| one.name != name).cloned().collect();
    let known = set.masters.iter().find(|one| one.name == name).map(|one| one.base);
    let taken = |base: u32| masters.iter().any(|one| one.present && one.base == base);
    let base = match known.filter(|base| !taken(*base)) {
        Some(base) => base,
        None => match given_up(&masters) {
            Some(index) => masters.swap_remove(index).base,
            None => between(&masters).ok_or_else(|| {
                Coded::new(Code::VIP_OTHER_CONFIGURATION, format!("the bases leave no room for {name}"))
                    .do_this("let the bases of the set begin lower and lie closer together, on all masters")
            })?,
        },
    };
    masters.push(VipMaster { name: name.to_owned(), address: address.to_owned(), base, present: true });
    Ok(in_order(set, masters))
}

/// The set without it; its base stays known.
pub fn without(set: &VipSet, name: &str) -> VipSet {
    let leave = |master: &VipMaster| VipMaster { present: master.present && master.name != name, ..master.clone() };
    in_order(set, set.masters.iter().map(leave).collect())
}

fn in_order(set: &VipSet, mut masters: Vec<VipMaster>) -> VipSet {
    masters.sort_by(|a, b| a.name.cmp(&b.name));
    VipSet { masters, ..set.clone() }
}

/// One that has left, whose base a newcomer takes over.
fn given_up(masters: &[VipMaster]) -> Option<usize> {
    let gone = masters.iter().enumerate().filter(|(_, one)| !one.present);
    let free = gone.filter(|(_, one)| !masters.iter().any(|other| other.present && other.base == one.base));
    free.min_by_key(|(_, one)| one.base).map(|(index, _)| index)
}

/// A base that leaves all weights as they are: in the middle of the widest gap. A set of one has no weights to keep.
fn between(masters: &[VipMaster]) -> Option<u32> {
    let mut bases: Vec<u32> = masters.iter().map(|one| one.base).collect();
    bases.sort_unstable();
    match bases.as_slice() {
        [] => Some(10),
        [one] => [*one + APART, one.saturating_sub(APART), *one + 1]
            .into_iter()
            .find(|base| *base > 0 && base != one && fits(*one.max(base), one.abs_diff(*base))),
        several => {
            let gaps = several.windows(2).filter_map(|pair| match pair {
                [low, high] => Some((high - low, low + (high - low) / 2)),
                _ => None,
            });
            // The lowest of the widest.
            let widest = gaps.rev().max_by_key(|(gap, _)| *gap)?;
            (widest.0 >= 2).then_some(widest.1)
        }
    }
}

/// Whether a master with that base, well and holding the address, stays below the one that owns it.
const fn fits(highest: u32, spread: u32) -> bool {
    // As the guard reckons: a holder has one more than the spread, a well one more than a holder has over any other.
    highest + (spread + 1) + (2 * spread + 2) <= HIGHEST
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(masters: &[(&str, u32, bool)]) -> VipSet {
        let master = |(name, base, present): &(&str, u32, bool)| VipMaster {
            name: (*name).to_owned(),
            address: format!("10.0.0.{}", 1 + base % 250),
            base: *base,
            present: *present,
        };
        let masters = masters.iter().map(master).collect();
        VipSet { vip: "10.0.0.10/32".into(), virtual_router_id: 70, advert_ms: 200, multicast: false, masters }
    }

    fn guard(masters: &[(&str, u32, bool)]) -> VipGuard {
        VipGuard { set: Some(set(masters)), written: true, ..Default::default() }
    }

    fn bases(set: &VipSet) -> Vec<(&str, u32, bool)> {
        set.masters.iter().map(|one| (one.name.as_str(), one.base, one.present)).collect()
    }

    #[test]
    fn a_newcomer_leaves_the_weights_as_they_are() {
        let three = set(&[("m1", 10, true), ("m2", 35, true), ("m3", 60, true)]);
        let four = with(&three, "m4", "10.0.0.4").unwrap();
        assert_eq!(bases(&four), [("m1", 10, true), ("m2", 35, true), ("m3", 60, true), ("m4", 22, true)]);
        assert_eq!(with(&four, "m4", "10.0.0.4").unwrap(), four, "told twice, the same comes out");
    }

    #[test]
    fn one_that_has_left_keeps_its_base_until_another_one_takes_it_over() {
        let three = set(&[("m1", 10, true), ("m2", 35, true), ("m3", 60, true)]);
        let two = without(&three, "m3");
        assert_eq!(bases(&two), [("m1", 10, true), ("m2", 35, true), ("m3", 60, false)]);
        assert_eq!(with(&two, "m3", "10.0.0.13").unwrap().masters[2].base, 60);
        assert_eq!(
            bases(&with(&two, "m9", "10.0.0.9").unwrap()),
            [("m1", 10, true), ("m2", 35, true), ("m9", 60, true)]
        );
    }

    #[test]
    fn a_set_grows_from_one_to_three_with_bases_well_apart() {
        let two = with(&set(&[("m1", 10, true)]), "m2", "10.0.0.2").unwrap();
        let three = with(&two, "m3", "10.0.0.3").unwrap();
        assert_eq!(bases(&three), [("m1", 10, true), ("m2", 60, true), ("m3", 35, true)]);
        assert_eq!(with(&set(&[("m1", 100, true)]), "m2", "10.0.0.2").unwrap().masters[1].base, 50);
    }

    #[test]
    fn bases_without_room_are_refused() {
        let error = with(&set(&[("m1", 10, true), ("m2", 11, true)]), "m3", "10.0.0.3").unwrap_err();
        assert_eq!(error.code, Code::VIP_OTHER_CONFIGURATION);
    }

    #[test]
    fn masters_that_were_not_told_yet_do_not_undo_what_others_were_told() {
        let (old, new) = (guard(&[("m1", 10, true)]), guard(&[("m1", 10, true), ("m2", 60, true)]));
        let both = agreed(&[("m1", &new), ("m2", &old)]).unwrap().unwrap();
        assert_eq!(bases(&both), [("m1", 10, true), ("m2", 60, true)]);
        let other = guard(&[("m1", 20, true)]);
        assert_eq!(agreed(&[("m1", &old), ("m2", &other)]).unwrap_err().code, Code::VIP_OTHER_CONFIGURATION);
        let plain = VipGuard { written: false, ..old };
        assert_eq!(
            agreed(&[("m1", &plain)]).unwrap(),
            None,
            "whoever writes keepalived's configuration by hand is left alone"
        );
    }
}
