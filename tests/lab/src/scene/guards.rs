//! A VIP guard on each master, put beside the keepalived that runs there as the documentation tells an operator to; and taken away again.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::eventually::eventually;
use crate::evidence::{has_vip, vip_holder};
use crate::host::Host;
use crate::lab::Lab;
use crate::shape::VIP;

const UNIT: &str = "slipway-vip-guard";
const FOLDER: &str = "/etc/slipway/vip-guard.d";
const SETTINGS: &str = "/etc/slipway/vip-guard.d/10-lab.toml";
const CONFIGURATION: &str = "/etc/keepalived/keepalived.conf";
const BEFORE: &str = "/etc/keepalived/keepalived.conf.before-slipway";
/// A rebooted master of the lab takes up to two minutes.
const WELL: Duration = Duration::from_mins(4);

/// What the guard says of its master.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Says {
    pub(crate) well: bool,
    pub(crate) why: String,
}

/// The guards.
pub(crate) struct Guards<'a> {
    lab: &'a Lab,
}

impl<'a> Guards<'a> {
    /// Beside what runs: first the guard, then its configuration in the place of the plain one, master after master. The set goes on as it speaks,
    /// to the whole segment.
    pub(crate) fn adopt(lab: &'a Lab) -> Result<Self> {
        let guards = Self { lab };
        for host in lab.masters() {
            host.run_ok(&["mkdir", "-p", FOLDER])?;
            host.write_file(SETTINGS, "0644", settings(lab, true))?;
            host.run_ok(&["systemctl", "--quiet", "enable", "--now", UNIT])?;
        }
        guards.wait_well()?;
        for host in lab.masters() {
            let said = host.run_ok(&["slipway-vip-guard", "write"])?;
            ensure!(said.contains("goes on with it") && said.contains(BEFORE), "{} said {said}", host.name());
        }
        Ok(guards)
    }

    /// The whole set from adverts to the segment to adverts to each other: the holder goes on alone meanwhile.
    pub(crate) fn to_unicast(&self) -> Result<()> {
        let holder = self.holder()?;
        let others: Vec<&Host> = self.lab.masters().into_iter().filter(|host| host.name() != holder.name()).collect();
        for host in &others {
            host.run_ok(&["systemctl", "stop", "keepalived"])?;
            write_anew(self.lab, host)?;
        }
        write_anew(self.lab, holder)?;
        eventually("the holder to have the address again", Duration::from_secs(10), || {
            ensure!(has_vip(holder)?, "{} does not have it", holder.name());
            Ok(())
        })?;
        others.iter().try_for_each(|host| host.run_ok(&["systemctl", "start", "keepalived"]).map(|_| ()))
    }

    /// The master that has the address.
    pub(crate) fn holder(&self) -> Result<&'a Host> {
        vip_holder(self.lab)
    }

    /// What the guard of a master says.
    pub(crate) fn says(host: &Host) -> Result<Says> {
        let output = host.run(&["slipway-vip-guard", "status"])?;
        ensure!(output.is_ok(), "the guard of {} has no word that holds: {output}", host.name());
        serde_json::from_str(&output.stdout).with_context(|| format!("the guard of {} says {output}", host.name()))
    }

    /// Waits until the guards of all masters say that they are well.
    pub(crate) fn wait_well(&self) -> Result<()> {
        eventually("the guards to find their masters well", WELL, || {
            self.lab.masters().iter().try_for_each(|host| {
                let says = Self::says(host)?;
                ensure!(says.well, "{}: {}", host.name(), says.why);
                Ok(())
            })
        })
    }

    /// Waits until the guard of a master says that it is not well.
    pub(crate) fn wait_sick(host: &Host, within: Duration) -> Result<()> {
        eventually(&format!("the guard of {} to find it sick", host.name()), within, || {
            let says = Self::says(host)?;
            ensure!(!says.well, "it says {says:?}");
            Ok(())
        })
    }

    /// Puts the plain configuration back, and takes the guards away.
    pub(crate) fn put_back(self) -> Result<()> {
        let holder = self.holder()?.name().to_owned();
        let mut masters = self.lab.masters();
        masters.sort_by_key(|host| host.name() == holder);
        for host in &masters {
            host.run_ok(&["systemctl", "stop", "keepalived"])?;
            host.run_ok(&["mv", BEFORE, CONFIGURATION])?;
            host.run_ok(&["systemctl", "--quiet", "disable", "--now", UNIT])?;
            host.run_ok(&["rm", "-r", FOLDER])?;
        }
        masters.iter().try_for_each(|host| host.run_ok(&["systemctl", "start", "keepalived"]).map(|_| ()))?;
        self.holder().map(|_| ())
    }
}

fn write_anew(lab: &Lab, host: &Host) -> Result<()> {
    host.write_file(SETTINGS, "0644", settings(lab, false))?;
    host.run_ok(&["slipway-vip-guard", "write", "--anew"]).map(|_| ())
}

fn settings(lab: &Lab, multicast: bool) -> String {
    let master = |(index, host): (usize, &&Host)| {
        format!("[masters.{}]\naddress = \"{}\"\nbase = {}\n", host.name(), host.address(), 10 + 25 * index)
    };
    let masters: Vec<String> = lab.masters().iter().enumerate().map(master).collect();
    format!(
        "vip = \"{VIP}/32\"
interface = \"host0\"
virtual-router-id = 70
multicast = {multicast}
{}",
        masters.concat()
    )
}
