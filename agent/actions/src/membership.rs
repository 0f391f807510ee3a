//! What every change of etcd's members begins with: which etcd this host is part of, and the list as a majority has it now. What keeps that
//! from being known is an obstacle, said before anything is done.

use slipway_errors::Code;
use slipway_host::Host;
use slipway_host::etcd::{self, Local, Members, Refusal};
use slipway_proto::types::{EtcdMember, Obstacle};

use crate::perform::obstacle;
use crate::{Check, Error};

/// The etcd of this host, with the list that a majority agrees to.
pub(crate) struct Membership {
    pub(crate) local: Local,
    pub(crate) members: Members,
}

/// Looks, or says what stands in the way of looking.
pub(crate) async fn membership(host: &Host) -> Result<Result<Membership, Obstacle>, Error> {
    let looked = async {
        let local = etcd::required(host).await?;
        let members = etcd::current(host, &local.access).await?;
        Ok::<_, slipway_host::Error>(Membership { local, members })
    };
    match looked.await {
        Ok(found) => Ok(Ok(found)),
        Err(error) => in_the_way(error).map(Err),
    }
}

/// The obstacle that a failed look at etcd is; what has nothing to do with etcd stays an error.
fn in_the_way(error: slipway_host::Error) -> Result<Obstacle, Error> {
    let what = match &error {
        slipway_host::Error::Etcd { url, .. } => format!("etcd at {url}"),
        slipway_host::Error::EtcdCertificates { path, .. } => path.display().to_string(),
        slipway_host::Error::NoEtcd => "etcd".to_owned(),
        _ => return Err(error.into()),
    };
    let coded = error.coded();
    let mut explain = coded.message;
    if let Some(way_out) = coded.way_out {
        explain = format!("{explain}: {way_out}");
    }
    Ok(obstacle(coded.code, what, explain))
}

/// What `judged` makes of the members as a majority has them now, or what stands in the way of looking.
pub(crate) async fn judge(host: &Host, judged: impl FnOnce(&Membership) -> Check) -> Result<Check, Error> {
    Ok(match membership(host).await? {
        Ok(found) => judged(&found),
        Err(obstacle) => blocked(obstacle),
    })
}

/// Nothing can be said but this.
pub(crate) fn blocked(obstacle: Obstacle) -> Check {
    Check { satisfied: false, changes: vec![], obstacles: vec![obstacle] }
}

impl Membership {
    pub(crate) fn by_id(&self, id: u64) -> Option<&EtcdMember> {
        self.members.list.iter().find(|member| member.id == id)
    }

    /// The member of this very host, by what answered and by its configuration.
    pub(crate) fn is_own(&self, member: &EtcdMember) -> bool {
        member.id == self.members.answered || same_urls_in_part(&member.peer_urls, &self.local.peer_urls)
    }

    /// A line for a run's record.
    pub(crate) fn listed(&self) -> String {
        let names: Vec<String> = self.members.list.iter().map(named).collect();
        format!("the members are {}", names.join(", "))
    }
}

/// A member as people are told of it.
pub(crate) fn named(member: &EtcdMember) -> String {
    let name = if member.name.is_empty() { "(never started)" } else { &member.name };
    let learner = if member.learner { ", a learner" } else { "" };
    format!("{name} {:x} ({}{learner})", member.id, member.peer_urls.join(","))
}

/// Whether two lists of URLs name the same places, in whatever order.
pub(crate) fn same_urls(one: &[String], other: &[String]) -> bool {
    let sorted = |urls: &[String]| {
        let mut urls: Vec<String> = urls.iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
        urls.sort();
        urls.dedup();
        urls
    };
    sorted(one) == sorted(other)
}

/// Whether they have one in common.
pub(crate) fn same_urls_in_part(one: &[String], other: &[String]) -> bool {
    one.iter().any(|url| other.iter().any(|known| same_urls(std::slice::from_ref(url), std::slice::from_ref(known))))
}

/// For after a change was asked for: an answer that was lost, or a change that somebody made before us, is left to the look that follows.
pub(crate) fn left_to_the_next_look(
    result: Result<(), slipway_host::Error>,
    fine: &[Refusal],
) -> Result<Option<String>, Error> {
    match result {
        Ok(()) => Ok(None),
        Err(error) if error.refusal().is_some_and(|refusal| refusal == Refusal::Silent || fine.contains(&refusal)) => {
            Ok(Some(format!("{}; looking whether it took effect", error.coded().message)))
        }
        Err(error) => Err(error.into()),
    }
}

/// The code of "it was asked for, and the members are not so".
pub(crate) const NOT_SO: Code = Code::ETCD_SILENT;

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(list: &[&str]) -> Vec<String> {
        list.iter().map(|url| (*url).to_owned()).collect()
    }

    #[test]
    fn urls_are_compared_as_sets_and_without_a_slash_at_the_end() {
        assert!(same_urls(&urls(&["https://a:1", "https://b:1/"]), &urls(&["https://b:1", "https://a:1"])));
        assert!(!same_urls(&urls(&["https://a:1"]), &urls(&["https://a:1", "https://b:1"])));
        assert!(same_urls_in_part(&urls(&["https://a:1"]), &urls(&["https://a:1", "https://b:1"])));
        assert!(!same_urls_in_part(&urls(&["https://a:1"]), &urls(&["https://a:10"])));
        assert!(!same_urls_in_part(&[], &[]));
    }

    #[test]
    fn a_member_without_a_name_is_told_as_never_started() {
        let member = EtcdMember { id: 0xab, learner: true, peer_urls: urls(&["https://a:1"]), ..EtcdMember::default() };
        assert_eq!(named(&member), "(never started) ab (https://a:1, a learner)");
    }

    #[test]
    fn a_lost_answer_is_looked_after_and_a_refusal_stays_one() {
        let etcd = |refusal| slipway_host::Error::Etcd {
            doing: "adding".into(),
            url: "https://a:1".into(),
            refusal,
            why: "no answer".into(),
        };
        assert!(left_to_the_next_look(Err(etcd(Refusal::Silent)), &[]).unwrap().is_some());
        assert!(left_to_the_next_look(Err(etcd(Refusal::Absent)), &[Refusal::Absent]).unwrap().is_some());
        assert!(left_to_the_next_look(Err(etcd(Refusal::Absent)), &[]).is_err());
        assert!(left_to_the_next_look(Err(etcd(Refusal::Refused)), &[Refusal::Absent]).is_err());
    }
}
