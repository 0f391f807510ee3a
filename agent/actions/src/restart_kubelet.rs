//! Restarts the kubelet after its package was upgraded, and believes only what runs: a process of the program that is installed now, which has
//! read what it is configured with, lives for a while and says that it is well.

use std::time::Duration;

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_host::{Active, Enablement, Host, kubelet};
use slipway_proto::types;

use crate::mask_kubelet::UNIT;
use crate::perform::{change, obstacle};
use crate::release::Release;
use crate::{Check, Done, Error, OperationContext, Perform};

const POLL: Duration = Duration::from_secs(1);
/// A kubelet that cannot live with its flags, its configuration or its host ends within these.
const STEADY: Duration = Duration::from_secs(5);
/// A slow host reads its pods and starts for a minute.
const POLLS: u32 = 120;
/// So often down in a row or one after the other, it will not come up: systemd tries every ten seconds.
const MOST_DOWN: u32 = 25;
const LINES: u16 = 12;
const NAMED: usize = 3;

/// Restarts the kubelet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartKubelet {
    release: Release,
}

/// What keeps the kubelet from being the one that is wanted.
enum Short {
    Down(Active),
    OtherProgram,
    OldConfiguration,
    New,
    Unwell(String),
}

impl Short {
    fn words(&self) -> String {
        match self {
            Self::Down(active) => format!("it is {}", active.as_str()),
            Self::OtherProgram => "the program that runs is not the one that is installed".to_owned(),
            Self::OldConfiguration => "it was started before its configuration was written".to_owned(),
            Self::New => "it was started just now".to_owned(),
            Self::Unwell(address) => format!("it does not say at {address} that it is well"),
        }
    }
}

impl RestartKubelet {
    /// As the wire asks for it, every argument checked.
    pub fn new(restart: &types::RestartKubelet) -> Result<Self, Coded> {
        Ok(Self { release: Release::new(&restart.kubernetes)? })
    }

    async fn comes_up(&self, host: &Host, operation: &OperationContext) -> Result<(), Error> {
        let mut down = 0;
        let mut last = Short::Down(Active::Inactive);
        for tried in 0..POLLS {
            match short(host).await? {
                None => return Ok(()),
                Some(short) => last = short,
            }
            down += u32::from(matches!(last, Short::Down(_)));
            if down >= MOST_DOWN {
                break;
            }
            operation.go_on(self.name())?;
            if tried % 10 == 9 {
                operation.progress.say(format!("{} s after its restart: {}", tried + 1, last.words()));
            }
            tokio::select! {
                () = operation.cancelled.cancelled() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
        // What it said is a help; that it does not run is the finding.
        let said = host.services.last_words(UNIT, LINES).await.unwrap_or_default();
        let telling: Vec<String> = telling(&said);
        let said = if telling.is_empty() { String::new() } else { format!("; it says: {}", telling.join(" / ")) };
        let what = format!("the kubelet does not run in {}: {}{said}", self.release, last.words());
        Err(Error::NotReached { action: self.name(), code: self.failure(), what })
    }
}

/// The lines that tell why it ended: those of errors, else the last.
fn telling(said: &[String]) -> Vec<String> {
    let error = |line: &&String| {
        line.starts_with(['E', 'F']) || line.to_lowercase().contains("fail") || line.contains("unknown flag")
    };
    let errors: Vec<&String> = said.iter().filter(error).collect();
    let of = if errors.is_empty() { said.iter().collect() } else { errors };
    let cut = |line: &String| line.chars().take(300).collect::<String>();
    of[of.len().saturating_sub(NAMED)..].iter().map(|line| cut(line)).collect()
}

/// What the kubelet is short of; none: it is the one that is wanted.
async fn short(host: &Host) -> Result<Option<Short>, Error> {
    let state = host.services.state(UNIT).await?;
    let Some(pid) = state.main_pid.filter(|_| state.active == Active::Active) else {
        return Ok(Some(Short::Down(state.active)));
    };
    let Some(running) = host.kubeadm.running_kubelet(pid).await? else { return Ok(Some(Short::Down(state.active))) };
    if !running.installed {
        return Ok(Some(Short::OtherProgram));
    }
    if !running.configured {
        return Ok(Some(Short::OldConfiguration));
    }
    if running.age < STEADY {
        return Ok(Some(Short::New));
    }
    let Some(address) = kubelet::healthz(host).await? else { return Ok(None) };
    let well = host.kubeadm.kubelet_is_well(&address).await?;
    Ok((!well).then_some(Short::Unwell(address)))
}

#[async_trait]
impl Perform for RestartKubelet {
    fn name(&self) -> &'static str {
        "restart-kubelet"
    }

    fn by_hand(&self) -> Vec<String> {
        vec![
            "systemctl daemon-reload".into(),
            format!("systemctl restart {UNIT}"),
            format!("kubelet --version   # must say {}", self.release),
            "curl http://127.0.0.1:10248/healthz   # must say ok, also after some seconds".into(),
        ]
    }

    fn failure(&self) -> Code {
        Code::UPGRADE_KUBELET
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let mut obstacles = Vec::new();
        obstacles.extend(self.release.unless("kubelet", host.kubeadm.kubelet_version().await?.as_deref()));
        let state = host.services.state(UNIT).await?;
        if matches!(state.enablement, Enablement::Masked | Enablement::NotFound) {
            let explain = format!("{UNIT} is {}, so it cannot be restarted", state.enablement.as_str());
            obstacles.push(obstacle(Code::HOST_SERVICE, UNIT, explain));
        }
        let short = short(host).await?;
        let changes: Vec<_> = short.iter().map(|short| change("unit", UNIT, "restart", short.words())).collect();
        Ok(Check { satisfied: changes.is_empty() && obstacles.is_empty(), changes, obstacles })
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        operation.progress.say("making systemd read its units again");
        host.services.daemon_reload().await?;
        operation.progress.say("restarting the kubelet");
        host.services.restart(UNIT).await?;
        self.comes_up(host, operation).await?;
        let record = vec![format!(
            "the kubelet that runs is {}, has lived for {} s and is well",
            self.release,
            STEADY.as_secs()
        )];
        Ok(Done { changes: found.changes.clone(), record })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_errors_are_told_and_else_the_last() {
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        let mixed = lines(&["I1 starting", "E1 cgroup v1", "I2 going on", "Failed to start"]);
        assert_eq!(telling(&mixed), ["E1 cgroup v1", "Failed to start"]);
        assert_eq!(telling(&lines(&["I1", "I2", "I3", "I4"])), ["I2", "I3", "I4"]);
        assert_eq!(telling(&[format!("E{}", "x".repeat(1000))])[0].len(), 300);
    }
}
