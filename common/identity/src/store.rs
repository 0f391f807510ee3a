//! What the members of the store's etcd, and the coordinators that ask them, show each other. All certificates of Slipway come from one root, an
//! agent's too; what lets a holder in here is a name that coordinators alone can write into a certificate.

use std::collections::BTreeMap;
use std::fmt::Write as _;
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

/// What a member of the store's etcd starts with, as etcd reads it from its environment: `all` members, each with its address, and whether the store is
/// `new` or `existing`. None, where `name` is not among them.
pub fn member_settings(name: &str, all: &BTreeMap<String, String>, (folder, state): (&Path, &str)) -> Option<String> {
    let own = all.get(name)?;
    let (client, peer) = PORTS;
    let peers: Vec<String> = all.iter().map(|(name, address)| format!("{name}=https://{address}:{peer}")).collect();
    let file = |name: &str| folder.join(FOLDER).join(name).display().to_string();
    let mut text = "# What slipway-etcd starts with: written by `slipway store member`.\n".to_owned();
    let mut set = |key: &str, value: &str| {
        let _ = writeln!(text, "ETCD_{key}={value}");
    };
    set("NAME", name);
    set("DATA_DIR", "/var/lib/slipway/etcd");
    set("LISTEN_CLIENT_URLS", &format!("https://{own}:{client},https://127.0.0.1:{client}"));
    set("ADVERTISE_CLIENT_URLS", &format!("https://{own}:{client}"));
    set("LISTEN_PEER_URLS", &format!("https://{own}:{peer}"));
    set("INITIAL_ADVERTISE_PEER_URLS", &format!("https://{own}:{peer}"));
    set("INITIAL_CLUSTER", &peers.join(","));
    set("INITIAL_CLUSTER_STATE", state);
    for side in ["", "PEER_"] {
        set(&format!("{side}CERT_FILE"), &file("chain.pem"));
        set(&format!("{side}KEY_FILE"), &file("key.pem"));
        set(&format!("{side}TRUSTED_CA_FILE"), &file("root.pem"));
        set(&format!("{side}CLIENT_CERT_AUTH"), "true");
    }
    set("CLIENT_CERT_ALLOWED_HOSTNAME", STORE_NAME);
    set("PEER_CERT_ALLOWED_HOSTNAME", STORE_NAME);
    set("MAX_REQUEST_BYTES", "10485760");
    set("QUOTA_BACKEND_BYTES", "2147483648");
    set("AUTO_COMPACTION_MODE", "periodic");
    set("AUTO_COMPACTION_RETENTION", "1h");
    set("EXPERIMENTAL_INITIAL_CORRUPT_CHECK", "true");
    // It would ask etcd without a certificate, and fill the log with what etcd thinks of that.
    set("ENABLE_GRPC_GATEWAY", "false");
    set("LOG_LEVEL", "warn");
    Some(text)
}
