//! A coordinator on each master, over an etcd of their own, as the documentation tells an operator to go there from a single one: folders made with
//! the export, members, then the store moved.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::command::Output;
use crate::eventually::{eventually, holds};
use crate::evidence::main_pid;
use crate::host::Host;
use crate::lab::Lab;
use crate::progress::step;
use crate::slipway::{Run, step_begun};

const FOLDER: &str = "/var/lib/slipway/coordinator";
const SETTINGS: &str = "/etc/slipway/coordinator.d/10-lab.toml";
const STORE: &str = "/etc/slipway/coordinator.d/30-store.toml";
const KUBECONFIG: &str = "/etc/slipway/kubeconfig";
const VERSIONS: &str = "/etc/slipway/versions.d/10-lab.toml";
const CLI: &str = "/root/.config/slipway/config.toml";
const UNIT: &str = "slipway-coordinator";
const ETCD_UNIT: &str = "slipway-etcd";
/// A distribution would have it there.
const ETCD: &str = "for one in /opt/lab/etcd-later-*/etcd; do install -m 0755 \"$one\" /usr/bin/etcd; done";
/// From a coordinator that was killed until the next one answers, with air for a slow machine.
const TAKEN_OVER: Duration = Duration::from_secs(40);
const RESTED: Duration = Duration::from_secs(10);
/// The kernel counts processes' time in hundredths of a second (proc(5), `sysconf(_SC_CLK_TCK)`).
const TICK_MS: u64 = 10;

/// Three coordinators where one was.
pub(crate) struct Coordinators<'a> {
    lab: &'a Lab,
}

impl<'a> Coordinators<'a> {
    /// Goes from the one of the lab to one on each master. No other test goes back to one.
    pub(crate) fn on_masters(lab: &'a Lab) -> Result<Self> {
        lab.spend()?;
        let (first, masters) = (lab.coordinator()?, lab.masters());
        step("a coordinator's folder for each master", || masters.iter().try_for_each(|host| prepare(first, host)))?;
        let members: Vec<String> = masters.iter().map(|host| format!("{}={}", host.name(), host.address())).collect();
        step("the store's etcd", || {
            masters.iter().try_for_each(|host| member(host, &members.join(",")))?;
            eventually("the members to have found each other", Duration::from_secs(30), || {
                masters.iter().try_for_each(|host| host.run_ok(&["systemctl", "is-active", "slipway-etcd"]).map(|_| ()))
            })
        })?;
        let coordinators = Self { lab };
        let url = coordinators.url();
        step("the store moves", || {
            first.run_ok(&["systemctl", "--quiet", "disable", "--now", UNIT])?;
            let said = first.run_ok(&["slipway-coordinator", "--move-store-to", &url])?;
            ensure!(said.starts_with("moved "), "it said {said}");
            Ok(())
        })?;
        masters.iter().try_for_each(|host| {
            host.write_file(STORE, "0644", format!("store = \"{url}\"\n"))?;
            host.run_ok(&["systemctl", "--quiet", "enable", "--now", UNIT]).map(|_| ())
        })?;
        coordinators.are_asked(&masters)?;
        coordinators.answered()?;
        Ok(coordinators)
    }

    /// The store in etcd.
    pub(crate) fn url(&self) -> String {
        let ports: Vec<String> = self.lab.masters().iter().map(|host| format!("{}:7410", host.address())).collect();
        format!("etcd://{}", ports.join(","))
    }

    /// Whom the command line asks.
    fn are_asked(&self, hosts: &[&Host]) -> Result<()> {
        let all: Vec<String> = hosts.iter().map(|host| format!("{}:7400", host.address())).collect();
        let config = format!("coordinator = \"{}\"\nidentity = \"identity\"\n", all.join(","));
        self.lab.coordinator()?.write_file(CLI, "0600", config)
    }

    /// Moves the store, as the documentation has it, with coordinators on the first `count` masters afterwards.
    pub(crate) fn move_store(&self, url: &str, count: usize) -> Result<()> {
        let masters = self.lab.masters();
        masters
            .iter()
            .try_for_each(|host| host.run_ok(&["systemctl", "--quiet", "disable", "--now", UNIT]).map(|_| ()))?;
        let said = self.lab.master()?.run_ok(&["slipway-coordinator", "--move-store-to", url])?;
        ensure!(said.starts_with("moved "), "it said {said}");
        let after: Vec<&Host> = masters.into_iter().take(count).collect();
        after.iter().try_for_each(|host| {
            host.write_file(STORE, "0644", format!("store = \"{url}\"\n"))?;
            host.run_ok(&["systemctl", "--quiet", "enable", "--now", UNIT]).map(|_| ())
        })?;
        self.are_asked(&after)?;
        self.answered()
    }

    /// Puts another member of the store in the place of one whose data is damaged, as the documentation has it.
    pub(crate) fn replace_member(&self, host: &Host) -> Result<()> {
        let others = self.lab.masters();
        let other = others.iter().find(|one| one.name() != host.name()).context("another master")?;
        let (name, member) = (host.name(), format!("{}={}", host.name(), host.address()));
        host.run_ok(&["systemctl", "stop", ETCD_UNIT])?;
        other.run_ok(&["slipway-coordinator", "--dismiss-store-member", name])?;
        host.run_ok(&["find", "/var/lib/slipway/etcd", "-mindepth", "1", "-delete"])?;
        let mut admitting = other.spawn(&["slipway-coordinator", "--admit-store-member", &member])?;
        let members: Vec<String> = others.iter().map(|one| format!("{}={}", one.name(), one.address())).collect();
        let all = members.join(",");
        let begun = eventually("the member to be let in", TAKEN_OVER, || {
            host.run_ok(&["slipway", "store", "member", "--existing", "--name", name, "--members", &all])?;
            host.run_ok(&["systemctl", "restart", ETCD_UNIT]).map(|_| ())
        });
        if begun.is_err() {
            admitting.kill()?;
        }
        let said = Output::from(admitting.wait_with_output()?);
        ensure!(begun.is_ok() && said.is_ok(), "{name} was not given its vote: {begun:?}; who admits it said: {said}");
        Ok(())
    }

    /// The master whose coordinator leads. Each is asked by itself: one that stands by says so.
    pub(crate) fn leader(&self) -> Result<&'a Host> {
        for host in self.lab.masters() {
            let output = self.says(host)?;
            if output.is_ok() {
                return self.lab.host(host.name());
            }
            ensure!(
                output.stderr.contains("SLIP-LEADER-001") || output.stderr.contains("SLIP-WIRE"),
                "{} neither leads nor stands by: {output}",
                host.name()
            );
        }
        bail!("none of them leads")
    }

    /// Kills the one that leads; gives the host, and how long nobody answered.
    pub(crate) fn kill_leader(&self) -> Result<(&'a Host, Duration)> {
        self.signal_leader("KILL")
    }

    /// Makes the one that leads stand still, until `Coordinators::goes_on`; gives the host, and how long nobody else answered.
    pub(crate) fn stop_leader(&self) -> Result<(&'a Host, Duration)> {
        self.signal_leader("STOP")
    }

    /// Lets one that stands still go on where it was.
    pub(crate) fn goes_on(host: &Host) -> Result<()> {
        signal(host, "CONT")
    }

    fn signal_leader(&self, what: &str) -> Result<(&'a Host, Duration)> {
        let leader = self.leader()?;
        signal(leader, what)?;
        let began = Instant::now();
        self.answered()?;
        Ok((leader, began.elapsed()))
    }

    /// Kills the one that leads: how long it takes until another one has done what it is asked for, without a pause. Then all are there again.
    pub(crate) fn lose_the_leader(&self, asked: &[&str]) -> Result<Duration> {
        let leader = self.leader()?;
        let pid = main_pid(leader, UNIT)?;
        let began = Instant::now();
        leader.run_ok(&["kill", "-KILL", &pid])?;
        loop {
            let said = self.lab.slipway(asked)?;
            if said.is_ok() {
                break;
            }
            ensure!(began.elapsed() < TAKEN_OVER, "after the one on {}, nobody leads: {said}", leader.name());
        }
        let taken = began.elapsed();
        eventually("all coordinators to run", TAKEN_OVER, || {
            self.lab.masters().iter().try_for_each(|host| {
                let pid = main_pid(host, UNIT)?;
                ensure!(pid != "0", "the one on {} does not", host.name());
                Ok(())
            })
        })?;
        Ok(taken)
    }

    /// Kills the one that leads each time that one of these steps begins. What it prints is how long nobody answered.
    pub(crate) fn kill_along(&self, run: &Run<'_>, moments: &[&str]) -> Result<()> {
        let mut left = moments.to_vec();
        let mut watch = run.watch()?;
        for line in watch.by_ref() {
            let line = line?;
            let Some(index) = step_begun(&line).and_then(|step| left.iter().position(|moment| *moment == step)) else {
                continue;
            };
            let moment = left.remove(index);
            let (leader, silent) = self.kill_leader()?;
            let name = leader.name();
            println!("       at {moment}: {name} killed, {:.1} s until another one answered", silent.as_secs_f64());
        }
        ensure!(left.is_empty(), "`run watch` ended ({}), and the run came by none of {left:?}", watch.last_words()?);
        Ok(())
    }

    /// Checks that those who stand by rest: a loop that never waits would show here.
    pub(crate) fn standbys_rest(&self) -> Result<()> {
        let leader = self.leader()?;
        let others: Vec<&Host> = self.lab.masters().into_iter().filter(|host| host.name() != leader.name()).collect();
        let (before, began) = (others.iter().map(|host| spent(host)).collect::<Result<Vec<_>>>()?, Instant::now());
        holds("the leader leading", RESTED, || self.answered())?;
        for (host, before) in others.iter().zip(before) {
            let (used, time) = (spent(host)?.saturating_sub(before), began.elapsed());
            ensure!(used < time / 20, "the coordinator on {} stands by and has used {used:?} of {time:?}", host.name());
        }
        Ok(())
    }

    /// What a coordinator says by itself to whoever asks it.
    pub(crate) fn says(&self, host: &Host) -> Result<Output> {
        let at = format!("{}:7400", host.address());
        self.lab.coordinator()?.run(&["slipway", "--coordinator", &at, "node", "list"])
    }

    /// Waits until whoever leads answers.
    pub(crate) fn answered(&self) -> Result<()> {
        eventually("a coordinator to lead", TAKEN_OVER, || {
            self.lab.coordinator()?.run_ok(&["slipway", "node", "list"]).map(|_| ())
        })
    }
}

fn signal(host: &Host, what: &str) -> Result<()> {
    host.run_ok(&["kill", &format!("-{what}"), &main_pid(host, UNIT)?]).map(|_| ())
}

/// The time that the coordinator's process has had of the processors. systemd counts it only where its groups have that controller.
fn spent(host: &Host) -> Result<Duration> {
    let stat = host.read_file(&format!("/proc/{}/stat", main_pid(host, UNIT)?))?;
    // The name before them is in parentheses, and may have spaces in it.
    let fields: Vec<&str> = stat.rsplit(')').next().context("a process has a name")?.split_whitespace().collect();
    let (in_program, in_kernel) = (fields.get(11).context("utime")?, fields.get(12).context("stime")?);
    Ok(Duration::from_millis((in_program.parse::<u64>()? + in_kernel.parse::<u64>()?) * TICK_MS))
}

/// The folder that the first coordinator's host makes, and the settings that it has itself.
fn prepare(first: &Host, host: &Host) -> Result<()> {
    let (address, out) = (format!("{}:7400", host.address()), format!("/root/coordinator-{}", host.name()));
    first.run_ok(&[
        "slipway",
        "coordinator",
        "create",
        "--address",
        &address,
        "--out",
        &out,
        "--export",
        "/root/slipway-root",
        "--passphrase-file",
        "/root/pass",
    ])?;
    let packed = first.run_ok(&["sh", "-c", &format!("tar -C {out} -cf - . | base64 -w 0")])?;
    host.run_ok(&["mkdir", "-p", "-m", "0700", FOLDER])?;
    host.write_file("/root/coordinator.tar", "0600", packed)?;
    let unpack = format!("base64 -d /root/coordinator.tar | tar -C {FOLDER} -xpf - && rm /root/coordinator.tar");
    host.run_ok(&["sh", "-c", &unpack])?;
    for (file, mode) in [(SETTINGS, "0644"), (KUBECONFIG, "0600"), (VERSIONS, "0644")] {
        host.write_file(file, mode, first.read_file(file)?)?;
    }
    first.run_ok(&["rm", "-r", &out]).map(|_| ())
}

/// It has started once a majority has found each other, so nobody waits for the first.
fn member(host: &Host, members: &str) -> Result<()> {
    host.run_ok(&["sh", "-c", ETCD])?;
    host.run_ok(&["slipway", "store", "member", "--name", host.name(), "--members", members])?;
    host.run_ok(&["systemctl", "--quiet", "enable", "slipway-etcd"])?;
    host.run_ok(&["systemctl", "start", "--no-block", "slipway-etcd"]).map(|_| ())
}
