//! I2: etcd keeps its quorum. A member leaves only if those that are healthy afterwards are a quorum of those that vote afterwards, and a healthy
//! one only with the operator's word or because the join is taken back that brought it; one comes only with a join; one that is in the list is stopped
//! only if the others are a quorum; never two changes at once.

use super::{Event, Invariant, Known, Wish};
use crate::interleavings::scene::is_master;
use crate::interleavings::sight::{Host, Member, Sight};

/// See the module.
pub(super) struct EtcdKeepsItsQuorum;

fn healthy(sight: &Sight) -> usize {
    sight.members.iter().filter(|member| member.votes && member.healthy).count()
}

fn quorum(sight: &Sight) -> usize {
    sight.members.iter().filter(|member| member.votes).count() / 2 + 1
}

/// Whether the operator gave the word that this removal of a healthy member costs.
fn has_word(gone: &Member, left: usize, known: &Known) -> bool {
    let word = |wish: &Wish| wish.said("leave_one_etcd_member") || (left > 1 && wish.said("accept_less_tolerance"));
    let about = |wish: &&Wish| wish.is_about(&gone.name);
    known.wishes.iter().filter(about).any(|wish| (wish.removes() && word(wish)) || wish.joins())
}

fn left(gone: &Member, event: &Event<'_>) -> Result<(), String> {
    let (healthy_after, quorum_after) = (healthy(event.after), quorum(event.after));
    if healthy_after < quorum_after {
        return Err(format!(
            "{} left etcd, and {healthy_after} healthy ones are no quorum of {quorum_after}",
            gone.name
        ));
    }
    // One that has just come back was still dead when the last look was taken.
    let since = event.known.health.get(&gone.id).copied().unwrap_or_default();
    let just_back = since > 0 && since >= event.known.etcd_asked;
    if gone.healthy && !just_back && !has_word(gone, healthy_after, event.known) {
        return Err(format!("{} was healthy and left etcd; {healthy_after} are left, and nobody said yes", gone.name));
    }
    Ok(())
}

impl Invariant for EtcdKeepsItsQuorum {
    fn name(&self) -> &'static str {
        "I2"
    }

    fn at(&mut self, event: &Event<'_>) -> Result<(), String> {
        let now = |id: u64| event.after.members.iter().find(|member| member.id == id);
        for member in &event.before.members {
            match now(member.id) {
                None => left(member, event)?,
                Some(after) if member.runs && !after.runs && healthy(event.after) < quorum(event.after) => {
                    return Err(format!("{} was stopped, and the others are no quorum", member.name));
                }
                Some(_) => {}
            }
        }
        let is_new = |member: &&Member| !event.before.members.iter().any(|before| before.id == member.id);
        for member in event.after.members.iter().filter(is_new).filter(|member| !member.name.is_empty()) {
            if !event.known.wishes.iter().any(|wish| wish.joins() && wish.is_about(&member.name)) {
                return Err(format!("{} has come into etcd, and nobody joins it", member.name));
            }
        }
        let learners = event.after.members.iter().filter(|member| !member.votes).count();
        let changes = |(name, host): &(&String, &std::sync::Arc<Host>)| {
            host.open.contains("/remove-etcd-member-") || (is_master(name) && host.open.contains("/join-"))
        };
        let changing = event.after.hosts.iter().filter(changes).count();
        if changing > 1 || learners > 1 {
            return Err(format!("{changing} changes of etcd's members are in flight, {learners} members do not vote"));
        }
        Ok(())
    }
}
