//! How a verb speaks to the coordinator: with a deadline on every call, and through a seam, so that tests put a coordinator in memory behind
//! the same verbs.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use slipway_errors::Coded;
use slipway_identity::Identity;
use slipway_identity::tls::{CurrentIdentity, Expected};
use slipway_net::{Connector, MAX_ANSWER, addresses, ask_leader};
use slipway_proto::coordinator::admin_service_client::AdminServiceClient;
use slipway_proto::coordinator::etcd_service_client::EtcdServiceClient;
use slipway_proto::coordinator::flow_service_client::FlowServiceClient;
use slipway_proto::coordinator::node_service_client::NodeServiceClient;
use slipway_types::{Clock, SystemClock};
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::config::Config;

/// For calls that look something up or steer.
pub const SHORT: Duration = Duration::from_secs(10);
/// For plans: facts are gathered from the cluster and from agents first.
pub const PLANNING: Duration = Duration::from_mins(1);

/// Makes a connection to the coordinator.
#[async_trait]
pub trait Dial: Send + Sync {
    /// A new connection, or why there is none.
    async fn dial(&self) -> Result<Channel, Coded>;
    /// Whom it dials, for people.
    fn whom(&self) -> String;
}

/// Dials over mutual TLS, as this user.
pub struct ByTls {
    connector: Connector,
    addresses: Vec<String>,
}

impl ByTls {
    /// Takes the identity from the folder that the configuration names.
    pub fn new(config: &Config) -> Result<Self, Coded> {
        let identity = CurrentIdentity::new(Identity::load(&config.identity)?)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        Ok(Self { connector: Connector::new(identity, clock), addresses: addresses(&config.coordinator) })
    }
}

#[async_trait]
impl Dial for ByTls {
    async fn dial(&self) -> Result<Channel, Coded> {
        // One that is alone leads, and is not asked whether it does.
        if let [only] = self.addresses.as_slice() {
            return self.connector.connect(only, Expected::coordinator()).await;
        }
        ask_leader(&self.addresses, async |address| {
            let channel = self.connector.connect(&address, Expected::coordinator()).await?;
            leads(channel.clone()).await?;
            Ok(channel)
        })
        .await
    }

    fn whom(&self) -> String {
        self.addresses.join(",")
    }
}

/// Whether that coordinator leads: any question tells.
async fn leads(channel: Channel) -> Result<(), tonic::Status> {
    let ask = within(SHORT, HealthCheckRequest { service: String::new() });
    HealthClient::new(channel).check(ask).await.map(|_| ())
}

/// A connection to the coordinator, made anew when asked.
#[derive(Clone)]
pub struct Session {
    dial: Arc<dyn Dial>,
    channel: Channel,
}

impl Session {
    /// Dials.
    pub async fn open(dial: Arc<dyn Dial>) -> Result<Self, Coded> {
        let channel = dial.dial().await?;
        Ok(Self { dial, channel })
    }

    /// Dials again.
    pub async fn again(&mut self) -> Result<(), Coded> {
        self.channel = self.dial.dial().await?;
        Ok(())
    }

    /// Whom it speaks to.
    pub fn whom(&self) -> String {
        self.dial.whom()
    }

    /// The service of runs.
    pub fn flows(&self) -> FlowServiceClient<Channel> {
        FlowServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER)
    }

    /// The service of nodes and hosts.
    pub fn nodes(&self) -> NodeServiceClient<Channel> {
        NodeServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER)
    }

    /// The service of etcd.
    pub fn etcd(&self) -> EtcdServiceClient<Channel> {
        EtcdServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER)
    }

    /// The administrator's service.
    pub fn admin(&self) -> AdminServiceClient<Channel> {
        AdminServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER)
    }
}

/// `message` with a deadline.
pub fn within<T>(deadline: Duration, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(deadline);
    request
}
