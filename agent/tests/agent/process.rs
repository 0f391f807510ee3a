//! The real program, over a simulated host, killed with SIGKILL: what systemd would do is done here by hand.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use slipway_agent::disk::Disk;
use slipway_agent::enrolled::Enrolled;
use slipway_agent::fence::kept;
use slipway_agent::state;
use slipway_host::fake::{FakeHost, State, preset};
use slipway_proto::agent::*;
use slipway_types::{Role, SystemClock};

use crate::cluster::{Client, Cluster, end_of, eventually, fence, reset, start, target};

#[expect(clippy::disallowed_methods, reason = "the test is about the program as a process of its own")]
fn program(arguments: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_slipway-agent"));
    command.args(arguments).env_remove("JOURNAL_STREAM").env_remove("NOTIFY_SOCKET").env("SLIPWAY_LOG", "info");
    command
}

/// A folder with everything that an enrolled agent over a simulated host has.
fn enrolled(cluster: &Cluster, folder: &Path, reset_ms: u64) {
    let (disk, place) = (Disk::default(), folder.join("agent"));
    let enrolled = Enrolled {
        version: 1,
        cluster: "lab".into(),
        host_id: "h1".into(),
        name: "w2".into(),
        address: "127.0.0.1:7443".into(),
        coordinator: "127.0.0.1:1".into(),
    };
    enrolled.save(&disk, &place).unwrap();
    cluster.identity(Role::Agent, "h1", Duration::from_hours(10)).save(&place.join(state::IDENTITY)).unwrap();
    kept::replace(&disk, &place, fence(3).map(Into::into).as_ref()).unwrap();
    let first = || State { reset_ms, ..preset::worker("w2") };
    FakeHost::open(&folder.join("host"), first, Arc::new(SystemClock)).unwrap();
}

/// A running program.
struct Running {
    child: Child,
    address: String,
    metrics: String,
    log: Arc<Mutex<String>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn quoted(line: &str, key: &str) -> Option<String> {
    line.split(&format!("{key}=\"")).nth(1)?.split('"').next().map(str::to_owned)
}

impl Running {
    async fn start(folder: &Path, more: &[&str]) -> Self {
        let (state, host) = (folder.join("agent"), folder.join("host"));
        let mut arguments = vec!["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"];
        arguments.extend(["--config-dir", "/nonexistent", "--state-dir", state.to_str().unwrap()]);
        arguments.extend(["--simulated", host.to_str().unwrap()]);
        arguments.extend(more);
        let mut child = program(&arguments).stderr(Stdio::piped()).spawn().unwrap();
        let (log, lines) = (Arc::new(Mutex::new(String::new())), BufReader::new(child.stderr.take().unwrap()));
        let shared = log.clone();
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                shared.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        let told = |key: &str| log.lock().unwrap().lines().find_map(|line| quoted(line, key));
        eventually("the agent's address", || told("metrics").is_some()).await;
        Self { address: told("listen").unwrap(), metrics: told("metrics").unwrap(), child, log }
    }

    async fn client(&self, cluster: &Cluster) -> Client {
        cluster.client(Role::Coordinator, "c4", &self.address).await.unwrap()
    }

    fn signal(&mut self, signal: nix::sys::signal::Signal) -> std::process::ExitStatus {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
        self.child.wait().unwrap()
    }
}

fn effects(folder: &Path, effect: &str) -> u64 {
    let text = std::fs::read(folder.join("host/host.json")).unwrap();
    let state: State = serde_json::from_slice(&text).unwrap();
    state.effects.get(effect).copied().unwrap_or_default()
}

const RAN: &str = "run /usr/bin/kubeadm reset";

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_kubeadm_reset_the_program_comes_back_and_the_effect_is_there_once() {
    let (cluster, folder) = (Cluster::new(), tempfile::tempdir().unwrap());
    enrolled(&cluster, folder.path(), 1_500);
    let mut running = Running::start(folder.path(), &[]).await;
    assert!(running.log.lock().unwrap().contains("SIMULATED HOST"), "it says so loudly");
    let mut client = running.client(&cluster).await;
    let before =
        client.describe(DescribeRequest { target: target(""), only_identity: false }).await.unwrap().into_inner();
    let boot = before.facts.unwrap().boot_id;
    client.start_operation(start("r/reset-w2/1", &boot, reset())).await.unwrap();
    eventually("kubeadm", || effects(folder.path(), RAN) == 1).await;
    running.signal(nix::sys::signal::Signal::SIGKILL);

    let mut running = Running::start(folder.path(), &[]).await;
    let mut client = running.client(&cluster).await;
    let after =
        client.describe(DescribeRequest { target: target(""), only_identity: false }).await.unwrap().into_inner();
    assert_eq!(after.journal_id, before.journal_id);
    assert_eq!(after.fence, fence(4), "the fence was kept before anything was done");
    let attached = client.start_operation(start("r/reset-w2/1", &boot, reset())).await.unwrap().into_inner();
    assert!(attached.attached);
    let end = end_of(&mut client, "r/reset-w2/1").await;
    assert_eq!(end.state(), OperationState::Done, "{end:?}");
    assert_eq!((effects(folder.path(), RAN), effects(folder.path(), "kubeadm reset ended")), (1, 1));

    let status = running.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(status.success(), "a stop in good order: {status}");
    let audit = std::fs::read_to_string(folder.path().join("agent/audit.log")).unwrap();
    assert!(audit.contains("had no end when the agent started") && audit.contains("ended done"), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_for_prometheus_tells_host_and_agent() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (cluster, folder) = (Cluster::new(), tempfile::tempdir().unwrap());
    enrolled(&cluster, folder.path(), 10);
    let running = Running::start(folder.path(), &["--observe"]).await;
    let mut client = running.client(&cluster).await;
    let told =
        client.describe(DescribeRequest { target: target(""), only_identity: false }).await.unwrap().into_inner();
    let refused =
        client.start_operation(start("r/reset-w2/1", &told.facts.unwrap().boot_id, reset())).await.unwrap_err();
    assert_eq!(slipway_net::explain(&refused).code, slipway_errors::Code::AGENT_OBSERVES);
    let mut stream = slipway_net::Dial::dial(&slipway_net::Tcp, &running.metrics).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    for want in [
        "slipway_build_info{program=\"slipway-agent\"",
        "slipway_agent_fence_term 3",
        "slipway_agent_refused_requests_total{code=\"SLIP-AGENT-005\"} 1",
        "slipway_agent_certificate_end_timestamp_seconds ",
        "slipway_host_memory_total_bytes ",
        "slipway_host_unit_state{unit=\"kubelet.service\",state=\"active\"} 1",
        "slipway_host_certificate_end_timestamp_seconds{path=",
    ] {
        assert!(page.contains(want), "{want} is missing in\n{page}");
    }
}

fn run(arguments: &[&str]) -> Output {
    program(arguments).output().unwrap()
}

#[test]
fn what_cannot_start_says_why_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_str().unwrap();
    let output = run(&["--config-dir", "/nonexistent", "--state-dir", state]);
    let says = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(says.contains("not enrolled") && says.contains("slipway token create"), "{says}");

    std::fs::write(folder.path().join("a.toml"), "lisen = \"x\"\n").unwrap();
    let output = run(&["--config-dir", state, "--print-config"]);
    let says = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && says.contains("SLIP-CONF-001") && says.contains("listen"), "{says}");
}

#[test]
fn the_configuration_is_printed_back() {
    let output = run(&["--config-dir", "/nonexistent", "--observe", "--print-config"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("listen = \"0.0.0.0:7443\"") && text.contains("observe = true"), "{text}");
}

#[test]
fn a_check_on_the_host_itself_tells_by_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let host = folder.path().to_str().unwrap();
    let check =
        |action: &str| run(&["check", action, "--simulated", host, "--config-dir", "/nonexistent"]).status.code();
    assert_eq!(check("mask-kubelet"), Some(3));
    assert_eq!(check("unmask-kubelet"), Some(0));
    assert_eq!(check("clean-cni"), Some(4));
    assert_eq!(check("rm -rf /"), Some(2));
}
