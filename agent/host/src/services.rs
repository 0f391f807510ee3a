//! Units of systemd, and long commands as transient services: those outlive the agent, so a restarted agent finds them by name.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::Error;

/// systemd's ActiveState.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Active {
    /// Up, or being reloaded.
    Active,
    /// Down, or not known to systemd at all.
    Inactive,
    /// Down after a failure.
    Failed,
    /// On its way up; a unit with `Restart=` waits here between attempts.
    Activating,
    /// On its way down.
    Deactivating,
}

impl Active {
    /// As systemd writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Failed => "failed",
            Self::Activating => "activating",
            Self::Deactivating => "deactivating",
        }
    }

    /// Nothing of the unit runs, nor will start by itself.
    pub const fn is_down(self) -> bool {
        matches!(self, Self::Inactive | Self::Failed)
    }
}

/// What systemd would do with the unit at boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Enablement {
    /// Started at boot.
    Enabled,
    /// Not started at boot, may be started by hand or by a package script.
    Disabled,
    /// Cannot be started at all.
    Masked,
    /// Has no install section, or is generated or linked.
    Static,
    /// There is no such unit.
    NotFound,
}

impl Enablement {
    /// As systemd writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Masked => "masked",
            Self::Static => "static",
            Self::NotFound => "not-found",
        }
    }
}

/// A unit as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceState {
    /// Its name, with the suffix.
    pub unit: String,
    /// Whether it runs.
    pub active: Active,
    /// Whether it would start.
    pub enablement: Enablement,
    /// Its main process, while it has one.
    pub main_pid: Option<u32>,
}

/// A command to run as a transient service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transient {
    /// The unit's name, ending in `.service`.
    pub name: String,
    /// For `systemctl status`.
    pub description: String,
    /// The program by its absolute path, and its arguments.
    pub argv: Vec<String>,
    /// What is added to its environment.
    #[serde(default)]
    pub environment: Vec<(String, String)>,
    /// Where both outputs go.
    pub output: PathBuf,
    /// systemd ends it after this.
    pub max_runtime: Duration,
}

/// How a transient service stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransientStatus {
    /// It runs.
    Running,
    /// It ended by itself, with this exit code; -1 when a signal or the time limit ended it.
    Exited {
        /// The exit code.
        code: i32,
    },
    /// There is none of that name: never started, forgotten, or the host was restarted.
    NotFound,
}

/// systemd.
#[async_trait]
pub trait Services: Send + Sync + std::fmt::Debug {
    /// How `unit` stands. A unit that is not there is `Inactive` and `NotFound`, no error.
    async fn state(&self, unit: &str) -> Result<ServiceState, Error>;
    /// Stops `unit` and waits until systemd's job has ended. Stopping a stopped or absent unit is no error.
    async fn stop(&self, unit: &str) -> Result<(), Error>;
    /// Puts `unit` into the boot. Enabling an enabled one is no error, enabling an absent or masked one is.
    async fn enable(&self, unit: &str) -> Result<(), Error>;
    /// Starts `unit` and waits until systemd's job has ended. Starting a running one is no error, an absent or masked one is.
    async fn start(&self, unit: &str) -> Result<(), Error>;
    /// Stops `unit` if it runs, and starts it.
    async fn restart(&self, unit: &str) -> Result<(), Error>;
    /// Makes `unit`, which runs, read its configuration again, and waits until it has. A unit that cannot do that is an error.
    async fn reload(&self, unit: &str) -> Result<(), Error>;
    /// Takes `unit` out of the boot.
    async fn disable(&self, unit: &str) -> Result<(), Error>;
    /// Masks `unit`. A unit file in `/etc/systemd/system` is in the way: [`Error::OwnUnitFile`].
    async fn mask(&self, unit: &str) -> Result<(), Error>;
    /// Takes the mask off.
    async fn unmask(&self, unit: &str) -> Result<(), Error>;
    /// Makes systemd read its unit files again.
    async fn daemon_reload(&self) -> Result<(), Error>;
    /// The last that `unit` said, at most `lines` of it; empty where nothing is kept of it.
    async fn last_words(&self, unit: &str, lines: u16) -> Result<Vec<String>, Error>;
    /// Starts a transient service. One of the same name that is still known is an error: ask [`Services::transient_status`] first.
    async fn run_transient(&self, transient: &Transient) -> Result<(), Error>;
    /// How the transient service `name` stands.
    async fn transient_status(&self, name: &str) -> Result<TransientStatus, Error>;
    /// Ends the transient service if it runs, and makes systemd forget it.
    async fn forget_transient(&self, name: &str) -> Result<(), Error>;
}
