//! Makes one repository the only one that packages of Kubernetes come from, and takes that back. Another file that names one is moved aside
//! under a name that apt passes over without a word; one that names other things too is left to its owner.

mod aside;

use std::path::PathBuf;

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_host::plan::apt_sources::same;
use slipway_host::{Host, Packages, Source};
use slipway_proto::types::{self, Change};
use slipway_types::{OperationId, without_credentials};

use self::aside::Aside;
use crate::kept::text;
use crate::perform::{change, obstacle};
use crate::transaction::{self, UPDATE};
use crate::wire::bad;
use crate::{Check, Done, Error, OperationContext, Perform};

const KEY_LIMIT: usize = 64 << 10;
const URL_LIMIT: usize = 512;
/// apt reads both as a user of its own. A file that is there keeps the mode that it has.
const MODE: u32 = 0o644;
const KEYRING_FOLDERS: [&str; 2] = ["/etc/apt/keyrings/", "/usr/share/keyrings/"];

/// Sets the repository of Kubernetes' packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetRepository {
    minor: String,
    url: String,
    key: String,
    keyring: String,
}

impl SetRepository {
    /// As the wire asks for it, every argument checked.
    pub fn new(set: types::SetRepository) -> Result<Self, Coded> {
        let numbers = set.minor.split_once('.').map(|(major, minor)| (major.parse::<u16>(), minor.parse::<u16>()));
        if !set.url.is_empty() && !matches!(numbers, Some((Ok(_), Ok(_)))) {
            return Err(bad(format!("{:?} is no minor such as 1.34", set.minor)));
        }
        if !set.url.is_empty() && !set.url.contains(&set.minor) {
            return Err(bad(format!("{:?} does not name the minor {}", without_credentials(&set.url), set.minor)));
        }
        let (url, key, keyring) = repository(set.url, set.key, set.keyring)?;
        Ok(Self { minor: set.minor, url, key, keyring })
    }

    /// The URL as people are told of it.
    fn told(&self) -> String {
        without_credentials(&self.url)
    }

    /// The keyring that our file names: what was asked for, our own, or the usual one that is there.
    async fn signed_by(&self, host: &Host, manager: &dyn Packages) -> Result<Option<String>, Error> {
        if !self.key.is_empty() {
            return Ok(Some(manager.dialect().key_path().display().to_string()));
        }
        keyring_of(host, manager, &self.keyring).await
    }

    async fn wanted(&self, host: &Host, manager: &dyn Packages) -> Result<Check, Error> {
        let sources = manager.sources(&self.url).await?;
        let mut check = Check::default();
        let ours = manager.dialect().source_path();
        let others: Vec<&Source> = sources.iter().filter(|source| source.path != ours).collect();
        // An operator's own file that says what is wanted is as good as ours, if an installation will know it for what it is.
        if let [only] = others[..]
            && same(&only.url, &self.url)
            && sources.len() == 1
            && !manager.sources("").await?.is_empty()
        {
            check.satisfied = true;
            return Ok(check);
        }
        for source in others {
            let path = source.path.display().to_string();
            let url = without_credentials(&source.url);
            if source.alone {
                check.changes.push(change("file", &*path, "move aside", format!("it names {url}")));
            } else {
                let explain = format!("{path} names {url} among others: take it out of the file");
                check.obstacles.push(obstacle(Code::PACKAGE_OTHER_SOURCE, path, explain));
            }
        }
        check.changes.dedup();
        if let Some(keyring) = self.signed_by(host, manager).await? {
            let files = self.files(manager, &keyring);
            for (path, wanted) in &files {
                if text(host, path).await?.as_deref() != Some(wanted) {
                    check.changes.push(change("file", path.display().to_string(), "write", self.told()));
                }
            }
        } else {
            let explain = "no key was given, and none of the usual keyrings is on the host: packages.key";
            check.obstacles.push(obstacle(Code::PACKAGE_SIGNATURE, self.told(), explain));
        }
        check.satisfied = check.changes.is_empty() && check.obstacles.is_empty();
        Ok(check)
    }

    /// Our files with their text, the key before what names it.
    fn files(&self, manager: &dyn Packages, keyring: &str) -> Vec<(PathBuf, String)> {
        let key = (!self.key.is_empty()).then(|| (manager.dialect().key_path().to_owned(), self.key.clone()));
        let source = (manager.dialect().source_path().to_owned(), manager.dialect().source_text(&self.url, keyring));
        key.into_iter().chain([source]).collect()
    }

    async fn set(&self, host: &Host, operation: &OperationContext) -> Result<Vec<String>, Error> {
        let manager = host.package_manager()?;
        let Some(keyring) = self.signed_by(host, manager).await? else {
            let what = format!("there is no key for {}", self.told());
            return Err(slipway_host::Error::Package { trouble: slipway_host::Trouble::Unsigned, what }.into());
        };
        for (path, wanted) in self.files(manager, &keyring) {
            if let Some(folder) = path.parent() {
                host.files.make_folder(folder, 0o755).await?;
            }
            let mode = host.files.mode(&path).await?.unwrap_or(MODE);
            host.files.write(&path, wanted.as_bytes(), mode).await?;
        }
        let ours = manager.dialect().source_path();
        let mut record = Vec::new();
        for source in manager.sources(&self.url).await?.iter().filter(|source| source.path != ours && source.alone) {
            operation.progress.say(format!("moving {} aside", source.path.display()));
            record.extend(aside::away(host, &source.path).await?);
        }
        operation.progress.say(format!("reading the lists of {}", self.told()));
        record.push(transaction::refresh(host, operation, ours).await?);
        Ok(record)
    }
}

/// Checks what describes a repository.
pub(crate) fn repository(url: String, key: String, keyring: String) -> Result<(String, String, String), Coded> {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '<' | '>' | '[' | ']' | '#' | '\\');
    let scheme = ["https://", "http://", "file:/"].iter().any(|scheme| url.starts_with(scheme));
    if !url.is_empty() && (!scheme || url.len() > URL_LIMIT || !url.chars().all(plain)) {
        return Err(bad(format!(
            "{:?} is no URL of a repository such as https://pkgs.k8s.io/core:/stable:/v1.34/deb/",
            without_credentials(&url)
        )));
    }
    let armoured = key.trim_start().starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----")
        && key.trim_end().ends_with("-----END PGP PUBLIC KEY BLOCK-----")
        && key.chars().all(|c| c.is_ascii_graphic() || matches!(c, ' ' | '\n' | '\r'));
    if !key.is_empty() && (!armoured || key.len() > KEY_LIMIT) {
        return Err(bad("the key is no armoured public key: it begins with -----BEGIN PGP PUBLIC KEY BLOCK-----"));
    }
    let below = KEYRING_FOLDERS.iter().any(|folder| keyring.starts_with(folder));
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_');
    if !keyring.is_empty() && (!below || keyring.contains("..") || !keyring.chars().all(named)) {
        return Err(bad(format!("{keyring:?} is no keyring below {}", KEYRING_FOLDERS.join(" or "))));
    }
    Ok((url, key, keyring))
}

/// The keyring of that path, or the first of the usual ones that is there.
pub(crate) async fn keyring_of(host: &Host, manager: &dyn Packages, keyring: &str) -> Result<Option<String>, Error> {
    if !keyring.is_empty() {
        return Ok(Some(keyring.to_owned()));
    }
    for path in manager.dialect().keyrings() {
        if host.files.entry(path).await?.is_some() {
            return Ok(Some(path.display().to_string()));
        }
    }
    Ok(None)
}

/// What there is to take back.
async fn to_take_back(host: &Host, manager: &dyn Packages) -> Result<Vec<Change>, Error> {
    let mut changes = Vec::new();
    for path in [manager.dialect().source_path(), manager.dialect().key_path()] {
        if host.files.entry(path).await?.is_some() {
            changes.push(change("file", path.display().to_string(), "remove", "it is ours"));
        }
    }
    changes.extend(aside::all(host, manager).await?.iter().filter_map(Aside::change));
    Ok(changes)
}

async fn take_back(host: &Host, operation: &OperationContext) -> Result<Vec<String>, Error> {
    let manager = host.package_manager()?;
    operation.progress.say("putting the repositories back as they were");
    for path in [manager.dialect().source_path(), manager.dialect().key_path()] {
        host.files.remove(path, &[path.to_owned()]).await?;
    }
    let mut record = Vec::new();
    for aside in aside::all(host, manager).await? {
        record.extend(aside.back(host).await?);
    }
    Ok(record)
}

#[async_trait]
impl Perform for SetRepository {
    fn name(&self) -> &'static str {
        UPDATE.action
    }

    fn by_hand(&self) -> Vec<String> {
        if self.url.is_empty() {
            return vec![
                "rm /etc/apt/sources.list.d/slipway-kubernetes.sources".to_owned(),
                "apt-get update".to_owned(),
            ];
        }
        vec![
            format!("# /etc/apt/sources.list.d/kubernetes.list has {} and no other minor", self.told()),
            "apt-get update".to_owned(),
        ]
    }

    fn failure(&self) -> Code {
        UPDATE.code
    }

    fn long_command(&self, operation: &OperationId) -> Option<String> {
        Some(UPDATE.unit(operation))
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let manager = host.package_manager()?;
        if self.url.is_empty() {
            let changes = to_take_back(host, manager).await?;
            return Ok(Check { satisfied: changes.is_empty(), changes, obstacles: vec![] });
        }
        self.wanted(host, manager).await
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        let record =
            if self.url.is_empty() { take_back(host, operation).await? } else { self.set(host, operation).await? };
        Ok(Done { changes: found.changes.clone(), record })
    }

    async fn attach(&self, host: &Host, operation: &OperationContext) -> Result<Option<Done>, Error> {
        // Everything before it is looked at again.
        UPDATE.attach(host, operation).await?;
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn wire() -> types::SetRepository {
        types::SetRepository {
            minor: "1.34".into(),
            url: "https://pkgs.k8s.io/core:/stable:/v1.34/deb/".into(),
            key: "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nQQ==\n-----END PGP PUBLIC KEY BLOCK-----\n".into(),
            keyring: String::new(),
        }
    }

    #[rstest]
    #[case(types::SetRepository { minor: "1".into(), ..wire() })]
    #[case(types::SetRepository { minor: "1.33".into(), ..wire() })]
    #[case(types::SetRepository { url: "ftp://m/v1.34/".into(), ..wire() })]
    #[case(types::SetRepository { url: "https://m/v1.34/ [trusted=yes]".into(), ..wire() })]
    #[case(types::SetRepository { url: "https://m/v1.34/\nTrusted: yes".into(), ..wire() })]
    #[case(types::SetRepository { key: "-----BEGIN PGP PRIVATE KEY BLOCK-----".into(), ..wire() })]
    #[case(types::SetRepository { key: "QQ==".into(), ..wire() })]
    #[case(types::SetRepository { keyring: "/root/x.gpg".into(), ..wire() })]
    #[case(types::SetRepository { keyring: "/etc/apt/keyrings/../../passwd".into(), ..wire() })]
    #[case(types::SetRepository { keyring: "/etc/apt/keyrings/a\nTrusted: yes".into(), ..wire() })]
    fn what_no_repository_could_be_is_refused(#[case] set: types::SetRepository) {
        assert_eq!(SetRepository::new(set).unwrap_err().code, Code::AGENT_BAD_ARGUMENT);
    }

    #[test]
    fn a_repository_and_the_way_back_are_taken() {
        assert!(SetRepository::new(wire()).is_ok());
        assert!(SetRepository::new(types::SetRepository { url: String::new(), ..wire() }).is_ok());
    }

    #[test]
    fn a_refused_url_is_told_without_what_opens_it() {
        let url = |url: &str| SetRepository::new(types::SetRepository { url: url.into(), ..wire() }).unwrap_err();
        for refused in [url("https://u:secret@m/v1.33/"), url("https://u:secret@m/v1.34/ [trusted=yes]")] {
            assert!(!refused.to_string().contains("secret"), "{refused}");
        }
    }
}
