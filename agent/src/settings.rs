//! From fragments of configuration to settings that are known to be good. A key that nobody reads is a wish that nobody fulfils: it is
//! refused, with the name that was probably meant.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Serialize;
use slipway_errors::{Code, Coded};
use toml::{Table, Value};

/// Where fragments lie; later folders win, and in a folder later names.
pub const FOLDERS: [&str; 2] = ["/usr/lib/slipway/agent.d", "/etc/slipway/agent.d"];

const LARGEST_FRAGMENT: u64 = 256 * 1024;
const MOST_FRAGMENTS: usize = 100;

/// How the agent runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    /// Where coordinators reach it.
    pub listen: SocketAddr,
    /// Where Prometheus reads, plain HTTP: a loopback address.
    pub metrics: SocketAddr,
    /// The folder that must not be lost.
    pub state_dir: PathBuf,
    /// Where certificates are renewed; none: where the host enrolled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coordinator: Option<String>,
    /// It looks and changes nothing on the host.
    pub observe: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 7443)),
            metrics: SocketAddr::from(([127, 0, 0, 1], 7444)),
            state_dir: "/var/lib/slipway/agent".into(),
            coordinator: None,
            observe: false,
        }
    }
}

const KEYS: [&str; 5] = ["listen", "metrics", "state-dir", "coordinator", "observe"];

impl Settings {
    /// The settings of the fragments in `folders`. A folder that is not there has none.
    pub fn load(folders: &[PathBuf]) -> Result<Self, Coded> {
        let mut settings = Self::default();
        for path in fragments(folders)? {
            let text = read(&path)?;
            let table: Table = text.parse().map_err(|error: toml::de::Error| {
                Coded::new(Code::CONF_UNREADABLE, format!("{}: {}", path.display(), error.message()))
                    .do_this("mend the TOML; `slipway-agent --print-config` tells when it is good")
            })?;
            for (key, value) in table {
                settings.set(&key, &value).map_err(|error| at(&path, error))?;
            }
        }
        settings.validated()
    }

    /// Puts one key.
    fn set(&mut self, key: &str, value: &Value) -> Result<(), Coded> {
        match key {
            "listen" => self.listen = address(key, value)?,
            "metrics" => self.metrics = address(key, value)?,
            "state-dir" => self.state_dir = text(key, value)?.into(),
            "coordinator" => self.coordinator = Some(text(key, value)?.to_owned()),
            "observe" => self.observe = value.as_bool().ok_or_else(|| wrong(key, value, "true or false"))?,
            unknown => return Err(unknown_key(unknown)),
        }
        Ok(())
    }

    /// Checks what single keys cannot tell.
    pub fn validated(self) -> Result<Self, Coded> {
        if !self.metrics.ip().is_loopback() {
            let said = format!("metrics = \"{}\" is no loopback address, and the page has no protection of its own", self.metrics);
            return Err(Coded::new(Code::CONF_BAD_VALUE, said).do_this("let a collector on the host read 127.0.0.1 and pass it on"));
        }
        if self.listen == self.metrics && self.listen.port() != 0 {
            return Err(Coded::new(Code::CONF_BAD_VALUE, format!("listen and metrics are both {}", self.listen)));
        }
        if !self.state_dir.is_absolute() {
            let said = format!("state-dir = {:?} is no absolute path", self.state_dir.display().to_string());
            return Err(Coded::new(Code::CONF_BAD_VALUE, said));
        }
        Ok(self)
    }

    /// As a fragment that would give these settings.
    pub fn to_toml(&self) -> Result<String, Coded> {
        toml::to_string(self).map_err(|error| Coded::new(Code::INTERNAL, format!("printing the configuration: {error}")))
    }
}

fn fragments(folders: &[PathBuf]) -> Result<Vec<PathBuf>, Coded> {
    let mut all = Vec::new();
    for folder in folders {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(unreadable(folder, &error)),
        };
        let mut here = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| unreadable(folder, &error))?.path();
            if path.extension().is_some_and(|end| end == "toml") {
                here.push(path);
            }
        }
        here.sort();
        all.extend(here);
    }
    if all.len() > MOST_FRAGMENTS {
        return Err(Coded::new(Code::CONF_UNREADABLE, format!("{} fragments of configuration; {MOST_FRAGMENTS} is the most", all.len())));
    }
    Ok(all)
}

fn read(path: &Path) -> Result<String, Coded> {
    let size = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?.len();
    if size > LARGEST_FRAGMENT {
        return Err(Coded::new(Code::CONF_UNREADABLE, format!("{} is larger than {LARGEST_FRAGMENT} bytes", path.display())));
    }
    std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Coded {
    Coded::new(Code::CONF_UNREADABLE, format!("reading {}: {error}", path.display()))
}

fn at(path: &Path, error: Coded) -> Coded {
    Coded { message: format!("{}: {}", path.display(), error.message), ..error }
}

fn unknown_key(key: &str) -> Coded {
    let nearest = KEYS.into_iter().max_by(|a, b| strsim::jaro_winkler(key, a).total_cmp(&strsim::jaro_winkler(key, b)));
    let near = nearest.filter(|known| strsim::jaro_winkler(key, known) > 0.7);
    let way_out = near.map_or_else(|| format!("the keys are {}", KEYS.join(", ")), |near| format!("did you mean `{near}`?"));
    Coded::new(Code::CONF_UNKNOWN_KEY, format!("there is no key {key:?}")).do_this(way_out)
}

fn text<'a>(key: &str, value: &'a Value) -> Result<&'a str, Coded> {
    value.as_str().filter(|text| !text.is_empty()).ok_or_else(|| wrong(key, value, "a text in quotes"))
}

fn address(key: &str, value: &Value) -> Result<SocketAddr, Coded> {
    text(key, value)?.parse().map_err(|_| wrong(key, value, "an address and port such as \"0.0.0.0:7443\""))
}

fn wrong(key: &str, value: &Value, want: &str) -> Coded {
    Coded::new(Code::CONF_BAD_VALUE, format!("{key} = {value} cannot be used")).do_this(format!("it takes {want}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(fragments: &[(&str, &str)]) -> Result<Settings, Coded> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in fragments {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Settings::load(&[folder.path().join("lib"), folder.path().join("etc")])
    }

    #[test]
    fn without_fragments_the_defaults_hold() {
        assert_eq!(load(&[]).unwrap(), Settings::default());
    }

    #[test]
    fn later_fragments_win_key_by_key() {
        let settings = load(&[
            ("lib/90-late.toml", "listen = \"10.0.0.1:1\"\nobserve = true\n"),
            ("etc/10-a.toml", "listen = \"10.0.0.1:2\"\n"),
            ("etc/20-b.toml", "listen = \"10.0.0.1:3\"\n"),
            ("etc/ignored.txt", "nonsense"),
        ])
        .unwrap();
        assert_eq!((settings.listen.port(), settings.observe), (3, true));
    }

    #[test]
    fn what_is_printed_gives_the_same_settings_again() {
        let settings = Settings { coordinator: Some("c:7400".into()), observe: true, ..Settings::default() };
        assert_eq!(load(&[("etc/a.toml", &settings.to_toml().unwrap())]).unwrap(), settings);
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_name() {
        let error = load(&[("etc/a.toml", "statedir = \"/x\"\n")]).unwrap_err();
        assert_eq!(error.code, Code::CONF_UNKNOWN_KEY);
        assert!(error.message.contains("a.toml"), "{error}");
        assert_eq!(error.way_out.unwrap(), "did you mean `state-dir`?");
        let error = load(&[("etc/a.toml", "zzz = 1\n")]).unwrap_err();
        assert!(error.way_out.unwrap().contains("listen, metrics"));
    }

    #[test]
    fn values_that_cannot_be_used_are_refused_and_named() {
        for bad in [
            "listen = 7443",
            "listen = \"somewhere\"",
            "metrics = \"0.0.0.0:7444\"",
            "metrics = \"127.0.0.1:5\"\nlisten = \"127.0.0.1:5\"",
            "state-dir = \"relative\"",
            "state-dir = \"\"",
            "observe = \"yes\"",
            "coordinator = 1",
        ] {
            assert_eq!(load(&[("etc/a.toml", bad)]).unwrap_err().code, Code::CONF_BAD_VALUE, "{bad}");
        }
        assert_eq!(load(&[("etc/a.toml", "listen = ")]).unwrap_err().code, Code::CONF_UNREADABLE);
    }
}
