//! Is this a whole snapshot? Three things have to agree: what arrived, what the agent says that it sent, and the hash that etcd itself puts
//! behind its database.

use sha2::{Digest, Sha256};
use slipway_errors::{Code, Coded};
use slipway_proto::agent::FetchSnapshotResponse;

/// etcd's own hash, at the very end.
const HASH: usize = 32;
/// Databases are made of pages, and every size of page is a multiple of this.
const SECTOR: u64 = 512;

/// Takes a snapshot's bytes as they come.
#[derive(Debug, Default)]
pub struct Verifier {
    all: Sha256,
    database: Sha256,
    /// The last bytes so far: they may be the hash.
    tail: Vec<u8>,
    total: u64,
}

/// What a whole snapshot is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// SHA-256 of all of it, in hex.
    pub sha256: String,
    /// How long it is.
    pub size_bytes: u64,
}

/// What is wrong with one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The stream ended before its last message.
    #[error("the stream of the snapshot broke off after {0} bytes")]
    BrokenOff(u64),
    /// Bytes are missing, or too many.
    #[error("{got} bytes of the snapshot arrived, {sent} were sent")]
    Length {
        /// What arrived.
        got: u64,
        /// What the agent says that it sent.
        sent: u64,
    },
    /// Other bytes arrived than were sent.
    #[error("the snapshot changed on its way: its hash is not the one that was sent")]
    Hash,
    /// No database with a hash behind it.
    #[error("{0} bytes are no database of etcd with its hash")]
    Shape(u64),
    /// The database is not the one that etcd hashed.
    #[error("the database in the snapshot is not the one that etcd made: its own hash does not fit")]
    Database,
}

impl Damage {
    /// As people see it.
    pub fn coded(&self) -> Coded {
        Coded::new(Code::BACKUP_DAMAGED, self.to_string())
            .do_this("take it again, from another member if this one fails twice")
    }
}

impl Verifier {
    /// The next bytes.
    pub fn take(&mut self, piece: &[u8]) {
        self.all.update(piece);
        self.total += piece.len() as u64;
        self.tail.extend_from_slice(piece);
        let certain = self.tail.len().saturating_sub(HASH);
        self.database.update(&self.tail[..certain]);
        self.tail.drain(..certain);
    }

    /// How many bytes came.
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Judges all that came, with what the last message says.
    pub fn end(self, said: &FetchSnapshotResponse) -> Result<Verified, Damage> {
        if said.total_bytes != self.total {
            return Err(Damage::Length { got: self.total, sent: said.total_bytes });
        }
        let sha256 = hex::encode(self.all.finalize());
        if said.sha256 != sha256 {
            return Err(Damage::Hash);
        }
        if self.total <= HASH as u64 || self.total % SECTOR != HASH as u64 {
            return Err(Damage::Shape(self.total));
        }
        if self.database.finalize().as_slice() != self.tail {
            return Err(Damage::Database);
        }
        Ok(Verified { sha256, size_bytes: self.total })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A snapshot as etcd makes it, of so many pages.
    pub(in crate::snapshot) fn snapshot(pages: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..pages * 4096).map(|at| (at / 7) as u8).collect();
        let hash = Sha256::digest(&bytes);
        bytes.extend_from_slice(&hash);
        bytes
    }

    pub(in crate::snapshot) fn said(bytes: &[u8]) -> FetchSnapshotResponse {
        FetchSnapshotResponse {
            total_bytes: bytes.len() as u64,
            sha256: hex::encode(Sha256::digest(bytes)),
            member_id: 0xab,
            etcd_version: "3.5.24".into(),
            ..FetchSnapshotResponse::default()
        }
    }

    fn judged(bytes: &[u8], said: &FetchSnapshotResponse, piece: usize) -> Result<Verified, Damage> {
        let mut verifier = Verifier::default();
        bytes.chunks(piece).for_each(|piece| verifier.take(piece));
        verifier.end(said)
    }

    #[test]
    fn a_whole_snapshot_passes_however_it_was_cut() {
        let bytes = snapshot(5);
        for piece in [1, 31, 32, 33, 4096, 65536] {
            let verified = judged(&bytes, &said(&bytes), piece).unwrap();
            assert_eq!((verified.size_bytes, verified.sha256), (5 * 4096 + 32, said(&bytes).sha256));
        }
    }

    #[test]
    fn a_single_bit_is_noticed_on_the_way_and_at_the_source() {
        let bytes = snapshot(3);
        for at in [0, 5000, 3 * 4096 - 1, 3 * 4096, 3 * 4096 + 31] {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert_eq!(judged(&bad, &said(&bytes), 1000), Err(Damage::Hash), "byte {at} on the way");
            assert_eq!(judged(&bad, &said(&bad), 1000), Err(Damage::Database), "byte {at} at the source");
        }
    }

    #[test]
    fn what_is_too_short_too_long_or_no_database_is_refused() {
        let bytes = snapshot(3);
        let cut = &bytes[..bytes.len() - 1];
        assert!(matches!(judged(cut, &said(&bytes), 1000), Err(Damage::Length { .. })));
        assert_eq!(judged(cut, &said(cut), 1000), Err(Damage::Shape(cut.len() as u64)));
        let without = &bytes[..bytes.len() - 32];
        assert_eq!(judged(without, &said(without), 1000), Err(Damage::Shape(3 * 4096)));
        let hash_alone = Sha256::digest(b"").to_vec();
        assert_eq!(judged(&hash_alone, &said(&hash_alone), 1000), Err(Damage::Shape(32)));
        assert_eq!(judged(b"", &said(b""), 1), Err(Damage::Shape(0)));
    }
}
