//! From a token to a certificate, and from a certificate to the next one.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use slipway_agent::disk::Disk;
use slipway_agent::enrol::{Enrolment, enrol};
use slipway_agent::enrolled::Enrolled;
use slipway_agent::fence::kept;
use slipway_agent::renew::Renewal;
use slipway_agent::state;
use slipway_errors::{Code, Coded};
use slipway_identity::Identity;
use slipway_identity::tls::CurrentIdentity;
use slipway_types::{Role, SystemClock};

use crate::cluster::{Cluster, Coordinator, eventually};

fn asked(coordinator: &Coordinator, state: &Path) -> Enrolment {
    Enrolment {
        coordinator: coordinator.address.clone(),
        token: coordinator.token.clone(),
        ca_hash: coordinator.ca_hash.clone(),
        name: "w2".into(),
        address: "10.70.0.22:7443".into(),
        machine_id: "m2".into(),
        state: state.to_owned(),
        force: false,
    }
}

async fn try_enrol(asked: &Enrolment) -> Result<Enrolled, Coded> {
    enrol(asked, Arc::new(Disk::default()), Arc::new(SystemClock)).await
}

#[tokio::test]
async fn a_host_enrols_once_and_keeps_identity_fence_and_place() {
    let cluster = Cluster::new();
    let coordinator = Coordinator::start(&cluster).await;
    let folder = tempfile::tempdir().unwrap();
    let request = asked(&coordinator, folder.path());
    let enrolled = try_enrol(&request).await.unwrap();
    assert_eq!((enrolled.host_id.as_str(), enrolled.cluster.as_str()), ("h1", "lab"));
    assert_eq!(Enrolled::load(&Disk::default(), folder.path()).unwrap(), enrolled);
    let identity = Identity::load(&folder.path().join(state::IDENTITY)).unwrap();
    assert_eq!(identity.peer().to_string(), "slipway://lab/agent/h1");
    let fence = kept::look(&Disk::default(), folder.path()).unwrap().unwrap();
    assert_eq!((fence.term.0, fence.holder.as_str()), (3, "c3"));

    assert_eq!(try_enrol(&request).await.unwrap_err().code, Code::INIT_EXISTS);
    let forced = Enrolment { force: true, ..request };
    assert_eq!(try_enrol(&forced).await.unwrap_err().code, Code::ENROL_TOKEN_USED);
    assert_eq!(Enrolled::load(&Disk::default(), folder.path()).unwrap(), enrolled, "what failed changed nothing");
}

#[tokio::test]
async fn what_is_not_as_it_should_be_is_refused_and_nothing_is_kept() {
    let cluster = Cluster::new();
    let coordinator = Coordinator::start(&cluster).await;
    let folder = tempfile::tempdir().unwrap();
    let good = || asked(&coordinator, folder.path());
    let other_root = format!("sha256:{}", "ab".repeat(32));
    let table = [
        (Enrolment { ca_hash: other_root, ..good() }, Code::ENROL_CA_PIN),
        (Enrolment { name: "w3".into(), ..good() }, Code::ENROL_OTHER_HOST),
        (Enrolment { token: "slip1.x.y".into(), ..good() }, Code::ENROL_UNKNOWN_TOKEN),
        (Enrolment { address: "somewhere".into(), ..good() }, Code::CONF_BAD_VALUE),
        (Enrolment { address: "0.0.0.0:7443".into(), ..good() }, Code::CONF_BAD_VALUE),
    ];
    for (request, code) in table {
        assert_eq!(try_enrol(&request).await.unwrap_err().code, code, "{request:?}");
        assert!(!Enrolled::exists(folder.path()) && !Identity::exists(&folder.path().join(state::IDENTITY)));
    }
    try_enrol(&good()).await.unwrap();
}

#[tokio::test]
async fn a_certificate_past_half_its_life_is_renewed_swapped_and_kept() {
    let cluster = Cluster::new();
    let coordinator = Coordinator::start(&cluster).await;
    let folder = tempfile::tempdir().unwrap();
    // A certificate is dated back by minutes: one of a minute's life is past its half at once.
    let old = cluster.identity(Role::Agent, "h1", Duration::from_mins(1));
    let old_end = old.not_after();
    old.save(folder.path()).unwrap();
    let identity = CurrentIdentity::new(old).unwrap();
    coordinator.fails.store(true, Ordering::SeqCst);
    let renewal = Renewal {
        identity: identity.clone(),
        folder: folder.path().to_owned(),
        coordinator: coordinator.address.clone(),
        clock: cluster.clock.clone(),
    };
    assert_eq!(renewal.once().await.unwrap_err().code, Code::STORE_FULL);
    assert_eq!(identity.get().not_after(), old_end, "what failed changed nothing");
    coordinator.fails.store(false, Ordering::SeqCst);
    let mut running = tokio::task::JoinSet::new();
    running.spawn(renewal.run());
    eventually("a new certificate", || identity.get().not_after() > old_end).await;
    assert_eq!(Identity::load(folder.path()).unwrap().not_after(), identity.get().not_after());
    assert_eq!(coordinator.renewed.load(Ordering::SeqCst), 1, "a new one is left alone");
}
