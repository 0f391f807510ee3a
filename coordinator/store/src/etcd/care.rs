//! What an operator does to the members of the store's etcd by way of a coordinator: one goes, one comes, room is given back. No leadership is needed,
//! since nobody may lead while it is needed most.

use std::time::Duration;

use etcd_client::{AlarmAction, AlarmOptions, AlarmType, Client, GetOptions, Member, MemberAddOptions};

use super::{Etcd, keys};
use crate::{Admission, Error};

/// A member that has joined the list has begun by then, and caught up.
const CATCHES_UP: Duration = Duration::from_mins(10);
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// Attempts to put it on the list: half a minute.
const ENTERS: u32 = 60;
/// For one member to write its data anew.
const DEFRAGMENTS: Duration = Duration::from_mins(2);

impl Etcd {
    /// The member of that name, or at that address, leaves the list. Refused where those that are left and answer would be no majority.
    pub(super) async fn dismiss(&self, name: &str) -> Result<(), Error> {
        let all = self.listed().await?;
        let Some(leaves) = all.iter().find(|member| is_called(member, name)) else {
            return Err(Error::Refused(format!("no member of the store is called {name}: there are {}", named(&all))));
        };
        let answering = self.answering().await;
        may_leave(&all, leaves, &answering)?;
        let id = leaves.id();
        self.peers.change("dismissing a member", move |client| remove(client, id)).await
    }

    /// Whether the list has a member at that address.
    pub(super) async fn is_member(&self, address: &str) -> Result<bool, Error> {
        Ok(self.listed().await?.iter().any(|member| is_called(member, address)))
    }

    /// The next thing on a member's way in, if it can be done now.
    pub(super) async fn admit_a_step(&self, peer_url: &str) -> Result<Admission, Error> {
        let all = self.listed().await?;
        let has_no_vote = match all.iter().find(|member| is_at(member, peer_url)) {
            Some(member) if !member.is_learner() => None,
            Some(member) => self.promote(member.id()).await.err().map(|why| why.to_string()),
            None => {
                self.enter(peer_url).await?;
                Some("it is on the list, and is to be started".to_owned())
            }
        };
        let peers = all.iter().filter(|member| !member.name().is_empty());
        let peers = peers.filter_map(|member| Some((member.name().to_owned(), host_in(member.peer_urls().first()?)?)));
        Ok(Admission { peers: peers.collect(), has_no_vote })
    }

    /// A member comes that answers others at `peer_url`: first without a vote, which it gets once it has caught up. `say` is told what it waits for.
    pub async fn admit(&self, peer_url: &str, say: impl Fn(&str)) -> Result<(), Error> {
        let found = self.listed().await?.into_iter().find(|member| is_at(member, peer_url));
        let id = match found {
            Some(member) if !member.is_learner() => {
                return Err(Error::Conflict(format!(
                    "{peer_url} is a member already; one that is damaged is dismissed first"
                )));
            }
            Some(member) => member.id(),
            None => self.enter_in_time(peer_url, &say).await?,
        };
        say("it is on the list, and is to be started now; waiting until it has caught up");
        let caught_up = async {
            while let Err(error) = self.promote(id).await {
                tracing::debug!(%error, "the member has no vote yet");
                tokio::time::sleep(ASK_AGAIN).await;
            }
        };
        let late = |_| Error::Io {
            doing: "waiting for the new member",
            why: format!("it has not caught up within {} min", CATCHES_UP.as_secs() / 60),
        };
        tokio::time::timeout(CATCHES_UP, caught_up).await.map_err(late)
    }

    /// For some seconds after another change, or after a member was away, etcd takes no member.
    async fn enter_in_time(&self, peer_url: &str, say: &impl Fn(&str)) -> Result<u64, Error> {
        let mut said = false;
        for _ in 0..ENTERS {
            match self.enter(peer_url).await {
                Err(Error::Away { why, .. }) if !std::mem::replace(&mut said, true) => {
                    say(&format!("it cannot come yet: {why}"));
                }
                Err(Error::Away { .. }) => {}
                entered => return entered,
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
        self.enter(peer_url).await
    }

    async fn enter(&self, peer_url: &str) -> Result<u64, Error> {
        let url = peer_url.to_owned();
        let add = move |client: Client| {
            let (url, mut cluster) = (url.clone(), client.cluster_client());
            async move {
                let added = cluster.member_add([url], Some(MemberAddOptions::new().with_is_learner())).await?;
                Ok(added.member().map(Member::id).unwrap_or_default())
            }
        };
        self.peers.change("adding a member", add).await
    }

    async fn promote(&self, id: u64) -> Result<(), Error> {
        let promote = move |client: Client| {
            let mut cluster = client.cluster_client();
            async move { cluster.member_promote(id).await.map(|_| ()) }
        };
        self.peers.change("giving a member its vote", promote).await
    }

    /// Gives back the room of what was overwritten, member by member, and takes off the alarm of one that had none left.
    pub async fn tidy(&self, say: impl Fn(&str)) -> Result<(), Error> {
        let doing = "giving back room";
        let now = self.peers.get(doing, keys::LEADER, GetOptions::new()).await?;
        let revision = now.header().map(etcd_client::ResponseHeader::revision).unwrap_or_default();
        let compact = move |client: Client| {
            let mut kv = client.kv_client();
            async move { kv.compact(revision, None).await.map(|_| ()) }
        };
        // Somebody may have done as much a moment ago.
        if let Err(error) = self.peers.change(doing, compact).await {
            tracing::debug!(%error, "nothing was compacted");
        }
        for (address, client) in self.peers.members() {
            let said = match tokio::time::timeout(DEFRAGMENTS, client.maintenance_client().defragment()).await {
                Ok(Ok(_)) => "has given back what it did not need".to_owned(),
                Ok(Err(error)) => format!("has not: {error}"),
                Err(_) => format!("has not, within {} s", DEFRAGMENTS.as_secs()),
            };
            say(&format!("{address} {said}"));
        }
        self.peers.change(doing, alarms_off).await
    }

    pub(super) async fn listed(&self) -> Result<Vec<Member>, Error> {
        let list = |client: Client| {
            let mut cluster = client.cluster_client();
            async move { cluster.member_list().await.map(|listed| listed.members().to_vec()) }
        };
        self.peers.change("listing the members", list).await
    }

    /// The client addresses of those that answer.
    async fn answering(&self) -> Vec<String> {
        self.peers.statuses().await.into_iter().filter(|one| one.says.is_ok()).map(|one| one.address).collect()
    }
}

/// etcd takes off the alarm of the member that is named, and of none where none is.
async fn alarms_off(client: Client) -> Result<(), etcd_client::Error> {
    let mut maintenance = client.maintenance_client();
    let raised = maintenance.alarm(AlarmAction::Get, AlarmType::Nospace, None).await?;
    for alarm in raised.alarms() {
        let mut of_member = AlarmOptions::new();
        of_member.with_member(alarm.member_id());
        maintenance.alarm(AlarmAction::Deactivate, AlarmType::Nospace, Some(of_member)).await?;
    }
    Ok(())
}

async fn remove(client: Client, id: u64) -> Result<(), etcd_client::Error> {
    client.cluster_client().member_remove(id).await.map(|_| ())
}

/// `10.0.0.1` of `https://10.0.0.1:7411`.
fn host_in(peer_url: &str) -> Option<String> {
    let (host, _) = peer_url.split_once("://")?.1.rsplit_once(':')?;
    Some(host.to_owned())
}

fn is_at(member: &Member, peer_url: &str) -> bool {
    member.peer_urls().iter().any(|url| url == peer_url)
}

/// One that has never begun has no name.
pub(super) fn is_called(member: &Member, name: &str) -> bool {
    let ends = if name.parse::<std::net::Ipv6Addr>().is_ok() { ("[", "]") } else { ("", "") };
    let at = format!("://{}{name}{}:", ends.0, ends.1);
    member.name() == name || member.peer_urls().iter().any(|url| url.contains(&at))
}

fn named(all: &[Member]) -> String {
    all.iter().map(Member::name).collect::<Vec<_>>().join(", ")
}

fn may_leave(all: &[Member], leaves: &Member, answering: &[String]) -> Result<(), Error> {
    let stay: Vec<&Member> = all.iter().filter(|one| one.id() != leaves.id() && !one.is_learner()).collect();
    let well = stay.iter().filter(|one| one.client_urls().iter().any(|url| answering.contains(url))).count();
    bears(stay.len(), well)
}

/// Whether a store of so many voters, of which so many answer, would have a majority.
fn bears(voters: usize, well: usize) -> Result<(), Error> {
    if voters > 0 && well > voters / 2 {
        return Ok(());
    }
    Err(Error::Refused(format!("of the {voters} members that would stay only {well} answer, and that is no majority")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_leaves_only_where_the_rest_is_a_majority() {
        assert!(bears(2, 2).is_ok(), "the third is damaged");
        assert!(bears(2, 1).is_err(), "another one is silent too");
        assert!(bears(0, 0).is_err(), "the last one stays");
        assert!(bears(3, 2).is_ok());
    }
}
