//! One transaction of etcd: what has to hold, what is written then, and what is looked at otherwise, so that a refusal says why.

use etcd_client::{Compare, GetResponse, KeyValue, Txn, TxnOp, TxnOpResponse};
use slipway_types::Fence;

use super::{Etcd, seat};
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

impl Sent {
    /// What stands at the place that was looked at after the record of who leads; refused where somebody else leads.
    pub(super) fn found_instead(&self, fence: &Fence) -> Result<Option<&KeyValue>, Error> {
        let mut looks = self.looks.iter();
        looks.next().map(seat::seen).transpose()?.map_or(Ok(()), |leader| leader.admit(fence))?;
        Ok(looks.next().and_then(|look| look.kvs().first()))
    }
}
