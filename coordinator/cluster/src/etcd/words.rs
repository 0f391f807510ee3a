//! The sentences of a projection. They are read in the night by somebody who has to decide at once: numbers first, then the consequence,
//! then the way out.

use super::member::{Alarm, Member};
use super::projection::{Case, Change, SINGLE_MEMBER_FLAG, Standing};

/// Before and after, in one sentence.
pub(super) fn sentence(case: &Case<'_>) -> String {
    let down = names(&case.members.iter().filter(|member| !member.counts()).collect::<Vec<_>>());
    let now = format!(
        "etcd has {}{}, and {}",
        members(case.before),
        if down.is_empty() { String::new() } else { format!(" ({down})") },
        survives(case.before, "has lost its quorum")
    );
    let stops = "stops, and every API server with it";
    let then = format!("{}, needs {}, and {}", members(case.after), case.after.quorum, survives(case.after, stops));
    match (case.change, case.target()) {
        (Change::Remove(_), Some(_)) if case.after.voters == 0 => now,
        (Change::Remove(_), Some(target)) => format!("{now}; without {} it has {then}", target.label()),
        (Change::Stop(_), Some(target)) => format!("{now}; while {} is stopped it has {then}", target.label()),
        (Change::Promote(_), Some(target)) => format!("{now}; once {} votes it has {then}", target.label()),
        (Change::AddLearner, _) => format!("{now}; a learner changes nothing of that until it votes"),
        (_, None) => now,
    }
}

fn members(standing: Standing) -> String {
    let plural = if standing.voters == 1 { "member" } else { "members" };
    if standing.healthy == standing.voters {
        let all = if standing.voters == 1 { "healthy" } else { "all healthy" };
        format!("{} {plural}, {all}", standing.voters)
    } else {
        format!("{} {plural}, {} healthy", standing.voters, standing.healthy)
    }
}

fn survives(standing: Standing, if_not: &str) -> String {
    match standing.tolerance() {
        None => if_not.to_owned(),
        Some(0) => "survives no failure".to_owned(),
        Some(1) => "survives 1 more failure".to_owned(),
        Some(more) => format!("survives {more} more failures"),
    }
}

fn names(members: &[&Member]) -> String {
    let state = |member: &Member| {
        if member.is_unnamed() {
            "has never started"
        } else if member.learner {
            "is a learner"
        } else {
            "is down"
        }
    };
    members.iter().map(|member| format!("{} {}", member.label(), state(member))).collect::<Vec<_>>().join(", ")
}

fn labels(members: &[&Member]) -> String {
    members.iter().map(|member| member.label()).collect::<Vec<_>>().join(", ")
}

pub(super) fn unknown(case: &Case<'_>) -> String {
    let (Change::Remove(id) | Change::Promote(id) | Change::Stop(id)) = case.change else { return sentence(case) };
    let known = labels(&case.members.iter().collect::<Vec<_>>());
    format!("etcd has no member {id}; its members are {known}")
}

pub(super) fn alarm(member: &Member, alarm: &Alarm) -> String {
    let way = match alarm {
        Alarm::NoSpace => {
            "etcd takes no writes until there is room: compact, defragment one member after the other, then `etcdctl alarm disarm`"
        }
        _ => "its data differ from the others': find out which member is right before any member leaves or comes",
    };
    format!("{} has raised the alarm {alarm}: {way}", member.label())
}

pub(super) fn last_member(case: &Case<'_>) -> String {
    let target = case.target().map(Member::label).unwrap_or_default();
    format!(
        "{target} is etcd's last member: with it goes all that the cluster knows. A cluster is taken down, not scaled in, to nothing"
    )
}

pub(super) fn no_quorum_now(case: &Case<'_>) -> String {
    let down = case.members.iter().filter(|member| !member.counts()).collect::<Vec<_>>();
    format!(
        "etcd has lost its quorum: {} of {} members can be counted on ({}), and it agrees on nothing, not even on a removal. Bring one of \
         them back, or restore etcd from a snapshot",
        case.before.healthy,
        case.before.voters,
        names(&down)
    )
}

pub(super) fn no_quorum_after(case: &Case<'_>) -> String {
    let down = case.others_down();
    let way = match down.len() {
        0 => "Add a member first".to_owned(),
        1 => format!("Bring {} back, or remove it first: that costs nothing", labels(&down)),
        _ => format!("Bring one of {} back, or remove them first: that costs nothing", labels(&down)),
    };
    format!("{}. {way}", sentence(case))
}

pub(super) fn single(case: &Case<'_>) -> String {
    format!(
        "{}; if the one that is left is lost, all that the cluster knows is lost. Give {SINGLE_MEMBER_FLAG} if that is meant",
        sentence(case)
    )
}

pub(super) fn addition_blocked(case: &Case<'_>) -> String {
    let down = case.others_down();
    if down.is_empty() {
        return "the list of etcd's members is empty: nobody was asked, so nothing can be added".to_owned();
    }
    format!("etcd adds no member while {}. Bring back, promote or remove what is not in order first", names(&down))
}

pub(super) fn promotion_blocked(case: &Case<'_>, target: &Member) -> String {
    let why = if !target.learner {
        "it votes already"
    } else if target.is_unnamed() {
        "it has never started"
    } else if !target.healthy {
        "it does not answer"
    } else {
        "too few members can be counted on"
    };
    format!("{} cannot be promoted: {why}. {}", target.label(), sentence(case))
}

pub(super) fn outage(case: &Case<'_>) -> String {
    let target = case.target().map(Member::label).unwrap_or_default();
    format!("{target} is etcd's only member: while it is stopped, the cluster has no API")
}

pub(super) fn stop_blocked(case: &Case<'_>) -> String {
    let down = case.others_down();
    let way =
        if down.is_empty() { "Add a member first".to_owned() } else { format!("Bring {} back first", labels(&down)) };
    format!("{}. {way}", sentence(case))
}
