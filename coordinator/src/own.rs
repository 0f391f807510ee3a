//! What a coordinator is and where it keeps its state: identity, certificate for the store's etcd, and the store itself, opened or moved.

use std::path::Path;
use std::sync::Arc;

use slipway_coordinator::settings::Settings;
use slipway_errors::{Code, Coded};
use slipway_identity::init::{Cluster, coordinator_identity};
use slipway_identity::store::{FOLDER, PORTS, store_certificate};
use slipway_identity::tls::CurrentIdentity;
use slipway_store::signs::LEASE;
use slipway_store::{Error as StoreError, Etcd, EtcdTls, Store, Url, move_all};
use slipway_types::{Clock, IdGen, RandomIds, SystemClock};

/// What it is.
pub(crate) struct Own {
    pub(crate) cluster: Cluster,
    pub(crate) identity: Arc<CurrentIdentity>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdGen>,
}

impl Own {
    /// As it lies in the folder of the settings.
    pub(crate) fn load(settings: &Settings) -> Result<Self, Coded> {
        let (clock, folder): (Arc<dyn Clock>, _) = (Arc::new(SystemClock), &settings.state_dir);
        let cluster = Cluster::load(folder).map_err(|error| {
            Coded::new(Code::CONF_UNREADABLE, format!("no identity in {}: {error}", folder.display()))
                .do_this("slipway init makes one")
        })?;
        let identity = CurrentIdentity::new(coordinator_identity(folder, clock.as_ref())?)?;
        Ok(Self { cluster, identity, clock, ids: Arc::new(RandomIds) })
    }
}

/// What this machine calls itself.
pub(crate) fn machine_id() -> Option<String> {
    std::fs::read_to_string("/etc/machine-id").ok().map(|id| id.trim().to_owned())
}

/// The store at `url`.
pub(crate) async fn open(settings: &Settings, own: &Own, url: &str) -> Result<Arc<dyn Store>, Coded> {
    let url: Url = url.parse()?;
    if matches!(url, Url::Etcd(_)) {
        store_certificate(&settings.state_dir, own.clock.as_ref())?;
    }
    let tls = || store_tls(&settings.state_dir);
    Ok(slipway_store::open(&url, &own.cluster.lineage, tls, own.clock.clone()).await?)
}

/// What this coordinator shows the members of the store's etcd.
fn store_tls(folder: &Path) -> Result<EtcdTls, StoreError> {
    let read = |name: &str| {
        let path = folder.join(FOLDER).join(name);
        std::fs::read_to_string(&path)
            .map_err(|error| StoreError::Refused(format!("cannot read {}: {error}", path.display())))
    };
    Ok(EtcdTls { ca: read("root.pem")?, certificate: read("chain.pem")?, key: read("key.pem")? })
}

/// The store's etcd, for what is done to its members.
async fn etcd(settings: &Settings, own: &Own) -> Result<Arc<Etcd>, Coded> {
    let Url::Etcd(hosts) = settings.store.parse()? else {
        let text = format!("the store of the settings, {}, is no etcd and has no members", settings.store);
        return Err(Coded::new(Code::CONF_BAD_VALUE, text));
    };
    store_certificate(&settings.state_dir, own.clock.as_ref())?;
    let urls: Vec<String> = hosts.iter().map(|host| format!("https://{host}")).collect();
    let tls = store_tls(&settings.state_dir)?;
    Ok(Etcd::open(&urls, Some(&tls), &own.cluster.lineage, own.clock.clone()).await?)
}

/// A member of the store's etcd goes for good, or until it is admitted again.
pub(crate) async fn dismiss_member(settings: &Settings, name: &str) -> Result<(), Coded> {
    etcd(settings, &Own::load(settings)?).await?.dismiss_member(name).await?;
    println!("{name} is no member any more; on its host: systemctl disable --now slipway-etcd");
    println!("next, for it or another one in its place: slipway-coordinator --admit-store-member NAME=ADDRESS");
    Ok(())
}

/// A member comes, and has its vote when this ends.
pub(crate) async fn admit_member(settings: &Settings, member: &str) -> Result<(), Coded> {
    let Some((name, address)) = member.split_once('=').filter(|(name, at)| !name.is_empty() && !at.is_empty()) else {
        return Err(Coded::new(Code::CONF_BAD_VALUE, format!("{member:?} is no member such as m1=10.0.0.1")));
    };
    println!("on {name}: its data folder /var/lib/slipway/etcd has to be empty; then");
    println!("  slipway store member --existing --name {name} --members ALL   # as they are with it");
    println!("  systemctl enable --now slipway-etcd");
    let peer_url = format!("https://{address}:{}", PORTS.1);
    etcd(settings, &Own::load(settings)?).await?.admit(&peer_url, |says| println!("{name}: {says}")).await?;
    println!("{name} is a member with a vote");
    Ok(())
}

/// Room is given back.
pub(crate) async fn tidy(settings: &Settings) -> Result<(), Coded> {
    Ok(etcd(settings, &Own::load(settings)?).await?.tidy(|says| println!("{says}")).await?)
}

/// Moves everything to the store at `url`. Whoever leads meanwhile loses its leadership, and does nothing more here.
pub(crate) async fn move_store(settings: &Settings, url: &str) -> Result<(), Coded> {
    let own = Own::load(settings)?;
    let (from, to) = (open(settings, &own, &settings.store).await?, open(settings, &own, url).await?);
    let holder = format!("{}/{}", own.cluster.coordinator, own.ids.next());
    let moved = move_all(from.as_ref(), to.as_ref(), (&holder, url)).await?;
    println!("moved {} records and {} runs with {} entries to {url}", moved.records, moved.runs, moved.entries);
    println!("next: store = \"{url}\" in the settings of every coordinator; then start them");
    Ok(())
}

/// Where this coordinator has a certificate for the store's etcd, which reads it anew for each connection.
pub(crate) fn renew_of_store(folder: &Path, clock: &dyn Clock) -> Result<(), Coded> {
    if folder.join(FOLDER).is_dir() && store_certificate(folder, clock)? {
        tracing::info!("the certificate for the store's etcd is a new one");
    }
    Ok(())
}

/// Says that this coordinator's process is gone, where it led: systemd asks for it once it is certain, however the process ended. Others need not
/// wait until a lease has run out.
pub(crate) async fn resign(settings: &Settings) -> Result<(), Coded> {
    if !matches!(settings.store.parse()?, Url::Etcd(_)) {
        return Ok(());
    }
    let own = Own::load(settings)?;
    let told = async {
        let store = open(settings, &own, &settings.store).await?;
        let leader = store.high_water().await?;
        if leader.holder.starts_with(&format!("{}/", own.cluster.coordinator)) {
            store.resign(&leader.fence()).await?;
        }
        Ok(())
    };
    // Later its lease has run out by itself, and the unit waits for this before it starts the next process.
    tokio::time::timeout(LEASE, told).await.unwrap_or(Ok(()))
}
