//! What a master is to the cluster, as machines read it.

use serde::Serialize;
use slipway_proto::coordinator as wire;

use super::{Certificate, EtcdMember, some};

/// A master's part.
#[derive(Debug, Serialize)]
pub struct ControlPlane {
    /// Its part in etcd.
    pub etcd: PartInEtcd,
    /// `allowed`, `needs-word`, `needs-flag` or `refused`; null: not known.
    pub removal: Option<String>,
    /// Why, and the way out.
    pub removal_says: Option<String>,
    /// The address that moves between masters; null: none is known.
    pub virtual_address: Option<String>,
    /// Hosts that have it, as they reported last.
    pub address_held_by: Vec<String>,
    /// Its unit, such as `active enabled`; null: not known.
    pub keepalived: Option<String>,
    /// Who reaches the API through this master alone.
    pub dependents: Vec<String>,
    /// The latest snapshot of etcd that is kept; null: none, or not known.
    pub last_snapshot: Option<Snapshot>,
    /// The certificate that ends first.
    pub first_certificate: Option<Certificate>,
}

/// Its part in etcd.
#[derive(Debug, Serialize)]
pub struct PartInEtcd {
    /// Its member, as far as one is known.
    pub member: Option<EtcdMember>,
    /// Every witness agrees that it runs there.
    pub certain: bool,
    /// Why there is none, or why it is not certain.
    pub says: Option<String>,
    /// The whole etcd now, in a sentence; null: not known.
    pub stands: Option<String>,
    /// The same now, and once the member is removed.
    pub without_it: Option<String>,
}

/// A snapshot that the coordinator keeps.
#[derive(Debug, Serialize)]
pub struct Snapshot {
    /// Its file.
    pub file: String,
    /// The host whose member was asked.
    pub host: String,
    /// When it was taken.
    pub taken_ms: i64,
    /// Its size before it was encrypted.
    pub size_bytes: u64,
    /// What that member runs.
    pub etcd_version: Option<String>,
}

impl From<wire::ControlPlane> for ControlPlane {
    fn from(told: wire::ControlPlane) -> Self {
        Self {
            etcd: PartInEtcd {
                member: told.member.map(EtcdMember::from),
                certain: told.member_certain,
                says: some(&told.etcd_says),
                stands: some(&told.etcd_stands),
                without_it: some(&told.without_it),
            },
            removal: some(&told.removal),
            removal_says: some(&told.removal_says),
            virtual_address: some(&told.virtual_address),
            address_held_by: told.address_held_by,
            keepalived: some(&told.keepalived),
            dependents: told.dependents,
            last_snapshot: told.last_snapshot.map(Snapshot::from),
            first_certificate: told
                .first_certificate
                .map(|end| Certificate { path: end.path, not_after_ms: end.not_after_ms }),
        }
    }
}

impl From<wire::KeptSnapshot> for Snapshot {
    fn from(kept: wire::KeptSnapshot) -> Self {
        Self {
            etcd_version: some(&kept.etcd_version),
            file: kept.file,
            host: kept.host,
            taken_ms: kept.taken_ms,
            size_bytes: kept.size_bytes,
        }
    }
}
