//! Identities on disk: what init writes, what survives a crash between two writes, and what is never overwritten.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use slipway_errors::{Code, Coded};
use slipway_identity::another::Another;
use slipway_identity::init::{self, Cluster, Request};
use slipway_identity::store::{STORE_NAME, store_certificate};
use slipway_identity::{Identity, Key, Leaf, Passphrase, PeerIdentity, Root, sealed};
use slipway_types::{Clock, ManualClock, Role, SequentialIds, Timestamp};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

const DAY: Duration = Duration::from_hours(24);

fn clock() -> ManualClock {
    ManualClock::at(Timestamp::from_second(1_800_000_000).unwrap())
}

fn passphrase() -> Passphrase {
    Passphrase::new("correct horse battery staple").unwrap()
}

fn initialise(at: &Path) -> Result<init::Initialised, init::Error> {
    let (folder, export, admin_folder, passphrase) = (at.join("c"), at.join("e"), at.join("a"), passphrase());
    let request = Request {
        folder: &folder,
        export: &export,
        admin_folder: &admin_folder,
        cluster: "lab",
        address: "10.0.0.1:7400",
        admin: "alice",
        passphrase: &passphrase,
    };
    init::init(&request, &clock(), &SequentialIds::default())
}

/// Encrypting the exports takes seconds, so all tests that only read share one.
fn initialised() -> &'static Path {
    static MADE: OnceLock<tempfile::TempDir> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        initialise(folder.path()).unwrap();
        folder
    })
    .path()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn init_gives_a_coordinator_and_an_administrator_of_one_cluster() {
    let at = initialised();
    let cluster = Cluster::load(&at.join("c")).unwrap();
    let coordinator = init::coordinator_identity(&at.join("c"), &clock()).unwrap();
    let admin = Identity::load(&at.join("a")).unwrap();
    assert_eq!(coordinator.peer().to_string(), format!("slipway://lab/coordinator/{}", cluster.coordinator));
    assert_eq!(admin.peer().to_string(), "slipway://lab/admin/alice");
    assert_eq!(coordinator.root_der(), admin.root_der());
    assert_eq!(coordinator.ca_hash().unwrap(), cluster.ca_hash);
    assert_ne!(cluster.lineage.0, cluster.coordinator);
    assert!(cluster.backup_recipient.starts_with("age1"));
}

#[test]
fn every_file_of_init_is_the_owners_alone() {
    let files = files_below(initialised());
    assert!(files.len() >= 12, "{files:?}");
    for file in files {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
}

#[test]
fn the_roots_key_is_in_the_export_alone_and_opens_with_the_passphrase() {
    let at = initialised();
    let sealed_key = fs::read(at.join("e/root.key.age")).unwrap();
    let key = String::from_utf8(sealed::open(&passphrase(), &sealed_key).unwrap()).unwrap();
    for file in files_below(at) {
        assert!(
            !fs::read_to_string(&file).unwrap_or_default().contains(&key),
            "{} holds the root's key",
            file.display()
        );
    }
    // It really is the key of that root: a second coordinator can be made from the export.
    let root = Root::from_pem("lab", &fs::read_to_string(at.join("e/root.pem")).unwrap(), &key).unwrap();
    let second = root.authority("c2", &[], &clock()).unwrap();
    let (key, whom) = (Key::generate().unwrap(), PeerIdentity::new("lab", Role::Coordinator, "c2").unwrap());
    let issued = second.issue_to(&key, &Leaf { identity: &whom, validity: DAY, names: &[] }, &clock()).unwrap();
    let first_root = Identity::load(&at.join("a")).unwrap().root_der().to_vec();
    Identity::new(key, issued.chain_der, first_root).unwrap();
}

#[test]
fn the_backup_key_in_the_export_belongs_to_the_public_half() {
    let at = initialised();
    let private = sealed::open(&passphrase(), &fs::read(at.join("e/backup.key.age")).unwrap()).unwrap();
    let identity: age::x25519::Identity = String::from_utf8(private).unwrap().parse().unwrap();
    assert_eq!(identity.to_public().to_string(), Cluster::load(&at.join("c")).unwrap().backup_recipient);
}

#[test]
fn init_overwrites_nothing() {
    for left in ["c/cluster.json", "c/identity", "c/issuing", "e/root.key.age", "e/backup.key.age", "a/key.pem"] {
        let at = tempfile::tempdir().unwrap();
        let path = at.path().join(left);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "precious").unwrap();
        let refused = Coded::from(initialise(at.path()).unwrap_err());
        assert_eq!(refused.code, Code::INIT_EXISTS, "{left}");
        assert_eq!(files_below(at.path()), std::slice::from_ref(&path), "something was written beside {left}");
        assert_eq!(fs::read_to_string(path).unwrap(), "precious");
    }
}

#[test]
fn init_refuses_names_and_addresses_that_cannot_work() {
    let at = tempfile::tempdir().unwrap();
    let (folder, passphrase) = (at.path().join("c"), passphrase());
    let good = Request {
        folder: &folder,
        export: &at.path().join("e"),
        admin_folder: &at.path().join("a"),
        cluster: "lab",
        address: "h:7400",
        admin: "alice",
        passphrase: &passphrase,
    };
    let bad = [
        Request { cluster: "Lab", ..good },
        Request { cluster: "", ..good },
        Request { address: "h", ..good },
        Request { address: ":7400", ..good },
        Request { address: "h:99999", ..good },
        Request { admin: "alice/x", ..good },
    ];
    for request in bad {
        let refused = Coded::from(init::init(&request, &clock(), &SequentialIds::default()).unwrap_err());
        assert_eq!(refused.code, Code::CONF_BAD_VALUE, "{request:?}");
    }
    assert_eq!(fs::read_dir(at.path()).unwrap().count(), 0);
}

#[test]
fn a_coordinator_replaces_its_own_certificate_from_half_life_on_also_long_after_its_end() {
    let at = tempfile::tempdir().unwrap();
    copy(&initialised().join("c"), at.path());
    let clock = clock();
    let first = init::coordinator_identity(at.path(), &clock).unwrap();
    clock.advance(DAY / 4);
    assert_eq!(init::coordinator_identity(at.path(), &clock).unwrap().not_after(), first.not_after());
    clock.advance(DAY / 2);
    let second = init::coordinator_identity(at.path(), &clock).unwrap();
    assert!(second.not_after() > first.not_after());
    clock.advance(20 * DAY);
    let third = init::coordinator_identity(at.path(), &clock).unwrap();
    assert_eq!(third.peer(), first.peer());
    assert!(third.not_after() > clock.now());
}

#[test]
fn a_coordinator_that_has_moved_still_renews_itself() {
    let at = tempfile::tempdir().unwrap();
    copy(&initialised().join("c"), at.path());
    let record = at.path().join("cluster.json");
    fs::write(&record, fs::read_to_string(&record).unwrap().replace("10.0.0.1", "10.9.9.9")).unwrap();
    let clock = clock();
    clock.advance(DAY);
    assert!(init::coordinator_identity(at.path(), &clock).unwrap().not_after() > clock.now());
}

#[test]
fn people_get_identities_of_their_own_and_daemons_get_none_this_way() {
    let at = tempfile::tempdir().unwrap();
    let folder = initialised().join("c");
    let out = at.path().join("bob");
    let bob = init::person(&folder, Role::Reader, "bob", DAY, &out, &clock()).unwrap();
    assert_eq!(Identity::load(&out).unwrap().peer(), bob.peer());
    assert!(matches!(init::person(&folder, Role::Reader, "bob", DAY, &out, &clock()), Err(init::Error::Exists(_))));
    for role in [Role::Agent, Role::Coordinator, Role::Anonymous] {
        assert!(init::person(&folder, role, "x", DAY, &at.path().join("x"), &clock()).is_err(), "{role}");
    }
}

#[test]
fn a_renewal_cut_short_at_any_write_leaves_a_usable_identity() {
    let world = tempfile::tempdir().unwrap();
    let (old, new) = (world.path().join("old"), world.path().join("new"));
    let authority = init::authority(&initialised().join("c")).unwrap();
    let whom = PeerIdentity::new("lab", Role::Agent, "h1").unwrap();
    for folder in [&old, &new] {
        let key = Key::generate().unwrap();
        let issued = authority.issue_to(&key, &Leaf { identity: &whom, validity: DAY, names: &[] }, &clock()).unwrap();
        Identity::new(key, issued.chain_der, authority.root_der().to_vec()).unwrap().save(folder).unwrap();
    }
    let read = |folder: &Path, name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let (both, chain) = (read(&new, "key.pem") + &read(&old, "key.pem"), read(&new, "chain.pem"));
    // The states that save() goes through, in its order.
    let cut = world.path().join("cut");
    copy(&old, &cut);
    fs::write(cut.join("key.pem"), both).unwrap();
    assert_eq!(Identity::load(&cut).unwrap().chain_der(), Identity::load(&old).unwrap().chain_der());
    fs::write(cut.join("chain.pem"), chain).unwrap();
    assert_eq!(Identity::load(&cut).unwrap().chain_der(), Identity::load(&new).unwrap().chain_der());
    // And from there a further save ends with one key.
    Identity::load(&old).unwrap().save(&cut).unwrap();
    assert_eq!(read(&cut, "key.pem"), read(&old, "key.pem"));
}

#[test]
fn an_identity_is_missing_or_broken_with_a_code_of_its_own() {
    let at = tempfile::tempdir().unwrap();
    assert_eq!(Coded::from(Identity::load(at.path()).unwrap_err()).code, Code::AUTH_NO_CERTIFICATE);
    copy(&initialised().join("a"), at.path());
    copy(&initialised().join("a"), &at.path().join("b"));
    fs::copy(initialised().join("c/identity/key.pem"), at.path().join("key.pem")).unwrap();
    assert_eq!(Coded::from(Identity::load(at.path()).unwrap_err()).code, Code::CONF_BAD_VALUE);
    fs::write(at.path().join("b/chain.pem"), "garbage").unwrap();
    assert_eq!(Coded::from(Identity::load(&at.path().join("b")).unwrap_err()).code, Code::CONF_BAD_VALUE);
}

#[test]
fn no_secret_shows_in_debug_output() {
    let identity = Identity::load(&initialised().join("a")).unwrap();
    let key = fs::read_to_string(initialised().join("a/key.pem")).unwrap();
    let inner: String = key.lines().filter(|line| !line.starts_with('-')).collect();
    assert!(!format!("{identity:?}").contains(&inner[..40]));
}

#[test]
fn a_further_coordinator_is_of_the_same_cluster_with_an_authority_of_its_own() {
    let at = initialised();
    let made = tempfile::tempdir().unwrap();
    let (folder, export, out, passphrase) = (at.join("c"), at.join("e"), made.path().join("c2"), passphrase());
    let another =
        Another { folder: &folder, export: &export, passphrase: &passphrase, address: "10.0.0.2:7400", out: &out };
    let second = another.create(&clock(), &SequentialIds::default()).unwrap();
    let first = Cluster::load(&folder).unwrap();
    assert_eq!((&second.cluster, &second.lineage, &second.ca_hash), (&first.cluster, &first.lineage, &first.ca_hash));
    assert_eq!(second.address, "10.0.0.2:7400");
    assert_eq!(Cluster::load(&out).unwrap(), second);
    let identity = init::coordinator_identity(&out, &clock()).unwrap();
    assert_eq!((identity.peer().role, identity.ca_hash().unwrap()), (Role::Coordinator, first.ca_hash));
    let issuing = |folder: &Path| fs::read(folder.join("issuing/key.pem")).unwrap();
    assert_ne!(issuing(&folder), issuing(&out), "both issue with the same key");
    assert!(matches!(another.create(&clock(), &SequentialIds::default()), Err(init::Error::Exists(_))));
    for path in files_below(&out) {
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o077,
            0,
            "{} is for others too",
            path.display()
        );
    }
}

#[test]
fn a_store_certificate_speaks_for_the_host_and_the_store_and_is_replaced_at_half_its_life() {
    let made = tempfile::tempdir().unwrap();
    copy(&initialised().join("c"), made.path());
    let clock = clock();
    assert!(store_certificate(made.path(), &clock).unwrap());
    let first = Identity::load(&made.path().join("store")).unwrap();
    assert!(!store_certificate(made.path(), &clock).unwrap(), "it was replaced at once");
    clock.advance(DAY * 46);
    assert!(store_certificate(made.path(), &clock).unwrap());
    let second = Identity::load(&made.path().join("store")).unwrap();
    assert!(second.not_after() > first.not_after());
    let chain = second.chain_der();
    let (_, leaf) = X509Certificate::from_der(&chain[0]).unwrap();
    let names = leaf.subject_alternative_name().unwrap().unwrap();
    let dns: Vec<&str> = names
        .value
        .general_names
        .iter()
        .filter_map(|name| if let GeneralName::DNSName(name) = name { Some(*name) } else { None })
        .collect();
    assert_eq!(dns, ["localhost", STORE_NAME]);
}
