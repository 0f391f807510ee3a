//! What was configured. Fragments (`*.toml`) of several folders are merged in order, so that a package ships defaults, an operator overrides
//! them, and neither edits the other's file. A key that nobody reads is refused: a typing error must not silently mean the default.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use slipway_errors::{Code, Coded};

/// Larger fragments are refused.
const MAX_FRAGMENT_BYTES: u64 = 256 * 1024;

/// How the keys of daemons are shown.
const PRINT_CONFIG: &str = "--print-config";

/// Reads every `*.toml` of `folders`, later folders and later names winning, into `T`. A folder that is not there counts as empty.
pub fn load<T: DeserializeOwned>(folders: &[impl AsRef<Path>]) -> Result<T, Coded> {
    load_over(&[], folders, PRINT_CONFIG)
}

/// The same over `base`: texts that are built in, each with a name. `shown_by` is the option that prints the outcome.
pub fn load_over<T: DeserializeOwned>(
    base: &[(&str, &str)],
    folders: &[impl AsRef<Path>],
    shown_by: &str,
) -> Result<T, Coded> {
    let mut merged = toml::Table::new();
    let mut sources = Vec::new();
    for (name, text) in base {
        merge(&mut merged, table(text, name)?);
    }
    for folder in folders {
        for file in fragments(folder.as_ref())? {
            merge(&mut merged, read(&file)?);
            sources.push(file.display().to_string());
        }
    }
    if sources.is_empty() {
        sources.extend(base.iter().map(|(name, _)| format!("the built-in {name}")));
    }
    parse(merged, &sources.join(", "), shown_by)
}

/// Reads one file into `T`.
pub fn load_file<T: DeserializeOwned>(file: &Path) -> Result<T, Coded> {
    parse(read(file)?, &file.display().to_string(), PRINT_CONFIG)
}

fn fragments(folder: &Path) -> Result<Vec<PathBuf>, Coded> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(folder, &error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| unreadable(folder, &error))?.path();
        if path.extension().is_some_and(|end| end == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> Result<toml::Table, Coded> {
    let size = std::fs::metadata(file).map_err(|error| unreadable(file, &error))?.len();
    if size > MAX_FRAGMENT_BYTES {
        return Err(Coded::new(
            Code::CONF_UNREADABLE,
            format!("{} has {size} bytes; {MAX_FRAGMENT_BYTES} are allowed", file.display()),
        ));
    }
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
    table(&text, &file.display().to_string())
}

fn table(text: &str, name: &str) -> Result<toml::Table, Coded> {
    text.parse::<toml::Table>().map_err(|error| {
        Coded::new(Code::CONF_UNREADABLE, format!("{name} is no TOML: {}", error.message()))
            .do_this("look at the line that is named, or move the file away to use the defaults")
    })
}

fn unreadable(path: &Path, error: &std::io::Error) -> Coded {
    Coded::new(Code::CONF_UNREADABLE, format!("cannot read {}: {error}", path.display()))
}

fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(below)), toml::Value::Table(value)) => merge(below, value),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

fn parse<T: DeserializeOwned>(table: toml::Table, sources: &str, shown_by: &str) -> Result<T, Coded> {
    T::deserialize(toml::Value::Table(table)).map_err(|error| explain(error.message(), sources, shown_by))
}

/// serde says which field it did not know and which it does; the nearest of them is what was meant, most likely.
fn explain(message: &str, sources: &str, shown_by: &str) -> Coded {
    let mut quoted = message.split('`').skip(1).step_by(2);
    if message.contains("unknown field")
        && let Some(unknown) = quoted.next()
    {
        let nearest =
            quoted.max_by(|a, b| strsim::jaro_winkler(unknown, a).total_cmp(&strsim::jaro_winkler(unknown, b)));
        let error = Coded::new(Code::CONF_UNKNOWN_KEY, format!("unknown key {unknown:?} in {sources}"));
        return match nearest {
            Some(nearest) => error.do_this(format!("did you mean {nearest:?}? `{shown_by}` shows every key")),
            None => error.do_this("take it out"),
        };
    }
    Coded::new(Code::CONF_BAD_VALUE, format!("{message} (in {sources})"))
        .do_this(format!("`{shown_by}` shows every key with its value"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
    struct Settings {
        listen: String,
        inner: Inner,
    }

    #[derive(Debug, PartialEq, Default, serde::Deserialize)]
    #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
    struct Inner {
        kubeconfig: String,
        budget: u32,
    }

    impl Default for Settings {
        fn default() -> Self {
            Self { listen: "0.0.0.0:1".into(), inner: Inner::default() }
        }
    }

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn later_fragments_win_key_by_key() {
        let vendor = folder(&[("10.toml", "listen = 'a'\n[inner]\nbudget = 1\n")]);
        let admin = folder(&[
            ("10.toml", "[inner]\nbudget = 2\n"),
            ("20.toml", "[inner]\nkubeconfig = 'k'\n"),
            ("note.txt", "no"),
        ]);
        let settings: Settings = load(&[vendor.path(), admin.path(), Path::new("/nowhere/at/all")]).unwrap();
        assert_eq!(settings, Settings { listen: "a".into(), inner: Inner { kubeconfig: "k".into(), budget: 2 } });
    }

    #[test]
    fn what_is_built_in_is_overridden_key_by_key() {
        let base = [("base.toml", "listen = 'a'\n[inner]\nbudget = 1\nkubeconfig = 'k'\n")];
        let admin = folder(&[("10.toml", "[inner]\nbudget = 2\n")]);
        let settings: Settings = load_over(&base, &[admin.path()], "--print").unwrap();
        assert_eq!(settings, Settings { listen: "a".into(), inner: Inner { kubeconfig: "k".into(), budget: 2 } });
        let wrong = folder(&[("10.toml", "[inner]\nbugdet = 2\n")]);
        let error = load_over::<Settings>(&base, &[wrong.path()], "--print").unwrap_err();
        assert!(error.to_string().contains("did you mean \"budget\"? `--print` shows"), "{error}");
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_name() {
        let admin = folder(&[("10.toml", "[inner]\nkubeconfg = 'k'\n")]);
        let error = load::<Settings>(&[admin.path()]).unwrap_err();
        assert_eq!(error.code, Code::CONF_UNKNOWN_KEY);
        assert!(error.to_string().contains("did you mean \"kubeconfig\"?"), "{error}");
    }

    #[test]
    fn a_wrong_value_and_a_broken_file_have_codes_of_their_own() {
        let wrong = folder(&[("10.toml", "listen = 7\n")]);
        assert_eq!(load::<Settings>(&[wrong.path()]).unwrap_err().code, Code::CONF_BAD_VALUE);
        let broken = folder(&[("10.toml", "listen = \n")]);
        assert_eq!(load::<Settings>(&[broken.path()]).unwrap_err().code, Code::CONF_UNREADABLE);
    }
}
