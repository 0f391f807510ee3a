//! The CLI's own configuration: where the coordinator is and with which identity to speak to it. An unknown key is refused, since a mistyped
//! one would silently lead to another cluster.

use std::path::{Path, PathBuf};

use serde::Serialize;
use slipway_errors::{Code, Coded};
use slipway_net::addresses;

/// Every key, for the nearest name and the docs.
pub const KEYS: [&str; 2] = ["coordinator", "identity"];

/// What the file and the command line came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Config {
    /// `host:port` of the coordinator, or of each of them with commas between.
    pub coordinator: String,
    /// The folder with `key.pem`, `chain.pem` and `root.pem`.
    pub identity: PathBuf,
}

/// Where the CLI keeps its files: `$XDG_CONFIG_HOME/slipway` or `~/.config/slipway`.
pub fn home() -> Result<PathBuf, Coded> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_CONFIG_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".config")))
        .map(|folder| folder.join("slipway"))
        .ok_or_else(|| {
            Coded::new(Code::CONF_UNREADABLE, "neither HOME nor XDG_CONFIG_HOME is set")
                .do_this("name the file with --config")
        })
}

/// Reads the configuration; what the command line says goes before what the file says.
pub fn load(file: Option<&Path>, coordinator: Option<&str>) -> Result<Config, Coded> {
    let path = match file {
        Some(path) => path.to_owned(),
        None => home()?.join("config.toml"),
    };
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Coded::new(Code::CONF_UNREADABLE, format!("cannot read {}: {error}", path.display())).do_this(
            "slipway init writes it on the coordinator's host; elsewhere copy it, or name another with --config",
        )
    })?;
    let mut config = parse(&text, &path)?;
    if let Some(coordinator) = coordinator {
        coordinator.clone_into(&mut config.coordinator);
    }
    coordinators(&config.coordinator)?;
    Ok(config)
}

/// The configuration in `text`; relative paths begin at the folder of `path`.
pub fn parse(text: &str, path: &Path) -> Result<Config, Coded> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        Coded::new(Code::CONF_UNREADABLE, format!("{}: {}", path.display(), error.message()))
    })?;
    if let Some(unknown) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(unknown_key(unknown, path));
    }
    let value = |key: &str| match table.get(key) {
        Some(toml::Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        Some(_) => {
            Err(Coded::new(Code::CONF_BAD_VALUE, format!("{}: {key} must be a text that is not empty", path.display())))
        }
        None => Err(Coded::new(Code::CONF_BAD_VALUE, format!("{}: {key} is missing", path.display()))),
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    Ok(Config { coordinator: value("coordinator")?, identity: folder.join(value("identity")?) })
}

/// The file's text for `config`.
pub fn written(config: &Config) -> Result<String, Coded> {
    let body = toml::to_string(config).map_err(|error| {
        Coded::new(Code::CONF_BAD_VALUE, format!("the configuration cannot be written as TOML: {error}"))
    })?;
    Ok(format!("# Where `slipway` finds the coordinator, and who it is there.\n{body}"))
}

/// Checks that `text` is `host:port`, or several of them.
pub fn coordinators(text: &str) -> Result<(), Coded> {
    let all = addresses(text);
    if all.is_empty() {
        return address(text);
    }
    all.iter().try_for_each(|one| address(one))
}

/// Checks that `text` is `host:port`.
pub fn address(text: &str) -> Result<(), Coded> {
    let good = text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if good {
        return Ok(());
    }
    Err(Coded::new(Code::CONF_BAD_VALUE, format!("{text:?} is no address"))
        .do_this("write it as HOST:PORT, such as coordinator:7400"))
}

fn unknown_key(key: &str, path: &Path) -> Coded {
    let error = Coded::new(Code::CONF_UNKNOWN_KEY, format!("{}: unknown key {key:?}", path.display()));
    match nearest(key, &KEYS) {
        Some(near) => error.do_this(format!("did you mean {near:?}?")),
        None => error.do_this(format!("known are {}", KEYS.join(", "))),
    }
}

/// The name among `known` that `typed` was probably meant to be.
pub fn nearest<'a>(typed: &str, known: &[&'a str]) -> Option<&'a str> {
    let scored =
        known.iter().map(|name| (strsim::damerau_levenshtein(&typed.to_lowercase(), &name.to_lowercase()), *name));
    scored.filter(|(distance, name)| *distance <= (name.len() / 3).max(1)).min().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> &'static Path {
        Path::new("/home/u/.config/slipway/config.toml")
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let config = Config { coordinator: "c1:7400".into(), identity: "/home/u/id".into() };
        assert_eq!(parse(&written(&config).unwrap(), at()).unwrap(), config);
    }

    #[test]
    fn a_relative_identity_lies_beside_the_file() {
        let config = parse("coordinator = 'c1:7400'\nidentity = 'identity'", at()).unwrap();
        assert_eq!(config.identity, Path::new("/home/u/.config/slipway/identity"));
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_name() {
        let error = parse("cordinator = 'c1:7400'", at()).unwrap_err();
        assert_eq!(error.code, Code::CONF_UNKNOWN_KEY);
        assert_eq!(error.way_out.as_deref(), Some("did you mean \"coordinator\"?"));
        let far = parse("colour = 'red'", at()).unwrap_err();
        assert_eq!(far.way_out.as_deref(), Some("known are coordinator, identity"));
    }

    #[test]
    fn a_missing_or_wrong_value_is_named() {
        assert!(parse("coordinator = 'c:1'", at()).unwrap_err().message.contains("identity is missing"));
        assert!(parse("coordinator = 1\nidentity = 'i'", at()).unwrap_err().message.contains("coordinator must be"));
        assert_eq!(parse("coordinator = ", at()).unwrap_err().code, Code::CONF_UNREADABLE);
    }

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for good in ["c1:7400", "10.0.0.1:7400", "[::1]:7400"] {
            assert!(address(good).is_ok(), "{good} was refused");
        }
        for bad in ["c1", ":7400", "c1:0", "c1:x", "https://c1:7400", ""] {
            assert!(address(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn the_command_line_goes_before_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, "coordinator = 'c1:7400'\nidentity = 'identity'").unwrap();
        assert_eq!(load(Some(&file), Some("c2:7400")).unwrap().coordinator, "c2:7400");
        assert_eq!(addresses(&load(Some(&file), Some("c2:1, c3:1")).unwrap().coordinator), ["c2:1", "c3:1"]);
        assert_eq!(load(Some(&file), Some("c2:1,c3")).unwrap_err().code, Code::CONF_BAD_VALUE);
        assert_eq!(load(Some(&file), Some("c2")).unwrap_err().code, Code::CONF_BAD_VALUE);
        assert_eq!(load(Some(&folder.path().join("none")), None).unwrap_err().code, Code::CONF_UNREADABLE);
    }
}
