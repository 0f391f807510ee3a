//! What a master is to the cluster: its member of etcd and what etcd would be without it, the address that moves, who has no other way to the
//! API. Pure: from what was seen to what is said, by the same rules that let it leave or not.

use slipway_cluster::etcd::{Change, Member, Verdict, match_members, member_of, member_of_silent, project};
use slipway_proto::coordinator as wire;
use slipway_proto::types::{CertificateEnd, EtcdKind};
use slipway_types::NodeRole;

use super::seen::{Seen, SeenMaster};
use crate::api::etcd::{how_they_stand, row};
use crate::endpoints::KEEPALIVED;
use crate::endpoints::{dependents_among, holds, masters_beside, virtual_address};
use crate::etcd::EtcdView;
use crate::snapshot::Kept;

/// A cluster may have thousands of kubelets with the same fault.
const NAMED: usize = 50;

/// All of it.
pub(super) fn control_plane(seen: &Seen, master: &SeenMaster) -> wire::ControlPlane {
    let mut told = wire::ControlPlane {
        keepalived: keepalived(seen),
        dependents: dependents(seen, master),
        last_snapshot: master.snapshot.as_ref().ok().and_then(Option::as_ref).map(snapshot),
        first_certificate: first_certificate(seen),
        ..Default::default()
    };
    if let Some(address) = address(seen, master) {
        let holders = master.hosts.iter().filter(|(_, facts)| facts.as_ref().is_some_and(|said| holds(said, &address)));
        told.address_held_by = holders.map(|(name, _)| name.clone()).collect();
        told.virtual_address = address;
    }
    let verdict = match &master.etcd {
        Ok(view) => etcd(&mut told, seen, master, view),
        Err(_) => None,
    };
    (told.removal, told.removal_says) = removal(seen, master, &told, verdict);
    told
}

/// Tells of etcd, and gives what would be said to the removal of its member; none: it is not known.
fn etcd(told: &mut wire::ControlPlane, seen: &Seen, master: &SeenMaster, view: &EtcdView) -> Option<Verdict> {
    let set_up = seen.facts().map(|facts| !matches!(facts.etcd_kind(), EtcdKind::None | EtcdKind::Unspecified));
    if view.told_by.is_none() {
        told.etcd_says = match (&view.clone().agreed(), set_up) {
            (_, Some(false)) => "no member of etcd is set up on its host".to_owned(),
            (Err(error), _) => error.message.clone(),
            (Ok(_), _) => String::new(),
        };
        return (set_up == Some(false)).then_some(Verdict::Allowed);
    }
    told.etcd_stands = how_they_stand(&view.members);
    let (member, why) = member(seen, master, view);
    let Some(member) = member else {
        let none = set_up == Some(false);
        told.etcd_says =
            if none { "no member of etcd is set up on its host".to_owned() } else { why.unwrap_or_default() };
        return none.then_some(Verdict::Allowed);
    };
    let projection = project(&view.members, &Change::Remove(member.id));
    told.member = Some(row(&member, Some(seen.name.as_str()), view.errors.get(&member.id).map(String::as_str)));
    told.member_certain = why.is_none();
    told.etcd_says = why.clone().unwrap_or_default();
    told.without_it = projection.sentence;
    Some(match why {
        None => projection.verdict,
        Some(text) => Verdict::Refused { text },
    })
}

/// The member that runs there, and why that is not certain.
fn member(seen: &Seen, master: &SeenMaster, view: &EtcdView) -> (Option<Member>, Option<String>) {
    let (members, reports) = (&view.members, &view.reports);
    let Ok(nodes) = &master.nodes else {
        let own = reports.iter().find(|report| report.node == seen.name).and_then(|report| report.member);
        let why = "only its agent says so: the API server, which has to agree, cannot be asked";
        return (own.and_then(|id| view.member(id)).cloned(), Some(why.to_owned()));
    };
    let silent = !reports.iter().any(|report| report.node == seen.name);
    let certain = member_of(&seen.name, members, nodes, reports)
        .or_else(|mismatch| if silent { member_of_silent(&seen.name, members, nodes, reports) } else { Err(mismatch) });
    match certain {
        Ok(member) => (Some(member), None),
        Err(mismatch) => {
            let near =
                match_members(members, nodes, reports).into_iter().find(|one| one.node.as_ref() == Some(&seen.name));
            (near.map(|one| one.member), Some(mismatch.to_string()))
        }
    }
}

/// What `node remove` would say: every reason against it, or what it asks for.
fn removal(seen: &Seen, master: &SeenMaster, told: &wire::ControlPlane, etcd: Option<Verdict>) -> (String, String) {
    let mut against = Vec::new();
    let is_master =
        seen.node.as_ref().is_ok_and(|node| node.as_ref().is_some_and(|node| node.role == NodeRole::ControlPlane));
    if is_master && master.nodes.as_ref().is_ok_and(|nodes| masters_beside(nodes, Some(&seen.name)).is_empty()) {
        against.push("it is the last control-plane node; a whole cluster is taken down by hand".to_owned());
    }
    if !told.dependents.is_empty() {
        let count = told.dependents.len();
        against.push(format!(
            "{count} would be without an API server: move them first, slipway node set-endpoint HOST:PORT"
        ));
    }
    let (word, text) = match etcd {
        Some(Verdict::Refused { text }) => {
            against.push(text);
            ("refused", String::new())
        }
        Some(Verdict::Allowed) => ("allowed", String::new()),
        Some(Verdict::NeedsWord { text }) => ("needs-word", text),
        Some(Verdict::NeedsFlag { text }) => ("needs-flag", text),
        None => ("", String::new()),
    };
    if against.is_empty() { (word.to_owned(), text) } else { ("refused".to_owned(), against.join("; ")) }
}

/// The address that moves, by its own files or else by those of any other host.
fn address(seen: &Seen, master: &SeenMaster) -> Option<String> {
    let nodes = master.nodes.as_ref().ok()?;
    let others = master.hosts.iter().filter_map(|(_, facts)| facts.as_ref()).filter(|facts| facts.control_plane);
    seen.facts().into_iter().chain(others).find_map(|facts| virtual_address(facts, nodes))
}

fn dependents(seen: &Seen, master: &SeenMaster) -> Vec<String> {
    let Ok(Some(node)) = &seen.node else { return Vec::new() };
    let hosts = master.hosts.iter().filter_map(|(name, facts)| Some((name.as_str(), facts.as_ref()?)));
    let found = dependents_among(node, hosts, master.texts.as_deref().unwrap_or_default());
    let mut lines: Vec<String> = found.iter().take(NAMED).map(ToString::to_string).collect();
    if found.len() > NAMED {
        lines.push(format!("and {} more", found.len() - NAMED));
    }
    lines
}

fn keepalived(seen: &Seen) -> String {
    let unit = seen.facts().and_then(|facts| facts.units.iter().find(|unit| unit.unit == KEEPALIVED));
    unit.map(|unit| format!("{} {}", unit.active, unit.enablement)).unwrap_or_default()
}

fn first_certificate(seen: &Seen) -> Option<CertificateEnd> {
    seen.facts()?.certificates.iter().min_by_key(|end| end.not_after_ms).cloned()
}

fn snapshot(kept: &Kept) -> wire::KeptSnapshot {
    wire::KeptSnapshot {
        file: kept.file.clone(),
        host: kept.host.clone(),
        taken_ms: kept.taken_ms,
        size_bytes: kept.size_bytes,
        etcd_version: kept.etcd_version.clone(),
    }
}
