//! Modules and sysctls that pods' networks need. A module that is built in counts, and so does what works in a container without any.

use std::path::Path;

use slipway_errors::Code;
use slipway_host::Host;
use slipway_host::kernel::Module;

use super::sysctls::{self, Overruled};
use super::{Found, Record};
use crate::perform::change;
use crate::{Error, OperationContext};

const MODULES: [&str; 2] = ["overlay", "br_netfilter"];
const MODULES_FILE: &str = "/etc/modules-load.d/slipway-kubernetes.conf";
const MODULES_UNIT: &str = "systemd-modules-load.service";
const SYSCTLS: [&str; 3] =
    ["net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables"];
const BRIDGE: &str = "net.bridge.";
const SYSCTL_FILE: &str = "/etc/sysctl.d/90-slipway-kubernetes.conf";
/// A sign before a name keeps systemd from failing where the kernel has no such sysctl.
const SYSCTL_TEXT: &str = "# Written by Slipway: what pods' networks need.\nnet.ipv4.ip_forward = 1\n-net.bridge.bridge-nf-call-iptables = 1\n-net.bridge.bridge-nf-call-ip6tables = 1\n";

pub(super) async fn look(host: &Host, found: &mut Found) -> Result<(), Error> {
    let mut at_boot = Vec::new();
    let mut bridge = Module::Absent;
    for name in MODULES {
        let module = host.kernel.module(name).await?;
        match module {
            Module::Loadable => {
                found.load = true;
                found.changes.push(change("module", name, "load", "pods need it"));
            }
            Module::Absent if name == "overlay" => {
                let why = "this kernel has no overlay in any form, and containers have no other way to their files: install the kernel's package of modules (and kmod), or another kernel";
                found.refuse(Code::HOST_KERNEL, name, why);
            }
            Module::Absent => {
                found.notes.push(format!("this kernel has no {name}: traffic over bridges is not seen by iptables"));
            }
            Module::BuiltIn | Module::Loaded => {}
        }
        if module.is_loaded_at_boot() {
            at_boot.push(name);
        }
        if name == "br_netfilter" {
            bridge = module;
        }
    }
    if !at_boot.is_empty() {
        let text = format!("# Written by Slipway: what pods need.\n{}\n", at_boot.join("\n"));
        found.want(host, Path::new(MODULES_FILE), text, "modules that are loaded at each boot").await?;
    }
    found.want(host, Path::new(SYSCTL_FILE), SYSCTL_TEXT.to_owned(), "sysctls that are set at each boot").await?;
    let overruled = sysctls::overruled(&sysctls::files(host).await?, Path::new(SYSCTL_FILE), SYSCTL_TEXT);
    for name in SYSCTLS {
        let now = host.kernel.sysctl(name).await?;
        // What this kernel does not have, and will not, nobody can set.
        let counts = now.is_some() || bridge == Module::Loadable;
        if let Some(other) = overruled.iter().find(|other| other.key == name && counts) {
            found.refuse(Code::HOST_PREPARE, &other.by.display().to_string(), later(other));
        }
        match now.as_deref() {
            Some("1") => {}
            Some(other) => {
                found.changes.push(change("sysctl", name, "set", format!("1 instead of {other}")));
                found.sysctls.push(name);
            }
            // It comes with its module.
            None if name.starts_with(BRIDGE) && bridge == Module::Loadable => found.sysctls.push(name),
            None if name.starts_with(BRIDGE) => found.notes.push(format!("this kernel has no {name}")),
            None => {
                found.refuse(Code::HOST_KERNEL, name, format!("this kernel has no {name}: pods could not be reached"));
            }
        }
    }
    Ok(())
}

/// It may be meant: what it breaks is for its owner to decide, and not for a file that is named so as to come last.
fn later(other: &Overruled) -> String {
    let Overruled { key, value, by } = other;
    format!(
        "{} sets {key} to {value} and is read after {SYSCTL_FILE} at each boot, so pods would lose their network with the next one: take {key} out of it, or set it to 1 there",
        by.display()
    )
}

pub(super) async fn bring_about(
    host: &Host,
    operation: &OperationContext,
    found: &Found,
    record: &mut Record,
) -> Result<(), Error> {
    if found.load {
        operation.progress.say("loading modules of the kernel");
        // One of somebody else's list may fail; what counts is whether ours are there.
        let restarted = host.services.restart(MODULES_UNIT).await;
        for name in MODULES {
            if host.kernel.module(name).await? == Module::Loadable {
                restarted?;
                let what = format!("the module {name} is not loaded: modprobe {name} on the host says why");
                return Err(Error::NotReached { action: "prepare-host", code: Code::HOST_KERNEL, what });
            }
        }
    }
    for name in &found.sysctls {
        let Some(before) = host.kernel.sysctl(name).await?.filter(|value| value != "1") else { continue };
        record.sysctls.entry((*name).to_owned()).or_insert(before);
        record.write(host).await?;
        host.kernel.set_sysctl(name, "1").await?;
    }
    Ok(())
}

pub(super) fn by_hand() -> Vec<String> {
    vec![
        format!("printf 'overlay\\nbr_netfilter\\n' > {MODULES_FILE}; systemctl restart {MODULES_UNIT}"),
        format!(
            "printf 'net.ipv4.ip_forward = 1\\n-net.bridge.bridge-nf-call-iptables = 1\\n-net.bridge.bridge-nf-call-ip6tables = 1\\n' > {SYSCTL_FILE}; sysctl -p {SYSCTL_FILE}"
        ),
        "swapon --show   # must say nothing, unless the cluster's kubelets have failSwapOn: false".to_owned(),
    ]
}
