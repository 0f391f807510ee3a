//! containerd's configuration, changed only where it differs: comments, order and everything that is not ours stay as the operator wrote them.
//! Pure: text in, text out.

use toml_edit::{Array, DocumentMut, Item, Table, TableLike, value};

/// Where hosts of registries are looked for, unless the configuration names another folder.
pub(super) const CERTS_D: &str = "/etc/containerd/certs.d";
const RUNC: &str = "io.containerd.runc.v2";

/// What the configuration has to say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wants<'a> {
    /// `systemd`, `cgroupfs`, or empty for what is there.
    pub(super) driver: &'a str,
    /// The sandbox image, or empty for what is there.
    pub(super) sandbox: &'a str,
    /// Mirrors are laid down, so the folder of hosts has to be read.
    pub(super) mirrors: bool,
    /// containerd's own major version.
    pub(super) major: u32,
}

/// The configuration as it has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edited {
    /// Its text; the very one that was given where nothing differs.
    pub(super) text: String,
    /// What differs, in words.
    pub(super) differs: Vec<String>,
    /// Where hosts of registries are looked for.
    pub(super) hosts: String,
    /// It kept containerd from speaking to kubelets until now.
    pub(super) enables_cri: bool,
}

/// Where things stand in one version of the configuration.
struct Places {
    runtime: &'static str,
    images: &'static str,
    sandbox: &'static [&'static str],
}

const SECOND: Places =
    Places { runtime: "io.containerd.grpc.v1.cri", images: "io.containerd.grpc.v1.cri", sandbox: &["sandbox_image"] };
const THIRD: Places = Places {
    runtime: "io.containerd.cri.v1.runtime",
    images: "io.containerd.cri.v1.images",
    sandbox: &["pinned_images", "sandbox"],
};

/// The configuration with what is wanted; or why it cannot be changed without guessing.
pub(super) fn edited(text: &str, wants: &Wants<'_>) -> Result<Edited, String> {
    let mut document: DocumentMut = text.parse().map_err(|error| format!("it is no TOML: {error}"))?;
    let mut differs = Vec::new();
    let places = version(&mut document, wants.major, &mut differs)?;
    let enables_cri = enable_cri(&mut document, &mut differs)?;
    cgroup_driver(&mut document, &places, wants.driver, &mut differs)?;
    if !wants.sandbox.is_empty() {
        let mut path = vec!["plugins", places.images];
        path.extend(places.sandbox);
        set(&mut document, &path, wants.sandbox.into(), &mut differs)?;
    }
    let hosts = if wants.mirrors { registries(&mut document, &places, &mut differs)? } else { String::new() };
    let text = if differs.is_empty() { text.to_owned() } else { document.to_string() };
    Ok(Edited { text, differs, hosts, enables_cri })
}

fn version(document: &mut DocumentMut, major: u32, differs: &mut Vec<String>) -> Result<Places, String> {
    match document.get("version").map(Item::as_integer) {
        Some(Some(2)) => Ok(SECOND),
        Some(Some(3)) => Ok(THIRD),
        None if !document.contains_key("plugins") => {
            let number = if major >= 2 { 3 } else { 2 };
            set(document, &["version"], number.into(), differs)?;
            Ok(if number == 3 { THIRD } else { SECOND })
        }
        None | Some(Some(1)) => Err("it is of version 1: `containerd config migrate` writes it anew".to_owned()),
        Some(other) => Err(format!("it is of version {}, which is not known here", other.unwrap_or_default())),
    }
}

/// Docker's package comes with the part disabled that kubelets speak to.
fn enable_cri(document: &mut DocumentMut, differs: &mut Vec<String>) -> Result<bool, String> {
    let Some(item) = document.get_mut("disabled_plugins") else { return Ok(false) };
    let list = item.as_array_mut().ok_or("disabled_plugins is no list")?;
    let is_cri = |name: &str| {
        name == "cri"
            || name == SECOND.runtime
            || name.starts_with("io.containerd.cri.v1.")
            || name == "io.containerd.grpc.v1.cri"
    };
    let before = list.len();
    list.retain(|plugin| !plugin.as_str().is_some_and(is_cri));
    let enables = list.len() < before;
    if enables {
        differs.push("disabled_plugins no longer has the CRI".to_owned());
    }
    Ok(enables)
}

fn cgroup_driver(
    document: &mut DocumentMut,
    places: &Places,
    driver: &str,
    differs: &mut Vec<String>,
) -> Result<(), String> {
    let cri = ["plugins", places.runtime, "containerd"];
    let name = text_at(document, &[&cri[..], &["default_runtime_name"]].concat()).unwrap_or_else(|| "runc".to_owned());
    let runtime = [&cri[..], &["runtimes", &name]].concat();
    let kind = text_at(document, &[&runtime[..], &["runtime_type"]].concat());
    // Another kind of runtime (a VM) has no cgroup driver of its own.
    if kind.as_deref().is_some_and(|kind| kind != RUNC) {
        return Ok(());
    }
    let systemd = [&runtime[..], &["options", "SystemdCgroup"]].concat();
    let is = at(document, &systemd).and_then(Item::as_bool).unwrap_or(false);
    let wanted = match driver {
        "systemd" => true,
        "cgroupfs" => false,
        _ => return Ok(()),
    };
    if is == wanted {
        return Ok(());
    }
    if kind.is_none() {
        // An entry takes the place of the built-in one as a whole.
        set(document, &[&runtime[..], &["runtime_type"]].concat(), RUNC.into(), differs)?;
    }
    set(document, &systemd, wanted.into(), differs)
}

/// Where hosts of registries are looked for; the configuration is made to look there.
fn registries(document: &mut DocumentMut, places: &Places, differs: &mut Vec<String>) -> Result<String, String> {
    let registry = ["plugins", places.images, "registry"];
    let path = [&registry[..], &["config_path"]].concat();
    if let Some(folders) = text_at(document, &path).filter(|folders| !folders.is_empty()) {
        return Ok(folders.split(':').next().unwrap_or(CERTS_D).to_owned());
    }
    for inline in ["mirrors", "configs"] {
        let there = at(document, &[&registry[..], &[inline]].concat()).and_then(Item::as_table_like);
        if there.is_some_and(|table| !table.is_empty()) {
            return Err(format!(
                "it has registry.{inline}, which cannot stand beside a folder of hosts: move them to {CERTS_D}"
            ));
        }
    }
    set(document, &path, CERTS_D.into(), differs)?;
    Ok(CERTS_D.to_owned())
}

/// The hosts of one registry with these endpoints among them; those that are there stay as they are.
pub(super) fn hosts(text: &str, endpoints: &[String]) -> Result<String, String> {
    let mut document: DocumentMut = text.parse().map_err(|error| format!("it is no TOML: {error}"))?;
    let mut added = false;
    for endpoint in endpoints {
        if at(&document, &["host", endpoint]).is_some() {
            continue;
        }
        let mut host = Table::new();
        host.insert("capabilities", value(Array::from_iter(["pull", "resolve"])));
        let hosts = table(&mut document, &["host"])?;
        hosts.insert(endpoint, Item::Table(host));
        added = true;
    }
    Ok(if added { document.to_string() } else { text.to_owned() })
}

fn at<'d>(document: &'d DocumentMut, path: &[&str]) -> Option<&'d Item> {
    path.iter().try_fold(document.as_item(), |item, part| item.as_table_like()?.get(part))
}

fn text_at(document: &DocumentMut, path: &[&str]) -> Option<String> {
    at(document, path).and_then(Item::as_str).map(str::to_owned)
}

fn table<'d>(document: &'d mut DocumentMut, path: &[&str]) -> Result<&'d mut dyn TableLike, String> {
    let mut here: &mut dyn TableLike = document.as_table_mut();
    for part in path {
        let fresh = || {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        };
        let item = here.entry(part).or_insert_with(fresh);
        here = item.as_table_like_mut().ok_or_else(|| format!("{part} is no table"))?;
    }
    Ok(here)
}

fn set(
    document: &mut DocumentMut,
    path: &[&str],
    wanted: toml_edit::Value,
    differs: &mut Vec<String>,
) -> Result<(), String> {
    let Some((key, above)) = path.split_last() else { return Ok(()) };
    let shown = wanted.to_string();
    let table = table(document, above)?;
    // A comment behind a value is no part of it.
    let bare = |value: &toml_edit::Value| {
        let mut value = value.clone();
        value.decor_mut().clear();
        value.to_string()
    };
    let before = table.get(key).and_then(Item::as_value).map(bare);
    if before.as_ref() == Some(&shown) {
        return Ok(());
    }
    let before = before.unwrap_or_else(|| "nothing".to_owned());
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(present) => {
            let decor = present.decor().clone();
            *present = wanted;
            *present.decor_mut() = decor;
        }
        None => {
            table.insert(key, Item::Value(wanted));
        }
    }
    differs.push(format!("{key} = {shown} instead of {before}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYSTEMD: Wants<'_> =
        Wants { driver: "systemd", sandbox: "registry.k8s.io/pause:3.10", mirrors: false, major: 1 };
    const DEBIAN: &str = "# mine\nversion = 2\n\n[plugins]\n  [plugins.\"io.containerd.grpc.v1.cri\"]\n    sandbox_image = \"old\" # why\n    [plugins.\"io.containerd.grpc.v1.cri\".cni]\n      bin_dir = \"/usr/lib/cni\"\n";

    fn again(first: &Edited, wants: &Wants<'_>) {
        let again = edited(&first.text, wants).unwrap();
        assert_eq!((again.differs, &again.text), (vec![], &first.text), "the second time something differs");
    }

    #[test]
    fn only_what_differs_changes_and_comments_stay() {
        let done = edited(DEBIAN, &SYSTEMD).unwrap();
        for kept in
            ["# mine", "# why", "bin_dir = \"/usr/lib/cni\"", "sandbox_image = \"registry.k8s.io/pause:3.10\" # why"]
        {
            assert!(done.text.contains(kept), "{kept} is gone:\n{}", done.text);
        }
        let runc = "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc";
        assert!(done.text.contains(&format!("{runc}]\nruntime_type = \"io.containerd.runc.v2\"")), "{}", done.text);
        assert!(done.text.contains(&format!("{runc}.options]\nSystemdCgroup = true")), "{}", done.text);
        assert_eq!(done.differs.len(), 3, "{:?}", done.differs);
        again(&done, &SYSTEMD);
    }

    #[test]
    fn the_third_version_has_other_places() {
        let wants = Wants { mirrors: true, major: 2, ..SYSTEMD };
        let done = edited("version = 3\n", &wants).unwrap();
        let read: toml_edit::DocumentMut = done.text.parse().unwrap();
        let runtime =
            ["plugins", "io.containerd.cri.v1.runtime", "containerd", "runtimes", "runc", "options", "SystemdCgroup"];
        assert_eq!(at(&read, &runtime).and_then(Item::as_bool), Some(true));
        let images = |path: &[&str]| text_at(&read, &[&["plugins", "io.containerd.cri.v1.images"], path].concat());
        assert_eq!(images(&["pinned_images", "sandbox"]).as_deref(), Some("registry.k8s.io/pause:3.10"));
        assert_eq!(images(&["registry", "config_path"]).as_deref(), Some(CERTS_D));
        again(&done, &wants);
    }

    #[test]
    fn an_empty_configuration_gets_the_version_that_its_containerd_knows() {
        for (major, version) in [(1, "version = 2"), (2, "version = 3")] {
            let wants = Wants { major, ..SYSTEMD };
            let done = edited("disabled_plugins = [\"cri\", \"aufs\"]\n", &wants).unwrap();
            assert!(
                done.text.contains(version) && done.text.contains("disabled_plugins = [ \"aufs\"]"),
                "{}",
                done.text
            );
            again(&done, &wants);
        }
    }

    #[test]
    fn what_cannot_be_changed_without_guessing_is_refused() {
        let wants = Wants { mirrors: true, ..SYSTEMD };
        assert!(edited("[plugins.cri]\nsandbox_image = \"x\"\n", &wants).unwrap_err().contains("config migrate"));
        assert!(edited("version = 9\n", &wants).unwrap_err().contains("version 9"));
        assert!(edited("version = [", &wants).unwrap_err().contains("no TOML"));
        let inline = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors.\"docker.io\"]\nendpoint = [\"https://x\"]\n";
        assert!(edited(inline, &wants).unwrap_err().contains("registry.mirrors"));
    }

    #[test]
    fn a_runtime_that_is_no_runc_and_a_driver_that_is_right_are_left_alone() {
        let kata = "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]\ndefault_runtime_name = \"kata\"\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.kata]\nruntime_type = \"io.containerd.kata.v2\"\n";
        let wants = Wants { sandbox: "", ..SYSTEMD };
        assert_eq!(edited(kata, &wants).unwrap().text, kata);
        let default = Wants { driver: "cgroupfs", ..wants };
        assert_eq!(edited(DEBIAN, &default).unwrap().text, DEBIAN, "cgroupfs is what containerd does unasked");
    }

    #[test]
    fn hosts_of_a_registry_are_added_and_the_operators_own_stay() {
        let own =
            "server = \"https://registry-1.docker.io\"\n\n[host.\"https://own.example\"]\n  ca = \"/etc/own.crt\"\n";
        let both = hosts(own, &["https://own.example".into(), "https://mirror.example".into()]).unwrap();
        assert!(both.starts_with(own), "{both}");
        assert!(both.contains("[host.\"https://mirror.example\"]\ncapabilities = [\"pull\", \"resolve\"]"), "{both}");
        assert_eq!(hosts(&both, &["https://mirror.example".into()]).unwrap(), both);
    }
}
