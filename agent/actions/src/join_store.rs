//! Lets the coordinators' own etcd begin on this host as one more member: its settings, beside the certificate that the coordinator of this host has made.
//! What a member that left has kept must be gone: etcd would go on with it, and be refused by the others for ever.

use std::collections::BTreeMap;
use std::path::Path;

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_host::{Enablement, Host};
use slipway_identity::store::{FOLDER, member_settings};
use slipway_proto::types;

use crate::kept::text;
use crate::perform::{change, obstacle};
use crate::wire::bad;
use crate::{Check, Done, Error, OperationContext, Perform};

const UNIT: &str = "slipway-etcd.service";
const SETTINGS: &str = "/etc/slipway/etcd.env";
const COORDINATOR: &str = "/var/lib/slipway/coordinator";
const DATA: &str = "/var/lib/slipway/etcd";
const MEMBERS: usize = 7;

/// Writes the settings; starts nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinStore {
    name: String,
    members: BTreeMap<String, String>,
    settings: String,
}

impl JoinStore {
    /// Checks every argument.
    pub fn new(wire: types::JoinStore) -> Result<Self, Coded> {
        let legal = |text: &str, more: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
            !text.is_empty() && text.len() <= 253 && text.chars().all(known) && !text.starts_with('-')
        };
        let count = wire.members.len();
        if count == 0 || count > MEMBERS {
            return Err(bad(format!("{count} members of the store are named, 1 to {MEMBERS} are allowed")));
        }
        let mut members = BTreeMap::new();
        for member in wire.members {
            if !legal(&member.name, "-.") || !legal(&member.address, "-.:[]") {
                return Err(bad(format!("{:?} at {:?} is no member of a store", member.name, member.address)));
            }
            members.insert(member.name, member.address);
        }
        let settings = member_settings(&wire.name, &members, (Path::new(COORDINATOR), "existing"));
        let settings = settings.ok_or_else(|| bad(format!("{:?} is not among the members", wire.name)))?;
        Ok(Self { name: wire.name, members, settings })
    }
}

#[async_trait]
impl Perform for JoinStore {
    fn name(&self) -> &'static str {
        "join-store"
    }

    fn by_hand(&self) -> Vec<String> {
        let all: Vec<String> = self.members.iter().map(|(name, address)| format!("{name}={address}")).collect();
        vec![format!("slipway store member --existing --name {} --members {}", self.name, all.join(","))]
    }

    fn failure(&self) -> Code {
        Code::HOST_SERVICE
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let mut check = Check::default();
        if text(host, Path::new(SETTINGS)).await?.as_deref() == Some(self.settings.as_str()) {
            return Ok(Check { satisfied: true, ..check });
        }
        check.changes.push(change("file", SETTINGS, "write", "the settings of the store's etcd"));
        if host.services.state(UNIT).await?.enablement == Enablement::NotFound {
            let said = format!("{UNIT} is not installed on this host: install it");
            check.obstacles.push(obstacle(Code::HOST_SERVICE, UNIT, said));
        }
        let certificate = Path::new(COORDINATOR).join(FOLDER).join("chain.pem");
        if host.files.entry(&certificate).await?.is_none() {
            let what = certificate.display().to_string();
            let said = format!("{what} is not there: a coordinator of this store has to run on this host first");
            check.obstacles.push(obstacle(Code::HOST_SERVICE, what, said));
        }
        if !host.files.list(Path::new(DATA)).await?.is_empty() {
            let said =
                format!("{DATA} holds what a member that left has kept: see that it is needed no more, and empty it");
            check.obstacles.push(obstacle(Code::ETCD_DATA, DATA, said));
        }
        Ok(check)
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        operation.progress.say("writing the settings of the store's etcd");
        host.files.make_folder(Path::new("/etc/slipway"), 0o755).await?;
        host.files.write(Path::new(SETTINGS), self.settings.as_bytes(), 0o644).await?;
        Ok(Done { changes: found.changes.clone(), record: vec![] })
    }
}
