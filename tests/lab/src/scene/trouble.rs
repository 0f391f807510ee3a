//! Troubles that a host or a cluster can be in when somebody wants to join it: each is made by `make`, found or met by Slipway, and undone.

use anyhow::{Result, ensure};

use crate::host::Host;
use crate::lab::Lab;
use crate::mirror;
use crate::release::Release;
use crate::scene::lay_flannel_traces;

/// A trouble, and a word that whoever is told of it must find in what is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    DuplicateMachineId,
    DpkgLocked,
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
    pub(crate) const ALL: [Self; 10] = [
        Self::DuplicateMachineId,
        Self::DpkgLocked,
        Self::DpkgHalfConfigured,
        Self::MirrorDown,
        Self::PackageDamaged,
        Self::DiskFull,
        Self::RuntimeStopped,
        Self::FlannelLeftovers,
        Self::OtherCluster,
        Self::ForeignAuthority,
    ];

    /// What must be named, whatever else is said: one of these.
    pub(crate) fn words(self) -> &'static [&'static str] {
        match self {
            Self::DuplicateMachineId => &["machine-id", "machine id"],
            Self::DpkgLocked => &["lock"],
            Self::DpkgHalfConfigured => &["dpkg", "half", "configure"],
            Self::MirrorDown => &["10.70.0.31", "repository", "mirror"],
            Self::PackageDamaged => &["hash", "Hash", "size", "kubelet"],
            Self::DiskFull => &["space", "disk", "room"],
            Self::RuntimeStopped => &["containerd", "runtime"],
            Self::FlannelLeftovers => &["flannel"],
            Self::OtherCluster => &["/etc/kubernetes", "another cluster", "cluster"],
            Self::ForeignAuthority => &["authority", "CA", "certificate"],
        }
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
            Self::DpkgLocked => host.script("lock", LOCK, &[]).map(|_| ()),
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
            Self::DpkgLocked => host.run_ok(&["systemctl", "stop", "lab-dpkg"]).map(|_| ()),
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
            Self::FlannelLeftovers => host.script("no-flannel", NO_FLANNEL, &[]).map(|_| ()),
            Self::OtherCluster => host.run_ok(&["rm", "-rf", "/etc/kubernetes"]).map(|_| ()),
            Self::ForeignAuthority => lab.kubectl(&["replace", "--force", "-f", "/root/cluster-info.yaml"]).map(|_| ()),
        }
    }
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
const NO_FLANNEL: &str = r#"
for link in flannel.1 cni0; do ip link del $link 2> /dev/null || true; done
ip -o link | sed -nE 's/^[0-9]+: (flannel[^:@]*).*/\1/p' | while read -r link; do ip link del "$link"; done
rm -rf /run/flannel /etc/cni/net.d/10-flannel.conflist /var/lib/cni/networks/cbr0
for tool in iptables-nft iptables-legacy ip6tables-nft ip6tables-legacy; do
  for table in nat filter mangle; do
    $tool-save -t $table 2> /dev/null | grep -vE 'FLANNEL|flanneld|KUBE-' | $tool-restore -T $table 2> /dev/null || true
  done
done
for family in ip ip6; do nft delete table $family flannel-ipv${family#ip} 2> /dev/null || true; done
nft delete table ip flannel-ipv4 2> /dev/null || true; nft delete table ip6 flannel-ipv6 2> /dev/null || true
ipset list -name | grep -E 'KUBE-|flannel' | while read -r set; do ipset destroy "$set"; done
true
"#;

fn restart_agent(host: &Host) -> Result<()> {
    host.run_ok(&["systemctl", "restart", "slipway-agent"]).map(|_| ())
}
