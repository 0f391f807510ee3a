//! Who may not, does not: strangers, people of another cluster, people whose time is over, a host that plays an operator, and hosts with
//! somebody else's token. Each is refused with its code, and the refusal stands in the record.

use std::thread;

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::Value;

use crate::callers::{Record, call};
use crate::host::Host;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::shape::Shape;
use crate::slipway::refused;

pub(super) const TEST: TestCase =
    TestCase { name: "scale_in_security_refusals", cost: 15, set: Set::Full, shape: Shape::SMALL, run };

const MAKE_EXPIRED: &str = include_str!("../../assets/expired-operator.sh");
const COORDINATOR: &str = "10.70.0.31:7400";
const LIST: &str = "slipway.coordinator.v1.FlowService/ListRuns";
const START: &str = "slipway.coordinator.v1.FlowService/StartFlow";
const AGENTS: &str = "/var/lib/slipway/agent/identity";
const FOLDER: &str = "/var/lib/slipway/coordinator";
const UNAUTHENTICATED: u32 = 16;
const PERMISSION_DENIED: u32 = 7;
const AT_ONCE: usize = 8;

fn run(lab: &Lab) -> Result<()> {
    an_operator_is_let_in(lab)?;
    without_a_certificate(lab)?;
    of_a_foreign_authority(lab)?;
    with_an_expired_certificate(lab)?;
    an_agent_as_an_operator(lab)?;
    a_reader_who_wants_to_change(lab)?;
    a_token_is_good_once(lab)?;
    a_token_is_good_for_one_host(lab)
}

/// Else the refusals below would prove nothing but a broken client. That there is no message is the service's own complaint, and it
/// complains to those alone who were let in.
fn an_operator_is_let_in(lab: &Lab) -> Result<()> {
    let answer = call(lab, lab.coordinator()?, Some("/root/.config/slipway/identity"), LIST)?;
    let refused = [None, Some(UNAUTHENTICATED), Some(PERMISSION_DENIED)].contains(&answer.status);
    ensure!(!refused, "{answer:?}");
    Ok(())
}

fn without_a_certificate(lab: &Lab) -> Result<()> {
    let record = Record::after_now(lab)?;
    for method in [LIST, START] {
        let answer = call(lab, lab.host("w1")?, None, method)?;
        ensure!(answer.status == Some(UNAUTHENTICATED), "{answer:?}");
    }
    record.has("SLIP-AUTH-001", 2)
}

fn of_a_foreign_authority(lab: &Lab) -> Result<()> {
    let coordinator = lab.coordinator()?;
    coordinator.run_ok(&["rm", "-rf", "/root/foreign"])?;
    let words = "slipway init --dir /root/foreign/authority --cluster lab --address 10.70.0.31:7400 --export /root/foreign/export --passphrase-file /root/pass --config /root/foreign/cli/config.toml";
    coordinator.run_ok(&words.split(' ').collect::<Vec<_>>())?;
    let record = Record::after_now(lab)?;
    let answer = call(lab, coordinator, Some("/root/foreign/cli/identity"), LIST)?;
    ensure!(answer.status.is_none() && !answer.said.contains("HTTP/2 200"), "it came to a call: {answer:?}");
    record.has("SLIP-AUTH-002", 1)?;
    // And the other way round: who trusts another root does not take this coordinator for his own.
    refused(&lab.slipway(&["--config", "/root/foreign/cli/config.toml", "run", "list"])?, 4, "SLIP-AUTH-002")?;
    coordinator.run_ok(&["rm", "-rf", "/root/foreign"]).map(|_| ())
}

/// Signed by the cluster's own authority, for a time that is over.
fn with_an_expired_certificate(lab: &Lab) -> Result<()> {
    let coordinator = lab.coordinator()?;
    coordinator.run_ok(&["rm", "-rf", "/root/eve"])?;
    coordinator.script("expired", MAKE_EXPIRED, &[FOLDER, "/root/eve", COORDINATOR])?;
    let record = Record::after_now(lab)?;
    let answer = call(lab, coordinator, Some("/root/eve/identity"), LIST)?;
    ensure!(answer.status.is_none_or(|status| status == UNAUTHENTICATED), "{answer:?}");
    record.has("SLIP-AUTH-004", 1)?;
    let output = lab.slipway(&["--config", "/root/eve/config.toml", "node", "isolate", "w1", "--yes"])?;
    refused(&output, 4, "SLIP-AUTH-004")?;
    coordinator.run_ok(&["rm", "-rf", "/root/eve"]).map(|_| ())
}

fn an_agent_as_an_operator(lab: &Lab) -> Result<()> {
    let worker = lab.host("w1")?;
    let record = Record::after_now(lab)?;
    for method in [LIST, START] {
        let answer = call(lab, worker, Some(AGENTS), method)?;
        ensure!(answer.status == Some(PERMISSION_DENIED), "{answer:?}");
    }
    worker.write_file(
        "/root/agent-as-operator.toml",
        "0600",
        format!("coordinator = \"10.70.0.31:7400\"\nidentity = \"{AGENTS}\"\n"),
    )?;
    let output =
        worker.run(&["slipway", "--config", "/root/agent-as-operator.toml", "node", "remove", "w2", "--yes"])?;
    refused(&output, 4, "SLIP-AUTH-003")?;
    worker.run_ok(&["rm", "/root/agent-as-operator.toml"])?;
    record.has("SLIP-AUTH-003", 3)
}

fn a_reader_who_wants_to_change(lab: &Lab) -> Result<()> {
    let coordinator = lab.coordinator()?;
    coordinator.run_ok(&["rm", "-rf", "/root/rita"])?;
    coordinator.run_ok(&[
        "slipway",
        "identity",
        "create",
        "--role",
        "reader",
        "--name",
        "rita",
        "--out",
        "/root/rita",
    ])?;
    let rita = ["--config", "/root/rita/config.toml"];
    let record = Record::after_now(lab)?;
    let looked = lab.slipway(&[&rita[..], &["node", "list"]].concat())?;
    ensure!(looked.is_ok(), "a reader may look: {looked}");
    let changed = lab.slipway(&[&rita[..], &["node", "isolate", "w1", "--yes"]].concat())?;
    refused(&changed, 4, "SLIP-AUTH-003")?;
    ensure!(lab.kubectl(&["get", "node", "w1", "-o", "jsonpath={.spec.unschedulable}"])?.is_empty(), "w1 is cordoned");
    record.has("SLIP-AUTH-003", 1)?;
    coordinator.run_ok(&["rm", "-rf", "/root/rita"]).map(|_| ())
}

/// Several at the same time with one token, on the coordinator's host, which is no node's.
fn a_token_is_good_once(lab: &Lab) -> Result<()> {
    let coordinator = lab.coordinator()?;
    let token = token(lab, "spare")?;
    let record = Record::after_now(lab)?;
    let enrol = |number: usize| enrol(lab, coordinator, &token, "spare", &format!("/root/spare/{number}"));
    let outputs = thread::scope(|scope| {
        let running: Vec<_> = (0..AT_ONCE).map(|number| scope.spawn(move || enrol(number))).collect();
        running
            .into_iter()
            .map(|one| one.join().unwrap_or_else(|_| Err(anyhow!("its thread panicked"))))
            .collect::<Result<Vec<_>>>()
    })?;
    let (won, lost): (Vec<_>, Vec<_>) = outputs.iter().partition(|output| output.is_ok());
    ensure!(won.len() == 1, "{} of {AT_ONCE} have enrolled with one token", won.len());
    ensure!(
        lost.iter().all(|output| output.stderr.contains("SLIP-ENROL-002")),
        "not every refusal has its code: {lost:?}"
    );
    record.has("SLIP-ENROL-002", AT_ONCE - 1)?;
    coordinator.run_ok(&["rm", "-rf", "/root/spare"]).map(|_| ())
}

fn a_token_is_good_for_one_host(lab: &Lab) -> Result<()> {
    let worker = lab.host("w1")?;
    let token = token(lab, "spare")?;
    let record = Record::after_now(lab)?;
    let output = enrol(lab, worker, &token, "w1", "/root/wrong")?;
    ensure!(!output.is_ok() && output.stderr.contains("SLIP-ENROL-004"), "{output}");
    ensure!(!worker.has_path("/root/wrong/host.json")?, "something was kept of a refused enrolment");
    worker.run_ok(&["rm", "-rf", "/root/wrong"])?;
    record.has("SLIP-ENROL-004", 1)
}

fn token(lab: &Lab, host: &str) -> Result<Value> {
    lab.slipway_json(&["token", "create", "--host", host])
}

fn enrol(lab: &Lab, from: &Host, token: &Value, name: &str, state: &str) -> Result<crate::command::Output> {
    let (at, own) = (format!("{}:7400", lab.coordinator()?.address()), format!("{}:7443", from.address()));
    let word = |key: &str| token[key].as_str().with_context(|| format!("the answer has a {key}"));
    let (secret, hash) = (word("token")?, word("ca_hash")?);
    from.run(&[
        "slipway-agent",
        "enrol",
        "--coordinator",
        &at,
        "--token",
        secret,
        "--ca-hash",
        hash,
        "--name",
        name,
        "--address",
        &own,
        "--state-dir",
        state,
    ])
}
