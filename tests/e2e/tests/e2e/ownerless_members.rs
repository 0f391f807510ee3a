//! Members of etcd that belong to no node: told of, explained, removed with proof only, and never another one in their place.

use serde_json::json;
use slipway_e2e::runs::{begun, completes, led};
use slipway_e2e::sites::{UNNAMED, host_id};
use slipway_errors::Code;
use slipway_events::Event;
use slipway_types::NodeName;

fn id(of: u64) -> String {
    format!("{of:x}")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_agent_can_prove_needs_the_operators_word() {
    let (sites, coordinator) = led().await.unwrap();
    sites.add_unnamed_member("https://10.70.0.99:2380");
    let without = begun(&coordinator, "remove-etcd-member", json!({"member": id(UNNAMED)})).await.unwrap_err();
    assert_eq!(without.code, Code::MEMBER_OWNERLESS, "{without}");
    let of_a_master = json!({"nodes": ["m1"], "force": true, "delete_emptydir_data": true});
    let refused = begun(&coordinator, "scale-in", of_a_master).await.unwrap_err();
    assert_eq!(refused.code, Code::QUORUM_WORD);
    assert!(refused.message.contains(&id(UNNAMED)), "it counts against every removal: {refused}");

    let word = json!({"member": id(UNNAMED), "gone": "10.70.0.99 was never installed"});
    let run = begun(&coordinator, "remove-etcd-member", word).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    assert_eq!(sites.etcd.cluster().members.len(), 3);
    assert_eq!(sites.etcd.effects(&format!("etcd remove-member {UNNAMED:x}")), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_bare_proves_by_itself_that_a_join_was_broken_off() {
    let (sites, coordinator) = led().await.unwrap();
    let bare = coordinator.world.hosts.get(&host_id("w2")).await.unwrap().unwrap();
    let address = bare.address.rsplit_once(':').unwrap().0.to_owned();
    sites.add_unnamed_member(&format!("https://{address}:2380"));
    let run = begun(&coordinator, "remove-etcd-member", json!({"member": id(UNNAMED)})).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    assert_eq!(sites.etcd.cluster().members.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_of_a_node_leaves_with_its_node_only() {
    let (sites, coordinator) = led().await.unwrap();
    let m2 = sites.etcd.cluster().named("m2").unwrap().id;
    let word = |member: String| json!({"member": member, "gone": "trust me"});
    let refused = begun(&coordinator, "remove-etcd-member", word(id(m2))).await.unwrap_err();
    assert_eq!(refused.code, Code::MEMBER_MISMATCH, "{refused}");
    sites.silence("m2", true);
    sites.etcd.cut("m2", true).unwrap();
    let refused = begun(&coordinator, "remove-etcd-member", word(id(m2))).await.unwrap_err();
    assert_eq!(refused.code, Code::MEMBER_MISMATCH, "its Node is there: {refused}");
    for wrong in ["m2", "", "1234"] {
        let refused = begun(&coordinator, "remove-etcd-member", word(wrong.to_owned())).await.unwrap_err();
        assert_eq!(refused.code, Code::RUN_BAD_PARAMETER, "{wrong:?}");
    }
    assert_eq!(sites.etcd.cluster().members.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_node_was_deleted_by_hand_goes_with_a_word() {
    let (sites, coordinator) = led().await.unwrap();
    let m2: NodeName = "m2".parse().unwrap();
    let member = sites.etcd.cluster().named("m2").unwrap().id;
    sites.silence("m2", true);
    sites.etcd.cut("m2", true).unwrap();
    let node = coordinator.world.cluster.node(&m2).await.unwrap().unwrap();
    coordinator.world.cluster.delete_node(&m2, &node.uid).await.unwrap();
    let run = begun(&coordinator, "remove-etcd-member", json!({"member": id(member), "gone": "its disk was shredded"}));
    let run = run.await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    assert_eq!(sites.etcd.cluster().members.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_taken_for_its_own_sake() {
    let (_sites, coordinator) = led().await.unwrap();
    let run = begun(&coordinator, "back-up-etcd", json!({})).await.unwrap();
    completes(&coordinator, &run).await.unwrap();
    assert_eq!(coordinator.world.backups.list().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_changes_of_the_control_plane_go_one_after_the_other() {
    let (sites, coordinator) = led().await.unwrap();
    let words = |node: &str| {
        json!({"nodes": [node], "force": true, "delete_emptydir_data": true, "accept_less_tolerance": true,
            "leave_one_etcd_member": true})
    };
    let first = begun(&coordinator, "scale-in", words("m1")).await.unwrap();
    let second = begun(&coordinator, "scale-in", words("m2")).await.unwrap();
    completes(&coordinator, &first).await.unwrap();
    completes(&coordinator, &second).await.unwrap();
    let of_first = coordinator.runs.store.journal(&first, 1, usize::MAX).await.unwrap();
    let of_second = coordinator.runs.store.journal(&second, 1, usize::MAX).await.unwrap();
    let began = of_second.iter().find(|entry| matches!(entry.event, Event::Started { .. })).unwrap();
    assert!(began.at_ms >= of_first.last().unwrap().at_ms, "the second did not wait for the first");
    assert_eq!(sites.etcd.cluster().members.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["m3"]);
}
