//! The table as it is shipped, and what a site may lay over it.

use super::*;
use crate::versions::rule::Level;

fn with(fragment: &str) -> Result<Table, Coded> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("50-site.toml"), fragment).unwrap();
    Table::load(&[folder.path()])
}

fn brought(target: &str) -> Option<String> {
    Table::embedded().unwrap().etcd_brought(target.parse().unwrap()).map(str::to_owned)
}

#[test]
fn the_table_as_it_is_shipped_is_sound_and_every_rule_says_where_it_comes_from() {
    let table = Table::embedded().unwrap();
    assert!(table.rules.len() >= 30, "{} rules", table.rules.len());
    assert!(table.rules.values().all(|rule| !rule.source.is_empty() && !rule.text.is_empty()));
    assert!(table.rules.values().filter(|rule| rule.severity == Level::Block).all(|rule| !rule.way_out.is_empty()));
}

#[test]
fn what_is_printed_can_be_read_again() {
    let table = Table::embedded().unwrap();
    assert_eq!(toml::from_str::<Table>(&toml::to_string(table.as_ref()).unwrap()).unwrap(), *table);
}

#[test]
fn a_site_changes_a_rule_key_by_key_takes_it_out_or_adds_one_of_its_own() {
    let table = with(
        "[rules.containerd-1]\nseverity = 'warn'\n[rules.single-master]\nseverity = 'off'\n\
         [rules.ours]\nseverity = 'note'\ncode = 'SLIP-UPGRADE-005'\nfrom = '1.34'\ntext = 'ask {target}'\nway-out = ''\n\
         source = ['https://wiki.example/upgrades']\n[etcd.brought]\n'1.33.13' = '3.5.99-0'\n",
    )
    .unwrap();
    let shipped = Table::embedded().unwrap();
    let (ours, theirs) = (&table.rules["containerd-1"], &shipped.rules["containerd-1"]);
    assert_eq!((ours.severity, &ours.text, &ours.node), (Level::Warn, &theirs.text, &theirs.node));
    assert_eq!(table.rules["single-master"].severity, Level::Off);
    assert_eq!(table.rules["ours"].from.unwrap().to_string(), "1.34");
    assert_eq!(table.etcd_brought("1.33.14".parse().unwrap()), Some("3.5.99-0"));
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_name() {
    for (fragment, nearest) in [
        ("[rules.swap]\nseverty = 'warn'\n", "severity"),
        ("[rules.swap.node]\nfailswap-on = true\n", "fail-swap-on"),
        ("[rules.etcd-floor-1-34.member]\nbelow-version = '3.5.27'\n", "below"),
        ("[skew]\nkubelet-behid = 4\n", "kubelet-behind"),
        ("[rule.swap]\nseverity = 'warn'\n", "rules"),
    ] {
        let error = with(fragment).unwrap_err();
        assert_eq!(error.code, Code::CONF_UNKNOWN_KEY, "{fragment}: {error}");
        assert!(error.to_string().contains(&format!("did you mean {nearest:?}? `--print-versions`")), "{error}");
        assert!(error.to_string().contains("50-site.toml"), "{error}");
    }
}

#[test]
fn a_rule_that_could_not_work_is_refused_with_its_name() {
    let rule = |lines: &str| {
        format!(
            "[rules.ours]\nseverity = 'note'\ncode = 'SLIP-UPGRADE-005'\ntext = 'x'\nway-out = ''\nsource = ['a/b#1']\n{lines}"
        )
    };
    assert!(with(&rule("")).is_ok());
    for (fragment, says) in [
        (rule("").replace("'a/b#1'", ""), "rules.ours.source"),
        (rule("").replace("a/b#1", "somebody said so"), "rules.ours.source"),
        (rule("").replace("a/b#1", "a/b#one"), "rules.ours.source"),
        (rule("").replace("UPGRADE-005", "UPGRADE-999"), "there is no code"),
        (rule("").replace("'x'", "'{node} is odd'"), "{node}, which this rule cannot fill"),
        (rule("").replace("'x'", "'{'"), "which this rule cannot fill"),
        (rule("crossing = true\n"), "says into which minor"),
        (rule("node = {}\nmember = {}\n"), "about nodes, about members or about budgets"),
        (rule("raises-etcd-to = '3.5.26-0'\n"), "raises-etcd-to"),
        (rule("member = {}\nraises-etcd-to = 'newest'\n"), "raises-etcd-to"),
        (rule("from = 'v1.34'\n"), "no minor release"),
        (rule("node = { runtime-below = '2' }\n"), "no version such as"),
        (rule("severity = 'grave'\n").replacen("severity = 'note'\n", "", 1), "unknown variant"),
        ("[etcd.brought]\n'1.34' = '3.6.4-0'\n".to_owned(), "etcd.brought"),
        ("[etcd.brought]\n'1.34.9' = 'latest'\n".to_owned(), "etcd.brought"),
    ] {
        let error = with(&fragment).unwrap_err();
        assert_eq!(error.code, Code::CONF_BAD_VALUE, "{fragment}: {error}");
        assert!(error.to_string().contains(says), "{fragment}: {error}");
    }
}

#[test]
fn the_etcd_that_a_release_brings_is_that_of_the_nearest_known_release_before_it() {
    for (target, tag) in [
        ("1.33.0", Some("3.5.21-0")),
        ("1.33.12", Some("3.5.21-0")),
        ("1.33.13", Some("3.5.24-0")),
        ("1.34.3", Some("3.6.4-0")),
        ("1.34.9", Some("3.6.5-0")),
        ("1.37.2", Some("3.7.0-0")),
        ("1.29.3", None),
        ("1.38.0", None),
    ] {
        assert_eq!(brought(target).as_deref(), tag, "{target}");
    }
    assert_eq!(Table::embedded().unwrap().newest().unwrap().to_string(), "1.37");
}

#[test]
fn a_kubelet_may_be_three_minors_behind_and_two_before_1_28() {
    let table = Table::embedded().unwrap();
    let behind = |minor: &str| table.kubelet_behind(minor.parse().unwrap());
    assert_eq!((behind("1.27"), behind("1.28"), behind("1.34")), (2, 3, 3));
}
