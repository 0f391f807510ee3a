//! How long nobody leads after the leader's process was killed: coordinators, and on the same masters those of Kubernetes' controllers. Their Lease says
//! who leads, and to whoever asks a coordinator only the one that leads gives an answer. That it answers is not yet that it may change the cluster: where
//! nobody has seen its predecessor's end it holds that back, so both are measured.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use crate::eventually::eventually;
use crate::host::Host;
use crate::https::Client;
use crate::lab::Lab;
use crate::scene::{Coordinators, administrator};

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-controller-manager";
/// The kernel keeps fifteen letters of a program's name.
const CONTROLLERS: &str = "kube-controller";
/// Has a Node that can be cordoned.
const WORKER: &str = "w1";
const PATIENCE: Duration = Duration::from_mins(1);
/// A kubelet waits up to five minutes with what is killed again and again.
const BACK: Duration = Duration::from_mins(6);
const TICK: Duration = Duration::from_millis(10);

/// What was measured, in milliseconds, round by round; the first one warms up and is left out.
#[derive(Debug, Default, Serialize)]
pub(super) struct Elections {
    /// Of the peer.
    kubernetes: &'static str,
    /// Until the next one answers.
    ours: Vec<f64>,
    /// Until the next one has changed something in the cluster.
    changed: Vec<f64>,
    peer: Vec<f64>,
}

/// Measures.
pub(super) fn measure(lab: &Lab, rounds: usize) -> Result<Elections> {
    let coordinators = Coordinators::on_masters(lab)?;
    let mut client = Client::new(&lab.shape().endpoint(), &administrator(lab)?)?;
    let mut elections = Elections { kubernetes: lab.shape().release.version(), ..Elections::default() };
    for round in 0..=rounds {
        let ours = ms(coordinators.lose_the_leader(&["node", "list"])?);
        let changed = ms(coordinators.lose_the_leader(&["node", "isolate", WORKER, "--reason", "measured", "--yes"])?);
        lab.slipway(&["node", "recover", WORKER, "--yes"])?.ok()?;
        let peer = ms(lose_controllers(lab, &mut client)?);
        eprintln!(
            "  round {round}: a coordinator answers after {ours:.0} ms, changes the cluster after {changed:.0} ms, \
             kube-controller-manager leads after {peer:.0} ms"
        );
        if round > 0 {
            elections.ours.push(ours);
            elections.changed.push(changed);
            elections.peer.push(peer);
        }
    }
    Ok(elections)
}

fn ms(taken: Duration) -> f64 {
    taken.as_secs_f64() * 1e3
}

/// Kills the process that holds the Lease, once another one stands by: how long it takes until another one holds it.
fn lose_controllers(lab: &Lab, client: &mut Client) -> Result<Duration> {
    eventually("all controllers to run", BACK, || {
        for master in lab.masters() {
            controllers(master)?;
        }
        Ok(())
    })?;
    let old = holder(client)?;
    let host = lab.host(old.split('_').next().unwrap_or_default())?;
    let pid = controllers(host)?;
    let begun = Instant::now();
    host.run_ok(&["kill", "-KILL", &pid])?;
    while [old.as_str(), ""].contains(&holder(client)?.as_str()) {
        ensure!(begun.elapsed() < PATIENCE, "after {old}, nobody holds the Lease");
        std::thread::sleep(TICK);
    }
    Ok(begun.elapsed())
}

/// The number of a host's process, which there has to be.
fn controllers(host: &Host) -> Result<String> {
    Ok(host.run_ok(&["pgrep", "-x", CONTROLLERS])?.trim().to_owned())
}

/// Who holds the Lease.
fn holder(client: &mut Client) -> Result<String> {
    let reply = client.ask("GET", LEASE, "")?;
    ensure!(reply.status == 200, "{LEASE}: {}: {:.200}", reply.status, reply.body);
    let lease: serde_json::Value = serde_json::from_str(&reply.body)?;
    Ok(lease["spec"]["holderIdentity"].as_str().context("a Lease without a holder")?.to_owned())
}
