//! The certificates of a cluster that exists for a benchmark: the real authority issues them, and it is kept in a folder, so that agents in
//! other processes belong to the same cluster.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use slipway_identity::tls::CurrentIdentity;
use slipway_identity::{Authority, Identity, Key, Leaf, PeerIdentity, Root};
use slipway_types::{Role, SystemClock};

/// The cluster's name.
pub(crate) const CLUSTER: &str = "bench";
const VALIDITY: Duration = Duration::from_hours(2);

/// A new authority.
pub(crate) fn create() -> anyhow::Result<Authority> {
    Ok(Root::create(CLUSTER, &SystemClock)?.authority("c1", &[], &SystemClock)?)
}

/// The one that was kept in `folder`.
pub(crate) fn load(folder: &Path) -> anyhow::Result<Authority> {
    Ok(Authority::load(folder)?)
}

/// Key and certificate of somebody.
pub(crate) fn identity(authority: &Authority, role: Role, id: &str) -> anyhow::Result<Identity> {
    let (key, whom) = (Key::generate()?, PeerIdentity::new(CLUSTER, role, id)?);
    let leaf = Leaf { identity: &whom, validity: VALIDITY, names: &[] };
    let issued = authority.issue_to(&key, &leaf, &SystemClock)?;
    Ok(Identity::new(key, issued.chain_der, authority.root_der().to_vec())?)
}

/// The same, as a listener or a caller shows it.
pub(crate) fn current(authority: &Authority, role: Role, id: &str) -> anyhow::Result<Arc<CurrentIdentity>> {
    Ok(CurrentIdentity::new(identity(authority, role, id)?)?)
}
