//! All tests of the lab: one file each, one line each here.

mod lab_cleaned_worker_gets_its_network_back;
mod lab_cluster_is_ready;
mod lab_hosts_lose_power_and_come_back;

use crate::registry::TestCase;

/// Every test, in the order in which they are told of.
pub const ALL: &[TestCase] = &[
    lab_cluster_is_ready::TEST,
    lab_cleaned_worker_gets_its_network_back::TEST,
    lab_hosts_lose_power_and_come_back::TEST,
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
