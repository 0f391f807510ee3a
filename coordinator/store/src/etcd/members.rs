//! How the members of the store's etcd are, each by its own word: a majority may answer while one of them is gone.

use etcd_client::{Client, StatusResponse};

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
