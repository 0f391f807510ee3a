//! What a host knows of its place in a cluster, beside its certificate: one small file, written last at enrolment, so that half an enrolment
//! is none.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use slipway_errors::{Code, Coded};

use crate::core::HostIdentity;
use crate::disk::Keep;

/// The file's name in the state folder.
pub const FILE: &str = "host.json";

const LIMIT: u64 = 64 * 1024;

/// What enrolment left here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Enrolled {
    /// The form of this file.
    pub version: u32,
    /// The cluster's name.
    pub cluster: String,
    /// The host's id, never used again.
    pub host_id: String,
    /// The name that it enrolled under.
    pub name: String,
    /// Where its agent is reached, as it told the coordinator.
    pub address: String,
    /// Where certificates are renewed, `host:port`.
    pub coordinator: String,
}

/// Why it cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk refused.
    #[error("{doing} {}: {source}", .path.display())]
    Disk {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is none: this host was never enrolled.
    #[error("this host is not enrolled: {} is not there", .0.display())]
    NotEnrolled(PathBuf),
    /// It is not what enrolment wrote.
    #[error("{} cannot be understood: {why}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

impl Error {
    /// As people see it.
    pub fn coded(&self) -> Coded {
        match self {
            Self::NotEnrolled(_) => Coded::new(Code::AUTH_NO_CERTIFICATE, self.to_string())
                .do_this("`slipway token create` on an operator's machine prints the line that enrols this host"),
            Self::Disk { .. } => Coded::new(Code::CONF_UNREADABLE, self.to_string()),
            Self::Damaged { .. } => Coded::new(Code::CONF_UNREADABLE, self.to_string())
                .do_this("enrol the host anew with `slipway-agent enrol --force`"),
        }
    }
}

impl Enrolled {
    /// Who the agent speaks for.
    pub fn identity(&self) -> HostIdentity {
        HostIdentity { cluster: self.cluster.clone(), host_id: self.host_id.clone() }
    }

    /// Whether something of an enrolment is in the folder.
    pub fn exists(state: &Path) -> bool {
        state.join(FILE).exists()
    }

    /// Reads it.
    pub fn load(disk: &dyn Keep, state: &Path) -> Result<Self, Error> {
        let path = state.join(FILE);
        let bytes = match disk.read(&path, LIMIT) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(Error::NotEnrolled(path)),
            Err(source) => return Err(Error::Disk { doing: "reading", path, source }),
        };
        match serde_json::from_slice::<Self>(&bytes) {
            Ok(enrolled) if enrolled.version == 1 => Ok(enrolled),
            Ok(enrolled) => Err(Error::Damaged { path, why: format!("it has version {}", enrolled.version) }),
            Err(error) => Err(Error::Damaged { path, why: error.to_string() }),
        }
    }

    /// Writes it.
    pub fn save(&self, disk: &dyn Keep, state: &Path) -> Result<(), Error> {
        let path = state.join(FILE);
        let written = serde_json::to_vec_pretty(self)
            .map_err(std::io::Error::other)
            .and_then(|bytes| disk.make_folder(state).and_then(|()| disk.replace(&path, &bytes)));
        written.map_err(|source| Error::Disk { doing: "writing", path, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;

    #[test]
    fn what_enrolment_wrote_is_read_back_and_nothing_else_is_taken() {
        let state = tempfile::tempdir().unwrap();
        let disk = Disk::default();
        let error = Enrolled::load(&disk, state.path()).unwrap_err();
        assert_eq!(error.coded().code, Code::AUTH_NO_CERTIFICATE);
        let enrolled = Enrolled {
            version: 1,
            cluster: "lab".into(),
            host_id: "h1".into(),
            name: "w2".into(),
            address: "10.70.0.22:7443".into(),
            coordinator: "10.70.0.5:7400".into(),
        };
        enrolled.save(&disk, &state.path().join("new")).unwrap();
        assert_eq!(Enrolled::load(&disk, &state.path().join("new")).unwrap(), enrolled);
        for bad in ["", "{}", r#"{"version":1}"#] {
            std::fs::write(state.path().join(FILE), bad).unwrap();
            assert!(matches!(Enrolled::load(&disk, state.path()), Err(Error::Damaged { .. })), "{bad:?} was taken");
        }
    }
}
