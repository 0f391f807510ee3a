//! What a network plugin leaves behind, as data: a new plugin is a new TOML file, not new code. Embedded in the program, and extendable from
//! `/etc/slipway/cni.d/*.toml`, where a file with the name of an embedded profile takes its place.

use std::path::Path;

use serde::Deserialize;

use crate::Error;

/// Where an administrator's own profiles lie.
pub const OWN_PROFILES: &str = "/etc/slipway/cni.d";

const EMBEDDED: &[(&str, &str)] = &[
    ("kube-proxy", include_str!("../profiles/kube-proxy.toml")),
    ("bridge", include_str!("../profiles/cni/bridge.toml")),
    ("flannel", include_str!("../profiles/cni/flannel.toml")),
    ("generic", include_str!("../profiles/cni/generic.toml")),
];

/// The traces of one plugin. Every name may hold `*` and `?` (see [`crate::pattern`]).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Profile {
    /// The plugin's name, in lower case.
    pub name: String,
    /// One line for people.
    pub summary: String,
    /// Always part of a cleanup: not a choice of network, but what every node has.
    #[serde(default)]
    pub always: bool,
    /// Links, by name and kind.
    #[serde(default)]
    pub links: Vec<LinkRule>,
    /// Configurations of networks in `/etc/cni/net.d`.
    #[serde(default)]
    pub config: Vec<ConfigRule>,
    /// Other files.
    #[serde(default)]
    pub files: Vec<String>,
    /// Folders that go with all that is in them.
    #[serde(default)]
    pub state: Vec<String>,
    /// Names of CNI networks, beside those in matched configurations.
    #[serde(default)]
    pub networks: Vec<String>,
    /// Tables of nftables that belong to the plugin as a whole.
    #[serde(default)]
    pub nft_tables: Vec<TableRule>,
    /// Chains of iptables, in every backend and both families.
    #[serde(default)]
    pub chains: Vec<ChainRule>,
    /// Rules of iptables that stand in foreign chains, known by their comment.
    #[serde(default)]
    pub rules: Vec<CommentRule>,
    /// ipsets.
    #[serde(default)]
    pub ipsets: Vec<String>,
    /// Routes.
    #[serde(default)]
    pub routes: Vec<RouteRule>,
    /// Named network namespaces.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// Agents: while one runs, nothing of the plugin is removed.
    #[serde(default)]
    pub processes: Vec<String>,
    /// What the plugins of a container share with other runtimes.
    #[serde(default)]
    pub per_container: Option<PerContainer>,
}

/// A link by name and kind: the name alone could be a user's own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkRule {
    /// Its name.
    pub name: String,
    /// Its kind, no pattern: `bridge`, `vxlan`, `dummy`.
    pub kind: String,
    /// Other plugins make one like it, so that it does not prove this plugin.
    #[serde(default)]
    pub shared: bool,
}

/// A network's configuration, by file name and, where that could be a user's own, by content.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigRule {
    /// The file's name.
    pub file: String,
    /// A plugin that it must call.
    #[serde(default)]
    pub plugin: Option<String>,
    /// The bridge that its plugin `bridge` must use.
    #[serde(default)]
    pub bridge: Option<String>,
    /// Network names that are somebody else's.
    #[serde(default)]
    pub except: Vec<String>,
}

/// A table of nftables.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableRule {
    /// `ip`, `ip6`, `inet`, `bridge`, `netdev`, `arp`.
    pub family: String,
    /// Its name.
    pub name: String,
}

/// Chains of iptables.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainRule {
    /// `filter`, `nat`, `mangle`, `raw`.
    pub tables: Vec<String>,
    /// Their names.
    pub names: Vec<String>,
}

/// A rule in a chain that is not the plugin's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommentRule {
    /// The table.
    pub table: String,
    /// The chain.
    pub chain: String,
    /// The rule's comment.
    pub comment: String,
}

/// A route; what is given must all hold.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteRule {
    /// Who installed it.
    #[serde(default)]
    pub protocol: Option<u8>,
    /// The link that it leaves by.
    #[serde(default)]
    pub device: Option<String>,
    /// The table.
    #[serde(default)]
    pub table: Option<u32>,
}

/// Chains and tables that several runtimes write into: a rule is ours if it names a network of ours.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PerContainer {
    /// Chains of iptables' `nat` that belong to one container each.
    pub chains: Vec<String>,
    /// Chains that lead to those: they go when nobody else uses CNI.
    pub shared: Vec<String>,
    /// Tables of nftables with rules of single containers: they go when nobody else uses CNI.
    pub nft_tables: Vec<TableRule>,
}

impl Profile {
    /// Reads and checks a profile.
    pub fn parse(origin: &str, text: &str) -> Result<Self, Error> {
        let refuse = |why: String| Error::Profile { profile: origin.to_owned(), why };
        let profile: Self = toml::from_str(text).map_err(|error| refuse(error.to_string()))?;
        profile.validate().map_err(refuse)?;
        Ok(profile)
    }

    fn validate(&self) -> Result<(), String> {
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || self.name.len() > 63 || !self.name.chars().all(legal) {
            return Err(format!("{:?} is no name: lower-case letters, digits and '-'", self.name));
        }
        for (what, name) in self.names() {
            // A pattern without a beginning of its own would describe a user's things too.
            if name.chars().take_while(|c| !matches!(c, '*' | '?')).count() < 2 {
                return Err(format!("the {what} {name:?} begins with a wildcard"));
            }
        }
        for path in self.files.iter().chain(&self.state) {
            let depth = path.split('/').filter(|part| !part.is_empty()).count();
            let plain = !path.split('/').any(|part| part == ".." || part == ".");
            if !path.starts_with('/') || depth < 2 || !plain {
                return Err(format!("{path:?} is no path at least two folders deep"));
            }
        }
        if let Some(rule) = self.config.iter().find(|rule| rule.file.contains('/')) {
            return Err(format!("{:?} is no file name in /etc/cni/net.d", rule.file));
        }
        if self.routes.iter().any(|rule| rule.protocol.is_none() && rule.device.is_none() && rule.table.is_none()) {
            return Err("a route needs a protocol, a device or a table".to_owned());
        }
        Ok(())
    }

    fn names(&self) -> Vec<(&'static str, &String)> {
        let mut names: Vec<(&'static str, &String)> = self.links.iter().map(|rule| ("link", &rule.name)).collect();
        names.extend(self.nft_tables.iter().map(|rule| ("table", &rule.name)));
        names.extend(self.chains.iter().flat_map(|rule| &rule.names).map(|name| ("chain", name)));
        names.extend(self.rules.iter().map(|rule| ("comment", &rule.comment)));
        names.extend(self.ipsets.iter().map(|name| ("ipset", name)));
        names.extend(self.namespaces.iter().map(|name| ("namespace", name)));
        names.extend(self.processes.iter().map(|name| ("process", name)));
        names.extend(self.networks.iter().map(|name| ("network", name)));
        names.extend(self.routes.iter().filter_map(|rule| rule.device.as_ref()).map(|name| ("device", name)));
        names.extend(
            self.per_container.iter().flat_map(|per| per.chains.iter().chain(&per.shared)).map(|name| ("chain", name)),
        );
        names
    }
}

/// Every profile that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profiles(Vec<Profile>);

impl Profiles {
    /// Those that the program brings.
    pub fn embedded() -> Result<Self, Error> {
        EMBEDDED.iter().map(|(name, text)| Profile::parse(name, text)).collect::<Result<_, _>>().map(Self)
    }

    /// Those that the program brings, and the administrator's own of `folder`.
    pub fn with_own(folder: &Path) -> Result<Self, Error> {
        let mut all = Self::embedded()?;
        for (origin, text) in own_files(folder)? {
            all.add(Profile::parse(&origin, &text)?);
        }
        Ok(all)
    }

    /// Adds one, in place of one of the same name.
    pub fn add(&mut self, profile: Profile) {
        self.0.retain(|known| known.name != profile.name);
        self.0.push(profile);
    }

    /// All, in the order that they are tried.
    pub fn all(&self) -> &[Profile] {
        &self.0
    }

    /// The profile of that name.
    pub fn get(&self, name: &str) -> Option<&Profile> {
        self.0.iter().find(|profile| profile.name == name)
    }
}

fn own_files(folder: &Path) -> Result<Vec<(String, String)>, Error> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(format!("listing {}", folder.display()))(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::io(format!("listing {}", folder.display())))?.path();
        if path.extension().is_some_and(|end| end == "toml") {
            let text = std::fs::read_to_string(&path).map_err(Error::io(format!("reading {}", path.display())))?;
            files.push((path.display().to_string(), text));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_in_the_folder_is_embedded_under_its_own_name() {
        let embedded = Profiles::embedded().unwrap();
        for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/cni")).unwrap() {
            let name = file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
            assert!(embedded.get(&name).is_some(), "{name} is not embedded");
        }
        for (name, _) in EMBEDDED {
            assert!(embedded.get(name).is_some(), "the file {name} names itself otherwise");
        }
    }

    #[test]
    fn a_pattern_that_could_be_anybodys_is_refused() {
        for bad in [
            "name = 'x'\nsummary = ''\n[[links]]\nname = '*'\nkind = 'bridge'",
            "name = 'x'\nsummary = ''\nipsets = ['?*']",
            "name = 'x'\nsummary = ''\nstate = ['/var']",
            "name = 'x'\nsummary = ''\nstate = ['/var/lib/../etc']",
            "name = 'x'\nsummary = ''\nfiles = ['etc/x']",
            "name = 'X'\nsummary = ''",
            "name = 'x'\nsummary = ''\nlinkz = []",
            "name = 'x'\nsummary = ''\n[[routes]]",
            "name = 'x'\nsummary = ''\n[[config]]\nfile = '../x'",
        ] {
            assert!(Profile::parse("test", bad).is_err(), "taken: {bad}");
        }
    }

    #[test]
    fn an_administrators_profile_takes_the_place_of_the_embedded_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("flannel.toml"), "name = 'flannel'\nsummary = 'mine'\n").unwrap();
        std::fs::write(folder.path().join("notes.txt"), "no profile").unwrap();
        let profiles = Profiles::with_own(folder.path()).unwrap();
        assert_eq!(profiles.get("flannel").unwrap().summary, "mine");
        assert_eq!(profiles.all().len(), EMBEDDED.len());
        assert_eq!(Profiles::with_own(&folder.path().join("absent")).unwrap().all().len(), EMBEDDED.len());
    }
}
