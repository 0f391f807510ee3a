//! A worker between two tests: joined again by hand after it left, as an operator would, so that the next test finds the cluster
//! as it was made.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::cluster::IGNORED;
use crate::eventually::eventually;
use crate::host::Host;
use crate::lab::Lab;

const NETWORK: &str = "/etc/cni/net.d/10-bridge.conflist";

/// Joins a cleaned worker again and waits until it serves, by the cluster's word and by the coordinator's.
pub(crate) fn join_again(lab: &Lab, host: &Host) -> Result<()> {
    host.run_ok(&["systemctl", "unmask", "kubelet"])?;
    host.run_ok(&["systemctl", "--quiet", "enable", "kubelet"])?;
    let line = lab.master()?.run_ok(&["kubeadm", "token", "create", "--print-join-command", "--ttl", "10m"])?;
    let mut join: Vec<&str> = line.split_whitespace().collect();
    join.push(IGNORED);
    host.run_ok(&join)?;
    forget_tokens(lab)?;
    wait_serves(lab, host)
}

/// Waits until a host that has joined serves, by the cluster's word and by the coordinator's.
pub(crate) fn wait_serves(lab: &Lab, host: &Host) -> Result<()> {
    eventually("the network to be laid again", Duration::from_mins(1), || host.read_file(NETWORK))?;
    lab.kubectl(&["wait", "--for=condition=Ready", "--timeout=90s", &format!("node/{}", host.name())])?;
    lab.kubectl(&["-n", "lab-network", "rollout", "status", "daemonset/addressed", "--timeout=90s"])?;
    eventually(&format!("the coordinator to list {} as ready", host.name()), Duration::from_secs(30), || {
        let said = lab.slipway_json(&["node", "list"])?;
        let nodes = said["nodes"].as_array().context("a list of nodes")?;
        let node = nodes.iter().find(|node| node["name"] == host.name()).context("it is not listed")?;
        ensure!(node["ready"] == "True", "{node}");
        Ok(())
    })
}

/// No token may be found by a test that looks for what Slipway left.
pub(crate) fn forget_tokens(lab: &Lab) -> Result<()> {
    let master = lab.master()?;
    let tokens = master.run_ok(&["kubeadm", "token", "list", "-o", "jsonpath={.token}{\"\\n\"}"])?;
    for token in tokens.split_whitespace() {
        master.run_ok(&["kubeadm", "token", "delete", token])?;
    }
    Ok(())
}

/// Cuts a host's power, gives it back, and waits until the coordinator hears its agent under the new boot.
pub(crate) fn power_cycle(lab: &Lab, host: &Host) -> Result<()> {
    host.power_cut()?;
    lab.boot(host.name())?;
    let boot = host.read_file("/proc/sys/kernel/random/boot_id")?;
    ensure!(!boot.trim().is_empty(), "{} knows no boot id", host.name());
    eventually(&format!("the agent of {} after its boot", host.name()), Duration::from_mins(1), || {
        host.run_ok(&["systemctl", "is-active", "slipway-agent"])?;
        let listed = lab.enrolled(host.name())?.context("it is not enrolled")?;
        let age = listed["heartbeat_age_ms"].as_i64().context("it was never heard")?;
        ensure!(age < 3_000, "it was heard {age} ms ago");
        Ok(())
    })
}

/// Whether the kubelet could be started.
pub(crate) fn mask_is_off(host: &Host) -> Result<bool> {
    Ok(host.run(&["systemctl", "is-enabled", "kubelet"])?.stdout.trim() != "masked")
}

/// Waits until the coordinator has noticed that it hears nothing of a host any more.
pub(crate) fn wait_silent(lab: &Lab, host: &Host) -> Result<()> {
    eventually(&format!("the coordinator to miss {}", host.name()), Duration::from_mins(1), || {
        let listed = lab.enrolled(host.name())?.context("it is not enrolled")?;
        let age = listed["heartbeat_age_ms"].as_i64();
        ensure!(age.is_none_or(|age| age > 6_000), "it was heard {age:?} ms ago");
        Ok(())
    })
}

/// Waits until the cluster takes a node for dead.
pub(crate) fn wait_not_ready(lab: &Lab, host: &Host) -> Result<()> {
    eventually(&format!("{} not to be ready", host.name()), Duration::from_mins(2), || {
        let status = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
        let ready = lab.kubectl(&["get", "node", host.name(), "-o", status])?;
        ensure!(ready.trim() == "Unknown", "it is ready: {ready}");
        Ok(())
    })
}
