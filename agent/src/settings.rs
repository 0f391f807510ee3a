//! How the agent runs: read from fragments of configuration, checked as a whole, printed back by `--print-config`.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use slipway_errors::{Code, Coded};

/// Where fragments lie; later folders win, and in a folder later names.
pub const FOLDERS: [&str; 2] = ["/usr/lib/slipway/agent.d", "/etc/slipway/agent.d"];

/// How the agent runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// Where coordinators reach it.
    pub listen: SocketAddr,
    /// Where Prometheus reads, plain HTTP: a loopback address.
    pub metrics: SocketAddr,
    /// The folder that must not be lost.
    pub state_dir: PathBuf,
    /// Where certificates are renewed: the coordinator's `host:port`, or those of all coordinators with commas between; none: where the host
    /// enrolled.
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

impl Settings {
    /// The settings of the fragments in `folders`, unchecked as a whole: see [`Settings::validated`].
    pub fn load(folders: &[PathBuf]) -> Result<Self, Coded> {
        slipway_config::load(folders)
    }

    /// Checks what single keys cannot tell.
    pub fn validated(self) -> Result<Self, Coded> {
        if !self.metrics.ip().is_loopback() {
            let said = format!(
                "metrics = \"{}\" is no loopback address, and the page has no protection of its own",
                self.metrics
            );
            return Err(Coded::new(Code::CONF_BAD_VALUE, said)
                .do_this("let a collector on the host read 127.0.0.1 and pass it on"));
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
        toml::to_string(self)
            .map_err(|error| Coded::new(Code::INTERNAL, format!("printing the configuration: {error}")))
    }
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
        Settings::load(&[folder.path().join("lib"), folder.path().join("etc")])?.validated()
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
        assert!(error.way_out.unwrap().contains("state-dir"));
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
