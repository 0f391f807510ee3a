//! A host of the lab as tests use it: run something on it, read and write its files, cut its power, hang it, boot it again.

mod boot;
mod disk;
mod files;
mod seed;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::build::Built;
use crate::cgroups::Cgroups;
use crate::command::{Output, command};
use crate::eventually::eventually;
use crate::network;
use crate::paths::HostFiles;
use crate::process::{Process, namespaced, send_kill};
use crate::shape::{HostPlan, Role, Shape};

/// What a command on a host sees of this machine's environment: nothing.
const ENVIRONMENT: &[&str] = &[
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LC_ALL=C.UTF-8",
    "KUBECONFIG=/etc/kubernetes/admin.conf",
    "DEBIAN_FRONTEND=noninteractive",
];
/// How long a command may take unless a test says otherwise: longer than any kubeadm call of the lab.
const PATIENCE: Duration = Duration::from_mins(10);

/// A machine of the lab, booted or not. Its disk outlives its power.
#[derive(Clone, Debug)]
pub struct Host {
    plan: HostPlan,
    files: HostFiles,
    cgroups: Cgroups,
}

impl Host {
    pub(crate) fn new(state: &Path, plan: HostPlan) -> Self {
        Self { files: HostFiles::new(state, &plan.name), cgroups: Cgroups::new(state), plan }
    }

    /// `m1`, `w2`, `c1`.
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// What it is for.
    pub fn role(&self) -> Role {
        self.plan.role
    }

    /// Its address on the lab's network.
    pub fn address(&self) -> String {
        self.plan.address()
    }

    /// Its place in the lab.
    pub fn plan(&self) -> &HostPlan {
        &self.plan
    }

    /// The number of its init on this machine; an error if it is not up.
    pub fn init(&self) -> Result<i32> {
        let nspawn = self.nspawn()?;
        let child = nspawn.filter(Process::is_alive).map(|nspawn| nspawn.children()).unwrap_or_default();
        let init =
            child.into_iter().find(|pid| namespaced(*pid) == Some((1, 1))).or_else(|| self.cgroups.init(self.name()));
        init.with_context(|| format!("{} is not up", self.name()))
    }

    /// Whether it has power.
    pub fn is_up(&self) -> bool {
        self.init().is_ok()
    }

    /// Runs a command to its end, whatever that is. An error means that it could not be run, or took over ten minutes.
    pub fn run(&self, words: &[&str]) -> Result<Output> {
        self.run_within(PATIENCE, words)
    }

    /// `run` with a time limit of its own; what exceeds it is killed, and is an error.
    pub fn run_within(&self, limit: Duration, words: &[&str]) -> Result<Output> {
        let mut command = self.command_within(limit, words)?;
        self.finished(command.output().context("start nsenter")?, limit, words)
    }

    /// Runs a command and takes nothing but success; returns its standard output.
    pub fn run_ok(&self, words: &[&str]) -> Result<String> {
        let output = self.run(words)?;
        ensure!(output.is_ok(), "{}: {}: {output}", self.name(), words.join(" "));
        Ok(output.stdout)
    }

    /// Starts a command and leaves it running; its output is piped.
    pub fn spawn(&self, words: &[&str]) -> Result<Child> {
        let mut command = self.command(words)?;
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("start nsenter")
    }

    /// Starts a shell or a command with this terminal, and waits; returns its exit code.
    pub fn interact(&self, words: &[&str]) -> Result<i32> {
        let status = self.command(words)?.stdin(Stdio::inherit()).status().context("start nsenter")?;
        Ok(status.code().unwrap_or(128))
    }

    /// Pulls the plug: every process ends at once, nothing is flushed, the disk stays.
    pub fn power_cut(&self) -> Result<()> {
        // Without its init the kernel ends all of a host's processes; without its nspawn it would live on.
        let nspawn = self.nspawn()?;
        if let Ok(init) = self.init() {
            send_kill(init)?;
            self.cgroups.freeze(self.name(), false)?;
        }
        if let Some(nspawn) = nspawn
            && nspawn.wait_gone(Duration::from_secs(20)).is_err()
        {
            nspawn.kill()?;
        }
        self.cgroups.clear(self.name())?;
        boot::sweep(self.name())?;
        network::unplug(self.name())
    }

    /// Kills what holds the host up on this machine, and then the rest of it: a fault of the lab, not of a host, which must
    /// be got over as well.
    pub fn kill_supervisor(&self) -> Result<()> {
        if let Some(nspawn) = self.nspawn()? {
            nspawn.kill()?;
        }
        self.power_cut()
    }

    /// Asks it to shut down and waits until it has.
    pub fn power_off(&self) -> Result<()> {
        self.run(&["systemctl", "poweroff", "--no-block"])?;
        eventually(&format!("{} to shut down", self.name()), Duration::from_mins(2), || {
            ensure!(!self.is_up(), "it runs");
            Ok(())
        })?;
        self.power_cut()
    }

    /// Hangs it: everything stands still, its addresses answer nothing but ping.
    pub fn freeze(&self) -> Result<()> {
        self.cgroups.freeze(self.name(), true)
    }

    /// Lets a hung host go on where it was.
    pub fn thaw(&self) -> Result<()> {
        self.cgroups.freeze(self.name(), false)
    }

    /// Drops all that it sends and is sent: it runs on, and nobody hears of it.
    pub fn partition(&self) -> Result<()> {
        network::cut(self.name())
    }

    /// Drops what it sends and is sent by these TCP ports, on either side; `heal` ends that too.
    pub fn partition_ports(&self, ports: &[u16]) -> Result<()> {
        network::cut_ports(self.name(), ports)
    }

    /// Gives a host that was cut off its network again.
    pub fn heal(&self) -> Result<()> {
        network::heal(self.name())
    }

    /// Waits until it has finished booting; a failed unit is no reason to wait.
    pub fn wait_booted(&self) -> Result<()> {
        eventually(&format!("{} to boot", self.name()), Duration::from_mins(1), || {
            let said = self.run_within(Duration::from_secs(10), &["systemctl", "is-system-running"])?.stdout;
            match said.trim() {
                "running" | "degraded" => Ok(()),
                state => bail!("it is {state:?}"),
            }
        })
        .map_err(|error| error.context(format!("its console is in {}", self.files.console().display())))
    }

    /// Makes its disk, unless it has one, and boots it; returns before it has finished booting.
    pub(crate) fn start(&self, shape: Shape, built: &Built) -> Result<()> {
        ensure!(!self.is_up(), "{} is up already", self.name());
        // What a host that was cut off left behind would be in the new one's way.
        self.power_cut()?;
        disk::mount(&self.files, &built.root)?;
        seed::write(&self.files, &self.plan, shape)?;
        let groups = self.cgroups.make(self.name())?;
        boot::start(&self.plan, &self.files, &groups, &built.shared)
    }

    fn command(&self, words: &[&str]) -> Result<Command> {
        let mut command = command("nsenter", ["--target", &self.init()?.to_string(), "--all", "--", "env", "-i"]);
        command.args(ENVIRONMENT).args(words);
        Ok(command)
    }

    /// Time limits are kept by a process of its own, so that a test which was itself killed leaves nothing running for long.
    fn command_within(&self, limit: Duration, words: &[&str]) -> Result<Command> {
        let inner = self.command(words)?;
        let limit = format!("{}", limit.as_secs().max(1));
        let mut outer = command("timeout", ["--kill-after=5", &limit]);
        outer.arg(inner.get_program()).args(inner.get_args());
        Ok(outer)
    }

    fn finished(&self, raw: std::process::Output, limit: Duration, words: &[&str]) -> Result<Output> {
        const TIMED_OUT: [Option<i32>; 2] = [Some(124), Some(137)];
        let output = Output::from(raw);
        if TIMED_OUT.contains(&output.code) {
            bail!("{}: {}: took over {} s: {output}", self.name(), words.join(" "), limit.as_secs());
        }
        Ok(output)
    }

    fn nspawn(&self) -> Result<Option<Process>> {
        let mark: PathBuf = self.files.root();
        Process::recorded(&self.files.process(), &mark.to_string_lossy())
    }
}
