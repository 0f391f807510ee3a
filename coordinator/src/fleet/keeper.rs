//! Keeps in the store what each host's kubelet speaks with. A host that falls silent is denied by that, and whoever denies it may be a coordinator
//! that never heard it. The streams of heartbeats only leave word here: a slow store holds none of them up.

use std::collections::BTreeMap;
use std::time::Duration;

use slipway_cluster::CredentialId;
use slipway_errors::Coded;
use slipway_types::HostId;
use tokio_util::sync::CancellationToken;

use super::{Fleet, Hosts};

/// Between two looks, beside being told of new facts: what could not be written is tried again.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// What is known to be in the store.
type Stored = BTreeMap<HostId, Option<CredentialId>>;

/// Runs until `stop`.
pub(super) async fn keep(hosts: Hosts, fleet: Fleet, stop: CancellationToken) {
    let mut stored = Stored::new();
    loop {
        if let Err(error) = keep_new(&hosts, &fleet, &mut stored).await {
            tracing::warn!(%error, "cannot keep what a kubelet speaks with; it is tried again");
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            () = fleet.new_facts() => {}
        }
    }
}

/// Writes what differs from what is stored. One host that cannot be written does not keep the others from it.
async fn keep_new(hosts: &Hosts, fleet: &Fleet, stored: &mut Stored) -> Result<(), Coded> {
    let heard = fleet.kubelet_credentials();
    stored.retain(|id, _| heard.contains_key(id));
    let mut failed = Ok(());
    for (id, credential) in heard {
        if stored.get(&id) == Some(&credential) {
            continue;
        }
        match hosts.set_kubelet_credential(&id, credential.as_ref()).await {
            Ok(()) => drop(stored.insert(id, credential)),
            Err(error) => failed = Err(error),
        }
    }
    failed
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fleet::{HostRecord, HostState};
    use crate::settings::Agents;
    use slipway_proto::agent::WatchResponse;
    use slipway_proto::types::HostFacts;
    use slipway_store::{Candidate, Memory, Store};
    use slipway_types::{Lineage, SystemClock};

    struct Kept {
        store: Arc<dyn Store>,
        hosts: Hosts,
        fleet: Fleet,
        stored: Stored,
    }

    impl Kept {
        async fn one() -> Self {
            let store: Arc<dyn Store> = Memory::new(Lineage("a".into()));
            let hosts = Hosts::new(store.clone(), store.campaign(&Candidate::new("c1")).await.unwrap().fence);
            let record = HostRecord {
                id: "h1".into(),
                name: "w1".into(),
                address: "10.0.0.1:7443".into(),
                machine_id: "m".into(),
                enrolled_ms: 0,
                state: HostState::InService,
                kubelet_credential: None,
            };
            hosts.add(&record).await.unwrap();
            Self { store, hosts, fleet: Fleet::new(Arc::new(SystemClock), &Agents::default()), stored: Stored::new() }
        }

        async fn hears(&mut self, fingerprint: &str) {
            let facts = HostFacts { kubelet_certificate_sha256: fingerprint.into(), ..Default::default() };
            self.fleet.heard(&"h1".into(), WatchResponse { facts: Some(facts), ..Default::default() });
            keep_new(&self.hosts, &self.fleet, &mut self.stored).await.unwrap();
        }

        async fn credential(&self) -> Option<CredentialId> {
            self.hosts.get(&"h1".into()).await.unwrap().unwrap().kubelet_credential
        }

        async fn version(&self) -> u64 {
            self.store.get("hosts/h1").await.unwrap().unwrap().version
        }
    }

    fn credential(digit: &str) -> Option<CredentialId> {
        CredentialId::parse(&digit.repeat(64)).ok()
    }

    #[tokio::test]
    async fn a_new_certificate_is_written_once_and_an_old_one_not_again() {
        let mut kept = Kept::one().await;
        kept.hears(&"a".repeat(64)).await;
        assert_eq!(kept.credential().await, credential("a"));
        let version = kept.version().await;
        kept.hears(&"a".repeat(64)).await;
        kept.stored.clear();
        kept.hears(&"a".repeat(64)).await;
        assert_eq!(kept.version().await, version, "it is written only when it changes, also by the next coordinator");
        kept.hears(&"b".repeat(64)).await;
        assert_eq!(kept.credential().await, credential("b"));
    }

    #[tokio::test]
    async fn a_kubelet_that_lost_its_certificate_or_tells_nonsense_has_none() {
        let mut kept = Kept::one().await;
        for none in ["", "not a fingerprint"] {
            kept.hears(&"a".repeat(64)).await;
            kept.hears(none).await;
            assert_eq!(kept.credential().await, None, "{none:?}");
        }
    }

    #[tokio::test]
    async fn what_the_host_is_for_stays_as_somebody_else_wrote_it() {
        let mut kept = Kept::one().await;
        kept.hosts.set_state(&"h1".into(), HostState::ToBeCleaned).await.unwrap();
        kept.hears(&"a".repeat(64)).await;
        let host = kept.hosts.get(&"h1".into()).await.unwrap().unwrap();
        assert_eq!((host.state, host.kubelet_credential), (HostState::ToBeCleaned, credential("a")));
    }

    #[tokio::test]
    async fn a_leadership_that_has_ended_writes_nothing() {
        let mut kept = Kept::one().await;
        kept.store.campaign(&Candidate::new("c2")).await.unwrap();
        let facts = HostFacts { kubelet_certificate_sha256: "a".repeat(64), ..Default::default() };
        kept.fleet.heard(&"h1".into(), WatchResponse { facts: Some(facts), ..Default::default() });
        let error = keep_new(&kept.hosts, &kept.fleet, &mut kept.stored).await.unwrap_err();
        assert_eq!(error.code, slipway_errors::Code::STORE_STALE_TERM);
        assert_eq!(kept.credential().await, None);
    }
}
