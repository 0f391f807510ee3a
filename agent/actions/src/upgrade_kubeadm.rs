//! Runs `kubeadm upgrade apply` or `kubeadm upgrade node`. What it did is read from the host: it ends with 0 where it did nothing, with 1 where
//! all was done but the last word, and it puts back what does not come up.

mod judge;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_host::kubelet::CONFIGURATION;
use slipway_host::{Host, edit};
use slipway_proto::types::{self, Change, Obstacle};
use slipway_types::OperationId;

use self::judge::{Part, Stand, stand};
use crate::cri_socket::{CriSocket, KUBEADM};
use crate::join_kubeadm::preflight_errors;
use crate::kept::text;
use crate::long_command::{Ended, LongCommand};
use crate::perform::{change, obstacle};
use crate::release::Release;
use crate::upgrade_kept::{self, COMPONENTS, Record, manifest};
use crate::wire::bad;
use crate::{Check, Done, Error, OperationContext, Perform};

/// Longer than all of kubeadm's own timeouts together.
const LONGEST: Duration = Duration::from_mins(25);
const LIMITS_S: std::ops::RangeInclusive<u32> = 60..=7200;
/// In place of a tag.
const MISSING: &str = "nothing";
const COMMAND: LongCommand =
    LongCommand { action: "upgrade-kubeadm", says: "kubeadm upgrade", longest: LONGEST, code: Code::UPGRADE_KUBEADM };

/// Upgrades what kubeadm is responsible for on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpgradeKubeadm {
    release: Release,
    first: bool,
    control_plane: bool,
    ignored: Vec<String>,
    keep_etcd: bool,
    longest: Duration,
}

/// How the host stands.
struct Seen {
    record: Option<Record>,
    parts: Vec<Part>,
    /// What the kubelet is configured with was written since the last attempt began.
    written: bool,
    /// The hash of that.
    configured: Option<String>,
    /// A `kubeadm upgrade` that runs.
    busy: Option<u32>,
}

impl Seen {
    fn stand(&self, release: &Release) -> Stand {
        stand(&self.parts, release.as_str())
    }
}

impl UpgradeKubeadm {
    /// As the wire asks for it, every argument checked.
    pub fn new(upgrade: types::UpgradeKubeadm) -> Result<Self, Coded> {
        if upgrade.first && !upgrade.control_plane {
            return Err(bad("the first node of an upgrade is a control-plane node"));
        }
        let longest = match upgrade.longest_s {
            0 => LONGEST,
            seconds if LIMITS_S.contains(&seconds) => Duration::from_secs(seconds.into()),
            seconds => return Err(bad(format!("kubeadm upgrade may take 60 s to 2 h, and not {seconds} s"))),
        };
        Ok(Self {
            release: Release::new(&upgrade.kubernetes)?,
            first: upgrade.first,
            control_plane: upgrade.control_plane,
            ignored: preflight_errors(upgrade.ignore_preflight_errors)?,
            keep_etcd: upgrade.keep_etcd,
            longest,
        })
    }

    const fn command(&self) -> LongCommand {
        LongCommand { longest: self.longest, ..COMMAND }
    }

    /// No secret is among them, so no file is needed.
    fn words(&self) -> Vec<String> {
        let mut words = vec!["upgrade".to_owned()];
        if self.first {
            words.extend(["apply".to_owned(), self.release.to_string(), "--yes".to_owned()]);
        } else {
            words.push("node".to_owned());
        }
        if self.keep_etcd {
            words.push("--etcd-upgrade=false".to_owned());
        }
        if !self.ignored.is_empty() {
            words.push(format!("--ignore-preflight-errors={}", self.ignored.join(",")));
        }
        words
    }

    async fn seen(&self, host: &Host) -> Result<Seen, Error> {
        let record = upgrade_kept::record(host, &self.release).await?.filter(|record| !record.taken_back);
        let mut parts = Vec::new();
        for name in COMPONENTS.into_iter().filter(|_| self.control_plane) {
            let path = manifest(name);
            let image = text(host, &path).await?.and_then(|text| edit::image(&text, name).ok());
            // An etcd may be none of kubeadm's. Any other that is missing was taken away in the middle of an upgrade.
            if image.is_none() && name == "etcd" {
                continue;
            }
            let tag = image.as_deref().and_then(|image| image.rsplit_once(':')).map(|(_, tag)| tag.to_owned());
            let tag = tag.unwrap_or_else(|| MISSING.to_owned());
            let touched = match &record {
                Some(record) => record.touched(host, &path).await?,
                None => false,
            };
            parts.push(Part { name, tag, touched });
        }
        let written = match &record {
            Some(record) => record.touched(host, Path::new(CONFIGURATION[0])).await?,
            None => false,
        };
        let configured = upgrade_kept::configured(host).await?;
        Ok(Seen { record, parts, written, configured, busy: busy(host).await? })
    }

    fn is_reached(&self, seen: &Seen) -> bool {
        let result = seen.record.as_ref().map(|record| record.result.as_ref());
        let ended = match (self.control_plane, result) {
            // Upgraded by somebody else, or joined in this version: the manifests say it all.
            (true, None) => true,
            (true, Some(result)) => result.is_some(),
            (false, None) => false,
            (false, Some(result)) => result.is_some() && result == seen.configured.as_ref(),
        };
        ended && seen.busy.is_none() && seen.stand(&self.release) == Stand::Reached
    }

    async fn obstacles(&self, host: &Host, seen: &Seen) -> Result<Vec<Obstacle>, Error> {
        let mut found = CriSocket::default().obstacles(host).await?;
        found.extend(self.release.unless("kubeadm", host.kubeadm.version().await?.as_deref()));
        if let Some(pid) = seen.busy {
            let explain = format!("kubeadm upgrade runs already (process {pid}): wait for its end");
            found.push(obstacle(Code::UPGRADE_UNDER_WAY, format!("process {pid}"), explain));
        }
        let is_master = host.files.entry(&manifest("kube-apiserver")).await?.is_some();
        if is_master != self.control_plane {
            let (is, asked) = if is_master { ("a", "as a worker") } else { ("no", "as a control-plane node") };
            let explain =
                format!("the host is {is} control-plane node by its manifests, and is to be upgraded {asked}");
            found.push(obstacle(Code::UPGRADE_KUBEADM, "kube-apiserver", explain));
        }
        Ok(found)
    }

    fn changes(&self, seen: &Seen) -> Vec<Change> {
        let begun = match &seen.record {
            Some(_) => "begun before, and not ended well: it goes on where it stopped",
            None => "keeps first what is there",
        };
        let mut changes = vec![change("process", self.words().join(" "), "run", begun)];
        let old = seen.parts.iter().filter(|part| part.name != "etcd" && part.tag != self.release.as_str());
        changes.extend(old.map(|part| {
            let path = manifest(part.name).display().to_string();
            change("file", path, "change", format!("{} instead of {}", self.release, part.tag))
        }));
        if seen.parts.iter().any(|part| part.name == "etcd") && !self.keep_etcd {
            let path = manifest("etcd").display().to_string();
            changes.push(change("file", path, "change", format!("if {} comes with a later etcd", self.release)));
        }
        changes.push(change("file", CONFIGURATION[0], "write", "what the cluster configures kubelets with"));
        changes
    }

    /// An exit code says little, so the host is looked at; only one that was cut off is never taken for done.
    async fn done(&self, host: &Host, record: Record, ended: &Ended, changes: Vec<Change>) -> Result<Done, Error> {
        let seen = self.seen(host).await?;
        let stand = seen.stand(&self.release);
        // A worker has nothing else to show. A master that fails late has had a second chance by now: whether the addons of the whole cluster,
        // which come last, are there is asked of the cluster at the end of its upgrade.
        let shown = seen.written || (self.control_plane && ended.exit == 0);
        if ended.exit >= 0 && stand == Stand::Reached && shown {
            upgrade_kept::write(host, &Record { result: seen.configured, ..record }).await?;
            let mut lines = vec![ended.line(COMMAND)];
            if ended.exit != 0 {
                lines.push(format!("it took effect all the same; its last words were: {}", ended.said));
            }
            return Ok(Done { changes, record: lines });
        }
        Err(Error::NotReached {
            action: COMMAND.action,
            code: code(&stand),
            what: self.told(ended, &stand, seen.written),
        })
    }

    fn told(&self, ended: &Ended, stand: &Stand, written: bool) -> String {
        let how = match ended.exit {
            0 => "it ended with 0".to_owned(),
            -1 => format!(
                "it was ended by a signal or by its limit of {} min, with everything that it had started ({})",
                self.longest.as_secs() / 60,
                ended.said
            ),
            exit => format!("it ended with {exit} ({})", ended.said),
        };
        let words = match stand {
            Stand::Reached if self.control_plane && ended.exit > 0 => {
                format!("the static pods are of {}, but what kubeadm does after them failed", self.release)
            }
            stand => stand.words(self.release.as_str(), written),
        };
        format!("{how}: {words}; it may be run again; its output is in {}", ended.output.display())
    }

    /// It failed only after the static pods: then it may be run once more, which begins nothing anew that is there.
    async fn failed_late(&self, host: &Host, ended: &Ended) -> Result<bool, Error> {
        let late = self.control_plane && ended.exit > 0;
        Ok(late && self.seen(host).await?.stand(&self.release) == Stand::Reached)
    }

    /// Runs it, and once more where that may help.
    async fn run(&self, host: &Host, operation: &OperationContext) -> Result<Ended, Error> {
        let argv: Vec<String> = [KUBEADM.to_owned()].into_iter().chain(self.words()).collect();
        let ended = self.command().run(host, operation, argv.clone()).await?;
        if !self.failed_late(host, &ended).await? {
            return Ok(ended);
        }
        operation.progress.say(format!(
            "kubeadm upgrade ended with {} after its static pods ({}): running it once more",
            ended.exit, ended.said
        ));
        self.command().run(host, operation, argv).await
    }

    /// Time that was over, with how far kubeadm came by then.
    async fn explained(&self, host: &Host, error: Error) -> Error {
        let Error::Deadline { action, what } = error else { return error };
        match self.seen(host).await {
            Ok(seen) => {
                let words = seen.stand(&self.release).words(self.release.as_str(), seen.written);
                Error::Deadline { action, what: format!("{what}, and kubeadm was ended: {words}") }
            }
            Err(_) => Error::Deadline { action, what },
        }
    }
}

const fn code(stand: &Stand) -> Code {
    match stand {
        Stand::Half { .. } => Code::UPGRADE_HALF_DONE,
        Stand::WentBack(_) => Code::UPGRADE_ROLLED_BACK,
        Stand::Reached | Stand::Untouched => COMMAND.code,
    }
}

/// A `kubeadm upgrade` that runs, whoever started it.
async fn busy(host: &Host) -> Result<Option<u32>, Error> {
    let processes = host.processes.list().await?;
    let upgrades = |process: &&slipway_host::Process| {
        process.comm == "kubeadm" && process.cmdline.iter().skip(1).any(|word| word == "upgrade")
    };
    Ok(processes.iter().find(upgrades).map(|process| process.pid))
}

#[async_trait]
impl Perform for UpgradeKubeadm {
    fn name(&self) -> &'static str {
        COMMAND.action
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!("cp {} /root/", CONFIGURATION.join(" ")), format!("kubeadm {}", self.words().join(" "))]
    }

    fn failure(&self) -> Code {
        COMMAND.code
    }

    fn long_command(&self, operation: &OperationId) -> Option<String> {
        Some(COMMAND.unit(operation))
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let seen = self.seen(host).await?;
        if self.is_reached(&seen) {
            return Ok(Check { satisfied: true, ..Check::default() });
        }
        let obstacles = self.obstacles(host, &seen).await?;
        Ok(Check { satisfied: false, changes: self.changes(&seen), obstacles })
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        operation.progress.say("keeping what the kubelet is configured with, and the manifests");
        let record = upgrade_kept::begin(host, &self.release, operation.clock.now().as_millisecond()).await?;
        match self.run(host, operation).await {
            Ok(ended) => self.done(host, record, &ended, found.changes.clone()).await,
            Err(error) => Err(self.explained(host, error).await),
        }
    }

    async fn attach(&self, host: &Host, operation: &OperationContext) -> Result<Option<Done>, Error> {
        let ended = match self.command().attach(host, operation).await {
            Ok(Some(ended)) => ended,
            Ok(None) => return Ok(None),
            Err(error) => return Err(self.explained(host, error).await),
        };
        // Looked at again, it is found to be not ended well, and is run once more.
        if self.failed_late(host, &ended).await? {
            return Ok(None);
        }
        let record = upgrade_kept::record(host, &self.release).await?.unwrap_or_else(|| Record {
            release: self.release.to_string(),
            begun_ms: operation.clock.now().as_millisecond(),
            ..Record::default()
        });
        self.done(host, record, &ended, vec![COMMAND.begun_before()]).await.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn wire() -> types::UpgradeKubeadm {
        types::UpgradeKubeadm { kubernetes: "1.34.4".into(), control_plane: true, first: true, ..Default::default() }
    }

    #[rstest]
    #[case(types::UpgradeKubeadm { kubernetes: "1.34".into(), ..wire() })]
    #[case(types::UpgradeKubeadm { control_plane: false, ..wire() })]
    #[case(types::UpgradeKubeadm { longest_s: 5, ..wire() })]
    #[case(types::UpgradeKubeadm { longest_s: 7201, ..wire() })]
    #[case(types::UpgradeKubeadm { ignore_preflight_errors: vec!["all".into()], ..wire() })]
    #[case(types::UpgradeKubeadm { ignore_preflight_errors: vec!["a,b".into()], ..wire() })]
    fn what_no_upgrade_could_mean_is_refused(#[case] upgrade: types::UpgradeKubeadm) {
        assert_eq!(UpgradeKubeadm::new(upgrade).unwrap_err().code, Code::AGENT_BAD_ARGUMENT);
    }

    #[test]
    fn the_first_master_applies_and_every_other_node_follows() {
        let words = |upgrade| UpgradeKubeadm::new(upgrade).unwrap().words().join(" ");
        let first =
            types::UpgradeKubeadm { keep_etcd: true, ignore_preflight_errors: vec!["CreateJob".into()], ..wire() };
        assert_eq!(
            words(first),
            "upgrade apply v1.34.4 --yes --etcd-upgrade=false --ignore-preflight-errors=CreateJob"
        );
        assert_eq!(words(types::UpgradeKubeadm { first: false, control_plane: false, ..wire() }), "upgrade node");
    }
}
