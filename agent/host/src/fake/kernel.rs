//! The fake kernel: modules that are loaded only from where they lie, sysctls that are there only once their module is, and what systemd does
//! with both at boot. And a container runtime that reads its configuration when it is started.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{FakeHost, State};
use crate::Error;
use crate::kernel::{Kernel, Module};

const BRIDGE: &str = "net.bridge.";
const CONTAINERD: &str = "/etc/containerd/config.toml";
const MODULES_LOAD: &str = "/etc/modules-load.d";
const SYSCTL: &str = "/etc/sysctl.d";

/// A kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelState {
    /// Modules that it has in any form.
    pub modules: BTreeMap<String, Module>,
    /// Sysctls with their values.
    pub sysctls: BTreeMap<String, String>,
    /// What is swapped to.
    pub swaps: Vec<String>,
    /// Ports that somebody listens on.
    pub listening: BTreeSet<u16>,
    /// Free bytes below a folder; the longest that fits counts, and without one there is plenty.
    pub free: BTreeMap<String, u64>,
    /// 1 or 2.
    pub cgroup_version: u32,
    /// The firmware's id.
    pub product_uuid: String,
    /// Hardware addresses.
    pub macs: Vec<String>,
}

impl KernelState {
    /// Debian's, as it is after the installation of machine `number`.
    pub fn of_debian(number: u32) -> Self {
        let loadable = |name: &str| (name.to_owned(), Module::Loadable);
        Self {
            modules: ["overlay", "br_netfilter"].map(loadable).into(),
            sysctls: [("net.ipv4.ip_forward".to_owned(), "0".to_owned())].into(),
            cgroup_version: 2,
            product_uuid: format!("00000000-0000-4000-8000-{number:012}"),
            macs: vec![format!("52:54:00:00:{:02x}:{:02x}", number / 256 % 256, number % 256)],
            ..Self::default()
        }
    }

    fn load(&mut self, name: &str) -> bool {
        let Some(module) = self.modules.get_mut(name) else { return false };
        let fresh = *module == Module::Loadable;
        if fresh {
            *module = Module::Loaded;
        }
        if name == "br_netfilter" {
            for family in ["iptables", "ip6tables"] {
                self.sysctls.entry(format!("{BRIDGE}bridge-nf-call-{family}")).or_insert_with(|| "1".to_owned());
            }
        }
        fresh
    }

    pub(super) fn power_off(&mut self) {
        for module in self.modules.values_mut().filter(|module| **module == Module::Loaded) {
            *module = Module::Loadable;
        }
        self.sysctls.retain(|name, _| !name.starts_with(BRIDGE));
        for value in self.sysctls.values_mut() {
            "0".clone_into(value);
        }
    }
}

impl State {
    fn lines_below(&self, folder: &str) -> Vec<String> {
        let files = self.files.keys().filter(|path| path.starts_with(folder));
        let lines = files.filter_map(|path| self.text(path.to_str()?));
        lines.flat_map(|text| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>()).collect()
    }

    /// What `systemd-modules-load.service` does.
    pub(super) fn load_modules(&mut self) {
        for name in self.lines_below(MODULES_LOAD) {
            if self.kernel.load(&name) {
                self.witness(format!("load {name}"));
            }
        }
    }

    /// What `systemd-sysctl.service` does.
    pub(super) fn apply_sysctls(&mut self) {
        for line in self.lines_below(SYSCTL).iter().filter(|line| !line.starts_with(['#', ';'])) {
            if let Some((name, value)) = line.trim_start_matches('-').split_once('=')
                && let Some(known) = self.kernel.sysctls.get_mut(name.trim())
            {
                value.trim().clone_into(known);
            }
        }
    }

    /// What follows from a unit's restart.
    pub(super) fn restarted(&mut self, unit: &str) -> Result<(), Error> {
        match unit {
            "systemd-modules-load.service" => self.load_modules(),
            "containerd.service" => {
                self.runtime_up = self.runtime_starts();
                if !self.runtime_up {
                    self.stop_unit(unit);
                    let why = "the job ended as failed".to_owned();
                    return Err(Error::Service { unit: unit.to_owned(), doing: "restarting", why });
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What is read is part of the effect: to start it with an old configuration again is none that happens twice.
    pub(super) fn reads_at_start(&self, unit: &str) -> String {
        let config = self.text(CONTAINERD).filter(|_| unit == "containerd.service");
        config.map(|text| format!(" with {}", super::files::mark(text))).unwrap_or_default()
    }

    fn runtime_starts(&self) -> bool {
        let text = self.text(CONTAINERD).unwrap_or_default();
        let refused = self.runtime_refuses.as_ref().is_some_and(|refused| text.contains(refused));
        let disabled = |table: &toml::Table| {
            let list = table.get("disabled_plugins").and_then(toml::Value::as_array).cloned().unwrap_or_default();
            list.iter().any(|plugin| plugin.as_str().is_some_and(|name| name.contains("cri")))
        };
        !refused && text.parse::<toml::Table>().is_ok_and(|table| !disabled(&table))
    }
}

#[async_trait]
impl Kernel for FakeHost {
    async fn module(&self, name: &str) -> Result<Module, Error> {
        self.look("kernel.module", |state| Ok(state.kernel.modules.get(name).copied().unwrap_or(Module::Absent))).await
    }

    async fn sysctl(&self, name: &str) -> Result<Option<String>, Error> {
        self.look("kernel.sysctl", |state| Ok(state.kernel.sysctls.get(name).cloned())).await
    }

    async fn set_sysctl(&self, name: &str, value: &str) -> Result<(), Error> {
        self.act("kernel.set_sysctl", |state| {
            let Some(known) = state.kernel.sysctls.get_mut(name) else {
                return Err(Error::io(format!("setting {name}"))(std::io::ErrorKind::NotFound.into()));
            };
            if known != value {
                value.clone_into(known);
                state.witness(format!("sysctl {name}={value}"));
            }
            Ok(())
        })
        .await
    }

    async fn swaps(&self) -> Result<Vec<String>, Error> {
        self.look("kernel.swaps", |state| Ok(state.kernel.swaps.clone())).await
    }

    async fn listening_ports(&self) -> Result<BTreeSet<u16>, Error> {
        self.look("kernel.listening_ports", |state| Ok(state.kernel.listening.clone())).await
    }

    async fn free_bytes(&self, path: &Path) -> Result<u64, Error> {
        self.look("kernel.free_bytes", |state| {
            let fits = state.kernel.free.iter().filter(|(folder, _)| path.starts_with(folder));
            Ok(fits.max_by_key(|(folder, _)| folder.len()).map_or(31 << 30, |(_, free)| *free))
        })
        .await
    }

    async fn cgroup_version(&self) -> Result<u32, Error> {
        self.look("kernel.cgroup_version", |state| Ok(state.kernel.cgroup_version)).await
    }

    async fn product_uuid(&self) -> Result<String, Error> {
        self.look("kernel.product_uuid", |state| Ok(state.kernel.product_uuid.clone())).await
    }

    async fn macs(&self) -> Result<Vec<String>, Error> {
        self.look("kernel.macs", |state| Ok(state.kernel.macs.clone())).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::preset;

    #[test]
    fn a_module_is_loaded_at_boot_and_its_sysctls_follow() {
        let mut state = preset::machine("w1");
        state.write("/etc/modules-load.d/x.conf", "br_netfilter\nnone_such\n");
        state.write("/etc/sysctl.d/x.conf", "-net.bridge.bridge-nf-call-iptables = 0\nnet.ipv4.ip_forward = 1\n");
        state.reboot();
        assert_eq!(state.kernel.modules["br_netfilter"], Module::Loaded);
        assert_eq!(state.kernel.modules["overlay"], Module::Loadable);
        assert_eq!(state.kernel.sysctls["net.bridge.bridge-nf-call-iptables"], "0");
        assert_eq!(state.kernel.sysctls["net.bridge.bridge-nf-call-ip6tables"], "1");
        assert_eq!(state.kernel.sysctls["net.ipv4.ip_forward"], "1");
    }
}
