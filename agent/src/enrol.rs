//! How a host comes to belong to a cluster. The key is made here and stays here; the coordinator is known by the hash of its root before
//! anything is told to it; what it answers is checked before anything is kept.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use slipway_errors::{Code, Coded};
use slipway_identity::{CaPin, Identity, Key};
use slipway_net::{Declined, addresses, ask_leader};
use slipway_proto::enrol::enrolment_service_client::EnrolmentServiceClient;
use slipway_proto::enrol::{EnrolRequest, EnrolResponse};
use slipway_types::{Clock, Fence, Role};

use crate::disk::Keep;
use crate::enrolled::Enrolled;
use crate::fence::kept;
use crate::state;

/// The most that the coordinator may take to answer.
const DEADLINE: Duration = Duration::from_secs(30);

/// What `slipway-agent enrol` was told.
#[derive(Debug, Clone)]
pub struct Enrolment {
    /// The coordinator, `host:port`, or all of them with commas between.
    pub coordinator: String,
    /// The one-time token.
    pub token: String,
    /// `sha256:...` of the cluster's root.
    pub ca_hash: String,
    /// The name that the token was made for.
    pub name: String,
    /// Where the agent will listen, `ip:port`, as the coordinator reaches it.
    pub address: String,
    /// The machine's own id.
    pub machine_id: String,
    /// The agent's folder.
    pub state: PathBuf,
    /// Take the place of an enrolment that is there.
    pub force: bool,
}

/// Enrols this host and gives what is now in the folder.
pub async fn enrol(asked: &Enrolment, disk: Arc<dyn Keep>, clock: Arc<dyn Clock>) -> Result<Enrolled, Coded> {
    refuse_to_overwrite(asked)?;
    let address: std::net::SocketAddr = asked.address.parse().map_err(|_| {
        Coded::new(Code::CONF_BAD_VALUE, format!("{:?} is no address and port, such as 10.0.0.22:7443", asked.address))
    })?;
    if address.ip().is_unspecified() || address.port() == 0 {
        return Err(Coded::new(Code::CONF_BAD_VALUE, format!("the coordinator cannot reach the agent at {address}"))
            .do_this("give the address that other machines reach this host at"));
    }
    let pin = CaPin::parse(&asked.ca_hash)?;
    let _claimed = state::claim(disk.as_ref(), &asked.state).map_err(|error| error.coded())?;
    let key = Key::generate()?;
    let wanted = EnrolRequest {
        token: asked.token.clone(),
        csr_der: key.csr_der()?.into(),
        host_name: asked.name.clone(),
        address: asked.address.clone(),
        machine_id: asked.machine_id.clone(),
    };
    let answer = ask_leader(&addresses(&asked.coordinator), |address| {
        let (wanted, pin, clock) = (wanted.clone(), pin.clone(), clock.clone());
        async move {
            let channel = slipway_net::connect_to_enrol(&address, pin, clock).await?;
            let mut client = EnrolmentServiceClient::new(channel).max_decoding_message_size(slipway_net::MAX_MESSAGE);
            let mut request = tonic::Request::new(wanted);
            request.set_timeout(DEADLINE);
            Ok(client.enrol(request).await.map_err(Declined::explained)?.into_inner())
        }
    })
    .await?;
    keep(asked, key, answer, &pin, disk.as_ref())
}

fn refuse_to_overwrite(asked: &Enrolment) -> Result<(), Coded> {
    if asked.force || (!Enrolled::exists(&asked.state) && !Identity::exists(&asked.state.join(state::IDENTITY))) {
        return Ok(());
    }
    Err(Coded::new(Code::INIT_EXISTS, format!("{} holds an enrolment already", asked.state.display()))
        .do_this("to give the host a new identity, the old one being of no use any more, add --force"))
}

/// Checks the answer against what was asked, and keeps it: certificate, fence, and last the file that says that the host is enrolled.
fn keep(asked: &Enrolment, key: Key, answer: EnrolResponse, pin: &CaPin, disk: &dyn Keep) -> Result<Enrolled, Coded> {
    if !pin.fits(&answer.root_der) {
        return Err(Coded::new(Code::ENROL_CA_PIN, "the root that the coordinator handed over is not the pinned one")
            .do_this("nothing was kept; compare --ca-hash with what `slipway token create` printed"));
    }
    let chain = answer.chain_der.iter().map(|der| der.to_vec()).collect();
    let identity = Identity::new(key, chain, answer.root_der.to_vec())?;
    let peer = identity.peer();
    if peer.role != Role::Agent || peer.id != answer.host_id || peer.cluster != answer.cluster {
        return Err(Coded::new(
            Code::AUTH_IDENTITY,
            format!("the coordinator issued a certificate for {peer}, which is not this host"),
        )
        .do_this("nothing was kept; look at the coordinator's version and log"));
    }
    let fence: Option<Fence> = answer.fence.map(Into::into).filter(|fence: &Fence| !fence.lineage.0.is_empty());
    let enrolled = Enrolled {
        version: 1,
        cluster: answer.cluster,
        host_id: answer.host_id,
        name: asked.name.clone(),
        address: asked.address.clone(),
        coordinator: asked.coordinator.clone(),
    };
    identity.save(&asked.state.join(state::IDENTITY))?;
    kept::replace(disk, &asked.state, fence.as_ref()).map_err(|error| error.coded())?;
    enrolled.save(disk, &asked.state).map_err(|error| error.coded())?;
    Ok(enrolled)
}
