//! What must have ended before traces are removed: while a container, a network agent or the kubelet lives, what is taken away comes back, or
//! a workload loses its network under way.

use slipway_errors::Code;
use slipway_host::Host;
use slipway_host::cri::{self, Cri};
use slipway_host::plan::network;
use slipway_host::plan::scope::Scope;
use slipway_proto::types::Obstacle;

use crate::Error;
use crate::perform::obstacle;

const NAMED: usize = 5;

/// Everything of Kubernetes that still runs.
pub(crate) async fn still_running(host: &Host, scope: &Scope<'_>) -> Result<Vec<Obstacle>, Error> {
    let mut found = containers(host).await?;
    let kubelet = host.services.state("kubelet.service").await?;
    if !kubelet.active.is_down() {
        let explain = format!(
            "the kubelet is {} and would make again what is removed: stop and mask it first",
            kubelet.active.as_str()
        );
        found.push(obstacle(Code::HOST_STILL_RUNNING, "kubelet.service", explain));
    }
    let processes = host.processes.list().await?;
    for process in network::agents(scope, &processes).into_iter().take(NAMED) {
        let what = format!("{} (process {})", process.comm, process.pid);
        let explain = format!("{what} still runs and writes what would be removed: stop it first");
        found.push(obstacle(Code::HOST_STILL_RUNNING, what, explain));
    }
    Ok(found)
}

/// Containers and sandboxes that the runtime still has.
pub(crate) async fn containers(host: &Host) -> Result<Vec<Obstacle>, Error> {
    let socket = match cri::find(host).await? {
        Cri::At(socket) => socket,
        Cri::Absent => return Ok(Vec::new()),
        Cri::Silent { unit } => {
            let explain =
                format!("{unit} is installed but has no socket, so nobody can say what it still runs: start it");
            return Ok(vec![obstacle(Code::HOST_STILL_RUNNING, unit, explain)]);
        }
    };
    let mut found = Vec::new();
    let sandboxes = host.runtime.sandboxes(&socket).await?;
    for sandbox in sandboxes.iter().take(NAMED) {
        let what = format!("pod {}/{}", sandbox.namespace, sandbox.name);
        found.push(obstacle(
            Code::HOST_STILL_RUNNING,
            what.clone(),
            format!("{what} still has a sandbox: reset the host first"),
        ));
    }
    for container in host.runtime.containers(&socket).await?.iter().take(NAMED) {
        let what = format!("container {}", container.name);
        found.push(obstacle(
            Code::HOST_STILL_RUNNING,
            what.clone(),
            format!("{what} is still there: reset the host first"),
        ));
    }
    Ok(found)
}
