//! Tests of the firewall removals over what a real kernel printed: kube-proxy's tables, the kubelet's chains, and between them Docker's, ufw's,
//! podman's and a user's own.

use super::*;
use crate::Profiles;
use crate::fake::preset;
use crate::plan::compare::{Foreign, compare};
use crate::plan::scope::ConfigFile;

const PODMAN: &str = r#"{"name":"podman","plugins":[{"type":"bridge","bridge":"cni-podman0"}]}"#;
const LAB: &str = r#"{"name":"lab-bridge","plugins":[{"type":"bridge","bridge":"cni0"}]}"#;

fn planned(ruleset: &Ruleset, configs: &[(&str, &str)]) -> NetfilterPlan {
    let profiles = Profiles::embedded().unwrap();
    let configs: Vec<ConfigFile> = configs.iter().map(|(path, text)| (path.into(), (*text).to_owned())).collect();
    removals(&Scope::new(profiles.all().iter().collect(), &configs, &[]), ruleset)
}

fn with_podman(ruleset: &Ruleset) -> NetfilterPlan {
    planned(ruleset, &[("/etc/cni/net.d/10-bridge.conflist", LAB), ("/etc/cni/net.d/87-podman.conflist", PODMAN)])
}

fn text(plan: &NetfilterPlan, which: Iptables) -> &str {
    plan.restores.iter().find(|(kind, _)| *kind == which).map_or("", |(_, text)| text)
}

#[test]
fn a_workers_firewall_loses_exactly_what_is_kubernetes() {
    let plan = with_podman(&preset::worker("w2").ruleset);
    let lines: Vec<String> = plan.changes.iter().map(|change| format!("{} {}", change.kind, change.what)).collect();
    insta::assert_snapshot!("removals_of_a_worker", lines.join("\n"));
    assert!(plan.obstacles.is_empty());
}

#[test]
fn rules_go_before_chains_are_emptied_and_deleted() {
    let plan = with_podman(&preset::worker("w2").ruleset);
    for (which, text) in &plan.restores {
        let mut order = Vec::new();
        for line in text.lines() {
            match line.split(' ').next().unwrap() {
                start if start.starts_with('*') => order.clear(),
                verb @ ("-D" | "-F" | "-X") => {
                    order.push(["-D", "-F", "-X"].iter().position(|known| *known == verb).unwrap());
                }
                other => assert_eq!(other, "COMMIT", "{which:?}"),
            }
            assert!(order.is_sorted(), "{text}");
        }
    }
}

#[test]
fn every_backend_and_family_is_cleaned() {
    let plan = with_podman(&preset::worker("w2").ruleset);
    let kinds: Vec<Iptables> = plan.restores.iter().map(|(which, _)| *which).collect();
    assert_eq!(kinds, [Iptables::LegacyV4, Iptables::NftV4, Iptables::NftV6]);
    assert!(
        text(&plan, Iptables::NftV6).contains("-X KUBE-FIREWALL") && !text(&plan, Iptables::NftV6).contains("MINE6")
    );
}

#[test]
fn tables_that_iptables_keeps_are_not_touched_by_nft_as_well() {
    let ruleset = preset::worker("w2").ruleset;
    assert!(kept_by_iptables(&ruleset).contains(&("ip".to_owned(), "nat".to_owned())));
    let plan = with_podman(&ruleset);
    assert_eq!(plan.nft.len(), 2, "kube-proxy's two tables alone: {:?}", plan.nft);
    assert!(plan.nft.iter().all(|command| command["delete"]["table"]["handle"].is_u64()));
}

#[test]
fn a_container_of_podmans_keeps_its_chains_and_the_shared_ones() {
    let restore = with_podman(&preset::worker("w2").ruleset);
    let nat = text(&restore, Iptables::NftV4);
    assert!(nat.contains("-X CNI-DN-0b3f5a6c9d1e2f3a4b5c6"), "the pod's own chain goes");
    for kept in
        ["CNI-DN-9a8b7c6d5e4f3a2b1c0d9", "CNI-7d1a0b2c3d4e5f6071829304", "-X CNI-HOSTPORT", "podman", "DOCKER", "MINE"]
    {
        assert!(!nat.contains(kept), "{kept} is touched:\n{nat}");
    }
}

#[test]
fn without_other_runtimes_the_shared_chains_go_too() {
    let saved = preset::worker("w2").ruleset.iptables[&Iptables::NftV4].clone();
    let without: Vec<String> = saved
        .lines()
        .filter(|line| !line.contains("podman") && !line.contains("CNI-DN-9a8b") && !line.contains("CNI-7d1a"))
        .map(str::to_owned)
        .collect();
    let ruleset =
        Ruleset { iptables: [(Iptables::NftV4, crate::plan::iptables::lined(&without))].into(), ..Ruleset::default() };
    let plan = planned(&ruleset, &[("/etc/cni/net.d/10-bridge.conflist", LAB)]);
    let nat = text(&plan, Iptables::NftV4);
    for gone in [
        "-X CNI-HOSTPORT-DNAT",
        "-X CNI-HOSTPORT-MASQ",
        "-X CNI-HOSTPORT-SETMARK",
        "-D POSTROUTING -m comment --comment \"CNI portfwd",
    ] {
        assert!(nat.contains(gone), "{gone} is missing:\n{nat}");
    }
}

#[test]
fn a_users_chain_that_leads_to_ours_is_named_and_left_alone() {
    let saved =
        "*filter\n:INPUT ACCEPT [0:0]\n:KUBE-FIREWALL - [0:0]\n:MINE - [0:0]\n-A MINE -j KUBE-FIREWALL\nCOMMIT\n";
    let plan = planned(&Ruleset { iptables: [(Iptables::NftV4, saved.to_owned())].into(), ..Ruleset::default() }, &[]);
    assert_eq!(plan.obstacles.len(), 1);
    assert!(plan.obstacles[0].what.contains("-A MINE -j KUBE-FIREWALL"));
    assert!(!text(&plan, Iptables::NftV4).contains("-D MINE"));
}

#[test]
fn flannels_old_rules_are_known_by_their_comment() {
    let saved = "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 10.244.0.0/16 -d 10.244.0.0/16 -m comment --comment \"flanneld masq\" -j RETURN\n-A POSTROUTING -s 192.0.2.0/24 -j MASQUERADE\nCOMMIT\n";
    let plan =
        planned(&Ruleset { iptables: [(Iptables::LegacyV4, saved.to_owned())].into(), ..Ruleset::default() }, &[]);
    assert_eq!(
        text(&plan, Iptables::LegacyV4),
        "*nat\n-D POSTROUTING -s 10.244.0.0/16 -d 10.244.0.0/16 -m comment --comment \"flanneld masq\" -j RETURN\nCOMMIT\n"
    );
}

fn masquerade(comments: &[&str]) -> Ruleset {
    let mut nft = vec![serde_json::json!({"table": {"family": "inet", "name": "cni_plugins_masquerade", "handle": 9}})];
    nft.extend(comments.iter().zip(20..).map(|(comment, handle)| {
        serde_json::json!({"rule": {"family": "inet", "table": "cni_plugins_masquerade", "chain": "masq_checks", "handle": handle, "comment": comment, "expr": []}})
    }));
    Ruleset { nft, ..Ruleset::default() }
}

#[test]
fn of_a_shared_table_only_rules_of_our_networks_go() {
    let ruleset = masquerade(&["0f-1, net: lab-bridge, if: eth0, id: 6e3f", "0f-2, net: podman, if: eth0, id: 77aa"]);
    let plan = with_podman(&ruleset);
    assert_eq!(plan.removed.rules, BTreeSet::from([(("inet".to_owned(), "cni_plugins_masquerade".to_owned()), 20)]));
    assert!(plan.removed.tables.is_empty());
}

#[test]
fn a_shared_table_goes_whole_only_where_nobody_else_uses_it() {
    let ours = "0f-1, net: lab-bridge, if: eth0, id: 6e3f";
    let alone: &[(&str, &str)] = &[("/etc/cni/net.d/10-bridge.conflist", LAB)];
    assert_eq!(planned(&masquerade(&[ours]), alone).removed.tables.len(), 1);
    // Somebody else's rule is enough, even if his configuration is gone.
    assert!(planned(&masquerade(&[ours, "0f-2, net: other, if: eth0, id: 7"]), alone).removed.tables.is_empty());
}

#[test]
fn ipsets_go_by_name() {
    let ruleset =
        Ruleset { ipsets: vec!["KUBE-CLUSTER-IP".into(), "mine".into(), "f2b-KUBE".into()], ..Ruleset::default() };
    assert_eq!(planned(&ruleset, &[]).ipsets, ["KUBE-CLUSTER-IP"]);
}

#[test]
fn a_clean_firewall_needs_nothing() {
    let saved = "*nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n-A PREROUTING -j DOCKER\nCOMMIT\n";
    assert!(
        planned(&Ruleset { iptables: [(Iptables::NftV4, saved.to_owned())].into(), ..Ruleset::default() }, &[])
            .is_empty()
    );
}

#[test]
fn the_comparison_sees_a_foreign_change_and_nothing_else() {
    let before = preset::worker("w2").ruleset;
    let plan = with_podman(&before);
    let expected = Foreign::of(&before, &plan.removed);

    let mut counted = before.clone();
    for text in counted.iptables.values_mut() {
        *text = text.replace("[0:0]", "[12:3456]");
    }
    let plan_again = with_podman(&counted);
    assert!(compare(&expected, &Foreign::of(&counted, &plan_again.removed)).is_equal(), "counters made a difference");

    let mut tampered = before.clone();
    for text in tampered.iptables.values_mut() {
        *text = text.replace("-A DOCKER-USER -j RETURN\n", "");
    }
    let comparison = compare(&expected, &Foreign::of(&tampered, &with_podman(&tampered).removed));
    assert!(!comparison.is_equal());
    assert_eq!(comparison.differences, ["changed: iptables-nft filter chain DOCKER-USER"]);
    assert!(comparison.record()[0].contains("CHANGED"));

    let mut emptied = before.clone();
    emptied.nft.retain(|item| nft::object(item).is_none_or(|(kind, body)| nft::table_of(kind, body).1 != "mine"));
    let comparison = compare(&expected, &Foreign::of(&emptied, &with_podman(&emptied).removed));
    assert!(
        comparison.differences.iter().any(|line| line == "gone: nft inet mine chain input"),
        "{:?}",
        comparison.differences
    );
}

#[test]
fn the_order_of_rules_within_a_chain_counts() {
    let ruleset = |text: &str| Ruleset { iptables: [(Iptables::NftV4, text.to_owned())].into(), ..Ruleset::default() };
    let one = ruleset("*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -j ACCEPT\n-A INPUT -p udp -j ACCEPT\nCOMMIT\n");
    let two = ruleset("*filter\n:INPUT DROP [0:0]\n-A INPUT -p udp -j ACCEPT\n-A INPUT -p tcp -j ACCEPT\nCOMMIT\n");
    let foreign = |ruleset: &Ruleset| Foreign::of(ruleset, &Removed::default());
    assert!(!compare(&foreign(&one), &foreign(&two)).is_equal());
    assert!(compare(&foreign(&one), &foreign(&one)).is_equal());
}
