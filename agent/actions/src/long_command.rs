//! A command that may outlive the agent: it runs as a transient service named after its operation, so that the next agent finds it. What it
//! reached is for the action to see on the host; here is only how it ended.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use slipway_errors::Code;
use slipway_host::{Host, Transient, TransientStatus};
use slipway_proto::types::Change;
use slipway_types::{OperationId, without_credentials};

use crate::perform::change;
use crate::{Error, OperationContext};

const OUTPUT: &str = "/var/lib/slipway/agent/output";
/// The most that is read of what one said.
pub(crate) const OUTPUT_LIMIT: usize = 1 << 20;
const POLL: Duration = Duration::from_millis(200);

/// A kind of long command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LongCommand {
    /// The action that it belongs to.
    pub(crate) action: &'static str,
    /// As people call it: `kubeadm reset`.
    pub(crate) says: &'static str,
    /// The longest that it may take.
    pub(crate) longest: Duration,
    /// The code of its failure.
    pub(crate) code: Code,
}

/// How one ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Its exit code; -1 when a signal or the time limit ended it.
    pub(crate) exit: i32,
    /// The last that it said.
    pub(crate) said: String,
    /// Where all that it said is kept.
    pub(crate) output: PathBuf,
}

impl Ended {
    /// A line for the run's record.
    pub(crate) fn line(&self, command: LongCommand) -> String {
        format!("{} ended with {}; its output is in {}", command.says, self.exit, self.output.display())
    }

    /// The same as an error.
    pub(crate) fn failed(&self, command: LongCommand) -> Error {
        let what = format!("{} ended with {}: {}", command.says, self.exit, self.said);
        Error::NotReached { action: command.action, code: command.code, what }
    }
}

impl LongCommand {
    /// The unit that `operation` runs it in.
    pub(crate) fn unit(self, operation: &OperationId) -> String {
        let safe: String =
            operation.as_str().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(120).collect();
        // What was replaced or cut off must not make two operations one.
        let tail = hex::encode(Sha256::digest(operation.as_str()));
        format!("slipway-{}-{safe}-{}.service", self.says.replace(' ', "-"), &tail[..12])
    }

    /// What is known of one that was found running, or ended.
    pub(crate) fn begun_before(self) -> Change {
        change("process", self.says, "run", "begun by an earlier life of this agent")
    }

    /// Starts it and follows it to its end.
    pub(crate) async fn run(
        self,
        host: &Host,
        operation: &OperationContext,
        argv: Vec<String>,
    ) -> Result<Ended, Error> {
        self.run_with(host, operation, argv, vec![]).await
    }

    /// The same with something added to its environment.
    pub(crate) async fn run_with(
        self,
        host: &Host,
        operation: &OperationContext,
        argv: Vec<String>,
        environment: Vec<(String, String)>,
    ) -> Result<Ended, Error> {
        let unit = self.unit(&operation.operation);
        let transient = Transient {
            name: unit.clone(),
            description: format!("{} of Slipway's operation {}", self.says, operation.operation),
            argv,
            environment,
            output: output_path(&unit),
            max_runtime: operation.left().min(self.longest),
        };
        operation.progress.say(format!("running {}", self.says));
        host.services.run_transient(&transient).await?;
        self.follow(host, operation, &unit).await
    }

    /// Follows the one that an earlier life of this operation began; none: there is none.
    pub(crate) async fn attach(self, host: &Host, operation: &OperationContext) -> Result<Option<Ended>, Error> {
        let unit = self.unit(&operation.operation);
        if host.services.transient_status(&unit).await? == TransientStatus::NotFound {
            return Ok(None);
        }
        operation.progress.say(format!("{} was begun before: waiting for it", self.says));
        self.follow(host, operation, &unit).await.map(Some)
    }

    /// Waits for the unit's end, however that comes, and makes systemd forget it.
    async fn follow(self, host: &Host, operation: &OperationContext, unit: &str) -> Result<Ended, Error> {
        let exit = loop {
            match host.services.transient_status(unit).await? {
                TransientStatus::Exited { code } => break code,
                TransientStatus::NotFound => {
                    let what = format!("{unit} is gone before it told its end");
                    return Err(Error::NotReached { action: self.action, code: self.code, what });
                }
                TransientStatus::Running => {
                    if let Err(error) = operation.go_on(self.action) {
                        host.services.forget_transient(unit).await?;
                        return Err(error);
                    }
                    tokio::select! {
                        () = operation.cancelled.cancelled() => {}
                        () = tokio::time::sleep(POLL) => {}
                    }
                }
            }
        };
        let output = output_path(unit);
        let said = last_words(host, &output).await;
        host.services.forget_transient(unit).await?;
        Ok(Ended { exit, said, output })
    }
}

fn output_path(unit: &str) -> PathBuf {
    Path::new(OUTPUT).join(unit.replace(".service", ".log"))
}

async fn last_words(host: &Host, output: &Path) -> String {
    let output = host.files.read(output, OUTPUT_LIMIT).await.ok().flatten().unwrap_or_default();
    let text = String::from_utf8_lossy(&output);
    let lines: Vec<&str> = text.lines().rev().filter(|line| !line.trim().is_empty()).take(3).collect();
    if lines.is_empty() {
        "it said nothing".to_owned()
    } else {
        without_credentials(&lines.into_iter().rev().collect::<Vec<_>>().join(" / "))
    }
}
