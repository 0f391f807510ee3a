//! Why an old leader can do nothing here: the agent, not the sender, decides whether a command counts. This file is the decision, over plain
//! data; [`kept`] is the file that the decision stands on.

pub mod kept;

use slipway_errors::{Code, Coded};
use slipway_proto::types::Target;
use slipway_types::Timestamp;
use slipway_types::{Fence, FenceOrder};

/// The host that the agent speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Here {
    /// The cluster's name.
    pub cluster: String,
    /// Given at enrolment, never used again.
    pub host_id: String,
    /// Of the running kernel.
    pub boot_id: String,
}

/// How much a command must know of the boot that it is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boot {
    /// It must name the running one: what it was decided upon may be gone after a restart.
    Named,
    /// It may leave the boot out, as requests do that change nothing on the host; a wrong one is refused.
    Any,
}

/// What a command shows to be let in.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The host that it is meant for.
    pub target: &'a Target,
    /// The leadership that it is given under.
    pub fence: &'a Fence,
    /// Nothing new begins after that; `None` where nothing new would begin.
    pub not_after: Option<Timestamp>,
}

/// What is to be done before an admitted command is obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Nothing: the leadership is the one that was kept.
    AsKept,
    /// The leadership is a later one, to be kept durably first.
    RaiseFirst,
}

/// Whether a request is meant for this host.
pub fn meant_for(here: &Here, target: &Target, boot: Boot) -> Result<(), Coded> {
    if target.cluster != here.cluster || target.host_id != here.host_id {
        let said = format!(
            "the request is for host {:?} of cluster {:?}, this is host {:?} of cluster {:?}",
            target.host_id, target.cluster, here.host_id, here.cluster
        );
        return Err(Coded::new(Code::FENCE_OTHER_HOST, said)
            .do_this("compare the address of the host in `slipway host list` with the machine that listens there"));
    }
    let named = !target.boot_id.is_empty();
    if (named && target.boot_id != here.boot_id) || (!named && boot == Boot::Named) {
        let said = if named {
            format!("the command was made for boot {}, the host runs boot {}", target.boot_id, here.boot_id)
        } else {
            "the command changes the host and names no boot".to_owned()
        };
        return Err(Coded::new(Code::FENCE_OTHER_BOOT, said).do_this("look at the host again, then decide again"));
    }
    Ok(())
}

/// Whether a command that changes something is let in. Nothing is changed here: the caller raises the fence where it must.
pub fn admit(
    here: &Here,
    kept: Option<&Fence>,
    claim: Claim<'_>,
    boot: Boot,
    now: Timestamp,
) -> Result<Admission, Coded> {
    meant_for(here, claim.target, boot)?;
    let admission = judge(kept, claim.fence)?;
    match claim.not_after {
        Some(end) if now > end => {
            let said = format!("the command was good until {end}, here it is {now}; nothing was begun");
            Err(Coded::new(Code::FENCE_PAST_TIME, said)
                .do_this("compare the clocks of coordinator and host, then ask again"))
        }
        _ => Ok(admission),
    }
}

fn judge(kept: Option<&Fence>, offered: &Fence) -> Result<Admission, Coded> {
    if offered.lineage.0.is_empty() || offered.term.0 == 0 || offered.holder.is_empty() {
        return Err(Coded::new(
            Code::WIRE_BAD_REQUEST,
            "the command carries no leadership: lineage, term and holder are needed",
        ));
    }
    let Some(kept) = kept else { return Ok(Admission::RaiseFirst) };
    match kept.judge(offered) {
        FenceOrder::Same => Ok(Admission::AsKept),
        FenceOrder::Newer => Ok(Admission::RaiseFirst),
        FenceOrder::Older => {
            Err(Coded::new(Code::FENCE_OLD_TERM, format!("{offered} has ended: {kept} was seen here"))
                .do_this("nothing: the coordinator that leads now goes on with the run"))
        }
        FenceOrder::OtherHolder => {
            Err(Coded::new(Code::FENCE_OTHER_HOLDER, format!("{offered} claims the term of {kept}"))
                .do_this("see that two coordinators do not run on copies of one store"))
        }
        FenceOrder::OtherLineage => {
            let said = format!("{offered} is counted in another store than {kept}");
            Err(Coded::new(Code::FENCE_OTHER_LINEAGE, said).do_this(
                "if the other store is the right one now, root admits it on this host with `slipway-agent fence reset --yes`",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_types::{Lineage, Term};

    fn here() -> Here {
        Here { cluster: "lab".into(), host_id: "h1".into(), boot_id: "b1".into() }
    }

    fn target(cluster: &str, host: &str, boot: &str) -> Target {
        Target { cluster: cluster.into(), host_id: host.into(), boot_id: boot.into() }
    }

    fn fence(lineage: &str, term: u64, holder: &str) -> Fence {
        Fence { lineage: Lineage(lineage.into()), term: Term(term), holder: holder.into() }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn code_of(
        kept: Option<&Fence>,
        target: &Target,
        offered: &Fence,
        end: Option<i64>,
        boot: Boot,
    ) -> Result<Admission, Code> {
        let claim = Claim { target, fence: offered, not_after: end.map(at) };
        admit(&here(), kept, claim, boot, at(100)).map_err(|error| error.code)
    }

    #[test]
    fn every_pair_of_kept_and_offered_leadership_has_its_answer() {
        let kept = fence("a", 5, "c1");
        let table = [
            (None, fence("a", 1, "c1"), Ok(Admission::RaiseFirst)),
            (None, fence("z", 9, "c9"), Ok(Admission::RaiseFirst)),
            (None, fence("", 1, "c1"), Err(Code::WIRE_BAD_REQUEST)),
            (None, fence("a", 0, "c1"), Err(Code::WIRE_BAD_REQUEST)),
            (None, fence("a", 1, ""), Err(Code::WIRE_BAD_REQUEST)),
            (Some(&kept), fence("a", 5, "c1"), Ok(Admission::AsKept)),
            (Some(&kept), fence("a", 6, "c1"), Ok(Admission::RaiseFirst)),
            (Some(&kept), fence("a", 6, "c2"), Ok(Admission::RaiseFirst)),
            (Some(&kept), fence("a", u64::MAX, "c2"), Ok(Admission::RaiseFirst)),
            (Some(&kept), fence("a", 4, "c1"), Err(Code::FENCE_OLD_TERM)),
            (Some(&kept), fence("a", 4, "c2"), Err(Code::FENCE_OLD_TERM)),
            (Some(&kept), fence("a", 5, "c2"), Err(Code::FENCE_OTHER_HOLDER)),
            (Some(&kept), fence("b", 4, "c1"), Err(Code::FENCE_OTHER_LINEAGE)),
            (Some(&kept), fence("b", 5, "c1"), Err(Code::FENCE_OTHER_LINEAGE)),
            (Some(&kept), fence("b", 6, "c1"), Err(Code::FENCE_OTHER_LINEAGE)),
            (Some(&kept), fence("a", 0, "c1"), Err(Code::WIRE_BAD_REQUEST)),
        ];
        for (kept, offered, want) in table {
            let got = code_of(kept, &target("lab", "h1", "b1"), &offered, Some(101), Boot::Named);
            assert_eq!(got, want, "{kept:?} was offered {offered}");
        }
    }

    #[test]
    fn every_target_has_its_answer() {
        let offered = fence("a", 1, "c1");
        let table = [
            (target("lab", "h1", "b1"), Boot::Named, Ok(Admission::RaiseFirst)),
            (target("lab", "h1", "b1"), Boot::Any, Ok(Admission::RaiseFirst)),
            (target("lab", "h1", ""), Boot::Any, Ok(Admission::RaiseFirst)),
            (target("lab", "h1", ""), Boot::Named, Err(Code::FENCE_OTHER_BOOT)),
            (target("lab", "h1", "b0"), Boot::Named, Err(Code::FENCE_OTHER_BOOT)),
            (target("lab", "h1", "b0"), Boot::Any, Err(Code::FENCE_OTHER_BOOT)),
            (target("lab", "h2", "b1"), Boot::Named, Err(Code::FENCE_OTHER_HOST)),
            (target("lab", "", "b1"), Boot::Any, Err(Code::FENCE_OTHER_HOST)),
            (target("prod", "h1", "b1"), Boot::Named, Err(Code::FENCE_OTHER_HOST)),
            (target("", "", ""), Boot::Any, Err(Code::FENCE_OTHER_HOST)),
        ];
        for (target, boot, want) in table {
            assert_eq!(code_of(None, &target, &offered, None, boot), want, "{target:?} with {boot:?}");
        }
    }

    #[test]
    fn a_command_counts_up_to_its_last_moment_and_not_after() {
        let here = target("lab", "h1", "b1");
        let offered = fence("a", 1, "c1");
        assert_eq!(code_of(None, &here, &offered, Some(100), Boot::Named), Ok(Admission::RaiseFirst));
        assert_eq!(code_of(None, &here, &offered, Some(99), Boot::Named), Err(Code::FENCE_PAST_TIME));
        assert_eq!(code_of(None, &here, &offered, None, Boot::Named), Ok(Admission::RaiseFirst));
    }

    #[test]
    fn a_command_for_another_host_is_told_so_before_its_leadership_is_looked_at() {
        let kept = fence("a", 5, "c1");
        let got = code_of(Some(&kept), &target("lab", "h2", "b1"), &fence("b", 1, "c1"), Some(1), Boot::Named);
        assert_eq!(got, Err(Code::FENCE_OTHER_HOST));
    }
}
