//! Looking at a host for everything that cleanup planning needs, and handing it to the pure planners. It changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use slipway_errors::Code;
use slipway_proto::types::Obstacle;

use crate::plan::paths::{CNI_CONFIG, CNI_RESULTS, CNI_STATE, Present};
use crate::plan::scope::{ConfigFile, Networks, Scope};
use crate::plan::{netfilter, network, paths};
use crate::{Entry, EntryKind, Error, Host, Link, Profile, pattern};

const CONFIG_LIMIT: usize = 1 << 20;
const CONFIGS_LIMIT: usize = 256;
const RESULTS_LIMIT: usize = 16_384;

/// The scope of a cleanup by `names` of profiles; none: all. Those that every node has are always part of it.
pub async fn scope<'h>(host: &'h Host, names: &[String]) -> Result<Scope<'h>, Error> {
    for name in names {
        if host.profiles.get(name).is_none() {
            return Err(Error::Profile { profile: name.clone(), why: "there is none of that name".into() });
        }
    }
    let chosen = |profile: &&Profile| names.is_empty() || profile.always || names.contains(&profile.name);
    let profiles: Vec<&Profile> = host.profiles.all().iter().filter(chosen).collect();
    let results: Vec<String> = results(host).await?.into_values().collect();
    Ok(Scope::new(profiles, &configs(host).await?, &results))
}

async fn configs(host: &Host) -> Result<Vec<ConfigFile>, Error> {
    let mut configs = Vec::new();
    for entry in files_in(host, Path::new(CNI_CONFIG), CONFIGS_LIMIT).await? {
        let extension = entry.path.extension().and_then(|end| end.to_str()).unwrap_or_default();
        if matches!(extension, "conf" | "conflist" | "json")
            && let Some(text) = text(host, &entry.path).await?
        {
            configs.push((entry.path, text));
        }
    }
    Ok(configs)
}

async fn results(host: &Host) -> Result<BTreeMap<PathBuf, String>, Error> {
    let mut results = BTreeMap::new();
    for folder in CNI_RESULTS {
        for entry in files_in(host, Path::new(folder), RESULTS_LIMIT).await? {
            if let Some(text) = text(host, &entry.path).await? {
                results.insert(entry.path, text);
            }
        }
    }
    Ok(results)
}

async fn files_in(host: &Host, folder: &Path, limit: usize) -> Result<Vec<Entry>, Error> {
    let mut entries = host.files.list(folder).await?;
    entries.retain(|entry| entry.kind == EntryKind::File);
    if entries.len() > limit {
        let why = format!("it holds {} files, {limit} are the limit", entries.len());
        return Err(Error::Unreadable { doing: format!("listing {}", folder.display()), why });
    }
    Ok(entries)
}

async fn text(host: &Host, path: &Path) -> Result<Option<String>, Error> {
    Ok(host.files.read(path, CONFIG_LIMIT).await?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// The firewall and what of it would go.
pub async fn netfilter(host: &Host, scope: &Scope<'_>) -> Result<(crate::Ruleset, netfilter::NetfilterPlan), Error> {
    let ruleset = host.netfilter.ruleset().await?;
    let plan = netfilter::removals(scope, &ruleset);
    Ok((ruleset, plan))
}

/// What of the network would go.
pub async fn network(host: &Host, scope: &Scope<'_>) -> Result<network::NetworkPlan, Error> {
    let (links, routes) = (host.links.list().await?, host.links.routes().await?);
    Ok(network::removals(scope, &links, &routes, &host.links.namespaces().await?))
}

/// Which files would go, and what stands in the way: a link in place of a folder, something mounted below one.
pub async fn files(host: &Host, scope: &Scope<'_>) -> Result<(paths::PathPlan, Vec<Obstacle>), Error> {
    let roots = paths::roots(scope);
    let whole = paths::whole_roots(scope);
    let mut obstacles = Vec::new();
    let mut present = Present { owned: host.packages.owned_below(&roots).await?, ..Present::default() };
    for root in &roots {
        let deep = root == Path::new(CNI_STATE) || whole.contains(root);
        match tree(host, root, deep).await {
            Ok(Some(entries)) => {
                present.trees.insert(root.clone(), entries);
            }
            Ok(None) => {}
            Err(Error::Symlink { path }) => obstacles.push(symlink(&path)),
            Err(error) => return Err(error),
        }
    }
    let ours = |(path, text): (PathBuf, String)| scope.attachment_is_ours(&text).then_some(path);
    present.results = results(host).await?.into_iter().filter_map(ours).collect();
    let plan = paths::removals(scope, &present);
    obstacles.extend(paths::mounted_below(&whole, &host.mounts.list().await?));
    Ok((plan, obstacles))
}

async fn tree(host: &Host, root: &Path, deep: bool) -> Result<Option<Vec<Entry>>, Error> {
    let Some(own) = host.files.entry(root).await? else { return Ok(None) };
    if own.kind == EntryKind::Symlink {
        return Err(Error::Symlink { path: own.path });
    }
    if own.kind != EntryKind::Directory {
        return Ok(Some(vec![own]));
    }
    let below = if deep { host.files.tree(root).await? } else { host.files.list(root).await? };
    Ok(Some(std::iter::once(own).chain(below).collect()))
}

fn symlink(path: &Path) -> Obstacle {
    Obstacle {
        code: Code::HOST_SYMLINK.as_str().into(),
        what: path.display().to_string(),
        explain: format!(
            "{} is a symbolic link, and none is followed: see where it leads and remove it yourself",
            path.display()
        ),
    }
}

/// Names of the profiles of which an agent runs. Every process is looked at for it, which costs more than all the rest of a look together.
pub async fn running(host: &Host) -> Result<BTreeSet<String>, Error> {
    let processes = host.processes.list().await?;
    let runs = |profile: &&Profile| {
        let scope = Scope { profiles: vec![profile], networks: Networks::default() };
        !network::agents(&scope, &processes).is_empty()
    };
    Ok(special(host).filter(runs).map(|profile| profile.name.clone()).collect())
}

/// Names of the profiles of which traces are present that other plugins would not leave, and of those in `running`. The firewall is not asked:
/// this runs every few seconds, and a large one takes seconds to print.
pub async fn detected(host: &Host, links: &[Link], mut running: BTreeSet<String>) -> Result<Vec<String>, Error> {
    let configs = configs(host).await?;
    for profile in special(host) {
        let scope = Scope::new(vec![profile], &configs, &[]);
        let own = |link: &Link| {
            let mut rules = profile.links.iter().filter(|rule| !rule.shared);
            rules.any(|rule| rule.kind == link.kind && pattern::matches(&rule.name, &link.name))
        };
        let mut traces = !scope.networks.configs.is_empty() || links.iter().any(own);
        for folder in &profile.state {
            traces = traces || host.files.entry(&paths::canonical(folder)).await?.is_some();
        }
        if traces {
            running.insert(profile.name.clone());
        }
    }
    Ok(running.into_iter().collect())
}

fn special(host: &Host) -> impl Iterator<Item = &Profile> {
    host.profiles.all().iter().filter(|profile| !profile.always)
}
