//! What the authority issues, and what the judge makes of it: every certificate here is a real one.

use std::time::Duration;

use rcgen::{CertificateParams, DnType, IsCa, KeyPair, SanType};
use rustls_pki_types::CertificateDer;
use slipway_errors::{Code, Coded};
use slipway_identity::authority::Error;
use slipway_identity::tls::{ClientCertificate, judge_client};
use slipway_identity::verify::{CLOCK_LEEWAY, Refused, Usage, judge};
use slipway_identity::{Authority, CaPin, Identity, InvalidIdentity, Key, Leaf, PeerIdentity, Root, ca_hash};
use slipway_types::{Clock, ManualClock, Role, Timestamp};

const DAY: Duration = Duration::from_hours(24);

struct World {
    clock: ManualClock,
    root: Root,
    authority: Authority,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::at(Timestamp::from_second(1_800_000_000).unwrap());
        let root = Root::create("lab", &clock).unwrap();
        let authority = root.authority("c1", &["10.0.0.1".into(), "coordinator.example".into()], &clock).unwrap();
        Self { clock, root, authority }
    }

    fn chain(&self, role: Role, id: &str) -> Vec<CertificateDer<'static>> {
        let whom = PeerIdentity::new("lab", role, id).unwrap();
        let leaf = Leaf { identity: &whom, validity: DAY, names: &[] };
        let issued = self.authority.issue(&Key::generate().unwrap().csr_der().unwrap(), &leaf, &self.clock).unwrap();
        issued.chain_der.into_iter().map(CertificateDer::from).collect()
    }

    fn judge(&self, chain: &[CertificateDer<'_>]) -> Result<PeerIdentity, Refused> {
        let root = CertificateDer::from(self.root.der());
        judge(chain, &root, Usage::Client, self.clock.now()).map(|verified| verified.peer)
    }

    fn issue(&self, csr: &[u8], names: &[String]) -> Result<slipway_identity::Issued, Error> {
        let whom = PeerIdentity::new("lab", Role::Agent, "h1").unwrap();
        self.authority.issue(csr, &Leaf { identity: &whom, validity: DAY, names }, &self.clock)
    }
}

fn hostile_request() -> Vec<u8> {
    let mut asks = CertificateParams::default();
    asks.distinguished_name.push(DnType::CommonName, "slipway://lab/admin/mallory");
    asks.subject_alt_names = vec![SanType::URI("slipway://lab/admin/mallory".try_into().unwrap())];
    asks.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    asks.serialize_request(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

#[test]
fn an_issued_certificate_names_whom_the_issuer_says() {
    let world = World::new();
    let chain = world.chain(Role::Agent, "h1");
    assert_eq!(chain.len(), 2);
    assert_eq!(world.judge(&chain).unwrap().to_string(), "slipway://lab/agent/h1");
}

#[test]
fn whatever_a_request_asks_for_is_ignored() {
    let world = World::new();
    let issued = world.issue(&hostile_request(), &[]).unwrap();
    let chain: Vec<_> = issued.chain_der.into_iter().map(CertificateDer::from).collect();
    assert_eq!(world.judge(&chain).unwrap().short(), "agent/h1");
    // It is no authority either: what it signs leads nowhere.
    let text = String::from_utf8_lossy(&chain[0]).into_owned();
    assert!(!text.contains("mallory"));
    let (_, leaf) = x509_parser::parse_x509_certificate(&chain[0]).unwrap();
    assert!(!leaf.is_ca());
}

#[test]
fn a_request_without_proof_of_its_key_is_refused() {
    let world = World::new();
    let mut forged = Key::generate().unwrap().csr_der().unwrap();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    for bad in [&forged[..], b"", b"no request", &[0x30; 5000]] {
        let refused = world.issue(bad, &[]).unwrap_err();
        assert_eq!(Coded::from(refused).code, Code::ENROL_BAD_CSR);
    }
}

#[test]
fn a_key_of_another_kind_is_refused() {
    let world = World::new();
    for kind in [&rcgen::PKCS_ED25519, &rcgen::PKCS_ECDSA_P384_SHA384] {
        let key = KeyPair::generate_for(kind).unwrap();
        let request = CertificateParams::default().serialize_request(&key).unwrap();
        assert_eq!(Coded::from(world.issue(request.der(), &[]).unwrap_err()).code, Code::ENROL_BAD_CSR);
    }
}

#[test]
fn serial_numbers_differ_and_have_full_length() {
    let world = World::new();
    let csr = Key::generate().unwrap().csr_der().unwrap();
    let (one, two) = (world.issue(&csr, &[]).unwrap(), world.issue(&csr, &[]).unwrap());
    assert_ne!(one.serial, two.serial);
    assert_eq!((one.serial.len(), two.serial.len()), (32, 32));
}

#[test]
fn a_certificate_begins_a_little_before_it_is_made_and_ends_in_its_time() {
    let world = World::new();
    let chain = world.chain(Role::Agent, "h1");
    let root = CertificateDer::from(world.root.der());
    let at = |moment: Timestamp| judge(&chain, &root, Usage::Client, moment);
    let now = world.clock.now();
    assert!(at(now.checked_sub(CLOCK_LEEWAY).unwrap()).is_ok());
    // Its issuer begins at the same moment, so a clock that is further behind finds neither.
    assert_eq!(at(now.checked_sub(CLOCK_LEEWAY + Duration::from_secs(1)).unwrap()), Err(Refused::NotYet));
    assert!(at(now.checked_add(DAY).unwrap()).is_ok());
    match at(now.checked_add(DAY + Duration::from_secs(7)).unwrap()) {
        Err(Refused::Expired { whom, ago }) => assert_eq!((whom.peer.short().as_str(), ago.as_secs()), ("agent/h1", 7)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_lasts_longer_than_its_issuer() {
    let world = World::new();
    let whom = PeerIdentity::new("lab", Role::Admin, "alice").unwrap();
    let csr = Key::generate().unwrap().csr_der().unwrap();
    let leaf = Leaf { identity: &whom, validity: 4000 * DAY, names: &[] };
    let issued = world.authority.issue(&csr, &leaf, &world.clock).unwrap();
    assert_eq!(issued.not_after, world.authority.not_after());
    world.clock.advance(366 * DAY);
    let over = world.authority.issue(&csr, &leaf, &world.clock).unwrap_err();
    assert_eq!(Coded::from(over).code, Code::AUTH_EXPIRED);
}

#[test]
fn another_root_with_the_same_name_is_foreign_also_when_its_certificate_is_over() {
    let (world, other) = (World::new(), World::new());
    let chain = other.chain(Role::Admin, "alice");
    assert_eq!(world.judge(&chain), Err(Refused::Foreign));
    world.clock.advance(2 * DAY);
    assert_eq!(world.judge(&chain), Err(Refused::Foreign));
}

#[test]
fn a_chain_without_its_intermediate_leads_nowhere() {
    let world = World::new();
    let chain = world.chain(Role::Agent, "h1");
    assert_eq!(world.judge(&chain[..1]), Err(Refused::Foreign));
    assert!(matches!(world.judge(&[]), Err(Refused::Bad(_))));
    assert!(world.judge(&[CertificateDer::from(&b"no certificate"[..])]).is_err());
}

#[test]
fn an_intermediate_names_nobody_and_makes_no_further_authorities() {
    let world = World::new();
    let chain = world.chain(Role::Agent, "h1");
    assert!(world.judge(&chain[1..]).is_err(), "the intermediate passed as somebody");
    let (_, intermediate) = x509_parser::parse_x509_certificate(&chain[1]).unwrap();
    let constraints = intermediate.basic_constraints().unwrap().unwrap().value;
    assert_eq!((constraints.ca, constraints.path_len_constraint), (true, Some(0)));
}

#[test]
fn an_intermediate_speaks_for_its_own_names_alone() {
    let world = World::new();
    let csr = Key::generate().unwrap().csr_der().unwrap();
    let own = ["10.0.0.1", "coordinator.example", "localhost", "127.0.0.1"].map(String::from);
    world.issue(&csr, &own).unwrap();
    for foreign in ["10.0.0.2", "bank.example", "example"] {
        let refused = world.issue(&csr, &[foreign.into()]).unwrap_err();
        assert!(matches!(refused, Error::Useless(_)), "{foreign}: {refused}");
    }
    for bad in ["", "a b", "*.example", "a..b"] {
        assert!(matches!(world.issue(&csr, &[bad.into()]), Err(Error::Name(_))), "{bad:?}");
    }
}

#[test]
fn an_authority_comes_back_from_disk_as_it_was() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    world.authority.save(folder.path()).unwrap();
    let back = Authority::load(folder.path()).unwrap();
    let (key, whom) = (Key::generate().unwrap(), PeerIdentity::new("lab", Role::Reader, "bob").unwrap());
    let issued = back.issue_to(&key, &Leaf { identity: &whom, validity: DAY, names: &[] }, &world.clock).unwrap();
    let chain: Vec<_> = issued.chain_der.into_iter().map(CertificateDer::from).collect();
    assert_eq!(world.judge(&chain).unwrap(), whom);
}

#[test]
fn only_an_agent_of_this_cluster_may_come_late_and_only_where_that_is_allowed() {
    let world = World::new();
    let own = {
        let (key, whom) = (Key::generate().unwrap(), PeerIdentity::new("lab", Role::Coordinator, "c1").unwrap());
        let leaf = Leaf { identity: &whom, validity: DAY, names: &[] };
        let issued = world.authority.issue_to(&key, &leaf, &world.clock).unwrap();
        Identity::new(key, issued.chain_der, world.root.der().to_vec()).unwrap()
    };
    let (agent, admin) = (world.chain(Role::Agent, "h1"), world.chain(Role::Admin, "alice"));
    world.clock.advance(3 * DAY);
    let lenient = ClientCertificate::Optional { expired_ok: true };
    let judged = |chain: &[CertificateDer<'_>], callers| judge_client(chain, &own, callers, world.clock.now());
    assert!(judged(&agent, lenient).unwrap().1);
    assert!(judged(&admin, lenient).is_err());
    assert!(judged(&agent, ClientCertificate::Optional { expired_ok: false }).is_err());
    assert!(judged(&agent, ClientCertificate::Required).is_err());
    world.clock.advance(29 * DAY);
    assert!(judged(&agent, lenient).is_err(), "31 days are too long");
}

#[test]
fn a_name_of_another_cluster_is_refused_even_under_our_root() {
    let world = World::new();
    let issue = |cluster| {
        let (key, whom) = (Key::generate().unwrap(), PeerIdentity::new(cluster, Role::Coordinator, "c1").unwrap());
        let leaf = Leaf { identity: &whom, validity: DAY, names: &[] };
        let issued = world.authority.issue_to(&key, &leaf, &world.clock).unwrap();
        Identity::new(key, issued.chain_der, world.root.der().to_vec()).unwrap()
    };
    let (own, other) = (issue("lab"), issue("other"));
    let shown: Vec<_> = other.chain_der().into_iter().map(CertificateDer::from).collect();
    let refused = judge_client(&shown, &own, ClientCertificate::Required, world.clock.now()).unwrap_err();
    assert_eq!(Coded::from(&refused).code, Code::AUTH_IDENTITY);
}

#[test]
fn a_certificate_names_exactly_one_identity() {
    let key = KeyPair::generate().unwrap();
    let with = |names: &[&str]| {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.iter().map(|name| SanType::URI((*name).try_into().unwrap())).collect();
        PeerIdentity::of_certificate(params.self_signed(&key).unwrap().der())
    };
    assert_eq!(with(&["slipway://lab/agent/h1", "https://example"]).unwrap().short(), "agent/h1");
    assert_eq!(with(&[]), Err(InvalidIdentity::Count(0)));
    assert_eq!(with(&["https://example"]), Err(InvalidIdentity::Count(0)));
    assert_eq!(with(&["slipway://lab/agent/h1", "slipway://lab/admin/a"]), Err(InvalidIdentity::Count(2)));
    assert_eq!(with(&["slipway://lab/agent/h1", "SLIPWAY://lab/admin/a"]), Err(InvalidIdentity::Count(2)));
}

#[test]
fn a_pin_fits_its_root_alone() {
    let (world, other) = (World::new(), World::new());
    let pin = CaPin::parse(&ca_hash(world.root.der()).unwrap()).unwrap();
    assert!(pin.fits(world.root.der()));
    assert!(!pin.fits(other.root.der()));
    assert!(!pin.fits(&world.chain(Role::Agent, "h1")[0]));
    assert!(!pin.fits(b"no certificate"));
    for bad in ["", "sha256:", "sha256:00", "md5:00", &"0".repeat(64)] {
        assert_eq!(CaPin::parse(bad).unwrap_err().code, Code::ENROL_CA_PIN, "{bad:?}");
    }
}
