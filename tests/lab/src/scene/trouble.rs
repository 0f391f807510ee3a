//! Troubles that a host or a cluster can be in when somebody wants to join it: each is made by `make`, found or met by Slipway, and undone.

use anyhow::{Result, ensure};

use crate::host::Host;
use crate::lab::Lab;
use crate::mirror;
use crate::release::Release;
use crate::scene::lay_flannel_traces;

/// A trouble that a join is refused for, or taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    DuplicateMachineId,
    DpkgHalfConfigured,
    MirrorDown,
    PackageDamaged,
    DiskFull,
    RuntimeStopped,
    FlannelLeftovers,
    OtherCluster,
    ForeignAuthority,
}

impl Trouble {
    pub(crate) const ALL: [Self; 9] = [
        Self::DuplicateMachineId,
        Self::DpkgHalfConfigured,
        Self::MirrorDown,
        Self::PackageDamaged,
        Self::DiskFull,
        Self::RuntimeStopped,
        Self::FlannelLeftovers,
        Self::OtherCluster,
        Self::ForeignAuthority,
    ];

    /// What is said of it: the code, and a word that must stand there.
    pub(crate) fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::DuplicateMachineId => ("SLIP-NODE-008", "machine id"),
            Self::DpkgHalfConfigured => ("SLIP-PACKAGE-002", "kubectl"),
            Self::MirrorDown => ("SLIP-PACKAGE-003", "10.70.0.31"),
            Self::PackageDamaged => ("SLIP-PACKAGE-006", "kubelet"),
            Self::DiskFull => ("SLIP-HOST-012", "/var/lib/kubelet"),
            Self::RuntimeStopped => ("SLIP-HOST-014", "containerd"),
            Self::FlannelLeftovers => ("SLIP-HOST-006", "flannel"),
            Self::OtherCluster => ("SLIP-HOST-015", "another cluster"),
            Self::ForeignAuthority => ("SLIP-JOIN-005", "authority"),
        }
    }

    /// Whether it can be known before anything changes. What a package holds is known once it was fetched.
    pub(crate) fn is_known_before(self) -> bool {
        self != Self::PackageDamaged
    }

    /// Brings it about.
    pub(crate) fn make(self, lab: &Lab, host: &Host) -> Result<()> {
        match self {
            Self::DuplicateMachineId => {
                let other = lab.host("w1")?.read_file(MACHINE_ID)?;
                host.run_ok(&["cp", MACHINE_ID, "/root/machine-id"])?;
                host.write_file(MACHINE_ID, "0444", other)?;
                restart_agent(host)
            }
            Self::DpkgHalfConfigured => {
                let (address, release) = (mirror::template(lab.coordinator()?.plan()), lab.shape().release);
                let file = format!("kubectl_{}_amd64.deb", release.package_version());
                host.script("half", HALF, &[&address.replace("{minor}", &format!("1.{}", release.minor())), &file])
                    .map(|_| ())
            }
            Self::MirrorDown => mirror::stop(lab),
            Self::PackageDamaged => mirror::damage(lab, "kubelet", Release::V1_33),
            Self::DiskFull => {
                let folders = ["/var/lib/kubelet", "/var/lib/containerd"];
                folders.iter().try_for_each(|at| {
                    host.run_ok(&["mount", "-t", "tmpfs", "-o", "size=8m", "lab-small", at]).map(|_| ())
                })
            }
            Self::RuntimeStopped => host.run_ok(&["systemctl", "--quiet", "mask", "--now", "containerd"]).map(|_| ()),
            Self::FlannelLeftovers => lay_flannel_traces(host),
            Self::OtherCluster => host.script("other-cluster", OTHER_CLUSTER, &[]).map(|_| ()),
            Self::ForeignAuthority => lab.master()?.script("foreign-authority", FOREIGN, &[]).map(|_| ()),
        }
    }

    /// Undoes it.
    pub(crate) fn undo(self, lab: &Lab, host: &Host) -> Result<()> {
        match self {
            Self::DuplicateMachineId => {
                host.run_ok(&["cp", "/root/machine-id", MACHINE_ID])?;
                restart_agent(host)
            }
            Self::DpkgHalfConfigured => {
                host.run_ok(&["apt-get", "-qq", "purge", "--yes", "kubectl"])?;
                let audit = host.run_ok(&["dpkg", "--audit"])?;
                ensure!(audit.trim().is_empty(), "dpkg is still half-done: {audit}");
                Ok(())
            }
            Self::MirrorDown => mirror::start(lab),
            Self::PackageDamaged => mirror::serve_what_is_built(lab),
            Self::DiskFull => host.run_ok(&["umount", "/var/lib/kubelet", "/var/lib/containerd"]).map(|_| ()),
            Self::RuntimeStopped => {
                host.run_ok(&["systemctl", "--quiet", "unmask", "containerd"])?;
                host.run_ok(&["systemctl", "start", "containerd"]).map(|_| ())
            }
            Self::FlannelLeftovers => clean(lab, host, &[]),
            Self::OtherCluster => clean(lab, host, &["--of-another-cluster"]),
            Self::ForeignAuthority => lab.kubectl(&["replace", "--force", "-f", "/root/cluster-info.yaml"]).map(|_| ()),
        }
    }
}

/// Holds dpkg's lock as apt does, in a process of its own, until `unlock_dpkg`.
pub(crate) fn lock_dpkg(host: &Host) -> Result<()> {
    host.script("lock", LOCK, &[]).map(|_| ())
}

/// Lets go of it.
pub(crate) fn unlock_dpkg(host: &Host) -> Result<()> {
    host.run_ok(&["systemctl", "stop", "lab-dpkg"]).map(|_| ())
}

const MACHINE_ID: &str = "/etc/machine-id";
/// As apt holds it, by a process that is to be named.
const LOCK: &str = r#"
cat > /root/lab-lock.pl <<'END'
use Fcntl qw(:DEFAULT :flock :seek);
for my $name ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock") {
  open(my $file, ">>", $name) or die; push @kept, $file;
  my $lock = pack("s s l! l! i", F_WRLCK, SEEK_SET, 0, 0, 0);
  fcntl($file, F_SETLK, $lock) or die "no lock";
}
open(my $held, ">", "/run/lab-locked") or die;
sleep 3600;
END
rm -f /run/lab-locked
systemd-run --quiet --collect --unit=lab-dpkg perl /root/lab-lock.pl
for _ in $(seq 100); do [ -e /run/lab-locked ] && exit 0; sleep 0.1; done
exit 1
"#;
const HALF: &str = r#"
curl --silent --fail --output "/root/$2" "$1$2"
dpkg --unpack "/root/$2" > /dev/null
[ -n "$(dpkg --audit)" ]
"#;
const OTHER_CLUSTER: &str = r#"
mkdir -p /etc/kubernetes/pki
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=kubernetes -keyout /dev/null -out /etc/kubernetes/pki/ca.crt 2> /dev/null
cat > /etc/kubernetes/kubelet.conf <<END
apiVersion: v1
kind: Config
clusters:
- name: other
  cluster: {server: "https://10.99.0.1:6443", certificate-authority: /etc/kubernetes/pki/ca.crt}
END
"#;
/// Keeps what was there, without what the API server would not take back.
const FOREIGN: &str = r#"
kubectl -n kube-public get configmap cluster-info -o json > /root/cluster-info.json
kubectl -n kube-public get configmap cluster-info -o yaml | grep -vE '^  (resourceVersion|uid|creationTimestamp):' > /root/cluster-info.yaml
openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=kubernetes -keyout /dev/null -out /root/foreign.crt 2> /dev/null
sed -E "s,(certificate-authority-data: )[A-Za-z0-9+/=]+,\1$(base64 -w0 /root/foreign.crt)," /root/cluster-info.yaml > /root/foreign.yaml
kubectl replace -f /root/foreign.yaml > /dev/null
"#;

/// The way out that the refusal names.
fn clean(lab: &Lab, host: &Host, more: &[&str]) -> Result<()> {
    let output = lab.slipway(&[&["host", "clean", host.name(), "--yes", "-o", "json"], more].concat())?;
    ensure!(output.is_ok(), "slipway host clean: {output}");
    Ok(())
}

fn restart_agent(host: &Host) -> Result<()> {
    host.run_ok(&["systemctl", "restart", "slipway-agent"]).map(|_| ())
}
