//! What to take off the network: links by name and kind, routes, namespaces that nobody lives in.

use slipway_proto::types::Change;

use super::scope::Scope;
use crate::{Link, Namespace, Process, Route, pattern};

/// The removals, in order: routes first, since a link takes its own with it; a port before its bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkPlan {
    /// Routes.
    pub routes: Vec<Route>,
    /// Links by name and kind.
    pub links: Vec<(String, String)>,
    /// Named namespaces.
    pub namespaces: Vec<String>,
}

impl NetworkPlan {
    /// The same for people.
    pub fn changes(&self) -> Vec<Change> {
        let change = |kind: &str, what: String, detail: &str| Change {
            kind: kind.into(),
            what,
            verb: "remove".into(),
            detail: detail.into(),
        };
        let mut changes: Vec<Change> = self
            .routes
            .iter()
            .map(|route| change("route", written(route), "installed by the network plugin"))
            .collect();
        changes.extend(self.links.iter().map(|(name, kind)| change("link", name.clone(), kind)));
        changes.extend(
            self.namespaces.iter().map(|name| change("netns", name.clone(), "made for a pod; nothing lives in it")),
        );
        changes
    }
}

fn written(route: &Route) -> String {
    let mut words = vec![route.destination.clone()];
    words.extend(route.gateway.iter().map(|gateway| format!("via {gateway}")));
    words.extend(route.device.iter().map(|device| format!("dev {device}")));
    words.push(format!("proto {} table {}", route.protocol, route.table));
    words.join(" ")
}

/// The plan for the network as it stands.
pub fn removals(scope: &Scope<'_>, links: &[Link], routes: &[Route], namespaces: &[Namespace]) -> NetworkPlan {
    let ours = |link: &&Link| {
        let rules = scope.profiles.iter().flat_map(|profile| &profile.links);
        rules.into_iter().any(|rule| rule.kind == link.kind && pattern::matches(&rule.name, &link.name))
    };
    let mut gone: Vec<&Link> = links.iter().filter(ours).collect();
    gone.sort_by_key(|link| (link.master.is_none(), link.name.as_str()));
    let route_is_ours = |route: &&Route| {
        scope.profiles.iter().flat_map(|profile| &profile.routes).any(|rule| {
            rule.protocol.is_none_or(|wanted| wanted == route.protocol)
                && rule.table.is_none_or(|wanted| wanted == route.table)
                && rule
                    .device
                    .as_ref()
                    .is_none_or(|wanted| route.device.as_deref().is_some_and(|device| pattern::matches(wanted, device)))
        })
    };
    let namespace_is_ours = |namespace: &&Namespace| {
        !namespace.in_use && scope.profiles.iter().any(|profile| pattern::any(&profile.namespaces, &namespace.name))
    };
    NetworkPlan {
        routes: routes.iter().filter(route_is_ours).cloned().collect(),
        links: gone.into_iter().map(|link| (link.name.clone(), link.kind.clone())).collect(),
        namespaces: namespaces.iter().filter(namespace_is_ours).map(|namespace| namespace.name.clone()).collect(),
    }
}

/// Agents of the profiles that run: while one does, what is removed would come back.
pub fn agents<'p>(scope: &Scope<'_>, processes: &'p [Process]) -> Vec<&'p Process> {
    let named = |process: &Process, name: &str| {
        let program = process.exe.as_deref().or(process.cmdline.first().map(String::as_str)).unwrap_or_default();
        pattern::matches(name, &process.comm) || pattern::matches(name, program.rsplit('/').next().unwrap_or_default())
    };
    let ours = |process: &&Process| {
        scope.profiles.iter().flat_map(|profile| &profile.processes).any(|name| named(process, name))
    };
    processes.iter().filter(ours).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Profiles;

    fn link(name: &str, kind: &str) -> Link {
        Link { name: name.into(), kind: kind.into(), master: None, addresses: vec![] }
    }

    fn plan(links: &[Link], routes: &[Route], namespaces: &[Namespace]) -> NetworkPlan {
        let profiles = Profiles::embedded().unwrap();
        let scope = Scope::new(profiles.all().iter().collect(), &[], &[]);
        removals(&scope, links, routes, namespaces)
    }

    #[test]
    fn a_link_goes_by_name_and_kind_alone() {
        let links = [
            link("cni0", "bridge"),
            link("flannel.1", "vxlan"),
            link("kube-ipvs0", "dummy"),
            link("docker0", "bridge"),
            link("virbr0", "bridge"),
            link("vxlan42", "vxlan"),
            link("br-user", "bridge"),
            link("cni-podman0", "bridge"),
            link("podman0", "bridge"),
            link("flannel.9", "dummy"),
            link("eth0", ""),
        ];
        let expected = [("cni0", "bridge"), ("flannel.1", "vxlan"), ("kube-ipvs0", "dummy")];
        let names: Vec<(String, String)> =
            expected.iter().map(|(name, kind)| ((*name).into(), (*kind).into())).collect();
        assert_eq!(plan(&links, &[], &[]).links, names);
        assert!(plan(&[link("cni0", "dummy")], &[], &[]).links.is_empty(), "a dummy of that name is the user's");
    }

    #[test]
    fn a_namespace_that_somebody_lives_in_stays() {
        let name = "cni-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
        let namespace = |name: &str, in_use| Namespace { name: name.into(), in_use };
        assert_eq!(plan(&[], &[], &[namespace(name, false)]).namespaces, [name]);
        assert!(
            plan(&[], &[], &[namespace(name, true), namespace("cni-mine", false), namespace("blue", false)])
                .namespaces
                .is_empty()
        );
    }

    #[test]
    fn static_routes_between_hosts_stay() {
        let route = Route {
            destination: "10.244.1.0/24".into(),
            gateway: Some("10.70.0.21".into()),
            device: Some("eth0".into()),
            protocol: 4,
            table: 254,
        };
        assert!(plan(&[], &[route], &[]).routes.is_empty());
    }

    #[test]
    fn an_agent_is_found_by_its_program_too() {
        let profiles = Profiles::embedded().unwrap();
        let scope = Scope::new(profiles.all().iter().collect(), &[], &[]);
        let process = |comm: &str, exe: &str| Process {
            pid: 7,
            start_time: 1,
            comm: comm.into(),
            exe: Some(exe.into()),
            cmdline: vec![],
        };
        let all = [
            process("kube-proxy", "/kubehost"),
            process("x", "/opt/bin/flanneld"),
            process("sshd", "/usr/sbin/sshd"),
            process("kube-proxy-mine", "/x"),
        ];
        assert_eq!(
            agents(&scope, &all).iter().map(|process| process.comm.as_str()).collect::<Vec<_>>(),
            ["kube-proxy", "x"]
        );
    }
}
