//! Empties the data folder of an etcd that left its cluster: it holds every Secret. The most dangerous removal there is if it meets the wrong
//! folder or a living member, so it looks at the folder, at processes and at containers first, and takes nothing but what etcd puts there.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_host::cri::{self, Cri};
use slipway_host::plan::paths::mounted_below;
use slipway_host::{Entry, EntryKind, Host, etcd};
use slipway_proto::types::{Change, Obstacle};

use crate::perform::{change, obstacle};
use crate::{Check, Done, Error, OperationContext, Perform};

/// What etcd makes in its folder.
const MEMBER: &str = "member";
/// What a file system of its own brings along; it stays.
const LOST_AND_FOUND: &str = "lost+found";
const BATCH: usize = 1000;
const LONGEST_PATH: usize = 200;

/// Empties a data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WipeEtcdData {
    folder: PathBuf,
}

impl WipeEtcdData {
    /// Takes the folder only if its path is one that somebody could have meant.
    pub fn new(folder: &str) -> Result<Self, Coded> {
        let refused = |why: &str| {
            Coded::new(Code::AGENT_BAD_ARGUMENT, format!("{folder:?} is no data folder of an etcd: {why}"))
                .do_this("name it as the manifest or the configuration of etcd has it, such as /var/lib/etcd")
        };
        let parts: Vec<&str> = folder.strip_prefix('/').ok_or_else(|| refused("not absolute"))?.split('/').collect();
        if folder.len() > LONGEST_PATH || folder.chars().any(|c| !(c.is_ascii_graphic() || c == ' ')) {
            return Err(refused("too long, or with characters that no such path has"));
        }
        if parts.iter().any(|part| part.is_empty() || *part == "." || *part == "..") {
            return Err(refused("not a plain path"));
        }
        if parts.len() < 2 {
            return Err(refused("too short"));
        }
        Ok(Self { folder: PathBuf::from(folder) })
    }

    /// What is in the folder, or why it cannot be looked into.
    async fn contents(&self, host: &Host) -> Result<Result<Vec<Entry>, Obstacle>, Error> {
        match host.files.entry(&self.folder).await? {
            None => return Ok(Ok(vec![])),
            Some(entry) if entry.kind == EntryKind::Symlink => return Ok(Err(symlink(&self.folder))),
            Some(entry) if entry.kind != EntryKind::Directory => {
                let explain = format!("{} is no folder", self.folder.display());
                return Ok(Err(obstacle(Code::ETCD_DATA, self.folder.display().to_string(), explain)));
            }
            Some(_) => {}
        }
        match host.files.tree(&self.folder).await {
            Ok(mut entries) => {
                let kept = self.folder.join(LOST_AND_FOUND);
                entries.retain(|entry| !entry.path.starts_with(&kept));
                Ok(Ok(entries))
            }
            Err(slipway_host::Error::Symlink { path }) => Ok(Err(symlink(&path))),
            Err(error) => Err(error.into()),
        }
    }

    fn foreign(&self, entries: &[Entry]) -> Vec<Obstacle> {
        let top = entries.iter().filter(|entry| entry.path.parent() == Some(&self.folder));
        let known =
            |entry: &&Entry| entry.path.ends_with(MEMBER) && entry.kind == EntryKind::Directory && !entry.mount_point;
        top.filter(|entry| !known(entry))
            .take(5)
            .map(|entry| {
                let what = entry.path.display().to_string();
                let explain =
                    format!("{what} is nothing that etcd puts into its data folder: see what it is, and move it away");
                obstacle(Code::ETCD_DATA, what, explain)
            })
            .collect()
    }

    fn changes(&self, entries: &[Entry]) -> Vec<Change> {
        let member = self.folder.join(MEMBER);
        let (files, folders): (Vec<&Entry>, Vec<&Entry>) = entries
            .iter()
            .filter(|entry| entry.path.starts_with(&member))
            .partition(|entry| entry.kind != EntryKind::Directory);
        let detail = format!("{} files in {} folders, with every Secret of the cluster", files.len(), folders.len());
        vec![change("file", member.display().to_string(), "remove", detail)]
    }
}

fn symlink(path: &Path) -> Obstacle {
    let explain =
        format!("{} is or passes a symbolic link, and none is followed: name the folder itself", path.display());
    obstacle(Code::HOST_SYMLINK, path.display().to_string(), explain)
}

/// Whether something that could be etcd runs.
async fn alive(host: &Host) -> Result<Vec<Obstacle>, Error> {
    let mut found = Vec::new();
    for process in host.processes.list().await?.iter().filter(|process| is_etcd(process)).take(5) {
        let what = format!("process {} ({})", process.pid, process.comm);
        found.push(obstacle(Code::ETCD_DATA, what.clone(), format!("{what} is an etcd that runs: end it first")));
    }
    let unit = host.services.state(etcd::UNIT).await?;
    if !unit.active.is_down() {
        let explain = format!("{} is {}: stop and disable it first", etcd::UNIT, unit.active.as_str());
        found.push(obstacle(Code::ETCD_DATA, etcd::UNIT, explain));
    }
    let kubelet = host.services.state("kubelet.service").await?;
    if !kubelet.active.is_down() && host.files.entry(Path::new(etcd::MANIFEST)).await?.is_some() {
        let explain =
            format!("the kubelet runs and would start etcd again from {}: stop and mask it first", etcd::MANIFEST);
        found.push(obstacle(Code::ETCD_DATA, etcd::MANIFEST, explain));
    }
    found.extend(containers(host).await?);
    Ok(found)
}

fn is_etcd(process: &slipway_host::Process) -> bool {
    let base = |path: &str| path.rsplit('/').next() == Some("etcd");
    process.comm == "etcd"
        || process.exe.as_deref().is_some_and(base)
        || process.cmdline.first().is_some_and(|word| base(word))
}

async fn containers(host: &Host) -> Result<Vec<Obstacle>, Error> {
    let socket = match cri::find(host).await? {
        Cri::At(socket) => socket,
        Cri::Absent => return Ok(vec![]),
        Cri::Silent { unit } => {
            let explain =
                format!("{unit} is installed but has no socket, so nobody can say whether it runs etcd: start it");
            return Ok(vec![obstacle(Code::ETCD_DATA, unit, explain)]);
        }
    };
    let all = host.runtime.containers(&socket).await?;
    let of_etcd = all.into_iter().filter(|container| container.name == "etcd").take(5);
    Ok(of_etcd
        .map(|container| {
            let id: String = container.id.chars().take(13).collect();
            let explain = format!("the container {id} of etcd is still there: reset the host first");
            obstacle(Code::ETCD_DATA, format!("container {id}"), explain)
        })
        .collect())
}

#[async_trait]
impl Perform for WipeEtcdData {
    fn name(&self) -> &'static str {
        "wipe-etcd-data"
    }

    fn by_hand(&self) -> Vec<String> {
        let folder = self.folder.display();
        vec![
            "pgrep -x etcd; crictl ps -a --name etcd   # must show nothing".into(),
            format!("findmnt -R {folder}   # must show nothing below it"),
            format!("rm -r --one-file-system {folder}/{MEMBER}"),
        ]
    }

    fn failure(&self) -> Code {
        Code::ETCD_DATA
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let entries = match self.contents(host).await? {
            Ok(entries) => entries,
            Err(obstacle) => return Ok(Check { satisfied: false, changes: vec![], obstacles: vec![obstacle] }),
        };
        if entries.is_empty() {
            return Ok(Check { satisfied: true, ..Check::default() });
        }
        let mut obstacles = alive(host).await?;
        obstacles.extend(self.foreign(&entries));
        obstacles.extend(mounted_below(std::slice::from_ref(&self.folder), &host.mounts.list().await?));
        Ok(Check { satisfied: false, changes: self.changes(&entries), obstacles })
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        let entries = match self.contents(host).await? {
            Ok(entries) => entries,
            Err(obstacle) => return Err(Error::Refused { action: self.name(), obstacles: vec![obstacle] }),
        };
        // Children first, and below `member` alone, whatever came meanwhile.
        let member = self.folder.join(MEMBER);
        let paths: Vec<PathBuf> = entries
            .into_iter()
            .rev()
            .filter(|entry| entry.path.starts_with(&member) && !entry.mount_point)
            .map(|entry| entry.path)
            .collect();
        operation.progress.say(format!("removing {} entries of {}", paths.len(), self.folder.display()));
        for batch in paths.chunks(BATCH) {
            operation.go_on(self.name())?;
            host.files.remove(&self.folder, batch).await?;
        }
        let record = vec![format!("{} files and folders of etcd removed from {}", paths.len(), self.folder.display())];
        Ok(Done { changes: found.changes.clone(), record })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("")]
    #[case("/")]
    #[case("/etcd")]
    #[case("var/lib/etcd")]
    #[case("/var/lib/../etcd")]
    #[case("/var//etcd")]
    #[case("/var/lib/etcd/")]
    #[case("/var/lib/./etcd")]
    #[case("/var/lib/et\ncd")]
    fn a_path_that_nobody_can_have_meant_is_refused(#[case] path: &str) {
        assert_eq!(WipeEtcdData::new(path).unwrap_err().code, Code::AGENT_BAD_ARGUMENT);
    }

    #[test]
    fn a_usual_path_is_taken() {
        for path in ["/var/lib/etcd", "/data/etcd", "/mnt/disk 1/etcd"] {
            assert!(WipeEtcdData::new(path).is_ok(), "{path}");
        }
    }

    #[test]
    fn an_etcd_is_known_by_any_of_its_names() {
        let process = |comm: &str, exe: Option<&str>, word: &str| slipway_host::Process {
            pid: 1,
            start_time: 1,
            comm: comm.into(),
            exe: exe.map(str::to_owned),
            cmdline: vec![word.into()],
        };
        assert!(is_etcd(&process("etcd", None, "")));
        assert!(is_etcd(&process("kubehost", Some("/usr/bin/kubehost"), "/usr/local/bin/etcd")));
        assert!(is_etcd(&process("x", Some("/opt/etcd"), "")));
        assert!(!is_etcd(&process("etcdctl", Some("/usr/bin/etcdctl"), "etcdctl")));
    }
}
