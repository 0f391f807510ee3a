//! Keeping the certificate alive. At half its life a new key gets a new certificate, which is shown from the next handshake on; what fails is
//! tried again for as long as it takes, because an agent that gave up would be lost a day later.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use slipway_errors::{Code, Coded};
use slipway_identity::tls::{CurrentIdentity, Expected};
use slipway_identity::{Identity, Key};
use slipway_net::{Connector, Declined, addresses, ask_leader};
use slipway_proto::enrol::RenewRequest;
use slipway_proto::enrol::enrolment_service_client::EnrolmentServiceClient;
use slipway_types::{Clock, Timestamp};

/// The most that the coordinator may take to answer.
const DEADLINE: Duration = Duration::from_secs(30);
/// The clock is looked at this often: wall time may jump, and a machine may sleep.
const LOOK: Duration = Duration::from_mins(1);
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_mins(15);
/// Hosts that enrolled together do not renew together: each waits a share of its own of this.
const SPREAD: Duration = Duration::from_mins(10);

/// Renews one agent's certificate.
#[derive(Debug)]
pub struct Renewal {
    /// The certificate in use.
    pub identity: Arc<CurrentIdentity>,
    /// Where it lies.
    pub folder: PathBuf,
    /// The coordinator, `host:port`, or all of them with commas between.
    pub coordinator: String,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl Renewal {
    /// Renews for ever. Dropping the future ends it.
    pub async fn run(self) {
        let mut failures: u32 = 0;
        loop {
            let identity = self.identity.get();
            let share = spread(&identity.peer().id);
            let wait = match failures {
                0 => until(self.clock.now(), identity.half_life(), identity.not_after(), share),
                failures => pause(failures),
            };
            if !wait.is_zero() {
                tokio::time::sleep(wait.min(if failures == 0 { LOOK } else { wait })).await;
                if failures == 0 {
                    continue;
                }
            }
            match self.once().await {
                Ok(end) => {
                    tracing::info!(until = %end, "the certificate was renewed");
                    failures = 0;
                }
                Err(error) => {
                    failures = failures.saturating_add(1);
                    let again = pause(failures).as_secs();
                    tracing::warn!(%error, ends = %identity.not_after(), again_in_s = again, "the certificate could not be renewed");
                }
            }
        }
    }

    /// Renews now, and gives the new end.
    pub async fn once(&self) -> Result<Timestamp, Coded> {
        let key = Key::generate()?;
        let csr_der = key.csr_der()?;
        let connector = Connector::new(self.identity.clone(), self.clock.clone());
        let answer = ask_leader(&addresses(&self.coordinator), |address| {
            let (connector, csr_der) = (connector.clone(), csr_der.clone());
            async move {
                let channel = connector.connect(&address, Expected::coordinator()).await?;
                let client = EnrolmentServiceClient::new(channel);
                let mut request = tonic::Request::new(RenewRequest { csr_der: csr_der.into() });
                request.set_timeout(DEADLINE);
                let answer = client.max_decoding_message_size(slipway_net::MAX_MESSAGE).renew(request).await;
                Ok(answer.map_err(Declined::explained)?.into_inner())
            }
        })
        .await?;
        let old = self.identity.get();
        let chain = answer.chain_der.iter().map(|der| der.to_vec()).collect();
        let fresh = Identity::new(key, chain, old.root_der().to_vec())?;
        if fresh.peer() != old.peer() {
            let said = format!("the renewed certificate is for {}, this is {}", fresh.peer(), old.peer());
            return Err(Coded::new(Code::AUTH_IDENTITY, said).do_this("look at the coordinator's version and log"));
        }
        let folder = self.folder.clone();
        let saved = tokio::task::spawn_blocking(move || fresh.save(&folder).map(|()| fresh)).await;
        let fresh =
            saved.map_err(|error| Coded::new(Code::INTERNAL, format!("keeping the certificate: {error}")))??;
        let end = fresh.not_after();
        self.identity.swap(fresh)?;
        Ok(end)
    }
}

/// How long until the certificate is due: half of its life, later by the host's share, but never so late that little is left.
fn until(now: Timestamp, half_life: Timestamp, not_after: Timestamp, share: Duration) -> Duration {
    let left = Duration::try_from(not_after.duration_since(half_life)).unwrap_or_default();
    let due = half_life.checked_add(share.min(left / 4)).unwrap_or(half_life);
    Duration::try_from(due.duration_since(now)).unwrap_or_default()
}

fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_PAUSE)
}

/// A host's share of the spread, always the same one.
fn spread(host_id: &str) -> Duration {
    let sum = host_id.bytes().fold(5381_u32, |sum, byte| sum.wrapping_mul(33) ^ u32::from(byte));
    SPREAD * (sum % 1000) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_certificate_is_renewed_at_half_its_life_and_a_share_later() {
        let share = Duration::from_secs(100);
        let table = [(0, 5_100), (5_000, 100), (5_100, 0), (9_000, 0), (99_000, 0)];
        for (now, seconds) in table {
            assert_eq!(until(at(now), at(5_000), at(10_000), share), Duration::from_secs(seconds), "at {now}");
        }
        assert_eq!(
            until(at(0), at(52), at(100), share),
            Duration::from_secs(64),
            "a short life leaves no room for shares"
        );
    }

    #[test]
    fn what_fails_is_tried_again_ever_more_rarely_but_for_ever() {
        assert_eq!([1, 2, 3, 8, 99].map(|failures| pause(failures).as_secs()), [10, 20, 40, 900, 900]);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }

    #[test]
    fn hosts_do_not_all_come_at_once() {
        let shares: std::collections::BTreeSet<_> = (0..100).map(|host| spread(&format!("host-{host}"))).collect();
        assert!(shares.len() > 50 && shares.iter().all(|share| *share < SPREAD));
        assert_eq!(spread("h1"), spread("h1"));
    }
}
