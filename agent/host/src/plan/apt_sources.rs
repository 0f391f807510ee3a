//! The files that name apt's repositories: which of them name one of Kubernetes', and what ours has to say.

use std::path::{Path, PathBuf};

use super::apt;
use crate::packages::Source;

/// What the public repositories have in their URLs, on mirrors too.
const PUBLIC: [&str; 3] = ["/core:/stable:/v", "pkgs.k8s.io/", "apt.kubernetes.io"];

/// Text of a file of ours.
pub fn text(url: &str, keyring: &str) -> String {
    format!(
        "# Written by slipway-agent for the packages of Kubernetes.\nTypes: deb\nURIs: {url}\nSuites: /\nSigned-By: {keyring}\n"
    )
}

/// Whether two URLs lead to the same place.
pub fn same(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

/// The repositories of Kubernetes in these files. One counts that has the form of the public ones, or all of `url` before its minor.
pub fn sources(files: &[(PathBuf, String)], url: &str) -> Vec<Source> {
    let beginning = before_minor(url);
    let ours = |known: &str| {
        PUBLIC.iter().any(|form| known.contains(form))
            || same(known, url)
            || beginning.is_some_and(|beginning| known.starts_with(beginning))
    };
    let mut found = Vec::new();
    for (path, text) in files {
        let ours = |known: &str| path == Path::new(apt::SOURCE) || ours(known);
        let urls = if is_deb822(path) { stanzas(text) } else { lines(text) };
        let alone = urls.iter().all(|url| ours(url));
        let mut named: Vec<String> = urls.into_iter().filter(|url| ours(url)).collect();
        named.dedup();
        found.extend(named.into_iter().map(|url| Source { path: path.clone(), url, alone }));
    }
    found
}

/// Whether apt reads a file of that name.
pub fn is_read(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "list" || end == "sources")
}

fn is_deb822(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "sources")
}

/// `https://m/k8s/v` of `https://m/k8s/v1.34/deb/`: long enough to tell the repository from everything else.
fn before_minor(url: &str) -> Option<&str> {
    let minor = |at: &usize| {
        let rest = &url[*at..];
        let number = rest.strip_prefix("1.").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        number && url[..*at].ends_with(['/', 'v', '-', '_', ':'])
    };
    let beginning = &url[..url.char_indices().map(|(at, _)| at).rfind(minor)?];
    let path = beginning.split_once("://").map_or_else(|| beginning.strip_prefix("file:"), |(_, rest)| Some(rest))?;
    (path.trim_start_matches('/').len() > 2 && path.contains('/')).then_some(beginning)
}

fn lines(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let line = line.split('#').next().unwrap_or_default().trim();
        let rest = line.strip_prefix("deb ").or_else(|| line.strip_prefix("deb-src "))?.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']')?.1,
            None => rest,
        };
        rest.split_whitespace().next().map(str::to_owned)
    };
    text.lines().filter_map(line).collect()
}

fn stanzas(text: &str) -> Vec<String> {
    let mut urls = Vec::new();
    let plain: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    for stanza in plain.split(|line| line.trim().is_empty()) {
        if field(stanza, "enabled").is_some_and(|says| says.eq_ignore_ascii_case("no")) {
            continue;
        }
        let named = field(stanza, "uris").unwrap_or_default();
        urls.extend(named.split_whitespace().map(str::to_owned));
    }
    urls
}

/// A field's value with the lines that go on with it.
fn field(stanza: &[&str], name: &str) -> Option<String> {
    let mut lines = stanza.iter();
    let mut value = lines.find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })?;
    for line in lines.take_while(|line| line.starts_with([' ', '\t'])) {
        value.push(' ');
        value.push_str(line.trim());
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: &str = "https://pkgs.k8s.io/core:/stable:/v1.34/deb/";

    fn found(path: &str, text: &str, url: &str) -> Vec<(String, bool)> {
        sources(&[(path.into(), text.into())], url).into_iter().map(|one| (one.url, one.alone)).collect()
    }

    #[test]
    fn an_operators_own_file_of_another_minor_is_found_in_both_forms() {
        let old = "https://pkgs.k8s.io/core:/stable:/v1.33/deb/";
        let list = format!("# mine\ndeb [arch=amd64 signed-by=/etc/apt/keyrings/k.gpg] {old} /\n");
        assert_eq!(found("/x/kubernetes.list", &list, WANTED), [(old.to_owned(), true)]);
        let stanza = format!("Types: deb\nURIs:\n {old}\nSuites: /\nSigned-By: /k\n");
        assert_eq!(found("/x/kubernetes.sources", &stanza, WANTED), [(old.to_owned(), true)]);
    }

    #[test]
    fn a_file_that_names_others_too_is_not_kubernetes_alone() {
        let list = format!("deb http://deb.debian.org/debian bookworm main\ndeb {WANTED} /\n");
        assert_eq!(found("/etc/apt/sources.list", &list, WANTED), [(WANTED.to_owned(), false)]);
    }

    #[test]
    fn a_mirror_is_known_by_what_stands_before_its_minor() {
        let wanted = "https://mirror.example/k8s/v1.34/deb/";
        let list = "deb https://mirror.example/k8s/v1.33/deb/ /\n";
        assert_eq!(found("/x/m.list", list, wanted), [("https://mirror.example/k8s/v1.33/deb/".to_owned(), true)]);
        assert_eq!(found("/x/m.list", "deb https://mirror.example/debian bookworm main\n", wanted), []);
        let plain = found("/x/m.list", "deb https://m.example/k8s/1.33/ /\n", "https://m.example/k8s/1.34/");
        assert_eq!(plain.len(), 1);
        assert_eq!(found(apt::SOURCE, &text("https://anything.example/", "/k"), "").len(), 1, "ours is always one");
        assert_eq!(found("/x/m.list", "deb https://other.example/ x\n", "https://v1.34.example/"), []);
    }

    #[test]
    fn what_is_switched_off_does_not_count() {
        assert_eq!(found("/x/k.list", &format!("#deb {WANTED} /\n"), WANTED), []);
        let stanza = format!("Enabled: no\nTypes: deb\nURIs: {WANTED}\nSuites: /\n\nTypes: deb\nURIs: http://x/\n");
        assert_eq!(found("/x/k.sources", &stanza, WANTED), []);
        assert!(is_read(Path::new("a.sources")) && !is_read(Path::new("a.list.before-slipway.disabled")));
    }

    #[test]
    fn what_we_write_is_found_again() {
        let read = found("/x/slipway-kubernetes.sources", &text(WANTED, "/etc/apt/keyrings/k.asc"), WANTED);
        assert_eq!(read, [(WANTED.to_owned(), true)]);
        assert!(same(WANTED, WANTED.trim_end_matches('/')));
    }
}
