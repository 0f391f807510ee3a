//! All tests of the lab: one file each, one line each here.

mod control_plane_endpoint_of_first_master;
mod control_plane_external_etcd_member_replaced;
mod control_plane_master_leaves;
mod control_plane_member_without_a_name;
mod control_plane_second_member_down;
mod control_plane_two_addresses;
mod control_plane_wrong_inputs;
mod coordinators_hand_over;
mod coordinators_leader_cut_off;
mod coordinators_leader_hangs;
mod coordinators_leader_killed;
mod coordinators_leader_killed_elsewhere;
mod coordinators_store_disk_full;
mod coordinators_store_full;
mod coordinators_store_loses_members;
mod coordinators_store_member_damaged;
mod coordinators_store_moves_back;
mod failover_vip_follows_the_masters;
mod failover_vip_leaves_a_sick_master;
mod failover_vip_outlives_hosts;
mod isolate_recover_keeps_foreign_cordon;
mod join_and_remove_go_round;
mod join_bare_host_becomes_master;
mod join_bare_host_becomes_worker;
mod join_bare_hosts_go_round;
mod join_killed;
mod join_master_with_members_in_trouble;
mod join_refusals;
mod lab_bare_hosts_and_bad_days;
mod lab_cleaned_worker_gets_its_network_back;
mod lab_cluster_is_ready;
mod lab_cut_off_host_runs_on;
mod lab_etcd_under_systemd;
mod lab_fakes_conform;
mod lab_first_master_is_the_endpoint;
mod lab_hosts_lose_power_and_come_back;
mod lab_masters_leave_and_join_by_hand;
mod lab_package_manager_conforms;
mod lab_silence_is_noticed;
mod lab_store_in_etcd_conforms;
mod scale_in_agent_killed_during_reset;
mod scale_in_api_server_stopped;
mod scale_in_bad_input;
mod scale_in_blocked_drain;
mod scale_in_busy_mount_below_kubelet;
mod scale_in_coordinator_killed;
mod scale_in_coordinator_killed_at_every_step;
mod scale_in_flannel_traces;
mod scale_in_many_canary_first;
mod scale_in_many_workers_with_budgets;
mod scale_in_master_coordinator_killed;
mod scale_in_master_first_leaves_fresh_cluster;
mod scale_in_master_second_leaves_fresh_cluster;
mod scale_in_master_third_leaves_fresh_cluster;
mod scale_in_security_refusals;
mod scale_in_unreachable_master_power_cut;
mod scale_in_unreachable_partitioned_worker;
mod scale_in_unreachable_worker_power_cut;
mod scale_in_worker_leaves_clean_host;
mod scale_in_worker_unreachable;
mod upgrade_agent_killed_during_kubeadm;
mod upgrade_cluster;
mod upgrade_coordinator_killed;
mod upgrade_gates;
mod upgrade_kubeadm_lies;
mod upgrade_patch;
mod upgrade_roll_back_one_worker;
mod upgrade_worker_does_not_come_back;

use crate::registry::TestCase;

/// Every test, in the order in which they are told of.
pub const ALL: &[TestCase] = &[
    lab_cluster_is_ready::TEST,
    isolate_recover_keeps_foreign_cordon::TEST,
    scale_in_worker_leaves_clean_host::TEST,
    join_and_remove_go_round::TEST,
    join_bare_hosts_go_round::TEST,
    join_bare_host_becomes_worker::TEST,
    join_bare_host_becomes_master::TEST,
    scale_in_coordinator_killed::TEST,
    scale_in_blocked_drain::TEST,
    scale_in_flannel_traces::TEST,
    scale_in_busy_mount_below_kubelet::TEST,
    scale_in_coordinator_killed_at_every_step::TEST,
    scale_in_agent_killed_during_reset::TEST,
    scale_in_worker_unreachable::TEST,
    scale_in_api_server_stopped::TEST,
    scale_in_security_refusals::TEST,
    scale_in_bad_input::TEST,
    join_killed::TEST,
    join_master_with_members_in_trouble::TEST,
    join_refusals::TEST,
    lab_bare_hosts_and_bad_days::TEST,
    lab_cleaned_worker_gets_its_network_back::TEST,
    lab_hosts_lose_power_and_come_back::TEST,
    lab_fakes_conform::TEST,
    control_plane_endpoint_of_first_master::TEST,
    control_plane_external_etcd_member_replaced::TEST,
    control_plane_master_leaves::TEST,
    control_plane_member_without_a_name::TEST,
    control_plane_second_member_down::TEST,
    control_plane_two_addresses::TEST,
    control_plane_wrong_inputs::TEST,
    coordinators_hand_over::TEST,
    coordinators_leader_cut_off::TEST,
    coordinators_leader_hangs::TEST,
    coordinators_leader_killed::TEST,
    coordinators_leader_killed_elsewhere::TEST,
    coordinators_store_full::TEST,
    coordinators_store_disk_full::TEST,
    coordinators_store_loses_members::TEST,
    coordinators_store_member_damaged::TEST,
    coordinators_store_moves_back::TEST,
    failover_vip_follows_the_masters::TEST,
    failover_vip_leaves_a_sick_master::TEST,
    failover_vip_outlives_hosts::TEST,
    lab_cut_off_host_runs_on::TEST,
    lab_etcd_under_systemd::TEST,
    lab_first_master_is_the_endpoint::TEST,
    lab_masters_leave_and_join_by_hand::TEST,
    lab_package_manager_conforms::TEST,
    lab_silence_is_noticed::TEST,
    lab_store_in_etcd_conforms::TEST,
    scale_in_many_canary_first::TEST,
    scale_in_many_workers_with_budgets::TEST,
    scale_in_master_coordinator_killed::TEST,
    scale_in_master_first_leaves_fresh_cluster::TEST,
    scale_in_master_second_leaves_fresh_cluster::TEST,
    scale_in_master_third_leaves_fresh_cluster::TEST,
    scale_in_unreachable_master_power_cut::TEST,
    scale_in_unreachable_partitioned_worker::TEST,
    scale_in_unreachable_worker_power_cut::TEST,
    upgrade_agent_killed_during_kubeadm::TEST,
    upgrade_cluster::TEST,
    upgrade_coordinator_killed::TEST,
    upgrade_gates::TEST,
    upgrade_kubeadm_lies::TEST,
    upgrade_patch::TEST,
    upgrade_roll_back_one_worker::TEST,
    upgrade_worker_does_not_come_back::TEST,
];

#[cfg(test)]
mod registered {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::ALL;
    use crate::registry::Set;

    #[test]
    fn every_file_is_registered_under_its_own_name() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests");
        let files: BTreeSet<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .filter(|name| name != "mod")
            .collect();
        let names: BTreeSet<String> = ALL.iter().map(|test| test.name.to_owned()).collect();
        assert_eq!(files, names);
    }

    #[test]
    fn smoke_tests_fit_into_a_quarter_of_an_hour() {
        let cost: u32 = ALL.iter().filter(|test| test.set == Set::Smoke).map(|test| test.cost).sum();
        assert!(cost <= 15 * 60, "{cost} s");
    }
}
