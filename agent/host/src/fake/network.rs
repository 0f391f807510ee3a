//! The fake network: a link is deleted only under its own kind, and takes its routes with it.

use async_trait::async_trait;

use super::FakeHost;
use crate::{Error, Link, Links, Namespace, Route};

#[async_trait]
impl Links for FakeHost {
    async fn list(&self) -> Result<Vec<Link>, Error> {
        self.look("links.list", |state| Ok(state.links.clone())).await
    }

    async fn delete(&self, name: &str, kind: &str) -> Result<(), Error> {
        self.act("links.delete", |state| {
            let Some(at) = state.links.iter().position(|link| link.name == name) else { return Ok(()) };
            if state.links[at].kind != kind {
                let why = format!("it is of kind {:?}, not {kind:?}", state.links[at].kind);
                return Err(Error::Unreadable { doing: format!("deleting the link {name}"), why });
            }
            state.links.remove(at);
            for link in &mut state.links {
                link.master = link.master.take().filter(|master| master != name);
            }
            state.routes.retain(|route| route.device.as_deref() != Some(name));
            state.witness(format!("delete link {name}"));
            Ok(())
        })
        .await
    }

    async fn delete_address(&self, link: &str, address: &str) -> Result<(), Error> {
        self.act("links.delete_address", |state| {
            if let Some(link) = state.links.iter_mut().find(|known| known.name == link)
                && let Some(at) = link.addresses.iter().position(|known| known == address)
            {
                link.addresses.remove(at);
                state.witness(format!("delete address {address}"));
            }
            Ok(())
        })
        .await
    }

    async fn routes(&self) -> Result<Vec<Route>, Error> {
        self.look("links.routes", |state| Ok(state.routes.clone())).await
    }

    async fn delete_route(&self, route: &Route) -> Result<(), Error> {
        self.act("links.delete_route", |state| {
            let before = state.routes.len();
            state.routes.retain(|known| known != route);
            if state.routes.len() < before {
                state.witness(format!("delete route {}", route.destination));
            }
            Ok(())
        })
        .await
    }

    async fn namespaces(&self) -> Result<Vec<Namespace>, Error> {
        self.look("links.namespaces", |state| Ok(state.namespaces.clone())).await
    }

    async fn delete_namespace(&self, name: &str) -> Result<(), Error> {
        self.act("links.delete_namespace", |state| {
            let before = state.namespaces.len();
            state.namespaces.retain(|known| known.name != name);
            if state.namespaces.len() < before {
                state.witness(format!("delete netns {name}"));
            }
            Ok(())
        })
        .await
    }
}
