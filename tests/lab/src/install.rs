//! Puts Slipway on the lab as the documentation tells a user to: programs and units on every host, `init` on the coordinator's,
//! a one-time token and `enrol` for each of the others.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::build::SANDBOX;
use crate::cluster::{IGNORED, INIT_FILE as INIT};
use crate::command::{check, command};
use crate::each::each;
use crate::eventually::eventually;
use crate::host::Host;
use crate::lab::Lab;
use crate::mirror;
use crate::progress::step;
use crate::release::LATER_ETCD;

const PROGRAMS: [&str; 4] = ["slipway", "slipway-agent", "slipway-coordinator", "slipway-vip-guard"];
const AGENT_UNIT: &str = "slipway-agent.service";
const COORDINATOR_UNIT: &str = "slipway-coordinator.service";
const ETCD_UNIT: &str = "slipway-etcd.service";
const GUARD_UNIT: &str = "slipway-vip-guard.service";
const UNITS: [&str; 4] = [AGENT_UNIT, COORDINATOR_UNIT, ETCD_UNIT, GUARD_UNIT];
const KUBECONFIG: &str = "/etc/slipway/kubeconfig";
/// What the coordinator may do, as it is shipped: each test proves that it is enough.
const RIGHTS: &str = "slipway-coordinator.yaml";
/// The coordinator's name at the API server.
pub(crate) const COORDINATOR: &str = "slipway:coordinator:lab";
/// The group that the rights are bound to.
const GROUP: &str = "slipway:coordinators";
/// What was installed, on the coordinator's host.
const STAMP: &str = "/root/lab-installed";
const SETTINGS_FILE: &str = "/etc/slipway/coordinator.d/10-lab.toml";
const BUDGET_FILE: &str = "/etc/slipway/coordinator.d/20-budget.toml";
/// The lab's registry has one later etcd of 3.5, where the table names the oldest one that will do.
const VERSIONS_FILE: &str = "/etc/slipway/versions.d/10-lab.toml";

/// Where this workspace's programs and units lie.
#[derive(Clone, Debug)]
pub struct Binaries {
    programs: PathBuf,
    units: PathBuf,
    rights: PathBuf,
}

/// What `slipway token create -o json` says.
#[derive(Deserialize)]
struct Token {
    token: String,
    ca_hash: String,
}

impl Binaries {
    /// The programs of a cargo profile, `dev` or `release`, in the target folder that this program itself was built into.
    pub fn of_profile(profile: &str) -> Result<Self> {
        let folder = if profile == "dev" { "debug" } else { profile };
        let deploy = workspace()?.join("deploy");
        let (units, rights) = (deploy.join("systemd"), deploy.join("rbac").join(RIGHTS));
        Ok(Self { programs: target()?.join(folder), units, rights })
    }

    fn files(&self) -> Vec<PathBuf> {
        let programs = PROGRAMS.iter().map(|name| self.programs.join(name));
        let units = UNITS.iter().map(|name| self.units.join(name));
        programs.chain(units).chain([self.rights.clone()]).collect()
    }

    /// Changes with any of the files.
    fn stamp(&self) -> Result<String> {
        check(&mut command("sha256sum", self.files()))
    }
}

/// Cargo's target folder: this program lies in a profile's folder in it, tests one deeper.
pub(crate) fn target() -> Result<PathBuf> {
    let own = env::current_exe().context("find this program")?;
    let mut folders = own.ancestors().skip(1);
    let profile = folders.find(|folder| folder.file_name().is_some_and(|name| name != "deps"));
    profile.and_then(|folder| folder.parent()).map(PathBuf::from).context("find cargo's target folder")
}

/// The tree whose units are installed: the one it is called in, not the one it was compiled in, which may be another checkout.
fn workspace() -> Result<PathBuf> {
    let here = env::current_dir().context("find the current folder")?;
    let tree = here.ancestors().find(|folder| folder.join("deploy/systemd").is_dir());
    tree.map(PathBuf::from)
        .with_context(|| format!("{} is not in a checkout of Slipway: call `cargo xtask lab` there", here.display()))
}

/// Brings Slipway on all hosts to what is built now, or says why not: the lab is of use without it too. What is enrolled stays
/// enrolled; a lab that is used again must only never be tested with the programs of yesterday.
pub(crate) fn slipway(lab: &Lab, binaries: &Binaries) -> Result<()> {
    let missing: Vec<String> =
        binaries.files().iter().filter(|path| !path.is_file()).map(|path| path.display().to_string()).collect();
    if !missing.is_empty() {
        eprintln!("lab: Slipway is not installed, for it is not built: no {}", missing.join(", "));
        return Ok(());
    }
    let (stamp, host) = (binaries.stamp()?, lab.coordinator()?);
    let installed = if host.has_path(STAMP)? { Some(host.read_file(STAMP)?) } else { None };
    if installed.as_deref() == Some(stamp.as_str()) {
        return Ok(());
    }
    step("Slipway on all hosts", || {
        let nodes = lab.agents();
        each(lab.hosts(), |host| lay(host, binaries))?;
        grant(lab, binaries)?;
        if installed.is_some() {
            restart(host, COORDINATOR_UNIT)?;
            each(&nodes, |host| restart(host, AGENT_UNIT))?;
        } else {
            coordinator(lab)?;
            each(&nodes, |host| enrol(lab, host))?;
        }
        wait_enrolled(lab)?;
        host.write_file(STAMP, "0644", &stamp)
    })
}

fn restart(host: &Host, unit: &str) -> Result<()> {
    host.run_ok(&["systemctl", "restart", unit]).map(|_| ())
}

fn lay(host: &Host, binaries: &Binaries) -> Result<()> {
    for program in PROGRAMS {
        host.copy_in(&binaries.programs.join(program), &format!("/usr/bin/{program}"), "0755")?;
    }
    for unit in UNITS {
        host.copy_in(&binaries.units.join(unit), &format!("/usr/lib/systemd/system/{unit}"), "0644")?;
    }
    host.run_ok(&["systemctl", "daemon-reload"]).map(|_| ())
}

fn coordinator(lab: &Lab) -> Result<()> {
    let host = lab.coordinator()?;
    let address = format!("{}:7400", host.address());
    host.write_file("/root/pass", "0600", "a passphrase of the lab\n")?;
    host.run_ok(&[
        "slipway",
        "init",
        "--dir",
        "/var/lib/slipway/coordinator",
        "--cluster",
        "lab",
        "--address",
        &address,
        "--export",
        "/root/slipway-root",
        "--passphrase-file",
        "/root/pass",
    ])?;
    host.write_file(KUBECONFIG, "0600", kubeconfig(lab)?)?;
    let settings = settings(&api_servers(lab), &mirror::template(host.plan()), &mirror::key(lab)?);
    host.write_file(SETTINGS_FILE, "0644", settings)?;
    let versions = format!("[rules.etcd-floor-1-34]\nraises-etcd-to = \"{LATER_ETCD}\"\n");
    host.write_file(VERSIONS_FILE, "0644", versions)?;
    host.run_ok(&["systemctl", "--quiet", "enable", "--now", "slipway-coordinator"])?;
    Ok(())
}

/// The rights and the namespace, as they are shipped.
fn grant(lab: &Lab, binaries: &Binaries) -> Result<()> {
    let (master, there) = (lab.master()?, format!("/root/{RIGHTS}"));
    master.copy_in(&binaries.rights, &there, "0644")?;
    master.run_ok(&["kubectl", "apply", "-f", &there]).map(|_| ())
}

/// Of a user that has these rights and no other: the way that the documentation gives.
fn kubeconfig(lab: &Lab) -> Result<String> {
    let words = ["kubeadm", "kubeconfig", "user", "--client-name", COORDINATOR, "--org", GROUP, "--config", INIT];
    lab.master()?.run_ok(&words)
}

/// With one master the kubeconfig's own address is all there is.
fn settings(api_servers: &[String], repository: &str, key: &str) -> String {
    let packages = format!("[packages]\nurl = \"{repository}\"\nkey = '''\n{key}'''\n");
    let host = format!("[host]\nsandbox-image = \"{SANDBOX}\"\n");
    let join = format!(
        "[join]\nignore-preflight-errors = [{}]\n",
        quoted(IGNORED.trim_start_matches("--ignore-preflight-errors=").split(','))
    );
    let kubeconfig = format!("{packages}\n{host}\n{join}\n[kubernetes]\nkubeconfig = \"{KUBECONFIG}\"\n");
    if api_servers.len() < 2 {
        return kubeconfig;
    }
    format!("{kubeconfig}endpoints = [{}]\n", quoted(api_servers.iter().map(String::as_str)))
}

fn quoted<'w>(words: impl Iterator<Item = &'w str>) -> String {
    words.map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

fn api_servers(lab: &Lab) -> Vec<String> {
    lab.masters().iter().map(|host| format!("https://{}:6443", host.address())).collect()
}

/// Has the coordinator ask this master's API server first, and waits until it does.
pub(crate) fn serve_coordinator_by(lab: &Lab, master: &Host) -> Result<()> {
    let coordinator = lab.coordinator()?;
    let mut servers = api_servers(lab);
    let own = format!("https://{}:6443", master.address());
    servers.sort_by_key(|server| *server != own);
    let settings = settings(&servers, &mirror::template(coordinator.plan()), &mirror::key(lab)?);
    coordinator.write_file(SETTINGS_FILE, "0644", settings)?;
    restart(coordinator, COORDINATOR_UNIT)?;
    let peer = format!("{}:6443", master.address());
    eventually(&format!("the coordinator to be served by {}", master.name()), Duration::from_secs(30), || {
        coordinator.run_ok(&["slipway", "node", "list"])?;
        let open = coordinator.run_ok(&["ss", "-Htnp", "state", "established", "dst", &peer])?;
        ensure!(open.contains("slipway"), "it has no connection to {peer}");
        Ok(())
    })
}

/// Gives all workers a budget, as an operator does whose cluster has a node that stays cordoned.
pub(crate) fn set_budget(lab: &Lab, max_disrupted: u32) -> Result<()> {
    let coordinator = lab.coordinator()?;
    coordinator.write_file(BUDGET_FILE, "0644", format!("[budget]\nmax-disrupted = {max_disrupted}\n"))?;
    restart(coordinator, COORDINATOR_UNIT)?;
    eventually("the coordinator to lead again", Duration::from_secs(30), || {
        coordinator.run_ok(&["slipway", "node", "list"]).map(|_| ())
    })
}

fn enrol(lab: &Lab, host: &Host) -> Result<()> {
    let coordinator = lab.coordinator()?;
    let create = ["slipway", "token", "create", "--host", host.name(), "-o", "json"];
    let said =
        eventually("the coordinator to hand out a token", Duration::from_secs(30), || coordinator.run_ok(&create))?;
    let token: Token = serde_json::from_str(&said).context("`slipway token create` speaks JSON")?;
    let (at, own) = (format!("{}:7400", coordinator.address()), format!("{}:7443", host.address()));
    host.run_ok(&[
        "slipway-agent",
        "enrol",
        "--coordinator",
        &at,
        "--token",
        &token.token,
        "--ca-hash",
        &token.ca_hash,
        "--name",
        host.name(),
        "--address",
        &own,
    ])?;
    host.run_ok(&["systemctl", "--quiet", "enable", "--now", "slipway-agent"])?;
    Ok(())
}

fn wait_enrolled(lab: &Lab) -> Result<()> {
    let coordinator = lab.coordinator()?;
    let want = [("node", "nodes", lab.nodes().len()), ("host", "hosts", lab.agents().len())];
    eventually("the coordinator to list all nodes and hosts", Duration::from_mins(1), || {
        for (verb, list, want) in want {
            let said: Value = serde_json::from_str(&coordinator.run_ok(&["slipway", verb, "list", "-o", "json"])?)?;
            let listed = said.as_array().or_else(|| said[list].as_array()).map_or(0, Vec::len);
            ensure!(listed >= want, "{listed} of {want} {list} are listed");
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_master_needs_no_list_of_api_servers() {
        let repository = "http://10.70.0.31/v{minor}/";
        assert!(!settings(&["https://10.70.0.11:6443".to_owned()], repository, "k\n").contains("endpoints"));
        let text = settings(&["https://a:6443".to_owned(), "https://b:6443".to_owned()], repository, "k\n");
        assert!(text.ends_with("endpoints = [\"https://a:6443\", \"https://b:6443\"]\n"), "{text}");
    }
}
