//! How the guard runs: read from fragments of configuration, checked as a whole, printed back by `--print-config`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use slipway_errors::{Code, Coded};

use crate::decide::{Patience, Weights};
use crate::restart::Policy;

/// Where fragments lie; later folders win, and in a folder later names.
pub const FOLDERS: [&str; 2] = ["/usr/lib/slipway/vip-guard.d", "/etc/slipway/vip-guard.d"];
/// The highest priority of one that does not own the address.
const HIGHEST: u8 = 254;
/// VRRP v3 counts in hundredths of a second, and keepalived's sub-second adverts begin there.
const ADVERTS: std::ops::RangeInclusive<u32> = 10..=10_000;

/// How the guard runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// The address that moves, with its prefix.
    pub vip: String,
    /// The link that it is put on.
    pub interface: String,
    /// VRRP's number of this address: the same on all masters, and of nobody else on the segment.
    pub virtual_router_id: u8,
    /// Between two adverts.
    pub advert_ms: u32,
    /// Adverts go to the whole segment instead of to each master: for a set that was set up so.
    pub multicast: bool,
    /// This master's name; empty: the host's.
    pub name: String,
    /// All masters, and those that were: how far the bases lie apart stays the same when one of them leaves.
    pub masters: BTreeMap<String, Master>,
    /// Those of them that take part now, by name; empty: all.
    pub present: BTreeSet<String>,
    /// Between two looks.
    pub look_ms: u32,
    /// With the kubelet.
    pub kubelet: Patience,
    /// With the API server.
    pub api_server: Patience,
    /// Whether a kubelet that is down is started.
    pub restart_kubelet: Policy,
    /// Whether a keepalived that is down is started.
    pub restart_keepalived: Policy,
    /// The folder of what keepalived is told; it is gone after a boot.
    pub run_dir: PathBuf,
    /// keepalived's configuration.
    pub keepalived_conf: PathBuf,
}

/// A master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Master {
    /// Its own address, on the segment of the one that moves.
    pub address: IpAddr,
    /// Its priority while it is not well: of no other master.
    pub base: u8,
}

/// Another master, by its name.
pub type Peer<'s> = (&'s str, &'s Master);

impl Default for Settings {
    fn default() -> Self {
        Self {
            vip: String::new(),
            interface: String::new(),
            virtual_router_id: 0,
            advert_ms: 200,
            multicast: false,
            name: String::new(),
            masters: BTreeMap::new(),
            present: BTreeSet::new(),
            look_ms: 500,
            kubelet: Patience::KUBELET,
            api_server: Patience::API_SERVER,
            restart_kubelet: Policy::Failed,
            restart_keepalived: Policy::Failed,
            run_dir: "/run/slipway/vip-guard".into(),
            keepalived_conf: "/etc/keepalived/keepalived.conf".into(),
        }
    }
}

fn bad(said: impl Into<String>) -> Coded {
    Coded::new(Code::CONF_BAD_VALUE, said).do_this("docs/configuration.md, \"VIP guard\", has an example")
}

impl Settings {
    /// The settings of the fragments in `folders`, unchecked as a whole: see [`Settings::validated`].
    pub fn load(folders: &[PathBuf]) -> Result<Self, Coded> {
        slipway_config::load(folders)
    }

    /// The same of fragments in the usual folders that were read already: each a name and a text, the later ones winning.
    pub fn of(fragments: &[(&str, &str)]) -> Result<Self, Coded> {
        slipway_config::load_over(fragments, &[] as &[PathBuf], "slipway-vip-guard --print-config")
    }

    /// The address that moves, without its prefix.
    pub fn address(&self) -> &str {
        self.vip.split('/').next().unwrap_or_default()
    }

    /// This master, and the others that take part.
    pub fn own(&self) -> Result<(&Master, Vec<Peer<'_>>), Coded> {
        let (own, others): (Vec<Peer<'_>>, _) = self.taking_part().partition(|(name, _)| *name == self.name);
        let (_, own) = own.first().ok_or_else(|| {
            let names: Vec<&str> = self.taking_part().map(|(name, _)| name).collect();
            bad(format!("this host calls itself {:?}, and the masters are {}", self.name, names.join(", ")))
        })?;
        Ok((own, others))
    }

    /// The masters that take part.
    pub fn taking_part(&self) -> impl Iterator<Item = Peer<'_>> {
        let all = self.masters.iter().filter(|(name, _)| self.takes_part(name));
        all.map(|(name, master)| (name.as_str(), master))
    }

    /// Whether a master of that name does.
    pub fn takes_part(&self, name: &str) -> bool {
        self.present.is_empty() || self.present.contains(name)
    }

    /// What is added to the bases of this set. Of all that are known: masters that hear of a change one after the other reckon alike meanwhile.
    pub fn weights(&self) -> Weights {
        let bases = || self.masters.values().map(|master| master.base);
        Weights::over(bases().max().unwrap_or_default() - bases().min().unwrap_or_default())
    }

    /// Checks what single keys cannot tell. `hostname` stands in for a name that was not given.
    pub fn validated(mut self, hostname: &str) -> Result<Self, Coded> {
        if self.name.is_empty() {
            hostname.clone_into(&mut self.name);
        }
        let (address, prefix) = self.vip.split_once('/').ok_or_else(|| {
            bad(format!("vip = {:?} is no address with a prefix, such as \"10.0.0.10/32\"", self.vip))
        })?;
        let vip: IpAddr = address.parse().map_err(|_| bad(format!("vip = {:?} is no address", self.vip)))?;
        let longest = if vip.is_ipv4() { 32 } else { 128 };
        if !prefix.parse::<u8>().is_ok_and(|prefix| (1..=longest).contains(&prefix)) {
            return Err(bad(format!("vip = {:?} has no prefix from 1 to {longest}", self.vip)));
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if self.interface.is_empty() || self.interface.len() > 15 || !self.interface.chars().all(legal) {
            return Err(bad(format!("interface = {:?} is no name of a link", self.interface)));
        }
        if self.virtual_router_id == 0 {
            return Err(bad("virtual-router-id is not given; it is 1 to 255, and of nobody else on the segment"));
        }
        if !ADVERTS.contains(&self.advert_ms) || !self.advert_ms.is_multiple_of(10) {
            return Err(bad(format!("advert-ms = {} is not 10 to 10000, in tens", self.advert_ms)));
        }
        if !(100..=2_000).contains(&self.look_ms) {
            return Err(bad(format!("look-ms = {} is not 100 to 2000", self.look_ms)));
        }
        if !self.run_dir.is_absolute() || !self.keepalived_conf.is_absolute() {
            return Err(bad("run-dir and keepalived-conf are absolute paths"));
        }
        self.check_masters(vip)?;
        self.own()?;
        Ok(self)
    }

    fn check_masters(&self, vip: IpAddr) -> Result<(), Coded> {
        let mut addresses = BTreeSet::new();
        let mut bases = BTreeSet::new();
        if let Some(unknown) = self.present.iter().find(|name| !self.masters.contains_key(*name)) {
            return Err(bad(format!("present names {unknown:?}, and there is no masters.{unknown}")));
        }
        for (name, master) in self.taking_part() {
            if master.address == vip || !addresses.insert(master.address) {
                return Err(bad(format!("masters.{name}.address = {} is somebody else's too", master.address)));
            }
            if master.address.is_ipv4() != vip.is_ipv4() {
                return Err(bad(format!("masters.{name}.address = {} is of another family than vip", master.address)));
            }
            if master.base == 0 || !bases.insert(master.base) {
                return Err(bad(format!(
                    "masters.{name}.base = {} is not above 0 and of this master alone",
                    master.base
                )));
            }
        }
        let most = bases.last().map_or(0, |last| self.weights().priority(*last, true, true));
        if most > HIGHEST {
            return Err(bad(format!(
                "the bases are too high or too far apart: the highest priority would be {most}, not {HIGHEST}"
            )));
        }
        Ok(())
    }

    /// As a fragment that would give these settings.
    pub fn to_toml(&self) -> Result<String, Coded> {
        toml::to_string(self)
            .map_err(|error| Coded::new(Code::INTERNAL, format!("printing the configuration: {error}")))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rstest::rstest;

    /// Three masters, seen from `m1`.
    pub(crate) fn three() -> Settings {
        let master = |number: u8| Master { address: IpAddr::from([10, 0, 0, 10 + number]), base: 25 * number - 15 };
        Settings {
            vip: "10.0.0.10/32".into(),
            interface: "eth0".into(),
            virtual_router_id: 70,
            name: "m1".into(),
            masters: (1..=3).map(|number| (format!("m{number}"), master(number))).collect(),
            ..Settings::default()
        }
    }

    fn change(text: &str) -> Result<Settings, Coded> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("10.toml"), three().to_toml().unwrap()).unwrap();
        std::fs::write(folder.path().join("20.toml"), text).unwrap();
        Settings::load(&[folder.path().to_owned()])?.validated("elsewhere")
    }

    #[test]
    fn what_is_printed_gives_the_same_settings_again() {
        assert_eq!(change("").unwrap(), three());
        let nameless = Settings { name: String::new(), ..three() }.validated("m2").unwrap();
        assert_eq!(nameless.name, "m2");
    }

    #[rstest]
    #[case("vip = '10.0.0.10'", "prefix")]
    #[case("vip = '10.0.0.10/33'", "1 to 32")]
    #[case("vip = 'x/32'", "no address")]
    #[case("interface = 'eth0; reboot'", "no name of a link")]
    #[case("virtual-router-id = 0", "virtual-router-id")]
    #[case("advert-ms = 5", "advert-ms")]
    #[case("advert-ms = 205", "advert-ms")]
    #[case("look-ms = 5000", "look-ms")]
    #[case("run-dir = 'here'", "absolute")]
    #[case("name = 'm9'", "m1, m2, m3")]
    #[case("masters.m2.address = '10.0.0.11'", "somebody else's")]
    #[case("masters.m2.address = '10.0.0.10'", "somebody else's")]
    #[case("masters.m2.address = 'fd00::1'", "another family")]
    #[case("masters.m2.base = 10", "of this master alone")]
    #[case("masters.m2.base = 0", "above 0")]
    #[case("masters.m2.base = 90", "too far apart")]
    #[case("present = ['m1', 'm9']", "no masters.m9")]
    #[case("present = ['m2', 'm3']", "the masters are m2, m3")]
    fn values_that_cannot_be_used_are_refused_and_named(#[case] text: &str, #[case] says: &str) {
        let error = change(text).unwrap_err();
        assert_eq!(error.code, Code::CONF_BAD_VALUE, "{text}");
        assert!(error.message.contains(says), "{text}: {error}");
    }

    #[test]
    fn one_that_does_not_take_part_keeps_the_weights_and_its_base_is_free() {
        let two = change("present = ['m1', 'm2']").unwrap();
        assert_eq!(two.own().unwrap().1.len(), 1);
        assert_eq!(two.weights(), three().weights());
        assert!(change("present = ['m1', 'm2']\nmasters.m2.base = 60").is_ok());
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_name() {
        let error = change("advert-mss = 200").unwrap_err();
        assert_eq!(error.code, Code::CONF_UNKNOWN_KEY);
        assert!(error.way_out.unwrap().contains("advert-ms"));
    }
}
