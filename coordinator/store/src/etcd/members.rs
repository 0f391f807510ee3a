//! How the members of the store's etcd are, each by its own word: a majority may answer while one of them is gone.

use etcd_client::{Client, Member, StatusResponse};

use super::Etcd;
use super::peers::Peers;
use crate::{MemberState, StoreMember};

impl Peers {
    /// Asks all at once, each within the time of one attempt.
    pub(super) async fn statuses(&self) -> Vec<StoreMember> {
        let asked = self.members().map(|(address, client)| async move {
            let says = Self::in_time(status(client)).await;
            StoreMember { address: address.to_owned(), says }
        });
        futures::future::join_all(asked).await
    }
}

impl Etcd {
    /// What each says, beside the list that they agree on: the settings may name one that has left, or lack one that has come.
    pub(super) async fn how_members_are(&self) -> Vec<StoreMember> {
        let (said, listed) = tokio::join!(self.peers.statuses(), self.listed());
        match listed {
            Ok(listed) => beside_the_list(said, &listed),
            Err(_) => said,
        }
    }
}

fn beside_the_list(said: Vec<StoreMember>, listed: &[Member]) -> Vec<StoreMember> {
    let urls = |member: &Member| member.client_urls().to_vec();
    compared(said, &listed.iter().filter(|member| !member.client_urls().is_empty()).map(urls).collect::<Vec<_>>())
}

/// `listed`: the client addresses of each member on the list that has begun.
fn compared(mut said: Vec<StoreMember>, listed: &[Vec<String>]) -> Vec<StoreMember> {
    let named: Vec<String> = said.iter().map(|one| one.address.clone()).collect();
    for one in &mut said {
        if !listed.iter().any(|urls| urls.contains(&one.address)) {
            one.says = Err("is no member any more: take it out of `store` in the coordinators' settings".to_owned());
        }
    }
    let unnamed = listed.iter().filter(|urls| !urls.iter().any(|url| named.contains(url)));
    said.extend(unnamed.filter_map(|urls| {
        let says = Err("is a member that `store` in this coordinator's settings does not name".to_owned());
        Some(StoreMember { address: urls.first()?.clone(), says })
    }));
    said
}

async fn status(client: Client) -> Result<MemberState, String> {
    let said = client.maintenance_client().status().await.map_err(|error| error.to_string())?;
    Ok(state(&said))
}

fn state(said: &StatusResponse) -> MemberState {
    let own = said.header().map(etcd_client::ResponseHeader::member_id);
    MemberState {
        leads: said.leader() != 0 && own == Some(said.leader()),
        version: said.version().to_owned(),
        bytes: said.db_size().try_into().unwrap_or_default(),
        errors: said.errors().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_do_not_fit_the_list_are_told() {
        let well = MemberState { leads: false, version: "3.5.26".into(), bytes: 0, errors: Vec::new() };
        let one = |address: &str| StoreMember { address: address.into(), says: Ok(well.clone()) };
        let listed = [vec!["https://a:7410".to_owned()], vec!["https://c:7410".to_owned()]];
        let told = compared(vec![one("https://a:7410"), one("https://b:7410")], &listed);
        assert_eq!(told[0], one("https://a:7410"));
        assert!(told[1].says.as_ref().is_err_and(|why| why.contains("no member any more")), "{told:?}");
        assert_eq!((told.len(), told[2].address.as_str()), (3, "https://c:7410"));
    }
}
