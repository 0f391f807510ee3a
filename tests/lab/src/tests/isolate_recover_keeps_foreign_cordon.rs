//! Cordons have owners: ours say whose they are and why, and go again by our command; a cordon of somebody else's stays, whoever asks.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::evidence::Moment;
use crate::lab::Lab;
use crate::registry::{Set, TestCase};
use crate::shape::Shape;
use crate::slipway::refused;

pub(super) const TEST: TestCase =
    TestCase { name: "isolate_recover_keeps_foreign_cordon", cost: 15, set: Set::Smoke, shape: Shape::SMALL, run };

const OWNER: &str = "slipway.dev/cordoned-by";
const REASON: &str = "slipway.dev/cordon-reason";

fn run(lab: &Lab) -> Result<()> {
    lab.kubectl(&["label", "node", "w1", "w2", "lab.kube.test/pool=odd", "--overwrite"])?;
    by(lab, &["w1", "w2"], "disk check")?;
    by(lab, &["--selector", "lab.kube.test/pool=odd"], "kernel")?;
    a_foreign_cordon_stays(lab)?;
    bad_names_are_refused(lab)?;
    lab.kubectl(&["label", "node", "w1", "w2", "lab.kube.test/pool-"]).map(|_| ())
}

fn by(lab: &Lab, which: &[&str], reason: &str) -> Result<()> {
    done(lab, &[&["node", "isolate"], which, &["--reason", reason, "--yes"]].concat())?;
    for name in ["w1", "w2"] {
        let node = node(lab, name)?;
        let annotations = &node["metadata"]["annotations"];
        ensure!(node["spec"]["unschedulable"] == true, "{name} is not cordoned");
        ensure!(annotations[REASON] == reason, "the reason on {name} is {}", annotations[REASON]);
        ensure!(annotations[OWNER].as_str().is_some_and(|owner| !owner.is_empty()), "nobody owns the cordon of {name}");
    }
    ensure!(node(lab, "m1")?["spec"]["unschedulable"].is_null(), "m1 was cordoned as well");
    done(lab, &[&["node", "recover"], which, &["--yes"]].concat())?;
    for name in ["w1", "w2"] {
        let node = node(lab, name)?;
        ensure!(node["spec"]["unschedulable"].is_null(), "{name} is still cordoned");
        ensure!(node["metadata"]["annotations"][OWNER].is_null(), "{name} still has an owner's name on it");
    }
    Ok(())
}

fn a_foreign_cordon_stays(lab: &Lab) -> Result<()> {
    lab.kubectl(&["cordon", "w1"])?;
    let moment = Moment::now(lab)?;
    refused(&lab.slipway(&["node", "recover", "w1", "--yes"])?, 2, "SLIP-NODE-009")?;
    refused(&lab.slipway(&["node", "recover", "--selector", "lab.kube.test/pool=odd", "--yes"])?, 2, "SLIP-NODE-009")?;
    done(lab, &["node", "isolate", "w1", "--yes"])?;
    let node = node(lab, "w1")?;
    ensure!(node["spec"]["unschedulable"] == true, "somebody else's cordon was undone");
    ensure!(node["metadata"]["annotations"][OWNER].is_null(), "somebody else's cordon was taken over");
    let audit = moment.audit(lab)?;
    let written = audit.iter().find(|entry| {
        entry.resource == "nodes"
            && ["patch", "update"].contains(&entry.verb.as_str())
            && entry.subresource.is_empty()
            && entry.name == "w1"
            && !entry.user.starts_with("system:")
    });
    ensure!(written.is_none(), "w1 was written to: {written:?}");
    lab.kubectl(&["uncordon", "w1"]).map(|_| ())
}

fn bad_names_are_refused(lab: &Lab) -> Result<()> {
    refused(&lab.slipway(&["node", "isolate", "w9", "--yes"])?, 2, "SLIP-NODE-001")?;
    refused(&lab.slipway(&["node", "isolate", "w1", "w1", "--yes"])?, 2, "SLIP-NODE-003")?;
    refused(&lab.slipway(&["node", "remove", "m1", "--yes"])?, 2, "SLIP-NODE-004")
}

fn done(lab: &Lab, words: &[&str]) -> Result<()> {
    let output = lab.slipway(words)?;
    ensure!(output.is_ok(), "slipway {}: {output}", words.join(" "));
    Ok(())
}

fn node(lab: &Lab, name: &str) -> Result<Value> {
    lab.kubectl_json(&["get", "node", name]).context("look at the node")
}
