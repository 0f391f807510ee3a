//! Lets this host's VIP guard and keepalived know who the masters are. What the operator wrote of the guard stays: a fragment of our own wins over it.
//! keepalived goes on with the new set if it runs, and is never started here: whoever must not have the address has it stopped.

use std::net::IpAddr;
use std::path::Path;

use async_trait::async_trait;
use serde::Serialize;
use slipway_errors::{Code, Coded};
use slipway_guard::conf::{objections, render};
use slipway_guard::settings::{FOLDERS, Master, Settings};
use slipway_guard::write::write;
use slipway_host::{Enablement, Host};
use slipway_proto::types::{Obstacle, SetVipMasters as Wire, VipSet};

use crate::kept::text;
use crate::perform::{change, obstacle};
use crate::vip_guard::{Fragment, fragments, settings};
use crate::wire::bad;
use crate::{Check, Done, Error, OperationContext, Perform};

const FOLDER: &str = FOLDERS[1];
const FRAGMENT: &str = "/etc/slipway/vip-guard.d/80-masters.toml";
const HEAD: &str =
    "# Written by Slipway when a master joins or leaves. Keys of a fragment with a later name win over these.\n";
const UNITS: [&str; 2] = ["keepalived.service", "slipway-vip-guard.service"];
const MASTERS: usize = 32;

/// Sets the masters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetVipMasters {
    wanted: Wanted,
}

/// The fragment, but for the link, which each host has its own of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Wanted {
    vip: String,
    interface: String,
    virtual_router_id: u8,
    advert_ms: u32,
    multicast: bool,
    name: String,
    present: std::collections::BTreeSet<String>,
    masters: std::collections::BTreeMap<String, Master>,
}

/// What the host would have.
struct Outcome {
    fragment: String,
    settings: Settings,
    conf: String,
}

fn word(name: &str) -> Result<String, Coded> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let plain = !name.is_empty() && name.len() <= 253 && name.chars().all(legal);
    if plain { Ok(name.to_owned()) } else { Err(bad(format!("{name:?} is no name of a master"))) }
}

impl Wanted {
    fn of(name: &str, set: VipSet) -> Result<Self, Coded> {
        if set.masters.is_empty() || set.masters.len() > MASTERS {
            return Err(bad(format!("{} masters are named, 1 to {MASTERS} are allowed", set.masters.len())));
        }
        let virtual_router_id = u8::try_from(set.virtual_router_id);
        let mut wanted = Self {
            vip: set.vip,
            interface: String::new(),
            virtual_router_id: virtual_router_id.map_err(|_| bad("virtual_router_id is not 1 to 255"))?,
            advert_ms: set.advert_ms,
            multicast: set.multicast,
            name: word(name)?,
            present: std::collections::BTreeSet::new(),
            masters: std::collections::BTreeMap::new(),
        };
        for master in set.masters {
            let name = word(&master.name)?;
            let address: IpAddr =
                master.address.parse().map_err(|_| bad(format!("{:?} is no address of {name}", master.address)))?;
            let base = u8::try_from(master.base).map_err(|_| bad(format!("the base of {name} is not 1 to 254")))?;
            if master.present {
                wanted.present.insert(name.clone());
            }
            if wanted.masters.insert(name.clone(), Master { address, base }).is_some() {
                return Err(bad(format!("{name} is named twice")));
            }
        }
        // Judged as the guard will, on a host with a link: what is wrong with the set itself is no matter of this host.
        let whole = Self { interface: "any".to_owned(), ..wanted.clone() };
        settings(&[(FRAGMENT.to_owned(), whole.text()?)])?.validated("").map_err(|error| bad(error.message))?;
        Ok(wanted)
    }

    fn text(&self) -> Result<String, Coded> {
        let text = toml::to_string(self)
            .map_err(|error| Coded::new(Code::INTERNAL, format!("writing the settings of the guard: {error}")))?;
        Ok(format!("{HEAD}{text}"))
    }

    fn own(&self) -> Option<&Master> {
        self.masters.get(&self.name)
    }
}

impl SetVipMasters {
    /// Checks every argument.
    pub fn new(wire: Wire) -> Result<Self, Coded> {
        let set = wire.set.ok_or_else(|| bad("no set of masters is named"))?;
        Ok(Self { wanted: Wanted::of(&wire.name, set)? })
    }

    /// What the host would have, or why that cannot be.
    async fn outcome(&self, host: &Host) -> Result<Result<Outcome, Obstacle>, Error> {
        let mut all = fragments(host, Some(Path::new(FRAGMENT))).await?;
        let before = match settings(&all) {
            Ok(before) => before,
            Err(why) => return Ok(Err(obstacle(why.code, FOLDER, why.message))),
        };
        if let Some(other) = self.keeps_another(&before) {
            return Ok(Err(other));
        }
        let interface = match before.interface.as_str() {
            "" => self.link(host).await?,
            interface => Some(interface.to_owned()),
        };
        let Some(interface) = interface else {
            let said = format!("no link of this host has {}", self.address());
            return Ok(Err(obstacle(Code::VIP_OTHER_CONFIGURATION, self.address(), said)));
        };
        let hostname = host.identity.identity().await?.hostname;
        Ok(self.merged(&mut all, interface, &hostname).map_err(|why| obstacle(why.code, FOLDER, why.message)))
    }

    fn merged(&self, all: &mut Vec<Fragment>, interface: String, hostname: &str) -> Result<Outcome, Coded> {
        let fragment = Wanted { interface, ..self.wanted.clone() }.text()?;
        // Ours is in the last of the folders, where names decide.
        let at = all.partition_point(|(path, _)| !path.starts_with(FOLDER) || path.as_str() < FRAGMENT);
        all.insert(at, (FRAGMENT.to_owned(), fragment.clone()));
        let settings = settings(all)?.validated(hostname)?;
        Ok(Outcome { conf: render(&settings)?, settings, fragment })
    }

    fn keeps_another(&self, before: &Settings) -> Option<Obstacle> {
        let wanted = &self.wanted;
        let differs = (!before.vip.is_empty() && before.vip != wanted.vip)
            || (before.virtual_router_id != 0 && before.virtual_router_id != wanted.virtual_router_id);
        differs.then(|| {
            let said = format!(
                "the guard of this host is set to {} with id {}, and not to {} with id {}",
                before.vip, before.virtual_router_id, wanted.vip, wanted.virtual_router_id
            );
            obstacle(Code::VIP_OTHER_CONFIGURATION, FOLDER, said)
        })
    }

    fn address(&self) -> String {
        self.wanted.own().map_or_else(String::new, |own| own.address.to_string())
    }

    async fn link(&self, host: &Host) -> Result<Option<String>, Error> {
        let address = self.address();
        let has = |link: &slipway_host::Link| {
            link.addresses.iter().any(|own| own.split('/').next() == Some(address.as_str()))
        };
        Ok(host.links.list().await?.into_iter().find(has).map(|link| link.name))
    }
}

#[async_trait]
impl Perform for SetVipMasters {
    fn name(&self) -> &'static str {
        "set-vip-masters"
    }

    fn by_hand(&self) -> Vec<String> {
        let present: Vec<&str> = self.wanted.present.iter().map(String::as_str).collect();
        vec![
            format!("$EDITOR {FRAGMENT}   # present = [{}], and [masters.NAME] of each", present.join(", ")),
            "slipway-vip-guard write".to_owned(),
        ]
    }

    fn failure(&self) -> Code {
        Code::VIP_OTHER_CONFIGURATION
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let mut check = Check::default();
        for unit in UNITS {
            if host.services.state(unit).await?.enablement == Enablement::NotFound {
                let said = format!("{unit} is not installed on this host: install it");
                check.obstacles.push(obstacle(Code::HOST_SERVICE, unit, said));
            }
        }
        let outcome = match self.outcome(host).await? {
            Ok(outcome) => outcome,
            Err(why) => {
                check.obstacles.push(why);
                return Ok(check);
            }
        };
        let conf = &outcome.settings.keepalived_conf;
        let before = text(host, conf).await?;
        if let Some(before) = &before {
            let found = objections(before, &outcome.settings);
            let against = |said| obstacle(Code::VIP_OTHER_CONFIGURATION, conf.display().to_string(), said);
            check.obstacles.extend(found.into_iter().map(against));
        }
        let present: Vec<&str> = outcome.settings.taking_part().map(|(name, _)| name).collect();
        if text(host, Path::new(FRAGMENT)).await?.as_deref() != Some(outcome.fragment.as_str()) {
            let detail = format!("the masters are {}", present.join(", "));
            check.changes.push(change("file", FRAGMENT, "write", detail));
        }
        if before.as_deref() != Some(outcome.conf.as_str()) {
            check.changes.push(change("file", conf.display().to_string(), "write", "keepalived reads it if it runs"));
        }
        check.satisfied = check.changes.is_empty() && check.obstacles.is_empty();
        Ok(check)
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        operation.progress.say("telling the VIP guard who the masters are");
        let failed = |why: Coded| Error::NotReached { action: self.name(), code: why.code, what: why.message };
        let outcome = self.outcome(host).await?.map_err(|why| failed(Coded::new(self.failure(), why.explain)))?;
        host.files.make_folder(Path::new(FOLDER), 0o755).await?;
        host.files.write(Path::new(FRAGMENT), outcome.fragment.as_bytes(), 0o644).await?;
        write(host, &outcome.settings, false).await.map_err(failed)?;
        Ok(Done { changes: found.changes.clone(), record: vec![] })
    }
}
