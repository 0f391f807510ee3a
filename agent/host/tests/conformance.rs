//! The conformance suite over the fake, always, and over the real machine: what needs no root on a scratch folder, the rest in namespaces of
//! its own where there is root, and systemd's part where systemd runs (in a lab's host).
#![expect(clippy::unwrap_used, reason = "what surprises a test ends it")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use slipway_host::conformance::packages::PackageStage;
use slipway_host::conformance::{self, Stage, Verdict};
use slipway_host::fake::{FakeHandle, FakeHost, KernelState, Node, SharedEtcd, State, preset};
use slipway_host::{Host, Iptables, Link, Mount, PackageCommand, Profiles, Repository, Transient, TransientStatus};
use slipway_types::ManualClock;

const INSIDE: &str = "SLIPWAY_HOST_CONFORMANCE_INSIDE";
const WANTED: &str = "SLIPWAY_HOST_CONFORMANCE";
const ETCD_WANTED: &str = "SLIPWAY_ETCD_CONFORMANCE";
/// The URL of a repository that is not configured, such as `file:/opt/lab/packages/core:/stable:/v1.34/deb/`.
const PACKAGES_WANTED: &str = "SLIPWAY_PACKAGES_CONFORMANCE";
/// The file with its armoured key, and two releases in it, the lower first: `1.34.3,1.34.4`.
const PACKAGES_KEY: &str = "SLIPWAY_PACKAGES_KEY";
const PACKAGES_RELEASES: &str = "SLIPWAY_PACKAGES_RELEASES";

struct FakeStage(FakeHandle);

#[async_trait]
impl Stage for FakeStage {
    fn folder(&self) -> PathBuf {
        "/var/tmp/check".into()
    }

    async fn file(&self, path: &Path, content: &str) -> Verdict {
        self.0.change(|state| state.write(path.to_str().unwrap(), content));
        Ok(())
    }

    async fn symlink(&self, path: &Path, to: &Path) -> Verdict {
        self.0.change(|state| state.files.insert(path.to_owned(), Node::Symlink(to.to_owned())));
        Ok(())
    }

    async fn mount(&self, path: &Path) -> Verdict {
        self.0.change(|state| {
            state.directory(path.to_str().unwrap());
            state.mounts.push(Mount { mount_point: path.to_owned(), fs_type: "tmpfs".into(), source: "tmpfs".into() });
        });
        Ok(())
    }

    async fn bridge(&self, name: &str) -> Verdict {
        let bridge = Link { name: name.into(), kind: "bridge".into(), master: None, addresses: vec![] };
        self.0.change(|state| state.links.push(bridge));
        Ok(())
    }

    async fn address(&self, link: &str, address: &str) -> Verdict {
        self.0.change(|state| {
            let link = state.links.iter_mut().find(|known| known.name == link);
            link.map(|link| link.addresses.push(address.to_owned())).ok_or_else(|| "there is no such link".to_owned())
        })
    }

    async fn firewall(&self) -> Verdict {
        self.0.change(|state| {
            state.ruleset.nft.push(serde_json::json!({"table": {"family": "ip", "name": "slipway-test", "handle": 41}}));
            let nat = "*nat\n:PREROUTING ACCEPT [0:0]\n:SLIPWAY-TEST - [0:0]\n-A PREROUTING -j SLIPWAY-TEST\n-A SLIPWAY-TEST -j RETURN\nCOMMIT\n";
            state.ruleset.iptables.insert(Iptables::NftV4, nat.into());
        });
        Ok(())
    }

    async fn process(&self) -> Result<u32, String> {
        Ok(self.0.change(|state| state.spawn("sleep", "/bin/sleep")))
    }
}

fn fake() -> (Host, FakeStage) {
    let (host, handle) = FakeHost::of(
        State { kernel: KernelState::of_debian(1), ..State::default() },
        Arc::new(ManualClock::at(slipway_types::Timestamp::UNIX_EPOCH)),
    );
    (host, FakeStage(handle))
}

macro_rules! on_the_fake {
    ($($name:ident),*) => {
        mod the_fake {
            $(#[tokio::test] async fn $name() {
                let (host, stage) = super::fake();
                super::conformance::$name(&host, &stage).await.unwrap();
            })*
        }
    };
}

on_the_fake!(
    files,
    writing,
    links_in_place_of_folders,
    mounts,
    network,
    firewall,
    kernel,
    processes,
    transients,
    units,
    reach
);

#[tokio::test]
async fn the_fake_keepalived_conforms() {
    let (host, handle) =
        FakeHost::of(preset::master("m1"), Arc::new(ManualClock::at(slipway_types::Timestamp::UNIX_EPOCH)));
    conformance::keepalived(&host, &FakeStage(handle)).await.unwrap();
}

/// Where it is installed: on a master of the lab.
#[tokio::test]
async fn the_real_keepalived_conforms() {
    if slipway_host::Program::Keepalived.path().is_none() {
        assert!(std::env::var_os(WANTED).is_none(), "{WANTED} is set, but keepalived is not installed");
        eprintln!("keepalived is not installed: not run");
        return;
    }
    conformance::keepalived(&linux(), &RealStage::new()).await.unwrap();
}

#[tokio::test]
async fn the_fake_etcd_conforms_with_one_member_and_with_three() {
    let clock = Arc::new(ManualClock::at(slipway_types::Timestamp::UNIX_EPOCH));
    let etcd = SharedEtcd::new();
    let (first, _one) = FakeHost::sharing(preset::master("m1"), clock.clone(), &etcd);
    conformance::etcd::all(&first).await.unwrap();
    let _others = ["m2", "m3"].map(|name| FakeHost::sharing(preset::master(name), clock.clone(), &etcd));
    conformance::etcd::all(&first).await.unwrap();
    let other = SharedEtcd::new();
    let (unit, _handle) = FakeHost::sharing(preset::external_etcd("m1"), clock, &other);
    conformance::etcd::all(&unit).await.unwrap();
}

#[tokio::test]
async fn the_real_etcd_conforms() {
    if std::env::var_os(ETCD_WANTED).is_none() {
        eprintln!("etcd's part runs on a lab's master, with {ETCD_WANTED}=1");
        return;
    }
    tokio::time::timeout(Duration::from_mins(3), conformance::etcd::all(&linux())).await.unwrap().unwrap();
}

struct RealStage(tempfile::TempDir);

impl RealStage {
    fn new() -> Self {
        // Canonical, since a link on the way would rightly be refused.
        Self(tempfile::tempdir_in(std::env::temp_dir().canonicalize().unwrap()).unwrap())
    }
}

#[expect(clippy::disallowed_methods, reason = "the stage stands for a user at a shell")]
fn run(program: &str, arguments: &[&str], input: &str) -> Verdict {
    use std::io::Write;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    if child.wait().unwrap().success() { Ok(()) } else { Err(format!("{program} {arguments:?} failed")) }
}

#[async_trait]
impl Stage for RealStage {
    fn folder(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    async fn file(&self, path: &Path, content: &str) -> Verdict {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).map_err(|error| error.to_string())
    }

    async fn symlink(&self, path: &Path, to: &Path) -> Verdict {
        std::os::unix::fs::symlink(to, path).map_err(|error| error.to_string())
    }

    async fn mount(&self, path: &Path) -> Verdict {
        std::fs::create_dir_all(path).unwrap();
        run("/bin/mount", &["-t", "tmpfs", "tmpfs", path.to_str().unwrap()], "")
    }

    async fn bridge(&self, name: &str) -> Verdict {
        run("/sbin/ip", &["link", "add", name, "type", "bridge"], "")
    }

    async fn address(&self, link: &str, address: &str) -> Verdict {
        run("/sbin/ip", &["address", "add", address, "dev", link], "")
    }

    async fn firewall(&self) -> Verdict {
        run("/usr/sbin/nft", &["add", "table", "ip", "slipway-test"], "")?;
        let nat = "*nat\n:SLIPWAY-TEST - [0:0]\n-A PREROUTING -j SLIPWAY-TEST\n-A SLIPWAY-TEST -j RETURN\nCOMMIT\n";
        run("/usr/sbin/iptables-nft-restore", &["--noflush"], nat)
    }

    #[expect(clippy::disallowed_methods, reason = "the stage stands for a user at a shell")]
    async fn process(&self) -> Result<u32, String> {
        let mut child = Command::new("/bin/sleep").arg("600").spawn().map_err(|error| error.to_string())?;
        let pid = child.id();
        // Reaped when it ends.
        std::thread::spawn(move || child.wait());
        Ok(pid)
    }
}

fn linux() -> Host {
    Host::linux(Profiles::embedded().unwrap())
}

#[tokio::test]
async fn the_real_files_conform() {
    conformance::files(&linux(), &RealStage::new()).await.unwrap();
    conformance::writing(&linux(), &RealStage::new()).await.unwrap();
    conformance::links_in_place_of_folders(&linux(), &RealStage::new()).await.unwrap();
}

#[tokio::test]
async fn the_real_processes_conform() {
    conformance::processes(&linux(), &RealStage::new()).await.unwrap();
    conformance::reach(&linux(), &RealStage::new()).await.unwrap();
}

/// Runs `test` of this very program in a network and a mount namespace of its own, so that nothing of this machine is touched.
#[expect(clippy::disallowed_methods, reason = "no host code: a test that starts itself elsewhere")]
fn in_namespaces(test: &str) {
    let may = nix::unistd::geteuid().is_root();
    if !may {
        assert!(std::env::var_os(WANTED).is_none(), "{WANTED} is set, but this is not root");
        eprintln!("{test} needs root: not run");
        return;
    }
    let me = std::env::current_exe().unwrap();
    let mut child = Command::new("/usr/bin/unshare");
    child
        .args(["--net", "--mount", "--propagation", "private"])
        .arg(me)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1");
    let output = child.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{out}\n{err}");
}

#[tokio::test]
async fn the_real_network_and_mounts_conform() {
    if std::env::var_os(INSIDE).is_none() {
        return in_namespaces("the_real_network_and_mounts_conform");
    }
    let host = linux();
    conformance::mounts(&host, &RealStage::new()).await.unwrap();
    conformance::network(&host, &RealStage::new()).await.unwrap();
    conformance::firewall(&host, &RealStage::new()).await.unwrap();
    conformance::kernel(&host, &RealStage::new()).await.unwrap();
}

#[tokio::test]
async fn the_real_systemd_conforms() {
    if std::env::var_os(WANTED).is_none() {
        eprintln!("systemd's part runs in a lab's host, with {WANTED}=1");
        return;
    }
    assert!(Path::new("/run/systemd/system").exists(), "{WANTED} is set, but systemd does not run here");
    let host = linux();
    let all = async {
        conformance::transients(&host, &RealStage::new()).await.unwrap();
        conformance::units(&host, &RealStage::new()).await.unwrap();
    };
    tokio::time::timeout(Duration::from_mins(3), all).await.unwrap();
}

/// Keys that sign nothing.
const OTHER_KEY: &str = include_str!("../fixtures/other-key.asc");

struct FakePackages(FakeHandle, Host);

#[async_trait]
impl PackageStage for FakePackages {
    fn repository(&self) -> Repository {
        let url = "https://pkgs.k8s.io/core:/stable:/v1.34/deb/".to_owned();
        Repository { url, key: preset::REPOSITORY_KEY.to_owned(), keyring: String::new() }
    }

    fn releases(&self) -> (String, String) {
        ("1.34.3".to_owned(), "1.34.4".to_owned())
    }

    fn other_key(&self) -> String {
        OTHER_KEY.to_owned()
    }

    async fn run(&self, command: &PackageCommand) -> Result<(i32, String), String> {
        let name = "slipway-check-packages.service";
        let transient = Transient {
            name: name.to_owned(),
            description: String::new(),
            argv: command.argv.clone(),
            environment: command.environment.clone(),
            output: "/var/tmp/said".into(),
            max_runtime: Duration::from_mins(1),
        };
        self.1.services.run_transient(&transient).await.map_err(|error| error.to_string())?;
        let status = self.1.services.transient_status(name).await.map_err(|error| error.to_string())?;
        self.1.services.forget_transient(name).await.map_err(|error| error.to_string())?;
        let said = self.0.change(|state| state.files.remove(Path::new("/var/tmp/said")));
        let said = if let Some(Node::File(text)) = said { text } else { String::new() };
        let TransientStatus::Exited { code } = status else { return Err(format!("it is {status:?}")) };
        Ok((code, said))
    }
}

#[tokio::test]
async fn the_fake_package_manager_conforms() {
    let clock = Arc::new(ManualClock::at(slipway_types::Timestamp::UNIX_EPOCH));
    let (host, handle) = FakeHost::of(preset::bare("w9"), clock);
    conformance::packages::all_of(&host, &FakePackages(handle, host.clone())).await.unwrap();
}

struct RealPackages;

fn setting(name: &str) -> String {
    let value = std::env::var(name).ok();
    assert!(value.is_some(), "{name} is not set");
    value.unwrap_or_default()
}

#[async_trait]
impl PackageStage for RealPackages {
    fn repository(&self) -> Repository {
        let key = std::fs::read_to_string(setting(PACKAGES_KEY)).unwrap();
        Repository { url: setting(PACKAGES_WANTED), key, keyring: String::new() }
    }

    fn releases(&self) -> (String, String) {
        let releases = setting(PACKAGES_RELEASES);
        let (lower, higher) = releases.split_once(',').unwrap();
        (lower.to_owned(), higher.to_owned())
    }

    fn other_key(&self) -> String {
        OTHER_KEY.to_owned()
    }

    #[expect(clippy::disallowed_methods, reason = "the stage stands for systemd")]
    async fn run(&self, command: &PackageCommand) -> Result<(i32, String), String> {
        let (program, words) = command.argv.split_first().unwrap();
        let environment = command.environment.iter().map(|(name, value)| (name, value));
        let output = Command::new(program).args(words).envs(environment).output().map_err(|error| error.to_string())?;
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
        Ok((output.status.code().unwrap_or(-1), said))
    }
}

/// Installs and removes packages on the machine that it runs on: only where it is told to.
#[tokio::test]
async fn the_real_package_manager_conforms() {
    if std::env::var_os(PACKAGES_WANTED).is_none() {
        eprintln!("the package manager's part runs on a host of a lab, with {PACKAGES_WANTED}=URL");
        return;
    }
    let all = async { conformance::packages::all_of(&linux(), &RealPackages).await.unwrap() };
    tokio::time::timeout(Duration::from_mins(3), all).await.unwrap();
}
