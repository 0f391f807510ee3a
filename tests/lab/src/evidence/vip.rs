//! Who has the address that moves between masters: by what each host has on its links, and by who answers for it on the segment. The
//! second is seen on the bridge, which no host can talk past.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::eventually::eventually;
use crate::host::Host;
use crate::lab::Lab;
use crate::network::Answers;
use crate::shape::VIP;

const ASKED: u32 = 3;

/// The hosts that have the address, among all that are up.
pub(crate) fn vip_holders(lab: &Lab) -> Result<Vec<String>> {
    let mut holders = Vec::new();
    for host in lab.hosts().iter().filter(|host| host.is_up()) {
        if has_vip(host)? {
            holders.push(host.name().to_owned());
        }
    }
    Ok(holders)
}

/// Whether a host has the address on a link.
pub(crate) fn has_vip(host: &Host) -> Result<bool> {
    Ok(!host.run_ok(&["ip", "-o", "-4", "addr", "show", "to", VIP])?.trim().is_empty())
}

/// Waits until one host alone has the address.
pub(crate) fn vip_holder(lab: &Lab) -> Result<&Host> {
    let holder =
        eventually("the address for all to have one holder", Duration::from_secs(15), || {
            match vip_holders(lab)?.as_slice() {
                [one] => Ok(one.clone()),
                holders => bail!("{holders:?} have it"),
            }
        })?;
    lab.host(&holder)
}

/// Checks that one host has the address and that it alone answers for it; returns its name.
pub(crate) fn vip_answers_once(lab: &Lab) -> Result<String> {
    let holder = vip_holder(lab)?;
    let answers = Answers::watch(VIP)?;
    for _ in 0..ASKED {
        answers.ask_again()?;
        // The question for the holder's link goes out before the first packet to it.
        TcpStream::connect_timeout(&SocketAddr::new(VIP.parse()?, 6443), Duration::from_secs(2))?;
    }
    let seen = answers.seen()?;
    let (holder, own) = (holder.name(), holder.read_file("/sys/class/net/host0/address")?);
    ensure!(
        seen == BTreeSet::from([own.trim().to_owned()]),
        "{holder} ({}) has {VIP}, and those who answer for it are {seen:?}",
        own.trim()
    );
    Ok(holder.to_owned())
}
