//! How hosts become ours: a token bound to one name, good once, against a certificate that names the host for ever.

use std::sync::Arc;
use std::time::Duration;

use slipway_errors::{Code, Coded};
use slipway_identity::token::{Token, TokenRecord, redeem};
use slipway_identity::{Authority, Leaf, PeerIdentity};
use slipway_proto::enrol::{EnrolRequest, EnrolResponse, RenewResponse};
use slipway_store::Store;
use slipway_types::{Clock, Fence, HostId, IdGen, Role};

use crate::fleet::{HostRecord, HostState, Hosts};

const TOKENS: &str = "tokens/";

/// Issues tokens and certificates.
pub struct Enrolment {
    /// The cluster's name.
    pub cluster: String,
    /// Signs.
    pub authority: Arc<Authority>,
    /// Keeps tokens.
    pub store: Arc<dyn Store>,
    /// Keeps hosts.
    pub hosts: Hosts,
    /// The leadership of now.
    pub fence: Fence,
    /// How long an agent's certificate is good.
    pub validity: Duration,
    /// Names hosts.
    pub ids: Arc<dyn IdGen>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}

impl Enrolment {
    /// A token for `host`. What is kept is only its hash.
    pub async fn mint(&self, host: &str, address: &str, ttl: Duration) -> Result<(Token, TokenRecord), Coded> {
        self.sweep().await?;
        let (token, record) = Token::mint(host, address, ttl, self.clock.as_ref())?;
        self.store.create(&format!("{TOKENS}{}", record.id), written(&record)?, &self.fence).await?;
        Ok((token, record))
    }

    /// Trades a token for a certificate. Of any number of callers with the same token exactly one gets one.
    pub async fn enrol(&self, request: &EnrolRequest) -> Result<EnrolResponse, Coded> {
        let token = Token::parse(&request.token)?;
        let unknown = || Coded::new(Code::ENROL_UNKNOWN_TOKEN, "the enrolment token is unknown");
        let kept = self.store.get(&format!("{TOKENS}{}", token.id())).await?.ok_or_else(unknown)?;
        let record: TokenRecord = serde_json::from_slice(&kept.value)
            .map_err(|error| Coded::new(Code::STORE_CORRUPT, format!("a token cannot be read: {error}")))?;
        let used = redeem(&record, &token, &request.host_name, self.clock.now())?;
        let host = self.host(request, &record);
        // The certificate is made before the token is spent, so that a request that cannot be used does not cost the token.
        let issued = self.issue(&request.csr_der, &host)?;
        match self.store.update(&kept.key, written(&used)?, kept.version, &self.fence).await {
            Ok(_) => {}
            Err(slipway_store::Error::Conflict(_)) => {
                return Err(Coded::new(
                    Code::ENROL_TOKEN_USED,
                    format!("the enrolment token {} was used already", record.id),
                ));
            }
            Err(error) => return Err(error.coded()),
        }
        self.hosts.add(&host).await?;
        tracing::info!(host = %host.name, id = %host.id, address = %host.address, "host enrolled");
        Ok(EnrolResponse {
            host_id: host.id.0,
            cluster: self.cluster.clone(),
            chain_der: on_the_wire(issued),
            root_der: self.authority.root_der().to_vec().into(),
            fence: Some(self.fence.clone().into()),
        })
    }

    /// A new certificate for a host that still has the old one, also for a while after its end.
    pub async fn renew(&self, peer: &PeerIdentity, csr_der: &[u8]) -> Result<RenewResponse, Coded> {
        let host = self.hosts.get(&HostId(peer.id.clone())).await?.ok_or_else(|| {
            Coded::new(Code::AUTH_REVOKED, format!("host {} is enrolled no more", peer.id))
                .do_this("enrol it again with a new token")
        })?;
        Ok(RenewResponse { chain_der: on_the_wire(self.issue(csr_der, &host)?) })
    }

    fn host(&self, request: &EnrolRequest, record: &TokenRecord) -> HostRecord {
        let address = if record.address.is_empty() { &request.address } else { &record.address };
        HostRecord {
            id: HostId(self.ids.next()),
            name: record.host.clone(),
            address: address.clone(),
            machine_id: request.machine_id.clone(),
            enrolled_ms: self.clock.now().as_millisecond(),
            state: HostState::InService,
            kubelet_credential: None,
        }
    }

    fn issue(&self, csr_der: &[u8], host: &HostRecord) -> Result<Vec<Vec<u8>>, Coded> {
        let identity = PeerIdentity::new(&self.cluster, Role::Agent, host.id.as_str())
            .map_err(|error| Coded::new(Code::INTERNAL, error.to_string()))?;
        let leaf = Leaf { identity: &identity, validity: self.validity, names: &[] };
        Ok(self.authority.issue(csr_der, &leaf, self.clock.as_ref())?.chain_der)
    }

    /// Takes away tokens that ended a day ago: their use is still explained until then.
    async fn sweep(&self) -> Result<(), Coded> {
        let before = self.clock.now().as_millisecond() - 24 * 3600 * 1000;
        for kept in self.store.list(TOKENS).await? {
            let old = serde_json::from_slice::<TokenRecord>(&kept.value).is_ok_and(|record| record.expires_ms < before);
            if old {
                self.store.delete(&kept.key, kept.version, &self.fence).await?;
            }
        }
        Ok(())
    }
}

fn on_the_wire(chain: Vec<Vec<u8>>) -> Vec<bytes::Bytes> {
    chain.into_iter().map(bytes::Bytes::from).collect()
}

fn written(record: &TokenRecord) -> Result<Vec<u8>, Coded> {
    serde_json::to_vec(record)
        .map_err(|error| Coded::new(Code::INTERNAL, format!("a token cannot be written: {error}")))
}
