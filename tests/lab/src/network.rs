//! The bridge between hosts, and this machine's way to pods. This machine forwards nothing: traffic stays between the lab's
//! own addresses.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};

use crate::command::{Output, command, output, run};
use crate::shape::{BRIDGE, GATEWAY, HostPlan};

/// Refuses if something else has the lab's network: its answers would go astray.
pub(crate) fn check_free() -> Result<()> {
    ensure!(
        !exists()?,
        "there is a link {BRIDGE} that belongs to no lab in this folder: `ip link del {BRIDGE}` if nobody needs it"
    );
    let routes = run("ip", &["route", "show", "root", "10.70.0.0/24"])?;
    ensure!(routes.trim().is_empty(), "10.70.0.0/24 is in use on this machine: {}", routes.trim());
    Ok(())
}

/// What all of the lab's tables in this machine's bridge filter are called by first.
const TABLES: &str = "slipway_lab_";

/// Makes the bridge, with the routes to the pods of these hosts: what this machine sends to a pod would else leave by its
/// default route.
pub(crate) fn up(hosts: &[HostPlan]) -> Result<()> {
    run("ip", &["link", "add", BRIDGE, "type", "bridge"])?;
    run("ip", &["addr", "add", &format!("{GATEWAY}/24"), "dev", BRIDGE])?;
    run("ip", &["link", "set", BRIDGE, "up"])?;
    for host in hosts.iter().filter(|host| host.has_agent()) {
        run("ip", &["route", "replace", &host.pod_network(), "via", &host.address(), "dev", BRIDGE])?;
    }
    Ok(())
}

/// Removes the bridge, and with it its routes.
pub(crate) fn down() -> Result<()> {
    let tables = run("nft", &["list", "tables", "bridge"])?;
    for table in tables.lines().filter_map(|line| line.strip_prefix("table bridge ")) {
        if table.starts_with(TABLES) {
            run("nft", &["delete", "table", "bridge", table])?;
        }
    }
    if exists()? {
        run("ip", &["link", "del", BRIDGE])?;
    }
    Ok(())
}

/// Removes a dead host's end of its cable, which would keep it from being plugged in again.
pub(crate) fn unplug(host: &str) -> Result<()> {
    let link = format!("vb-{host}");
    if output(&mut command("ip", ["link", "show", &link]))?.is_ok() {
        // It may go by itself in this moment.
        let _ = output(&mut command("ip", ["link", "del", &link]))?;
    }
    Ok(())
}

/// Drops all that a host sends and is sent, and leaves it running, with its link up.
pub(crate) fn cut(host: &str) -> Result<()> {
    let (table, link) = (format!("{TABLES}cut_{host}"), format!("vb-{host}"));
    nft(&format!(
        "table bridge {table} {{\n\
         chain from {{ type filter hook prerouting priority -300; iifname \"{link}\" drop; }}\n\
         chain to {{ type filter hook postrouting priority 300; oifname \"{link}\" drop; }}\n}}\n"
    ))
    .with_context(|| format!("cut {host} off"))
}

/// Drops all that comes to these TCP ports, or from them, on its way from or to a host; everything else goes on.
pub(crate) fn cut_ports(host: &str, ports: &[u16]) -> Result<()> {
    let (table, link) = (format!("{TABLES}cut_{host}"), format!("vb-{host}"));
    let ports = ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let rules = |way: &str| {
        format!("{way} \"{link}\" tcp dport {{ {ports} }} drop; {way} \"{link}\" tcp sport {{ {ports} }} drop;")
    };
    nft(&format!(
        "table bridge {table} {{\n\
         chain from {{ type filter hook prerouting priority -300; {} }}\n\
         chain to {{ type filter hook postrouting priority 300; {} }}\n}}\n",
        rules("iifname"),
        rules("oifname")
    ))
    .with_context(|| format!("cut {host} off by ports"))
}

/// Undoes either.
pub(crate) fn heal(host: &str) -> Result<()> {
    nft(&format!("delete table bridge {TABLES}cut_{host}\n")).with_context(|| format!("heal {host}"))
}

/// Everybody on the bridge who says that an address is theirs, from one moment to another.
pub(crate) struct Answers {
    address: &'static str,
    table: String,
}

impl Answers {
    /// Begins to listen.
    pub(crate) fn watch(address: &'static str) -> Result<Self> {
        let table = format!("{TABLES}answers");
        nft(&format!(
            "table bridge {table}\ndelete table bridge {table}\ntable bridge {table} {{\n\
             set seen {{ type ether_addr; flags dynamic; size 64; }}\n\
             chain heard {{ type filter hook prerouting priority -310; \
             arp operation reply arp saddr ip {address} add @seen {{ ether saddr }}; }}\n}}\n"
        ))?;
        Ok(Self { address, table })
    }

    /// Forgets who has the address, so that this machine asks before it sends.
    pub(crate) fn ask_again(&self) -> Result<()> {
        run("ip", &["neigh", "flush", "to", self.address, "dev", BRIDGE]).map(|_| ())
    }

    /// Who has answered: the addresses of their links.
    pub(crate) fn seen(self) -> Result<BTreeSet<String>> {
        let listed = run("nft", &["-j", "list", "set", "bridge", &self.table, "seen"])?;
        nft(&format!("delete table bridge {}\n", self.table))?;
        elements(&listed)
    }
}

fn elements(listed: &str) -> Result<BTreeSet<String>> {
    let listed: serde_json::Value = serde_json::from_str(listed).context("nft speaks JSON")?;
    let items = listed["nftables"].as_array().context("a list of objects")?;
    let set = items.iter().find_map(|item| item.get("set")).context("a set")?;
    let elements = set["elem"].as_array().into_iter().flatten();
    Ok(elements.filter_map(|one| one.as_str().or_else(|| one["elem"]["val"].as_str())).map(str::to_owned).collect())
}

/// All of a text, or nothing of it.
fn nft(text: &str) -> Result<()> {
    let mut nft = command("nft", ["-f", "-"]);
    let mut child =
        nft.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().context("start nft")?;
    child.stdin.take().context("it takes input")?.write_all(text.as_bytes())?;
    let output = Output::from(child.wait_with_output()?);
    ensure!(output.is_ok(), "nft: {output}: {text}");
    Ok(())
}

fn exists() -> Result<bool> {
    Ok(output(&mut command("ip", ["link", "show", BRIDGE]))?.is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answers_are_read_from_the_set() {
        let listed = r#"{"nftables":[{"metainfo":{}},{"set":{"name":"seen","elem":["02:00:00:00:00:0b"]}}]}"#;
        assert_eq!(elements(listed).unwrap(), BTreeSet::from(["02:00:00:00:00:0b".to_owned()]));
        assert!(elements(r#"{"nftables":[{"set":{"name":"seen"}}]}"#).unwrap().is_empty());
        assert!(elements(r#"{"nftables":[]}"#).is_err());
    }
}
