//! One transaction of etcd: what has to hold, what is written then, and what is looked at otherwise, so that a refusal says why.

use etcd_client::{Compare, GetResponse, Txn, TxnOp, TxnOpResponse};

use super::Etcd;
use crate::Error;

/// What became of it.
pub(super) struct Sent {
    /// It was written.
    pub(super) succeeded: bool,
    /// The store's revision by then.
    pub(super) revision: i64,
    /// What was looked at, where it was not.
    pub(super) looks: Vec<GetResponse>,
    /// An attempt before the one that was answered may have been written.
    pub(super) doubtful: bool,
}

impl Etcd {
    pub(super) async fn transact(
        &self,
        doing: &'static str,
        when: Vec<Compare>,
        then: Vec<TxnOp>,
        otherwise: Vec<TxnOp>,
    ) -> Result<Sent, Error> {
        let txn = Txn::new().when(when).and_then(then).or_else(otherwise);
        let answer = self.peers.txn(doing, txn).await?;
        let revision = answer.value.header().map(etcd_client::ResponseHeader::revision).unwrap_or_default();
        let look = |one| if let TxnOpResponse::Get(look) = one { Some(look) } else { None };
        let looks = answer.value.op_responses().into_iter().filter_map(look).collect();
        Ok(Sent { succeeded: answer.value.succeeded(), revision, looks, doubtful: answer.doubtful })
    }
}
