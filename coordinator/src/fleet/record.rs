//! The hosts that are enrolled, kept in the store. A host keeps its id for ever; what node it serves as may change or end.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use slipway_cluster::CredentialId;
use slipway_errors::{Code, Coded};
use slipway_proto::types::HostFacts;
use slipway_store::{Record, Store};
use slipway_types::{Fence, HostId, NodeName};
use tokio::sync::Notify;

const PREFIX: &str = "hosts/";
/// Writes to one record that may meet another's in a row before it is no chance any more.
const ATTEMPTS: u32 = 5;

/// An enrolled host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRecord {
    /// Given at enrolment, never used again.
    pub id: HostId,
    /// The host's name; the node it serves as has the same.
    pub name: String,
    /// Where its agent listens, `ip:port`.
    pub address: String,
    /// What the machine called itself at enrolment.
    pub machine_id: String,
    /// Wall time of the enrolment, milliseconds since 1970.
    pub enrolled_ms: i64,
    /// What it is for just now.
    pub state: HostState,
    /// What its kubelet speaks with, as its agent reported it last; none: nothing, or it was not reported yet.
    #[serde(default)]
    pub kubelet_credential: Option<CredentialId>,
}

/// What a host is for just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostState {
    /// It serves as a node, or may do so at any time.
    InService,
    /// Its node was removed while it was silent: once it is heard again it is cleaned, before it may be used for anything.
    ToBeCleaned,
    /// It was enrolled and has not joined, or its node was removed: it waits to be joined or decommissioned.
    Waiting,
}

impl HostState {
    /// As it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InService => "in-service",
            Self::ToBeCleaned => "to-be-cleaned",
            Self::Waiting => "waiting",
        }
    }
}

impl HostRecord {
    /// Refused where another machine answers in its place. A record from before machine ids were kept knows of none.
    pub fn is_machine(&self, machine_id: &str) -> Result<(), Coded> {
        if self.machine_id.is_empty() || self.machine_id == machine_id {
            return Ok(());
        }
        let text = format!(
            "the host {} was enrolled with machine id {}, and answers with {machine_id}",
            self.name, self.machine_id
        );
        Err(Coded::new(Code::NODE_IDENTITY, text).do_this("find out which machine it is, and enrol it anew"))
    }

    /// What it is for by what it says itself: a waiting host that somebody joined by hand serves again, and its kubelet shows it.
    pub fn state_now(&self, facts: Option<&HostFacts>) -> HostState {
        let runs = |facts: &HostFacts| {
            facts.units.iter().any(|unit| unit.unit == "kubelet.service" && unit.active == "active")
        };
        let speaks = |facts: &HostFacts| !facts.kubelet_certificate_sha256.is_empty();
        match (self.state, facts) {
            (HostState::Waiting, Some(facts)) if runs(facts) && speaks(facts) => HostState::InService,
            // It was enrolled and has not joined yet.
            (HostState::InService, Some(facts)) if !runs(facts) && !speaks(facts) => HostState::Waiting,
            (state, _) => state,
        }
    }
}

/// The hosts in the store.
#[derive(Clone)]
pub struct Hosts {
    store: Arc<dyn Store>,
    fence: Fence,
    changed: Arc<Notify>,
}

impl Hosts {
    /// The hosts of `store`, changed under `fence`.
    pub fn new(store: Arc<dyn Store>, fence: Fence) -> Self {
        Self { store, fence, changed: Arc::default() }
    }

    /// All hosts, by id.
    pub async fn list(&self) -> Result<Vec<HostRecord>, Coded> {
        self.store.list(PREFIX).await?.iter().map(read).collect()
    }

    /// The host of that id.
    pub async fn get(&self, id: &HostId) -> Result<Option<HostRecord>, Coded> {
        self.store.get(&key(id)).await?.as_ref().map(read).transpose()
    }

    /// The host that serves, or served last, as node `name`.
    pub async fn of_node(&self, name: &NodeName) -> Result<Option<HostRecord>, Coded> {
        let mut found: Vec<_> = self.list().await?.into_iter().filter(|host| host.name == name.as_str()).collect();
        found.sort_by_key(|host| host.enrolled_ms);
        Ok(found.pop())
    }

    /// Adds a host. An earlier one of the same name is replaced: its certificate was for a machine that enrolled anew.
    pub async fn add(&self, host: &HostRecord) -> Result<(), Coded> {
        for earlier in self.store.list(PREFIX).await? {
            if read(&earlier)?.name == host.name {
                self.forget(earlier).await?;
            }
        }
        self.store.create(&key(&host.id), write(host)?, &self.fence).await?;
        self.changed.notify_waiters();
        Ok(())
    }

    /// Notes what a host is for now. Noting the same again changes nothing.
    pub async fn set_state(&self, id: &HostId, state: HostState) -> Result<(), Coded> {
        if self.change(id, |host| host.state = state).await? {
            self.changed.notify_waiters();
        }
        Ok(())
    }

    /// Notes what the host's kubelet speaks with. Noting the same again changes nothing.
    pub async fn set_kubelet_credential(&self, id: &HostId, credential: Option<&CredentialId>) -> Result<(), Coded> {
        self.change(id, |host| host.kubelet_credential = credential.cloned()).await.map(drop)
    }

    /// Changes a record as `edit` says; true where that made a difference. What another wrote meanwhile stays.
    async fn change(&self, id: &HostId, edit: impl Fn(&mut HostRecord)) -> Result<bool, Coded> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let Some(record) = self.store.get(&key(id)).await? else {
                return Err(Coded::new(Code::NODE_NO_AGENT, format!("no host {id} is enrolled")));
            };
            let before = read(&record)?;
            let mut host = before.clone();
            edit(&mut host);
            if host == before {
                return Ok(false);
            }
            match self.store.update(&record.key, write(&host)?, record.version, &self.fence).await {
                Ok(_) => return Ok(true),
                Err(slipway_store::Error::Conflict(_)) if attempt < ATTEMPTS => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Deletes a record, whatever was written into it since it was read.
    async fn forget(&self, mut record: Record) -> Result<(), Coded> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.store.delete(&record.key, record.version, &self.fence).await {
                Ok(()) => return Ok(()),
                Err(slipway_store::Error::Conflict(_)) if attempt < ATTEMPTS => {}
                Err(error) => return Err(error.into()),
            }
            match self.store.get(&record.key).await? {
                Some(newer) => record = newer,
                None => return Ok(()),
            }
        }
    }

    /// Waits for the next change of the list.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

fn key(id: &HostId) -> String {
    format!("{PREFIX}{id}")
}

fn read(record: &Record) -> Result<HostRecord, Coded> {
    serde_json::from_slice(&record.value)
        .map_err(|error| Coded::new(Code::STORE_CORRUPT, format!("the record {} cannot be read: {error}", record.key)))
}

fn write(host: &HostRecord) -> Result<Vec<u8>, Coded> {
    serde_json::to_vec(host).map_err(|error| Coded::new(Code::INTERNAL, format!("a host cannot be written: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_proto::types::UnitState;

    #[test]
    fn a_waiting_host_serves_again_once_its_kubelet_runs_with_credentials() {
        let host = HostRecord {
            id: "h2".into(),
            name: "w2".into(),
            address: "10.0.0.2:7443".into(),
            machine_id: "m2".into(),
            enrolled_ms: 0,
            state: HostState::Waiting,
            kubelet_credential: None,
        };
        let facts = |active: &str, certificate: &str| HostFacts {
            units: vec![UnitState { unit: "kubelet.service".into(), active: active.into(), ..Default::default() }],
            kubelet_certificate_sha256: certificate.into(),
            ..Default::default()
        };
        assert_eq!(host.state_now(None), HostState::Waiting);
        assert_eq!(host.state_now(Some(&facts("inactive", "ab"))), HostState::Waiting);
        assert_eq!(host.state_now(Some(&facts("active", ""))), HostState::Waiting, "it waits for its first join");
        assert_eq!(host.state_now(Some(&facts("active", "ab"))), HostState::InService);
        let enrolled = HostRecord { state: HostState::InService, ..host };
        assert_eq!(enrolled.state_now(Some(&facts("activating", ""))), HostState::Waiting, "it has never joined");
        assert_eq!(enrolled.state_now(Some(&facts("inactive", "ab"))), HostState::InService, "its kubelet is down");
        assert_eq!(
            enrolled.state_now(Some(&facts("active", ""))),
            HostState::InService,
            "its certificate was not read"
        );
        assert_eq!(enrolled.state_now(None), HostState::InService);
    }

    #[test]
    fn a_machine_that_took_the_place_of_the_enrolled_one_is_refused() {
        let value =
            br#"{"id":"h2","name":"w2","address":"10.0.0.2:7443","machine_id":"m2","enrolled_ms":0,"state":"in-service"}"#;
        let host = read(&Record { key: "hosts/h2".into(), value: value.to_vec(), version: 1 }).unwrap();
        assert!(host.is_machine("m2").is_ok());
        assert_eq!(host.is_machine("m3").unwrap_err().code, Code::NODE_IDENTITY);
        assert!(HostRecord { machine_id: String::new(), ..host }.is_machine("m3").is_ok());
    }

    #[test]
    fn a_record_of_an_earlier_release_is_read() {
        let value =
            br#"{"id":"h2","name":"w2","address":"10.0.0.2:7443","machine_id":"m2","enrolled_ms":0,"state":"in-service"}"#;
        let host = read(&Record { key: "hosts/h2".into(), value: value.to_vec(), version: 1 }).unwrap();
        assert_eq!(host.kubelet_credential, None);
        let again = read(&Record { key: "hosts/h2".into(), value: write(&host).unwrap(), version: 2 }).unwrap();
        assert_eq!(again, host);
    }
}
