//! What the members of the store's etcd, and the coordinators that ask them, show each other. All certificates of Slipway come from one root, an
//! agent's too; what lets a holder in here is a name that coordinators alone can write into a certificate.

use std::path::Path;
use std::time::Duration;

use slipway_types::{Clock, Role};

use crate::id::PeerIdentity;
use crate::init::{Cluster, Error, authority, host_of, identify};
use crate::keys::Identity;

/// The name that members ask for. It is in no DNS.
pub const STORE_NAME: &str = "store.slipway.internal";
/// Where clients of the store's etcd ask, and where its members speak to each other.
pub const PORTS: (u16, u16) = (7410, 7411);
/// The folder, below the coordinator's, with `key.pem`, `chain.pem` and `root.pem`.
pub const FOLDER: &str = "store";

/// Not every client of etcd can swap its certificate while it runs, so this one lives longer than those of daemons.
const VALIDITY: Duration = Duration::from_hours(90 * 24);

/// Makes the certificate for the store of the coordinator in `folder`, or a new one where half of its life is over; false: it is good yet.
pub fn store_certificate(folder: &Path, clock: &dyn Clock) -> Result<bool, Error> {
    let home = folder.join(FOLDER);
    if Identity::load(&home).is_ok_and(|present| clock.now() < present.half_life()) {
        return Ok(false);
    }
    let cluster = Cluster::load(folder)?;
    let own = PeerIdentity::new(&cluster.cluster, Role::Coordinator, &cluster.coordinator)?;
    let names = [host_of(&cluster.address)?, "localhost".to_owned(), "127.0.0.1".to_owned(), STORE_NAME.to_owned()];
    identify(&authority(folder)?, &own, VALIDITY, &names, clock)?.save(&home)?;
    Ok(true)
}
