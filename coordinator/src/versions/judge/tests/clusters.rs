//! Whole clusters, and the complete list of what is said about them.

use super::*;

#[test]
fn from_1_33_with_etcd_3_5_21_to_1_34_the_plan_raises_etcd_and_nothing_blocks() {
    let facts = cluster("1.33.13", "1.34.4", "3.5.21");
    assert_eq!(
        lines(&facts),
        [
            "note SLIP-UPGRADE-003 rules.etcd-floor-1-34",
            "note SLIP-UPGRADE-003 rules.etcd-floor-1-34",
            "note SLIP-UPGRADE-003 rules.etcd-floor-1-34",
            "note SLIP-UPGRADE-005 rules.static-pods-1-34",
        ]
    );
    let judgement = found(&facts);
    assert_eq!(judgement.raise_etcd.as_deref(), Some("3.5.26-0"));
    assert!(blocks(&judgement).is_empty());
    assert_eq!(
        judgement.findings[0].text,
        "etcd member m1 (a1) is at 3.5.21: a member older than 3.5.26 may bring back removed members or refuse to start as 3.6, which Kubernetes 1.34 brings"
    );
    assert_eq!(judgement.findings[0].source[1], "etcd-io/etcd#19557");
}

#[test]
fn members_of_an_etcd_that_is_not_kubeadms_block_instead() {
    let mut facts = cluster("1.33.13", "1.34.4", "3.5.21");
    facts.etcd.external = true;
    let judgement = found(&facts);
    assert_eq!(judgement.raise_etcd, None);
    assert_eq!(blocks(&judgement).iter().filter(|one| one.rule == "rules.etcd-floor-1-34").count(), 3);
    assert!(lines(&facts).contains(&"note SLIP-UPGRADE-003 rules.etcd-external".to_owned()));
}

#[test]
fn an_upgrade_that_was_interrupted_between_two_masters_goes_on() {
    let mut facts = cluster("1.33.13", "1.34.4", "3.5.26");
    facts.nodes[0] = master(1, "1.34.4");
    facts.etcd.members[0] = member(1, "3.6.5");
    facts.nodes[1].api_server = Some(version("1.34.4"));
    facts.etcd.members[1] = member(2, "3.6.5");
    assert!(blocks(&found(&facts)).is_empty(), "{:?}", lines(&facts));
}

#[test]
fn a_patch_upgrade_of_a_healthy_cluster_is_told_nothing_but_that_a_newer_etcd_stays() {
    assert_eq!(lines(&cluster("1.34.1", "1.34.4", "3.6.5")), [""; 0]);
    assert_eq!(lines(&cluster("1.33.1", "1.33.13", "3.5.26")), ["note SLIP-UPGRADE-003 etcd.stays"]);
}

#[test]
fn from_1_33_to_1_35_at_once_is_refused_with_the_step_between() {
    let facts = cluster("1.33.13", "1.35.4", "3.5.26");
    let judgement = found(&facts);
    let refusal = blocks(&judgement)[0];
    assert_eq!(refusal.text, "API servers at v1.33.13 cannot go to v1.35.4 at once: no minor may be skipped");
    assert_eq!(refusal.way_out, "upgrade to 1.34 first: slipway upgrade plan 1.34");
}

#[test]
fn cgroup_v1_blocks_from_1_35_on_and_only_then() {
    let with = |to: &str, from: &str| {
        let mut facts = cluster(from, to, "3.6.6");
        facts.nodes[4].host.as_mut().unwrap().cgroup = Cgroup::V1;
        lines(&facts).into_iter().find(|line| line.contains("cgroup"))
    };
    assert_eq!(with("1.34.4", "1.33.13").as_deref(), Some("note SLIP-UPGRADE-004 rules.cgroup-v1-ends w2"));
    assert_eq!(with("1.35.4", "1.34.4").as_deref(), Some("block SLIP-UPGRADE-004 rules.cgroup-v1 w2"));
    assert_eq!(with("1.36.3", "1.35.4").as_deref(), Some("block SLIP-UPGRADE-004 rules.cgroup-v1 w2"));
}

#[test]
fn to_1_37_members_of_3_6_are_raised_first_because_3_7_comes() {
    let facts = cluster("1.36.3", "1.37.2", "3.6.8");
    assert_eq!(found(&facts).raise_etcd.as_deref(), Some("3.6.11-0"));
    let mut behind = facts;
    behind.etcd.members[2] = member(3, "3.5.26");
    let judgement = found(&behind);
    let refusal = blocks(&judgement)[0];
    let says = "m3 (a3) is at 3.5.26; v1.37.2 would bring 3.7.0, and etcd skips no minor";
    assert!(refusal.text.contains(says), "{refusal:?}");
}

#[test]
fn a_host_that_says_nothing_is_told_and_not_taken_for_a_good_one() {
    let mut facts = cluster("1.34.4", "1.35.4", "3.6.6");
    facts.nodes[3].host = None;
    assert_eq!(lines(&facts), ["warn SLIP-UPGRADE-005 unanswered w1"]);
    let text = &found(&facts).findings[0].text;
    assert!(text.starts_with("node w1 did not say enough to be judged by cgroup-v1, kubelet-flags-1-31"), "{text}");
}

#[test]
fn findings_come_in_the_same_order_each_time_and_survive_the_plan() {
    let mut facts = cluster("1.33.13", "1.35.4", "3.5.21");
    facts.nodes[0].ready = false;
    facts.nodes[3].ready = false;
    let judgement = found(&facts);
    assert!(judgement.findings.is_sorted_by_key(|one| one.severity));
    facts.nodes.reverse();
    facts.etcd.members.reverse();
    assert_eq!(found(&facts).findings, judgement.findings);
    let text = serde_json::to_string(&judgement).unwrap();
    assert_eq!(serde_json::from_str::<Judgement>(&text).unwrap(), judgement);
    let facts_text = serde_json::to_string(&facts).unwrap();
    assert_eq!(serde_json::from_str::<Facts>(&facts_text).unwrap(), facts);
}
