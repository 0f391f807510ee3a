//! Which coordinators are there: a key for each that lives as long as its lease does. Whoever leads has to know whether somebody could take
//! over before it gives up anything, and an operator wants to see it before he needs it.

use std::time::Duration;

use etcd_client::{GetOptions, PutOptions, Txn, TxnOp};
use tokio_util::sync::CancellationToken;

use super::peers::Peers;
use super::{Etcd, keys};
use crate::{Attendant, Error};

/// For so long one that says nothing counts as there.
const LEASE_SECONDS: i64 = 6;
/// Between two words of it, and before it tries again.
const AGAIN: Duration = Duration::from_secs(2);
const DOING: &str = "saying that this coordinator is there";

impl Peers {
    /// Says it until the store is closed here.
    pub(super) async fn attend(&self, who: &Attendant, closed: &CancellationToken) {
        while let Some(ended) = closed.run_until_cancelled(self.attend_once(who)).await {
            if let Err(error) = ended {
                tracing::debug!(%error, "the store is not told that this coordinator is there");
            }
            closed.run_until_cancelled(tokio::time::sleep(AGAIN)).await;
        }
    }

    /// Says it for as long as one lease lives.
    async fn attend_once(&self, who: &Attendant) -> Result<(), Error> {
        let lease = self.grant(DOING, LEASE_SECONDS).await?;
        let (key, value) = (format!("{}{}", keys::ATTENDANTS, who.coordinator), serde_json::to_vec(who));
        let put = TxnOp::put(key, value.unwrap_or_default(), Some(PutOptions::new().with_lease(lease)));
        self.txn(DOING, Txn::new().and_then(vec![put])).await?;
        while self.sign(lease).await? {
            tokio::time::sleep(AGAIN).await;
        }
        Ok(())
    }
}

impl Etcd {
    pub(super) async fn who_is_there(&self) -> Result<Vec<Attendant>, Error> {
        let found =
            self.peers.get("looking for coordinators", keys::ATTENDANTS, GetOptions::new().with_prefix()).await?;
        let unreadable = |error| Error::Corrupt(format!("the record of a coordinator cannot be read: {error}"));
        found.kvs().iter().map(|one| serde_json::from_slice(one.value()).map_err(unreadable)).collect()
    }
}
