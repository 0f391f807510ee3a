//! The judge of hosts that are to join: plain facts in, findings out. All that cannot work is told at once, each with its way out, before
//! anything is changed.

use slipway_cluster::ClusterInfo;
use slipway_errors::{Code, Coded};
use slipway_proto::agent::CheckResponse;
use slipway_proto::types::{HostFacts, HostReadiness, KubeconfigServer};
use slipway_types::{KubernetesVersion, NodeName, listed};

use crate::settings::Host as Settings;
use crate::versions::{Finding, Severity};

const MIB: u64 = 1 << 20;
/// Tokens and certificates are good from the minute on that they were made in; what makes them looks back five minutes at most.
const CLOCK_BLOCKS_MS: i64 = 5 * 60 * 1000;
const CLOCK_WARNS_MS: i64 = 30 * 1000;
/// From here on a kubelet refuses cgroups of version 1.
const NO_FIRST_CGROUPS: (u16, u16) = (1, 35);
const PORTS: [u32; 2] = [10250, 10256];
const PORTS_OF_MASTERS: [u32; 5] = [6443, 2379, 2380, 10257, 10259];
const ETCD: &str = "/var/lib/etcd";
const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";
const SHOWN: usize = 5;

/// Another machine that this one may be taken for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Twin {
    pub(super) name: String,
    pub(super) is_node: bool,
    pub(super) machine_id: String,
    pub(super) hostname: String,
    pub(super) product_uuid: String,
    pub(super) macs: Vec<String>,
}

/// All that is known of a host that is to join.
pub(super) struct Seen<'a> {
    pub(super) name: &'a NodeName,
    pub(super) version: KubernetesVersion,
    pub(super) control_plane: bool,
    pub(super) said: &'a HostFacts,
    pub(super) ready: &'a HostReadiness,
    /// When the question for readiness left here, and when its answer came.
    pub(super) asked_ms: (i64, i64),
    pub(super) scanned: &'a CheckResponse,
    pub(super) prepare: &'a CheckResponse,
    pub(super) twins: &'a [Twin],
    pub(super) cluster: &'a ClusterInfo,
    pub(super) first_cgroups_allowed: bool,
    pub(super) settings: &'a Settings,
}

/// What speaks against the join, the gravest first.
pub(super) fn findings(seen: &Seen<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    identity(seen, &mut found);
    leftovers(seen, &mut found);
    clock(seen, &mut found);
    room(seen, &mut found);
    ports(seen, &mut found);
    cgroups(seen, &mut found);
    preparation(seen, &mut found);
    found.sort_by_key(|finding| finding.severity);
    found
}

/// All that refuses, as one error under the code of the first.
pub(super) fn refusal(findings: &[Finding]) -> Option<Coded> {
    let blocks: Vec<&Finding> = findings.iter().filter(|finding| finding.severity == Severity::Block).collect();
    let first = blocks.first()?;
    let joined = |of: fn(&Finding) -> &str| {
        let mut parts: Vec<&str> = blocks.iter().map(|finding| of(finding)).filter(|part| !part.is_empty()).collect();
        parts.dedup();
        parts.join("; ")
    };
    let also: Vec<&str> = blocks
        .iter()
        .skip(1)
        .map(|finding| finding.code.as_str())
        .filter(|code| *code != first.code.as_str())
        .collect();
    let text = match also.len() {
        0 => joined(|finding| &finding.text),
        _ => format!("{} (also {})", joined(|finding| &finding.text), also.join(", ")),
    };
    Some(Coded::new(first.code, text).do_this(joined(|finding| &finding.way_out)))
}

fn finding(seen: &Seen<'_>, severity: Severity, code: Code, text: String, way_out: impl Into<String>) -> Finding {
    Finding {
        severity,
        code,
        rule: "host".to_owned(),
        node: Some(seen.name.clone()),
        text,
        way_out: way_out.into(),
        source: Vec::new(),
    }
}

/// Two machines that are one to somebody lose what is meant for either.
fn identity(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    let (name, said) = (seen.name, seen.said);
    let same = |own: &str, other: &str| !own.is_empty() && own == other;
    if let Some(twin) = seen.twins.iter().find(|twin| same(&said.machine_id, &twin.machine_id)) {
        let of = if twin.is_node { "the node" } else { "the host" };
        let text = format!("{name} has the machine id of {of} {}: {}", twin.name, said.machine_id);
        let way_out =
            format!("a cloned disk? on {name}: rm /etc/machine-id; systemd-machine-id-setup; reboot; enrol it anew");
        found.push(finding(seen, Severity::Block, Code::NODE_IDENTITY, text, way_out));
    }
    let mac =
        seen.twins.iter().find_map(|twin| twin.macs.iter().find(|mac| said.macs.contains(mac)).map(|mac| (twin, mac)));
    if let Some((twin, mac)) = mac {
        let text = format!("{name} and {} have the same hardware address {mac}", twin.name);
        let way_out = format!("give {name} a MAC address of its own: one of both loses its packets");
        found.push(finding(seen, Severity::Block, Code::HOST_TWIN, text, way_out));
    }
    if said.hostname != name.as_str() {
        let taken = seen.twins.iter().find(|twin| twin.name == said.hostname || same(&said.hostname, &twin.hostname));
        if let Some(twin) = taken {
            let text = format!("{name} calls itself {}, which is the name of {}", said.hostname, twin.name);
            let way_out = format!("on {name}: hostnamectl set-hostname {name}");
            found.push(finding(seen, Severity::Block, Code::HOST_TWIN, text, way_out));
        } else {
            let text = format!("{name} calls itself {}: the Node will be {name} all the same", said.hostname);
            let way_out = format!("hostnamectl set-hostname {name} keeps people from looking for another machine");
            found.push(finding(seen, Severity::Warn, Code::HOST_TWIN, text, way_out));
        }
    }
    if said.product_uuid.is_empty() {
        let text = format!("{name} has no product_uuid that could be compared with others'");
        found.push(finding(seen, Severity::Note, Code::HOST_TWIN, text, ""));
    } else if let Some(twin) = seen.twins.iter().find(|twin| same(&said.product_uuid, &twin.product_uuid)) {
        let text = format!("{name} and {} have the same product_uuid {}", twin.name, said.product_uuid);
        let way_out = "a cloned virtual machine? define it anew with an id of its own";
        found.push(finding(seen, Severity::Warn, Code::HOST_TWIN, text, way_out));
    }
}

/// The kubeconfig of a kubelet that belongs elsewhere.
pub(in crate::flows) fn of_another_cluster<'f>(
    said: &'f HostFacts,
    cluster: &ClusterInfo,
) -> Option<&'f KubeconfigServer> {
    let own = |config: &&KubeconfigServer| config.path == KUBELET_CONF;
    said.kubeconfigs.iter().find(own).filter(|config| match config.ca_cert_hash.as_str() {
        "" => config.server != format!("https://{}", cluster.api_server),
        hash => !cluster.ca_cert_hashes.iter().any(|known| known == hash),
    })
}

fn leftovers(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    let name = seen.name;
    if let Some(config) = of_another_cluster(seen.said, seen.cluster) {
        let text = format!(
            "{name} is, or was, a node of another cluster: its kubelet speaks to {} and trusts another authority",
            config.server
        );
        let way_out = format!(
            "take it out there first; if it is yours to clean: slipway host clean {name} --of-another-cluster, then join"
        );
        return found.push(finding(seen, Severity::Block, Code::HOST_OTHER_CLUSTER, text, way_out));
    }
    if seen.scanned.satisfied {
        return;
    }
    // Without a runtime nobody can say which containers are left: that it does not answer is told as itself.
    let runtime = Code::HOST_RUNTIME.as_str();
    let blind = seen.prepare.obstacles.iter().any(|obstacle| obstacle.code == runtime);
    let obstacles = seen.scanned.obstacles.iter().filter(|_| !blind).map(|obstacle| obstacle.what.clone());
    let changes = seen.scanned.changes.iter().filter(|change| !(blind && change.kind == "container"));
    let changes = changes.map(|change| format!("{} {}", change.kind, change.what));
    let all: Vec<String> = obstacles.chain(changes).collect();
    if all.is_empty() && blind {
        return;
    }
    let cni = match seen.said.cni_profiles.as_slice() {
        [] => String::new(),
        names => format!(" (of {})", names.join(", ")),
    };
    let text = format!("{name} has leftovers of an earlier life{cni}: {}", listed(&all, SHOWN));
    let way_out = format!("slipway host clean {name} removes them and shows before what it removes; then join");
    found.push(finding(seen, Severity::Block, Code::HOST_LEFTOVERS, text, way_out));
}

fn clock(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    let (asked, answered) = seen.asked_ms;
    let now = seen.ready.now_ms;
    // The host looked at its clock somewhere in between.
    let off = if now < asked { asked - now } else { (now - answered).max(0) };
    if off < CLOCK_WARNS_MS {
        return;
    }
    let way = if now < asked { "behind" } else { "ahead of" };
    let text = format!("the clock of {} is {} s {way} the coordinator's", seen.name, off / 1000);
    let severity = if off >= CLOCK_BLOCKS_MS { Severity::Block } else { Severity::Warn };
    found.push(finding(
        seen,
        severity,
        Code::HOST_CLOCK,
        text,
        "let a time service run on both: timedatectl shows whether it does",
    ));
}

fn room(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    for space in &seen.ready.spaces {
        let least = match space.path.as_str() {
            ETCD if seen.control_plane => seen.settings.free_mib_etcd,
            ETCD => continue,
            _ => seen.settings.free_mib,
        };
        let free = space.available_bytes / MIB;
        if free < u64::from(least) {
            let text = format!("{} has {free} MiB free at {}, and {least} MiB are asked for", seen.name, space.path);
            let way_out = format!("make room there, or mount a disk: df -h {}", space.path);
            found.push(finding(seen, Severity::Block, Code::HOST_SPACE, text, way_out));
        }
    }
}

fn ports(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    let of_masters = PORTS_OF_MASTERS.iter().filter(|_| seen.control_plane);
    let taken: Vec<String> = PORTS
        .iter()
        .chain(of_masters)
        .filter(|port| seen.ready.listening_ports.contains(port))
        .map(ToString::to_string)
        .collect();
    if taken.is_empty() {
        return;
    }
    let text = format!("somebody listens on {} already, on port {}", seen.name, taken.join(", "));
    found.push(finding(
        seen,
        Severity::Block,
        Code::HOST_PORT,
        text,
        "ss -lntp on the host says who: end it, or move it",
    ));
}

fn cgroups(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    if seen.said.cgroup_version != 1 {
        return;
    }
    let (name, version) = (seen.name, seen.version);
    let way_out =
        format!("on {name}: systemd.unified_cgroup_hierarchy=1 on the kernel's command line, or a newer distribution");
    let refuses = (version.major, version.minor) >= NO_FIRST_CGROUPS && !seen.first_cgroups_allowed;
    if refuses {
        let text = format!("{name} has cgroups of version 1, and a kubelet of {version} does not start on them");
        return found.push(finding(seen, Severity::Block, Code::HOST_CGROUPS, text, way_out));
    }
    let text = format!("{name} has cgroups of version 1: kubelets of 1.35 and later do not start on them by default");
    found.push(finding(seen, Severity::Note, Code::HOST_CGROUPS, text, way_out));
}

/// What the host's own agent says stands in the way of preparing it.
fn preparation(seen: &Seen<'_>, found: &mut Vec<Finding>) {
    for obstacle in &seen.prepare.obstacles {
        let code = Code::parse(&obstacle.code).unwrap_or(Code::HOST_PREPARE);
        let (what, way_out) = obstacle.explain.split_once(": ").unwrap_or((&obstacle.explain, ""));
        let text = format!("{} cannot be prepared: {what}", seen.name);
        found.push(finding(seen, Severity::Block, code, text, way_out));
    }
}

#[cfg(test)]
#[path = "findings_tests.rs"]
mod tests;
