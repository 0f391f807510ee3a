//! What root does on the host itself, with no coordinator: show or forget the fence, look at what an action would do, enrol.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use slipway_errors::{Code, Coded};
use slipway_net::{Audit, AuditEvent, FileAudit};
use slipway_types::Clock;

use crate::args::{CheckArgs, EnrolArgs};
use crate::disk::Disk;
use crate::enrol::{Enrolment, enrol};
use crate::fence::kept;
use crate::machine::machine;
use crate::settings::Settings;
use crate::state;
use crate::work::on_host::OnHost;
use crate::work::{View, Works};

/// How a look at an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing is to be done.
    Nothing,
    /// Something is.
    Work,
    /// Something stands in the way.
    Obstacle,
}

/// Shows the kept fence.
pub fn show_fence(settings: &Settings, out: &mut dyn Write) -> Result<(), Coded> {
    let fence = kept::look(&Disk::default(), &settings.state_dir).map_err(|error| error.coded())?;
    let text =
        fence.map_or_else(|| "none: the first leadership that comes is obeyed".to_owned(), |fence| fence.to_string());
    say(out, &text)
}

/// Forgets the kept fence, and says so in the audit records.
pub fn reset_fence(settings: &Settings, yes: bool, clock: &dyn Clock, out: &mut dyn Write) -> Result<(), Coded> {
    let disk = Disk::default();
    let before = match kept::look(&disk, &settings.state_dir) {
        Ok(fence) => fence.map_or_else(|| "none".to_owned(), |fence| fence.to_string()),
        Err(error) => error.to_string(),
    };
    if !yes {
        let said = format!(
            "kept now: {before}; after a reset the next coordinator that comes is obeyed, the old one too if it still runs"
        );
        return Err(Coded::new(Code::CONF_BAD_VALUE, said)
            .do_this("if the old coordinator is gone for good, say so with --yes"));
    }
    let _claimed = state::claim(&disk, &settings.state_dir).map_err(|error| error.coded())?;
    let audit = FileAudit::open(settings.state_dir.join(state::AUDIT))
        .map_err(|error| Coded::new(Code::AGENT_JOURNAL, format!("opening the audit records: {error}")))?;
    let noted = audit.record(AuditEvent {
        at: clock.now(),
        peer: "root on this host".into(),
        path: "fence reset".into(),
        code: None,
        says: format!("the fence is forgotten; it was: {before}"),
    });
    noted.map_err(|error| Coded::new(Code::AUDIT_LOST, format!("{error}; nothing was changed")))?;
    kept::replace(&disk, &settings.state_dir, None).map_err(|error| error.coded())?;
    say(out, &format!("forgotten; it was: {before}"))
}

/// Shows what an action would do to the host.
pub async fn check(
    args: &CheckArgs,
    simulated: Option<&Path>,
    clock: Arc<dyn Clock>,
    out: &mut dyn Write,
) -> Result<Found, Coded> {
    let host = machine(simulated, "worker", &clock)?;
    let work = OnHost::new(host, clock).work_for(args.to_wire())?;
    let view = work.check().await?;
    say(out, &told(work.name(), &view, &work.by_hand()))?;
    Ok(match (view.satisfied, view.obstacles.is_empty()) {
        (true, _) => Found::Nothing,
        (false, true) => Found::Work,
        (false, false) => Found::Obstacle,
    })
}

fn told(name: &str, view: &View, by_hand: &[String]) -> String {
    if view.satisfied {
        return format!("{name}: nothing to do");
    }
    let mut lines = vec![format!("{name} would change:")];
    lines.extend(view.changes.iter().map(|change| {
        let why = if change.detail.is_empty() { String::new() } else { format!("   ({})", change.detail) };
        format!("  {} {} {}{why}", change.verb, change.kind, change.what)
    }));
    if !view.obstacles.is_empty() {
        lines.push("and is refused as things are:".to_owned());
        lines.extend(
            view.obstacles
                .iter()
                .map(|obstacle| format!("  {} {}: {}", obstacle.code, obstacle.what, obstacle.explain)),
        );
    }
    lines.push("by hand:".to_owned());
    lines.extend(by_hand.iter().map(|command| format!("  {command}")));
    lines.join("\n")
}

/// Enrols the host.
pub async fn join(
    args: EnrolArgs,
    settings: &Settings,
    simulated: Option<&Path>,
    clock: Arc<dyn Clock>,
    out: &mut dyn Write,
) -> Result<(), Coded> {
    let host = machine(simulated, args.name.as_deref().unwrap_or("worker"), &clock)?;
    let own = host.identity.identity().await.map_err(|error| error.coded())?;
    let asked = Enrolment {
        coordinator: args.coordinator,
        token: args.token,
        ca_hash: args.ca_hash,
        name: args.name.unwrap_or(own.hostname),
        address: args.address,
        machine_id: own.machine_id,
        state: settings.state_dir.clone(),
        force: args.force,
    };
    let enrolled = enrol(&asked, Arc::new(Disk::default()), clock).await?;
    say(out, &format!("{} is host {} of cluster {}", enrolled.name, enrolled.host_id, enrolled.cluster))?;
    say(out, "now start the agent: systemctl enable --now slipway-agent")
}

fn say(out: &mut dyn Write, text: &str) -> Result<(), Coded> {
    writeln!(out, "{text}").map_err(|error| Coded::new(Code::INTERNAL, format!("writing to the terminal: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use slipway_types::{Fence, Lineage, ManualClock, SystemClock, Term, Timestamp};

    fn settings(state: &Path) -> Settings {
        Settings { state_dir: state.to_owned(), ..Settings::default() }
    }

    #[test]
    fn a_fence_is_reset_only_with_a_yes_and_leaves_a_record() {
        let state = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let fence = Fence { lineage: Lineage("a".into()), term: Term(7), holder: "c1".into() };
        kept::replace(&Disk::default(), state.path(), Some(&fence)).unwrap();
        let mut out = Vec::new();
        let refused = reset_fence(&settings(state.path()), false, &clock, &mut out).unwrap_err();
        assert!(refused.message.contains("term 7"), "{refused}");
        reset_fence(&settings(state.path()), true, &clock, &mut out).unwrap();
        assert_eq!(kept::look(&Disk::default(), state.path()).unwrap(), None);
        let audit = std::fs::read_to_string(state.path().join(state::AUDIT)).unwrap();
        assert!(audit.contains("term 7 of c1"), "{audit}");
        let mut out = Vec::new();
        show_fence(&settings(state.path()), &mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().starts_with("none"));
    }

    #[test]
    fn a_fence_is_not_reset_under_a_running_agent() {
        let state = tempfile::tempdir().unwrap();
        let _running = state::claim(&Disk::default(), state.path()).unwrap();
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let error = reset_fence(&settings(state.path()), true, &clock, &mut Vec::new()).unwrap_err();
        assert!(error.way_out.unwrap().contains("systemctl stop"));
    }

    #[tokio::test]
    async fn a_local_look_lists_changes_obstacles_and_commands_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let command = crate::args::Command::try_parse_from(["slipway-agent", "check", "mask-kubelet"]).unwrap();
        let Some(crate::args::Verb::Check(args)) = command.verb else { panic!("no check") };
        for _ in 0..2 {
            let mut out = Vec::new();
            let found = check(&args, Some(folder.path()), Arc::new(SystemClock), &mut out).await.unwrap();
            let text = String::from_utf8(out).unwrap();
            assert_eq!(found, Found::Work, "{text}");
            assert!(text.contains("by hand:\n  systemctl"), "{text}");
        }
    }
}
