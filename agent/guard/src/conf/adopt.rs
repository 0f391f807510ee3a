//! Whether ours may take the place of what is there while the other masters still run theirs: two that do not speak alike both hold the address, and
//! what ours does not say would be lost.

use super::MARK;
use super::parse::{Entry, parse};
use crate::settings::Settings;

/// One reason against it, in a sentence.
pub type Objection = String;

/// The version that keepalived speaks unless it is told otherwise.
const USUAL_VERSION: &str = "2";
const INSTANCE: &str = "vrrp_instance";
/// What ours has another form of, or no use for.
const TOP: [&str; 4] = ["global_defs", "vrrp_script", "track_file", "vrrp_track_file"];
const WITHIN: [&str; 13] = [
    "interface",
    "state",
    "virtual_router_id",
    "priority",
    "advert_int",
    "authentication",
    "nopreempt",
    "preempt_delay",
    "unicast_src_ip",
    "unicast_peer",
    "virtual_ipaddress",
    "track_script",
    "track_file",
];

/// What speaks against putting ours in the place of `before`. Our own of yesterday has been judged already.
pub fn objections(before: &str, settings: &Settings) -> Vec<Objection> {
    if before.starts_with(MARK) {
        return Vec::new();
    }
    let entries = match parse(before) {
        Ok(entries) => entries,
        Err(why) => return vec![format!("it cannot be read: {why}")],
    };
    let (instances, rest): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(|entry| entry.keyword() == INSTANCE);
    let mut found: Vec<Objection> = rest
        .iter()
        .filter(|entry| !TOP.contains(&entry.keyword()))
        .map(|entry| format!("it has `{}`, which would be lost", entry.words.join(" ")))
        .collect();
    match instances.as_slice() {
        [one] => found.extend(of_instance(one, version(&entries), settings)),
        several => found.push(format!("it has {} instances, and ours is one", several.len())),
    }
    found
}

fn version(entries: &[Entry]) -> &str {
    let globals = entries.iter().find(|entry| entry.keyword() == "global_defs");
    globals.and_then(|globals| globals.find("vrrp_version")).map_or(USUAL_VERSION, Entry::value)
}

fn of_instance(instance: &Entry, version: &str, settings: &Settings) -> Vec<Objection> {
    let lost = |entry: &&Entry| !WITHIN.contains(&entry.keyword());
    let mut found: Vec<Objection> = instance
        .block
        .iter()
        .filter(lost)
        .map(|entry| format!("its instance has `{}`, which would be lost", entry.words.join(" ")))
        .collect();
    let own = |keyword: &str| instance.find(keyword).map_or("", Entry::value);
    let mut same = |what: &str, is: &str, would_be: &str| {
        if is != would_be {
            found.push(format!("{what} is {is}, and ours would be {would_be}"));
        }
    };
    same("its version of VRRP", version, "3");
    same("its virtual_router_id", own("virtual_router_id"), &settings.virtual_router_id.to_string());
    same("its interface", own("interface"), &settings.interface);
    let addresses: Vec<String> = instance.find("virtual_ipaddress").map(addresses).unwrap_or_default();
    same("its address", &addresses.join(", "), &settings.vip);
    let transport = |multicast: bool| if multicast { "multicast" } else { "unicast" };
    same("its way to the others", transport(instance.find("unicast_peer").is_none()), transport(settings.multicast));
    found
}

/// With their prefixes; keepalived takes one without as that address alone.
fn addresses(block: &Entry) -> Vec<String> {
    let full = |address: &str| if address.contains('/') { address.to_owned() } else { format!("{address}/32") };
    block.block.iter().map(|entry| full(entry.keyword())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::render;
    use crate::settings::tests::three;
    use rstest::rstest;

    const PLAIN: &str = "global_defs {\n  vrrp_version 3\n}\nvrrp_script api {\n  script \"/bin/true\"\n}\n\
        vrrp_instance k8s {\n  interface eth0\n  state BACKUP\n  nopreempt\n  virtual_router_id 70\n  priority 189\n\
        advert_int 0.2\n  virtual_ipaddress {\n    10.0.0.10/32\n  }\n  track_script {\n    api\n  }\n}\n";

    fn multicast() -> Settings {
        Settings { multicast: true, ..three() }
    }

    #[test]
    fn the_usual_set_up_is_taken_over_and_our_own_is_written_again() {
        assert_eq!(objections(PLAIN, &multicast()), Vec::<Objection>::new());
        assert_eq!(objections(&PLAIN.replace("10/32", "10"), &multicast()), Vec::<Objection>::new());
        assert_eq!(objections(&render(&three()).unwrap(), &multicast()), Vec::<Objection>::new());
    }

    #[rstest]
    #[case("vrrp_version 3", "router_id x", "VRRP is 2")]
    #[case("virtual_router_id 70", "virtual_router_id 51", "virtual_router_id is 51")]
    #[case("interface eth0", "interface eth1", "interface is eth1")]
    #[case("10.0.0.10/32", "10.0.0.10/32\n    10.0.0.9/32", "its address is 10.0.0.10/32, 10.0.0.9/32")]
    #[case("nopreempt", "unicast_peer {\n 10.0.0.12\n }", "is unicast, and ours would be multicast")]
    #[case("nopreempt", "notify /bin/n", "`notify /bin/n`")]
    #[case("vrrp_script api", "virtual_server 10.0.0.10 6443", "`virtual_server 10.0.0.10 6443`")]
    #[case("vrrp_script api", "vrrp_instance other", "2 instances")]
    #[case("nopreempt", "include x", "line 10")]
    fn what_would_break_or_be_lost_is_named(#[case] from: &str, #[case] to: &str, #[case] says: &str) {
        let before = PLAIN.replacen(from, to, 1);
        let found = objections(&before, &multicast());
        assert!(found.iter().any(|objection| objection.contains(says)), "{found:?}");
    }
}
