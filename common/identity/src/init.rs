//! The first act in a cluster's life: its authority, its names and its first administrator. It happens once; what is there already is never
//! overwritten, because a second root would make every host that trusts the first one a stranger.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use slipway_errors::{Code, Coded};
use slipway_types::{Clock, IdGen, Lineage, Role};

use crate::authority::{self, Authority, ISSUING_VALIDITY, LEAF_VALIDITY, Leaf, Root};
use crate::files::{self, FileError};
use crate::id::{self, InvalidIdentity, PeerIdentity};
use crate::keys::{self, Identity, Key};
use crate::sealed::{self, BackupKey, Passphrase};

pub(crate) const IDENTITY: &str = "identity";
pub(crate) const ISSUING: &str = "issuing";
pub(crate) const CLUSTER: &str = "cluster.json";
pub(crate) const BACKUP_PUBLIC: &str = "backup.age.pub";
pub(crate) const ROOT_KEY_SEALED: &str = "root.key.age";
pub(crate) const ROOT: &str = "root.pem";
const BACKUP_SEALED: &str = "backup.key.age";

/// What went wrong with init.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A cluster was begun here.
    #[error("{} belongs to a cluster already", .0.display())]
    Exists(PathBuf),
    /// The name cannot stand in certificates.
    #[error("{0:?} is no name for a cluster: lower-case letters, digits and inner '-', at most 63")]
    Name(String),
    /// The address is no `host:port`.
    #[error("{0:?} is no address such as coordinator.example:7400")]
    Address(String),
    /// A certificate could not be made.
    #[error(transparent)]
    Authority(#[from] authority::Error),
    /// A key could not be made or read.
    #[error(transparent)]
    Key(#[from] keys::Error),
    /// An export could not be encrypted.
    #[error(transparent)]
    Sealed(#[from] sealed::Error),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The administrator's name cannot stand in a certificate.
    #[error(transparent)]
    Identity(#[from] InvalidIdentity),
    /// The export is of another cluster.
    #[error("the root in {} is not this cluster's", .0.display())]
    OtherRoot(PathBuf),
    /// The cluster's record cannot be read.
    #[error("reading {CLUSTER}")]
    Record(#[from] serde_json::Error),
}

impl From<Error> for Coded {
    fn from(error: Error) -> Self {
        let says = error.to_string();
        match error {
            Error::Exists(_) => Self::new(Code::INIT_EXISTS, says).do_this(
                "use another folder; an init that was cut short left no cluster.json there, and only then both folders may be removed",
            ),
            Error::Name(_) | Error::Address(_) | Error::Identity(_) | Error::Sealed(_) | Error::OtherRoot(_) => Self::new(Code::CONF_BAD_VALUE, says),
            Error::Authority(error) => error.into(),
            Error::Key(error) => error.into(),
            Error::File(error) => Self::new(Code::CONF_UNREADABLE, error.says()),
            Error::Record(source) => Self::new(Code::CONF_UNREADABLE, format!("{says}: {source}")),
        }
    }
}

/// What init is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The coordinator's folder (`/var/lib/slipway/coordinator`).
    pub folder: &'a Path,
    /// Where the exports go: not to stay on this machine.
    pub export: &'a Path,
    /// Where the administrator's identity goes.
    pub admin_folder: &'a Path,
    /// The cluster's name.
    pub cluster: &'a str,
    /// Where agents and people reach the coordinator, `host:port`.
    pub address: &'a str,
    /// The first administrator's name.
    pub admin: &'a str,
    /// Closes the exports.
    pub passphrase: &'a Passphrase,
}

/// What a coordinator knows about its cluster from the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// The cluster's name.
    pub cluster: String,
    /// Names the store that terms are counted in.
    pub lineage: Lineage,
    /// This coordinator's id.
    pub coordinator: String,
    /// Where it is reached, `host:port`.
    pub address: String,
    /// The hash of the root's public key.
    pub ca_hash: String,
    /// The public half of the key that backups are encrypted to.
    pub backup_recipient: String,
    /// When init ran, milliseconds of Unix time.
    pub created_ms: i64,
}

impl Cluster {
    /// Reads `cluster.json` in a coordinator's folder.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        Ok(serde_json::from_slice(&files::read(&folder.join(CLUSTER))?)?)
    }
}

/// A file that init wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Where.
    pub path: PathBuf,
    /// What it is for, in a sentence.
    pub what: &'static str,
    /// Whether it belongs in a safe, away from this machine.
    pub keep_safe: bool,
}

/// What init did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Initialised {
    /// The new cluster.
    pub cluster: Cluster,
    /// The first administrator.
    pub admin: String,
    /// Every file and folder that was written.
    pub written: Vec<Written>,
}

/// Makes a cluster's authority and writes what its coordinator and its first administrator need. Nothing that exists is touched.
pub fn init(request: &Request<'_>, clock: &dyn Clock, ids: &dyn IdGen) -> Result<Initialised, Error> {
    let host = host_of(request.address)?;
    if !id::is_cluster_name(request.cluster) {
        return Err(Error::Name(request.cluster.to_owned()));
    }
    let coordinator = PeerIdentity::new(request.cluster, Role::Coordinator, &ids.next())?;
    let admin = PeerIdentity::new(request.cluster, Role::Admin, request.admin)?;
    refuse_existing(request)?;

    let root = Root::create(request.cluster, clock)?;
    let authority = root.authority(&coordinator.id, std::slice::from_ref(&host), clock)?;
    let backup = BackupKey::generate();
    let cluster = Cluster {
        cluster: request.cluster.to_owned(),
        lineage: Lineage(ids.next()),
        coordinator: coordinator.id.clone(),
        address: request.address.to_owned(),
        ca_hash: crate::ca_hash(root.der()).map_err(authority::Error::Useless)?,
        backup_recipient: backup.public(),
        created_ms: clock.now().as_millisecond(),
    };
    export(request, &root, &backup)?;
    authority.save(&request.folder.join(ISSUING))?;
    identify(&authority, &coordinator, LEAF_VALIDITY, &[host], clock)?.save(&request.folder.join(IDENTITY))?;
    identify(&authority, &admin, ISSUING_VALIDITY, &[], clock)?.save(request.admin_folder)?;
    files::write_private(&request.folder.join(BACKUP_PUBLIC), backup.public().as_bytes())?;
    // Last: what has this file is complete.
    files::write_new(&request.folder.join(CLUSTER), &serde_json::to_vec_pretty(&cluster)?)?;
    Ok(Initialised { cluster, admin: admin.id, written: written(request) })
}

fn refuse_existing(request: &Request<'_>) -> Result<(), Error> {
    let of_coordinator = [IDENTITY, ISSUING, CLUSTER].map(|name| request.folder.join(name));
    let of_export = [ROOT_KEY_SEALED, ROOT, BACKUP_SEALED].map(|name| request.export.join(name));
    if let Some(there) = of_coordinator.into_iter().chain(of_export).find(|path| path.exists()) {
        return Err(Error::Exists(there));
    }
    if Identity::exists(request.admin_folder) { Err(Error::Exists(request.admin_folder.to_owned())) } else { Ok(()) }
}

fn export(request: &Request<'_>, root: &Root, backup: &BackupKey) -> Result<(), Error> {
    files::private_folder(request.export)?;
    let root_key = sealed::seal(request.passphrase, root.key_pem().as_bytes())?;
    files::write_new(&request.export.join(ROOT_KEY_SEALED), &root_key)?;
    files::write_new(&request.export.join(ROOT), root.pem().as_bytes())?;
    files::write_new(&request.export.join(BACKUP_SEALED), &backup.seal_private(request.passphrase)?)?;
    Ok(())
}

fn written(request: &Request<'_>) -> Vec<Written> {
    let item = |path: PathBuf, what, keep_safe| Written { path, what, keep_safe };
    vec![
        item(
            request.export.join(ROOT_KEY_SEALED),
            "the root's key, encrypted: makes new coordinators, opens everything",
            true,
        ),
        item(request.export.join(ROOT), "the root's certificate", true),
        item(request.export.join(BACKUP_SEALED), "the key that opens backups, encrypted", true),
        item(request.folder.join(CLUSTER), "the cluster's name, lineage and address", false),
        item(request.folder.join(ISSUING), "this coordinator's authority: key and certificates", false),
        item(request.folder.join(IDENTITY), "this coordinator's own key and certificate", false),
        item(request.folder.join(BACKUP_PUBLIC), "the key that backups are encrypted to", false),
        item(request.admin_folder.to_owned(), "the administrator's key and certificate", false),
    ]
}

pub(crate) fn identify(
    authority: &Authority,
    whom: &PeerIdentity,
    validity: Duration,
    names: &[String],
    clock: &dyn Clock,
) -> Result<Identity, Error> {
    let key = Key::generate()?;
    let issued = authority.issue_to(&key, &Leaf { identity: whom, validity, names }, clock)?;
    Ok(Identity::new(key, issued.chain_der, authority.root_der().to_vec())?)
}

/// A coordinator's own issuing intermediate, from its folder.
pub fn authority(folder: &Path) -> Result<Authority, Error> {
    Ok(Authority::load(&folder.join(ISSUING))?)
}

/// A coordinator's own identity. It is its own issuer, so a certificate past its half life (or over) is replaced on the spot; call this at the
/// start and whenever [`Identity::half_life`] has come.
pub fn coordinator_identity(folder: &Path, clock: &dyn Clock) -> Result<Identity, Error> {
    let home = folder.join(IDENTITY);
    let present = Identity::load(&home)?;
    if clock.now() < present.half_life() {
        return Ok(present);
    }
    let host = host_of(&Cluster::load(folder)?.address)?;
    let own = authority(folder)?;
    let fresh = match identify(&own, present.peer(), LEAF_VALIDITY, &[host], clock) {
        // The coordinator has moved to an address that its authority may not speak for. Slipway's own look at no address, so go on without.
        Err(Error::Authority(authority::Error::Useless(_))) => {
            identify(&own, present.peer(), LEAF_VALIDITY, &[], clock)?
        }
        other => other?,
    };
    fresh.save(&home)?;
    Ok(fresh)
}

/// Makes an identity for a person, with the authority in a coordinator's folder, and writes it to `out`, where none may be.
pub fn person(
    folder: &Path,
    role: Role,
    name: &str,
    validity: Duration,
    out: &Path,
    clock: &dyn Clock,
) -> Result<Identity, Error> {
    let cluster = Cluster::load(folder)?;
    if matches!(role, Role::Agent | Role::Coordinator) {
        return Err(InvalidIdentity::Role(role.to_string()).into());
    }
    let whom = PeerIdentity::new(&cluster.cluster, role, name)?;
    if Identity::exists(out) {
        return Err(Error::Exists(out.to_owned()));
    }
    let identity = identify(&authority(folder)?, &whom, validity, &[], clock)?;
    identity.save(out)?;
    Ok(identity)
}

pub(crate) fn host_of(address: &str) -> Result<String, Error> {
    let wrong = || Error::Address(address.to_owned());
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() || port.parse::<u16>().is_err() { Err(wrong()) } else { Ok(host.to_owned()) }
}
