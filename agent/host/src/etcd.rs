//! The etcd that this host has a member of. The trait is one call to one member; which member that is, what is asked of the others, and what
//! the answers amount to is put together here once, so that the fake and the real one tell it alike.

mod local;
mod status;

use std::path::PathBuf;

use async_trait::async_trait;
use futures::stream::BoxStream;
use slipway_proto::types::{EtcdAlarm, EtcdMember, EtcdMemberStatus};

use crate::Error;

pub use local::{CONF, Kind, Local, MANIFEST, UNIT, find, in_conf, in_manifest, member_of, required};
pub use status::{LONGEST_ANSWER, current, status};

/// A certificate of this host that etcd knows, and the authority that it is judged by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Who signed the other side's certificate.
    pub ca: PathBuf,
    /// Our own certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Where and how one member is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// A client URL: `https://127.0.0.1:2379`.
    pub url: String,
    /// None: it is asked in plain text.
    pub tls: Option<TlsFiles>,
}

impl Access {
    /// The same certificates for another member.
    pub fn at(&self, url: &str) -> Self {
        let tls = self.tls.clone().filter(|_| url.starts_with("https://"));
        Self { url: url.to_owned(), tls }
    }
}

/// The members as the one that was asked knows them. They carry no status.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Members {
    /// The cluster's id.
    pub cluster_id: u64,
    /// Who answered.
    pub answered: u64,
    /// All of them, itself included.
    pub list: Vec<EtcdMember>,
}

/// What a member says of itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked {
    /// Who answered.
    pub answered: u64,
    /// How it stands.
    pub status: EtcdMemberStatus,
}

/// A snapshot under way.
pub struct Snapshot {
    /// The member that it comes from.
    pub member_id: u64,
    /// What that member runs, such as `3.5.24`.
    pub version: String,
    /// The bytes, in pieces of any size up to [`PIECE_LIMIT`]; an error ends them.
    pub pieces: BoxStream<'static, Result<Vec<u8>, Error>>,
}

/// The largest piece of a snapshot that is taken from etcd.
pub const PIECE_LIMIT: usize = 4 << 20;

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Snapshot of {:x} ({})", self.member_id, self.version)
    }
}

/// Why etcd did not do, or did not tell, what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No answer, or no majority for one: nothing is known about the effect.
    Silent,
    /// It knows no member of that id.
    Absent,
    /// It said no, and did nothing.
    Refused,
}

/// One member of an etcd. Each call has a deadline of its own; [`Refusal::Silent`] after a change says nothing about its effect.
#[async_trait]
pub trait Etcd: Send + Sync + std::fmt::Debug {
    /// The members, as the one at `at` has them now. No majority is asked: [`current`] makes sure of one.
    async fn members(&self, at: &Access) -> Result<Members, Error>;
    /// How the member at `at` stands.
    async fn member_status(&self, at: &Access) -> Result<Asked, Error>;
    /// Alarms of all members.
    async fn alarms(&self, at: &Access) -> Result<Vec<EtcdAlarm>, Error>;
    /// Reads something with the agreement of a majority.
    async fn quorum_read(&self, at: &Access) -> Result<(), Error>;
    /// Takes the member `id` out. [`Refusal::Absent`]: there is none.
    async fn remove_member(&self, at: &Access, id: u64) -> Result<(), Error>;
    /// Hands the leadership to the member `to`. Only the leader does that.
    async fn move_leader(&self, at: &Access, to: u64) -> Result<(), Error>;
    /// Adds a member that does not vote, and gives its id.
    async fn add_learner(&self, at: &Access, peer_urls: &[String]) -> Result<u64, Error>;
    /// Lets the learner `id` vote.
    async fn promote(&self, at: &Access, id: u64) -> Result<(), Error>;
    /// Begins a snapshot.
    async fn snapshot(&self, at: &Access) -> Result<Snapshot, Error>;
}
