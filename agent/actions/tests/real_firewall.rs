//! CleanNetfilter against the kernel's own firewall, in a network namespace of its own: what kube-proxy and the kubelet write goes, and what a
//! user, Docker, ufw and podman wrote between it stays, rule by rule.
#![expect(clippy::unwrap_used, reason = "what surprises a test ends it")]

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use slipway_actions::{OperationContext, Progress, from_wire};
use slipway_host::fake::{FakeHost, preset};
use slipway_host::{Host, Iptables, Profiles, Ruleset};
use slipway_proto::types::{self, Action, action::Action as Wire};
use slipway_types::{Clock, SystemClock};
use tokio_util::sync::CancellationToken;

const INSIDE: &str = "SLIPWAY_ACTIONS_INSIDE";
const NFT: &str = include_str!("../../host/fixtures/worker.nft");
const V4: &str = include_str!("../../host/fixtures/worker.rules");
const V6: &str = include_str!("../../host/fixtures/worker6.rules");

#[expect(clippy::disallowed_methods, reason = "the test stands for whoever laid the rules down")]
fn feed(program: &str, arguments: &[&str], input: &str) {
    let mut child = Command::new(program).args(arguments).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{program} {arguments:?}");
}

fn lay_down() {
    feed("/usr/sbin/nft", &["-f", "-"], NFT);
    feed("/usr/sbin/iptables-nft-restore", &["--noflush"], V4);
    feed("/usr/sbin/ip6tables-nft-restore", &["--noflush"], V6);
    feed("/usr/sbin/ip6tables-legacy-restore", &["--noflush"], V6);
    feed("/usr/sbin/iptables-legacy-restore", &["--noflush"], V4);
}

/// A fake machine that has left its cluster, with the real firewall of this namespace.
fn host() -> Host {
    let (fake, handle) = FakeHost::of(preset::worker("w2"), Arc::new(SystemClock));
    handle.change(|state| {
        state.stop_unit("kubelet.service");
        state.sandboxes.clear();
        state.containers.clear();
        state.processes.clear();
    });
    Host { netfilter: Host::linux(Profiles::embedded().unwrap()).netfilter, ..fake }
}

fn lines(ruleset: &Ruleset, which: Iptables) -> Vec<&str> {
    ruleset.iptables[&which].lines().filter(|line| line.starts_with("-A") || line.starts_with(':')).collect()
}

#[expect(clippy::disallowed_methods, reason = "no host code: a test that starts itself elsewhere")]
fn in_a_namespace(test: &str) {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("{test} needs root: not run");
        return;
    }
    let mut child = Command::new("/usr/bin/unshare");
    child.arg("--net").arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]).env(INSIDE, "1");
    let output = child.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{out}\n{err}");
}

#[tokio::test]
async fn the_kernels_firewall_loses_what_is_ours_and_nothing_else() {
    if std::env::var_os(INSIDE).is_none() {
        return in_a_namespace("the_kernels_firewall_loses_what_is_ours_and_nothing_else");
    }
    lay_down();
    let host = host();
    let clean = from_wire(Action { action: Some(Wire::CleanNetfilter(types::CleanNetfilter::default())) }).unwrap();
    let operation = OperationContext {
        operation: "r/clean/1".into(),
        clock: Arc::new(SystemClock),
        deadline: SystemClock.since_boot() + Duration::from_mins(1),
        progress: Progress::silent(),
        cancelled: CancellationToken::new(),
        secret: None,
    };
    let applied = clean.apply(&host, &operation).await.unwrap();
    assert!(applied.record[0].contains("unchanged"), "{:?}", applied.record);
    let after = host.netfilter.ruleset().await.unwrap();
    for which in [Iptables::NftV4, Iptables::LegacyV4] {
        let left = lines(&after, which).join("\n");
        assert!(
            !left.contains("KUBE-FIREWALL") && !left.contains("KUBE-SVC") && !left.contains("lab-bridge"),
            "{left}"
        );
        let theirs = [
            "-A DOCKER -i docker0 -j RETURN",
            "-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT",
            "id: \\\"77aa00bb11cc22dd\\\"",
            "mine, see KUBE-SERVICES",
            "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
        ];
        for kept in theirs {
            assert!(left.contains(kept), "{which:?} lost {kept}:\n{left}");
        }
    }
    for which in [Iptables::NftV6, Iptables::LegacyV6] {
        assert!(lines(&after, which).contains(&"-A MINE6 -p tcp -m tcp --dport 22 -j ACCEPT"), "{which:?}");
        assert!(!lines(&after, which).iter().any(|line| line.contains("KUBE")), "{which:?}");
    }
    let tables: Vec<&str> = after.nft.iter().filter_map(|item| item["table"]["name"].as_str()).collect();
    assert!(tables.contains(&"mine") && !tables.contains(&"kube-proxy"), "{tables:?}");
    assert!(clean.apply(&host, &operation).await.unwrap().already_true);
}
