//! Tells the API server of this host where its etcd is, after a member came or went. The kubelet starts it anew from the changed manifest; if it
//! does not get ready with the new list, the old manifest comes back, since an API server without its store serves nobody.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use slipway_errors::Code;
use slipway_host::{Host, api_server, edit};
use slipway_proto::types::Obstacle;

use crate::kept::{Replacement, text};
use crate::perform::{change, obstacle};
use crate::{Check, Done, Error, OperationContext, Perform};

const MANIFEST: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";
const CA: &str = "/etc/kubernetes/pki/ca.crt";
const FLAG: &str = "--etcd-servers";
const POLL: Duration = Duration::from_secs(1);
/// A stacked master takes up to two minutes to find its store again.
const READY_WITHIN: u32 = 240;
/// So often in a row: one answer may still come from the process that is about to go.
const IN_A_ROW: u32 = 3;

/// Changes the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetEtcdServers {
    pub(crate) servers: Vec<String>,
}

/// What there is to change, and how the API server stands to it.
struct Found {
    replacement: Replacement,
    before: String,
    address: String,
}

impl SetEtcdServers {
    fn value(&self) -> String {
        self.servers.join(",")
    }

    fn is(&self, list: &str) -> bool {
        let set = |list: &mut dyn Iterator<Item = String>| list.collect::<BTreeSet<String>>();
        set(&mut list.split(',').map(str::to_owned)) == set(&mut self.servers.iter().cloned())
    }

    async fn found(&self, host: &Host) -> Result<Result<Found, Obstacle>, Error> {
        let refused = |why: String| obstacle(Code::API_SERVER_NOT_READY, MANIFEST, why);
        let Some(manifest) = text(host, Path::new(MANIFEST)).await? else {
            return Ok(Err(refused(format!("there is no {MANIFEST}: no API server runs on this host"))));
        };
        let planned = || -> Result<Found, edit::Error> {
            let before = edit::flag(&manifest, FLAG)?;
            // The same servers in another order are no reason to restart anything.
            let value = if self.is(&before) { before.clone() } else { self.value() };
            let new = edit::with_flag(&manifest, FLAG, &value)?;
            let replacement = Replacement { path: MANIFEST.into(), new };
            Ok(Found { replacement, before, address: api_server::own_address(&manifest) })
        };
        Ok(planned().map_err(|error| refused(format!("{MANIFEST} is not changed: {error}"))))
    }

    /// Whether an API server with that manifest runs and is ready.
    async fn serves(&self, host: &Host, found: &Found, manifest: &str) -> Result<bool, Error> {
        let Ok(list) = edit::flag(manifest, FLAG) else { return Ok(false) };
        let word = format!("{FLAG}={list}");
        let processes = host.processes.list().await?;
        let server = |process: &&slipway_host::Process| process.comm == "kube-apiserver";
        let mut running = processes.iter().filter(server).peekable();
        let any = running.peek().is_some();
        if !any || !running.all(|process| process.cmdline.contains(&word)) {
            return Ok(false);
        }
        let ca = host.files.read(Path::new(CA), crate::kept::LIMIT).await?.unwrap_or_default();
        Ok(host.api_servers.ready(&found.address, &ca).await.unwrap_or(false))
    }

    async fn gets_ready(
        &self,
        host: &Host,
        operation: &OperationContext,
        found: &Found,
        manifest: &str,
    ) -> Result<bool, Error> {
        let mut in_a_row = 0;
        for tried in 0..READY_WITHIN {
            operation.go_on(self.name())?;
            in_a_row = if self.serves(host, found, manifest).await? { in_a_row + 1 } else { 0 };
            if in_a_row == IN_A_ROW {
                return Ok(true);
            }
            if tried % 10 == 9 {
                operation.progress.say(format!("the API server is not ready yet, {} s after the change", tried + 1));
            }
            tokio::select! {
                () = operation.cancelled.cancelled() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
        Ok(false)
    }
}

#[async_trait]
impl Perform for SetEtcdServers {
    fn name(&self) -> &'static str {
        "set-etcd-servers"
    }

    fn by_hand(&self) -> Vec<String> {
        vec![
            format!("cp {MANIFEST} /root/   # not beside it: the kubelet would start both"),
            format!("sed -i 's|{FLAG}=.*|{FLAG}={}|' {MANIFEST}", self.value()),
            "kubectl get --raw /readyz   # at this host's own address, until it says ok; else put the copy back".into(),
        ]
    }

    fn failure(&self) -> Code {
        Code::API_SERVER_NOT_READY
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let found = match self.found(host).await? {
            Ok(found) => found,
            Err(obstacle) => return Ok(Check { obstacles: vec![obstacle], ..Check::default() }),
        };
        let mut changes = Vec::new();
        if !self.is(&found.before) {
            changes.push(change(
                "file",
                MANIFEST,
                "change",
                format!("{FLAG}={} instead of {}", self.value(), found.before),
            ));
        } else if !self.serves(host, &found, &found.replacement.new).await? {
            changes.push(change("process", "kube-apiserver", "wait for", "it has the list and is not ready with it"));
        }
        Ok(Check { satisfied: changes.is_empty(), changes, obstacles: vec![] })
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, check: &Check) -> Result<Done, Error> {
        let found = match self.found(host).await? {
            Ok(found) => found,
            Err(obstacle) => return Err(Error::Refused { action: self.name(), obstacles: vec![obstacle] }),
        };
        operation.go_on(self.name())?;
        found.replacement.put(host).await?;
        operation.progress.say("waiting for the API server with its new list of etcd servers");
        let new = found.replacement.new.clone();
        let outcome = self.gets_ready(host, operation, &found, &new).await;
        if matches!(outcome, Ok(true)) {
            let kept = found.replacement.kept();
            let record =
                vec![format!("{FLAG} was {}; the manifest before is kept in {}", found.before, kept.display())];
            return Ok(Done { changes: check.changes.clone(), record });
        }
        operation.progress.say("the API server did not get ready; putting the old manifest back");
        let back = found.replacement.put_back(host).await?;
        outcome?;
        let what = if back { "the manifest before was put back" } else { "there is no older manifest to put back" };
        let what = format!("the API server did not get ready within {READY_WITHIN} s; {what}");
        Err(Error::NotReached { action: self.name(), code: self.failure(), what })
    }
}
