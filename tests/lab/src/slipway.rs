//! Slipway as an operator uses it: the `slipway` program on the coordinator's host, with what it prints for machines. Tests steer
//! runs by it; whether a run did what it says is asked elsewhere.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::command::Output;
use crate::eventually::eventually;
use crate::lab::Lab;

/// What a worker's removal is allowed to cost in these tests.
pub(crate) const WITH_FLAGS: [&str; 3] = ["--yes", "--delete-emptydir-data", "--force"];

/// A run, by its id.
#[derive(Clone, Debug)]
pub(crate) struct Run<'a> {
    lab: &'a Lab,
    pub(crate) id: String,
}

/// What `run show -o json` says, as far as tests ask.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RunShown {
    pub(crate) state: String,
    pub(crate) why: Option<String>,
    pub(crate) steps: Vec<StepShown>,
}

/// One step of it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct StepShown {
    pub(crate) id: String,
    pub(crate) state: String,
    pub(crate) says: Option<String>,
}

impl RunShown {
    /// The step of that id.
    pub(crate) fn step(&self, id: &str) -> Result<&StepShown> {
        self.steps.iter().find(|step| step.id == id).with_context(|| format!("the run has no step {id}"))
    }
}

impl Lab {
    /// Runs `slipway` on the coordinator's host to its end, whatever that is.
    pub(crate) fn slipway(&self, words: &[&str]) -> Result<Output> {
        self.coordinator()?.run(&[&["slipway"], words].concat())
    }

    /// `slipway ... -o json` that must succeed, parsed.
    pub(crate) fn slipway_json(&self, words: &[&str]) -> Result<Value> {
        let output = self.slipway(&[words, &["-o", "json"]].concat())?;
        ensure!(output.is_ok(), "slipway {}: {output}", words.join(" "));
        serde_json::from_str(&output.stdout).with_context(|| format!("slipway {} speaks JSON", words.join(" ")))
    }

    /// Starts a run and leaves it to itself.
    pub(crate) fn start(&self, words: &[&str]) -> Result<Run<'_>> {
        let words = [words, &["--detach", "-o", "json"]].concat();
        let output = self.slipway(&words)?;
        ensure!(output.is_ok(), "slipway {}: {output}", words.join(" "));
        Ok(Run { lab: self, id: started(&output)? })
    }

    /// Takes the worker out with all flags, and leaves the run to itself.
    pub(crate) fn start_removal(&self, node: &str) -> Result<Run<'_>> {
        self.start(&[&["node", "remove", node][..], &WITH_FLAGS].concat())
    }

    /// Takes a master out with all flags, and leaves the run to itself.
    pub(crate) fn start_master_removal(&self, node: &str) -> Result<Run<'_>> {
        self.start(&[&["node", "remove", node][..], &WITH_FLAGS, &["--accept-less-tolerance"]].concat())
    }

    /// The run that a verb began and followed, from what it printed.
    pub(crate) fn run_of(&self, output: &Output) -> Result<Run<'_>> {
        Ok(Run { lab: self, id: started(output)? })
    }

    /// How the coordinator lists a host; none if it does not.
    pub(crate) fn enrolled(&self, name: &str) -> Result<Option<Value>> {
        let said = self.slipway_json(&["host", "list"])?;
        let hosts = said.as_array().or_else(|| said["hosts"].as_array()).context("a list of hosts")?;
        Ok(hosts.iter().find(|host| host["name"] == name).cloned())
    }
}

/// The run that the lines of a mutating verb name.
fn started(output: &Output) -> Result<String> {
    let lines = output.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut begun = lines.filter(|line| line["type"] == "started");
    let line = begun.next().with_context(|| format!("no run was started: {output}"))?;
    Ok(line["run"].as_str().context("the run's id")?.to_owned())
}

/// Checks that a verb was refused with this exit code and this error code.
pub(crate) fn refused(output: &Output, exit: i32, code: &str) -> Result<()> {
    let said = format!("{}{}", output.stdout, output.stderr);
    ensure!(output.code == Some(exit), "exit {exit} with {code} was expected, but: {output}");
    ensure!(said.contains(code), "{code} was expected, but: {said}");
    Ok(())
}

impl Run<'_> {
    /// Its id, for verbs.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Where it stands.
    pub(crate) fn show(&self) -> Result<RunShown> {
        Ok(serde_json::from_value(self.lab.slipway_json(&["run", "show", &self.id])?)?)
    }

    /// Waits until it is in this state; one that ended otherwise, or waits for a person, is not waited for.
    pub(crate) fn reaches(&self, wanted: &str, deadline: Duration) -> Result<RunShown> {
        eventually(&format!("run {} to be {wanted}", self.id), deadline, || {
            let shown = self.show()?;
            if shown.state == wanted {
                return Ok(Ok(shown));
            }
            let still = ["paused", "completed", "unwound", "needs-operator"].contains(&shown.state.as_str());
            if still && wanted != "running" {
                return Ok(Err(anyhow!("run {} is {}: {:?}", self.id, shown.state, shown.why)));
            }
            bail!("it is {}: {:?}", shown.state, standing(&shown))
        })?
    }

    /// Waits until a step says something with all of these words in it.
    pub(crate) fn step_says(&self, id: &str, words: &[&str], deadline: Duration) -> Result<String> {
        eventually(&format!("step {id} to speak of {}", words.join(", ")), deadline, || {
            let says = self.show()?.step(id)?.says.clone().unwrap_or_default();
            ensure!(words.iter().all(|word| says.contains(word)), "it says {says:?}");
            Ok(says)
        })
    }

    /// Goes on with it after a pause.
    pub(crate) fn resume(&self) -> Result<()> {
        let output = self.lab.slipway(&["run", "resume", &self.id])?;
        ensure!(output.is_ok(), "resume: {output}");
        Ok(())
    }

    /// Waits until that step begins.
    pub(crate) fn comes_to(&self, step: &str) -> Result<()> {
        let mut watch = self.watch()?;
        for line in watch.by_ref() {
            if step_begun(&line?) == Some(step) {
                return Ok(());
            }
        }
        bail!("`run watch` ended ({}), and the run did not come to {step}", watch.last_words()?)
    }

    /// Follows its journal, line by line, as it is written.
    pub(crate) fn watch(&self) -> Result<Watch> {
        let mut child = self.lab.coordinator()?.spawn(&["slipway", "run", "watch", &self.id, "-o", "json"])?;
        let lines = BufReader::new(child.stdout.take().context("its output is piped")?).lines();
        Ok(Watch { child, lines })
    }
}

/// What it is at, for the text of a wait in vain.
fn standing(shown: &RunShown) -> Option<String> {
    let step = shown.steps.iter().find(|step| ["running", "failed"].contains(&step.state.as_str()))?;
    Some(format!("{} {}: {}", step.id, step.state, step.says.clone().unwrap_or_default()))
}

/// The lines of `run watch`; they end with the run, or when it waits for a person.
pub(crate) struct Watch {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Watch {
    /// How it ended, in its own words.
    pub(crate) fn last_words(mut self) -> Result<String> {
        let mut said = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            errors.read_to_string(&mut said)?;
        }
        Ok(format!("{}: {}", self.child.wait()?, said.trim()))
    }
}

impl Iterator for Watch {
    type Item = Result<Value>;

    fn next(&mut self) -> Option<Result<Value>> {
        let line = self.lines.next()?;
        Some(
            line.map_err(Into::into).and_then(|line| {
                serde_json::from_str(&line).with_context(|| format!("a line of `run watch`: {line:?}"))
            }),
        )
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It ends by itself with the run; one that is left early must not become a zombie.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The step whose turn came, if this line of `run watch` says so.
pub(crate) fn step_begun(line: &Value) -> Option<&str> {
    if line["type"] == "entry" && line["entry"]["event"] == "started" { line["entry"]["step"].as_str() } else { None }
}

/// The step that is over and done, if this line of `run watch` says so.
pub(crate) fn step_ended(line: &Value) -> Option<&str> {
    let ended = line["type"] == "entry" && ["done", "already-true"].contains(&line["entry"]["event"].as_str()?);
    if ended { line["entry"]["step"].as_str() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn output(code: i32, stdout: &str, stderr: &str) -> Output {
        Output { code: Some(code), stdout: stdout.to_owned(), stderr: stderr.to_owned() }
    }

    #[test]
    fn a_run_is_known_from_the_line_that_names_it() {
        let text = "{\"type\":\"plan\",\"plan\":{}}\n{\"type\":\"started\",\"run\":\"r7\",\"existed\":false}\n";
        assert_eq!(started(&output(0, text, "")).unwrap(), "r7");
        assert!(started(&output(2, "", "refused")).is_err());
    }

    #[test]
    fn a_refusal_is_one_by_exit_and_by_code() {
        let said = output(2, "", "{\"error\":{\"code\":\"SLIP-NODE-001\"}}");
        assert!(refused(&said, 2, "SLIP-NODE-001").is_ok());
        assert!(refused(&said, 4, "SLIP-NODE-001").is_err());
        assert!(refused(&said, 2, "SLIP-NODE-002").is_err());
    }

    #[test]
    fn only_a_started_entry_begins_a_step() {
        let entry = |event: &str| json!({"type": "entry", "entry": {"event": event, "step": "reset-w2"}});
        assert_eq!(step_begun(&entry("started")), Some("reset-w2"));
        assert_eq!(step_begun(&entry("done")), None);
        assert_eq!(step_begun(&json!({"type": "progress", "step": "reset-w2"})), None);
    }
}
