//! Sets an etcd up as a unit of systemd, for the place of a member that left. It never starts one on data that is there already: a member that
//! was removed and comes back with its old data is what etcd fears most.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_host::{Active, Enablement, Host, etcd};
use slipway_proto::types::{self, Obstacle};

use crate::kept::text;
use crate::perform::{change, obstacle};
use crate::{Check, Done, Error, OperationContext, Perform, WipeEtcdData};

const UNIT_FILE: &str = "/etc/systemd/system/etcd.service";
const PROGRAMS: [&str; 2] = ["/usr/bin/etcd", "/usr/local/bin/etcd"];
const MEMBERS: usize = 16;

/// Installs the unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallEtcdUnit {
    name: String,
    data_dir: String,
    address: IpAddr,
    initial_cluster: String,
    state: String,
    token: String,
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

fn bad(why: impl Into<String>) -> Coded {
    Coded::new(Code::AGENT_BAD_ARGUMENT, why)
}

/// A word that means itself in a configuration of `KEY="value"` lines.
fn word(what: &str, text: &str) -> Result<String, Coded> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let plain = !text.is_empty() && text.len() <= 128 && text.chars().all(legal) && !text.starts_with('-');
    if plain { Ok(text.to_owned()) } else { Err(bad(format!("{text:?} is no {what}"))) }
}

fn file(text: &str) -> Result<PathBuf, Coded> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_');
    let plain = text.starts_with('/') && text.len() <= 200 && text.chars().all(legal);
    let straight = !text.split('/').skip(1).any(|part| part.is_empty() || part == "." || part == "..");
    if plain && straight { Ok(PathBuf::from(text)) } else { Err(bad(format!("{text:?} is no path of a file"))) }
}

fn authority(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

impl InstallEtcdUnit {
    /// Checks every argument.
    pub fn new(wire: types::InstallEtcdUnit) -> Result<Self, Coded> {
        let name = word("name of a member", &wire.name)?;
        WipeEtcdData::new(&wire.data_dir)?;
        file(&wire.data_dir)?;
        let address: IpAddr =
            wire.listen_address.parse().map_err(|_| bad(format!("{:?} is no address", wire.listen_address)))?;
        if address.is_unspecified() || address.is_multicast() {
            return Err(bad(format!("{address} is no address of one host")));
        }
        if !matches!(wire.initial_cluster_state.as_str(), "new" | "existing") {
            return Err(bad(format!("{:?} is neither `new` nor `existing`", wire.initial_cluster_state)));
        }
        let own = format!("{name}=https://{}:2380", authority(address));
        let members: Vec<&str> = wire.initial_cluster.split(',').collect();
        let known = |member: &&str| {
            member.split_once('=').is_some_and(|(name, url)| word("name", name).is_ok() && crate::wire::is_url(url))
        };
        if members.len() > MEMBERS || !members.iter().all(known) || !members.contains(&own.as_str()) {
            return Err(bad(format!("{:?} is no list of members with {own} in it", wire.initial_cluster)));
        }
        Ok(Self {
            name,
            data_dir: wire.data_dir,
            address,
            initial_cluster: wire.initial_cluster,
            state: wire.initial_cluster_state,
            token: word("token of a cluster", &wire.initial_cluster_token)?,
            ca: file(&wire.ca_file)?,
            certificate: file(&wire.cert_file)?,
            key: file(&wire.key_file)?,
        })
    }

    fn conf(&self) -> String {
        let host = authority(self.address);
        let (ca, certificate, key) = (self.ca.display(), self.certificate.display(), self.key.display());
        let lines = [
            ("NAME", self.name.clone()),
            ("DATA_DIR", self.data_dir.clone()),
            ("LISTEN_PEER_URLS", format!("https://{host}:2380")),
            ("LISTEN_CLIENT_URLS", format!("https://{host}:2379,https://127.0.0.1:2379")),
            ("INITIAL_ADVERTISE_PEER_URLS", format!("https://{host}:2380")),
            ("ADVERTISE_CLIENT_URLS", format!("https://{host}:2379")),
            ("INITIAL_CLUSTER", self.initial_cluster.clone()),
            ("INITIAL_CLUSTER_STATE", self.state.clone()),
            ("INITIAL_CLUSTER_TOKEN", self.token.clone()),
            ("STRICT_RECONFIG_CHECK", "true".to_owned()),
            ("CLIENT_CERT_AUTH", "true".to_owned()),
            ("TRUSTED_CA_FILE", ca.to_string()),
            ("CERT_FILE", certificate.to_string()),
            ("KEY_FILE", key.to_string()),
            ("PEER_CLIENT_CERT_AUTH", "true".to_owned()),
            ("PEER_TRUSTED_CA_FILE", ca.to_string()),
            ("PEER_CERT_FILE", certificate.to_string()),
            ("PEER_KEY_FILE", key.to_string()),
        ];
        let lines: Vec<String> = lines.iter().map(|(key, value)| format!("ETCD_{key}=\"{value}\"\n")).collect();
        lines.concat()
    }

    async fn obstacles(&self, host: &Host, same: bool) -> Result<Vec<Obstacle>, Error> {
        let mut found = Vec::new();
        let mut refuse = |code: Code, what: &str, why: String| found.push(obstacle(code, what, why));
        let there = async |path: &str| host.files.entry(Path::new(path)).await.map(|entry| entry.is_some());
        if there(etcd::MANIFEST).await? {
            let why = format!("{} is there: kubeadm's etcd runs on this host", etcd::MANIFEST);
            refuse(Code::ETCD_UNIT, etcd::MANIFEST, why);
        }
        let member = format!("{}/member", self.data_dir);
        if !same && there(&member).await? {
            let why = format!("{member} holds the data of a member: empty the folder first, if that one left for good");
            refuse(Code::ETCD_UNIT, &member, why);
        }
        for path in [&self.ca, &self.certificate, &self.key] {
            let name = path.display().to_string();
            if host.files.read(path, crate::kept::LIMIT).await?.is_none() {
                refuse(
                    Code::ETCD_CERTIFICATES,
                    &name,
                    format!("{name} is not there: put the certificates in place first"),
                );
            }
        }
        if program(host).await?.is_none() {
            let why = format!("etcd is not installed: none of {} is there", PROGRAMS.join(", "));
            refuse(Code::ETCD_UNIT, PROGRAMS[0], why);
        }
        let has = |address: &String| address.split('/').next() == Some(&self.address.to_string());
        if !host.links.list().await?.iter().any(|link| link.addresses.iter().any(has)) {
            let why = format!("{} is no address of this host", self.address);
            refuse(Code::ETCD_UNIT, &self.address.to_string(), why);
        }
        if !same && !host.services.state(etcd::UNIT).await?.active.is_down() {
            let why = format!("{} runs with another configuration: stop it first", etcd::UNIT);
            refuse(Code::ETCD_UNIT, etcd::UNIT, why);
        }
        Ok(found)
    }
}

async fn program(host: &Host) -> Result<Option<&'static str>, Error> {
    for path in PROGRAMS {
        if host.files.entry(Path::new(path)).await?.is_some() {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// The unit. Started counts once the program runs: with others still missing it cannot be ready yet.
fn unit_file(program: &str) -> String {
    format!(
        "[Unit]\nDescription=etcd\nAfter=network-online.target\nWants=network-online.target\nStartLimitIntervalSec=0\n\n\
         [Service]\nType=exec\nEnvironmentFile={}\nExecStart={program}\nRestart=always\nRestartSec=5\nLimitNOFILE=65536\n\
         OOMScoreAdjust=-500\n\n[Install]\nWantedBy=multi-user.target\n",
        etcd::CONF
    )
}

#[async_trait]
impl Perform for InstallEtcdUnit {
    fn name(&self) -> &'static str {
        "install-etcd-unit"
    }

    fn by_hand(&self) -> Vec<String> {
        vec![
            format!("install -m 600 etcd.conf {}   # with {}", etcd::CONF, self.initial_cluster),
            format!("install -m 644 etcd.service {UNIT_FILE}; systemctl daemon-reload"),
            format!("install -d -m 700 {}; systemctl enable --now {}", self.data_dir, etcd::UNIT),
        ]
    }

    fn failure(&self) -> Code {
        Code::ETCD_UNIT
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let conf = text(host, Path::new(etcd::CONF)).await?;
        let same = conf.as_deref() == Some(self.conf().as_str());
        let mut changes = Vec::new();
        if !same {
            changes.push(change("file", etcd::CONF, "write", format!("{} of {}", self.name, self.initial_cluster)));
        }
        let unit = text(host, Path::new(UNIT_FILE)).await?;
        let wanted = program(host).await?.map(unit_file);
        if unit.is_none() || unit != wanted {
            changes.push(change("file", UNIT_FILE, "write", "starts etcd at each boot"));
        }
        let state = host.services.state(etcd::UNIT).await?;
        if state.active != Active::Active || state.enablement != Enablement::Enabled {
            changes.push(change("unit", etcd::UNIT, "start", format!("it is {}", state.active.as_str())));
        }
        if changes.is_empty() {
            return Ok(Check { satisfied: true, ..Check::default() });
        }
        Ok(Check { satisfied: false, changes, obstacles: self.obstacles(host, same).await? })
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        operation.go_on(self.name())?;
        let program = program(host).await?.unwrap_or(PROGRAMS[0]);
        let folder = |path: &str| Path::new(path).parent().map(Path::to_owned).unwrap_or_default();
        operation.progress.say(format!("writing {} and {UNIT_FILE}", etcd::CONF));
        host.files.make_folder(&folder(etcd::CONF), 0o755).await?;
        host.files.make_folder(Path::new(&self.data_dir), 0o700).await?;
        host.files.write(Path::new(UNIT_FILE), unit_file(program).as_bytes(), 0o644).await?;
        // Last: with it in place, data in the folder is taken for our own.
        host.files.write(Path::new(etcd::CONF), self.conf().as_bytes(), 0o600).await?;
        host.services.daemon_reload().await?;
        operation.progress.say("starting etcd");
        host.services.enable(etcd::UNIT).await?;
        host.services.start(etcd::UNIT).await?;
        Ok(Done { changes: found.changes.clone(), record: vec![format!("{} runs as {}", self.name, etcd::UNIT)] })
    }
}

#[cfg(test)]
#[path = "install_etcd_unit_tests.rs"]
pub(crate) mod tests;
