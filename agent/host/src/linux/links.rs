//! Links and routes over rtnetlink. A connection for each call: none can go stale.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use futures::TryStreamExt;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::link::{LinkAttribute, LinkInfo, LinkMessage};
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::{Handle, RouteMessageBuilder};
use tokio::task::JoinSet;

use super::dump::dump;
use super::{blocking, netns};
use crate::{Error, Link, Links, Namespace, Route};

const DEADLINE: Duration = Duration::from_secs(10);
const LOCAL_TABLE: u32 = 255;

#[derive(Debug)]
pub(super) struct Netlink;

fn refused(doing: &str, error: &rtnetlink::Error) -> Error {
    if let rtnetlink::Error::NetlinkError(message) = error {
        return Error::Io { doing: doing.to_owned(), source: message.to_io() };
    }
    Error::Unreadable { doing: doing.to_owned(), why: error.to_string() }
}

async fn with<T>(doing: &str, work: impl AsyncFnOnce(Handle) -> Result<T, rtnetlink::Error>) -> Result<T, Error> {
    let (connection, handle, _) = rtnetlink::new_connection().map_err(Error::io(doing))?;
    // Ends with this call.
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    match tokio::time::timeout(DEADLINE, work(handle)).await {
        Ok(result) => result.map_err(|error| refused(doing, &error)),
        Err(_) => Err(Error::Unreadable { doing: doing.to_owned(), why: "the kernel did not answer".into() }),
    }
}

#[derive(Debug, Default)]
struct Raw {
    index: u32,
    name: String,
    kind: String,
    master: Option<u32>,
}

fn raw(message: &LinkMessage) -> Raw {
    let mut raw = Raw { index: message.header.index, ..Raw::default() };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => raw.name.clone_from(name),
            LinkAttribute::Controller(master) => raw.master = Some(*master),
            LinkAttribute::LinkInfo(infos) => {
                for info in infos {
                    if let LinkInfo::Kind(kind) = info {
                        raw.kind = kind.to_string();
                    }
                }
            }
            _ => {}
        }
    }
    raw
}

async fn raw_links(handle: &Handle) -> Result<Vec<Raw>, rtnetlink::Error> {
    let messages: Vec<LinkMessage> = handle.link().get().execute().try_collect().await?;
    Ok(messages.iter().map(raw).collect())
}

/// As `ip address` shows it.
fn written(message: &AddressMessage) -> Option<String> {
    message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(address) => Some(format!("{address}/{}", message.header.prefix_len)),
        _ => None,
    })
}

/// All links with their addresses, in two questions.
fn links() -> std::io::Result<Vec<Link>> {
    let all: Vec<Raw> = dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))?
        .iter()
        .filter_map(|message| if let RouteNetlinkMessage::NewLink(link) = message { Some(raw(link)) } else { None })
        .collect();
    let mut addresses: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for message in dump(RouteNetlinkMessage::GetAddress(AddressMessage::default()))? {
        if let RouteNetlinkMessage::NewAddress(message) = message
            && let Some(address) = written(&message)
        {
            addresses.entry(message.header.index).or_default().push(address);
        }
    }
    let names: BTreeMap<u32, String> = all.iter().map(|raw| (raw.index, raw.name.clone())).collect();
    let link = |raw: Raw| Link {
        master: raw.master.and_then(|master| names.get(&master).cloned()),
        addresses: addresses.remove(&raw.index).unwrap_or_default(),
        name: raw.name,
        kind: raw.kind,
    };
    Ok(all.into_iter().map(link).collect())
}

fn text(address: &RouteAddress) -> String {
    match address {
        RouteAddress::Inet(address) => address.to_string(),
        RouteAddress::Inet6(address) => address.to_string(),
        other => format!("{other:?}"),
    }
}

fn route(message: &RouteMessage, names: &BTreeMap<u32, String>) -> Route {
    let v6 = message.header.address_family == AddressFamily::Inet6;
    let mut destination = if v6 { "::".to_owned() } else { "0.0.0.0".to_owned() };
    let (mut gateway, mut device, mut table) = (None, None, u32::from(message.header.table));
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(address) => destination = text(address),
            RouteAttribute::Gateway(address) => gateway = Some(text(address)),
            RouteAttribute::Oif(index) => device = names.get(index).cloned(),
            RouteAttribute::Table(number) => table = *number,
            _ => {}
        }
    }
    let destination = format!("{destination}/{}", message.header.destination_prefix_length);
    Route { destination, gateway, device, protocol: message.header.protocol.into(), table }
}

async fn raw_routes(handle: &Handle) -> Result<Vec<(Route, RouteMessage)>, rtnetlink::Error> {
    let names: BTreeMap<u32, String> = raw_links(handle).await?.into_iter().map(|raw| (raw.index, raw.name)).collect();
    let v4 = RouteMessageBuilder::<std::net::Ipv4Addr>::new().build();
    let v6 = RouteMessageBuilder::<std::net::Ipv6Addr>::new().build();
    let mut found = Vec::new();
    for ask in [v4, v6] {
        let mut messages = handle.route().get(ask).execute();
        while let Some(message) = messages.try_next().await? {
            let route = route(&message, &names);
            if message.header.kind == RouteType::Unicast && route.table != LOCAL_TABLE {
                found.push((route, message));
            }
        }
    }
    Ok(found)
}

#[async_trait]
impl Links for Netlink {
    async fn list(&self) -> Result<Vec<Link>, Error> {
        blocking("listing links", || links().map_err(Error::io("listing links"))).await
    }

    async fn delete(&self, name: &str, kind: &str) -> Result<(), Error> {
        let doing = format!("deleting the link {name}");
        let all = with(&doing, async |handle| raw_links(&handle).await).await?;
        let Some(raw) = all.into_iter().find(|raw| raw.name == name) else { return Ok(()) };
        if raw.kind != kind {
            return Err(Error::Unreadable { doing, why: format!("it is of kind {:?}, not {kind:?}", raw.kind) });
        }
        // By number: a link that takes the name meanwhile is not meant.
        match with(&doing, async |handle| handle.link().del(raw.index).execute().await).await {
            Err(Error::Io { source, .. }) if source.raw_os_error() == Some(nix::libc::ENODEV) => Ok(()),
            other => other,
        }
    }

    async fn delete_address(&self, link: &str, address: &str) -> Result<(), Error> {
        let doing = format!("taking {address} off {link}");
        let work = async |handle: Handle| {
            let index = raw_links(&handle).await?.into_iter().find(|raw| raw.name == link).map(|raw| raw.index);
            let Some(index) = index else { return Ok(()) };
            let mut listed = handle.address().get().execute();
            while let Some(message) = listed.try_next().await? {
                if message.header.index == index && written(&message).as_deref() == Some(address) {
                    return handle.address().del(message).execute().await;
                }
            }
            Ok(())
        };
        match with(&doing, work).await {
            Err(Error::Io { source, .. }) if source.raw_os_error() == Some(nix::libc::EADDRNOTAVAIL) => Ok(()),
            other => other,
        }
    }

    async fn routes(&self) -> Result<Vec<Route>, Error> {
        let raw = with("listing routes", async |handle| raw_routes(&handle).await).await?;
        Ok(raw.into_iter().map(|(route, _)| route).collect())
    }

    async fn delete_route(&self, route: &Route) -> Result<(), Error> {
        let doing = format!("deleting the route to {}", route.destination);
        let all = with(&doing, async |handle| raw_routes(&handle).await).await?;
        for (_, message) in all.into_iter().filter(|(known, _)| known == route) {
            match with(&doing, async |handle| handle.route().del(message).execute().await).await {
                Err(Error::Io { source, .. }) if source.raw_os_error() == Some(nix::libc::ESRCH) => {}
                other => other?,
            }
        }
        Ok(())
    }

    async fn namespaces(&self) -> Result<Vec<Namespace>, Error> {
        blocking("listing network namespaces", netns::list).await
    }

    async fn delete_namespace(&self, name: &str) -> Result<(), Error> {
        let name = name.to_owned();
        blocking("deleting a network namespace", move || netns::delete(&name)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_loopback_is_listed_without_a_kind() {
        let links = Netlink.list().await.unwrap();
        assert_eq!(links.iter().find(|link| link.name == "lo").unwrap().kind, "");
    }

    #[tokio::test]
    async fn a_link_that_is_not_there_is_gone_already() {
        Netlink.delete("slipway-none", "dummy").await.unwrap();
        assert!(Netlink.delete("lo", "bridge").await.is_err(), "the loopback is no bridge");
    }
}
