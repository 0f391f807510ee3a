//! The bridge between hosts, and this machine's way to pods. This machine forwards nothing: traffic stays between the lab's
//! own addresses.

use anyhow::{Result, ensure};

use crate::command::{command, output, run};
use crate::shape::{BRIDGE, GATEWAY, HostPlan};

/// Refuses if something else has the lab's network: its answers would go astray.
pub(crate) fn check_free() -> Result<()> {
    ensure!(
        !exists()?,
        "there is a link {BRIDGE} that belongs to no lab in this folder: `ip link del {BRIDGE}` if nobody needs it"
    );
    let routes = run("ip", &["route", "show", "root", "10.70.0.0/24"])?;
    ensure!(routes.trim().is_empty(), "10.70.0.0/24 is in use on this machine: {}", routes.trim());
    Ok(())
}

/// Makes the bridge, with the routes to the pods of these hosts: what this machine sends to a pod would else leave by its
/// default route.
pub(crate) fn up(hosts: &[HostPlan]) -> Result<()> {
    run("ip", &["link", "add", BRIDGE, "type", "bridge"])?;
    run("ip", &["addr", "add", &format!("{GATEWAY}/24"), "dev", BRIDGE])?;
    run("ip", &["link", "set", BRIDGE, "up"])?;
    for host in hosts.iter().filter(|host| host.is_node()) {
        run("ip", &["route", "replace", &host.pod_network(), "via", &host.address(), "dev", BRIDGE])?;
    }
    Ok(())
}

/// Removes the bridge, and with it its routes.
pub(crate) fn down() -> Result<()> {
    if exists()? {
        run("ip", &["link", "del", BRIDGE])?;
    }
    Ok(())
}

/// Removes a dead host's end of its cable, which would keep it from being plugged in again.
pub(crate) fn unplug(host: &str) -> Result<()> {
    let link = format!("vb-{host}");
    if output(&mut command("ip", ["link", "show", &link]))?.is_ok() {
        // It may go by itself in this moment.
        let _ = output(&mut command("ip", ["link", "del", &link]))?;
    }
    Ok(())
}

fn exists() -> Result<bool> {
    Ok(output(&mut command("ip", ["link", "show", BRIDGE]))?.is_ok())
}
