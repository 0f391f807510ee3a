//! Small changes to YAML that other programs wrote: one value is replaced where it stands, everything else stays to the byte. Then both texts
//! are read as YAML, and they must differ in that value alone; so a file that is written in a way that was not foreseen is refused, never bent.

use serde_json::Value;

/// Why a file was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The value is not there.
    #[error("{0} is not there")]
    Absent(String),
    /// It is there more than once.
    #[error("{0} is there more than once")]
    Ambiguous(String),
    /// It is no YAML, or written in a way that cannot be changed by a line.
    #[error("it is written in a way that is not foreseen: {0}")]
    Unforeseen(String),
}

/// The value of the flag `name` (`--etcd-servers`) in the command of a static pod's only container.
pub fn flag(manifest: &str, name: &str) -> Result<String, Error> {
    let pod = parsed(manifest)?;
    let words = words(&pod);
    let mut values = words.iter().filter_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let value = values.next().ok_or_else(|| Error::Absent(name.to_owned()))?.to_owned();
    if values.next().is_some() { Err(Error::Ambiguous(name.to_owned())) } else { Ok(value) }
}

/// The manifest with another value of that flag.
pub fn with_flag(manifest: &str, name: &str, value: &str) -> Result<String, Error> {
    let before = flag(manifest, name)?;
    let (old, new) = (format!("{name}={before}"), format!("{name}={value}"));
    let item = |text: &str| [format!("- {text}"), format!("- \"{text}\""), format!("- '{text}'")];
    let edited = replaced(manifest, &item(&old), &item(&new), name)?;
    let mut expected = parsed(manifest)?;
    for_each_string(&mut expected, &mut |text| {
        if *text == old {
            text.clone_from(&new);
        }
    });
    proven(edited, &expected)
}

/// The image of the container of that name in a static pod.
pub fn image(manifest: &str, container: &str) -> Result<String, Error> {
    let pod = parsed(manifest)?;
    let image = containers(&pod).find(|known| known["name"] == container).and_then(|known| known["image"].as_str());
    image.map(str::to_owned).ok_or_else(|| Error::Absent(format!("the image of {container}")))
}

/// The manifest with another image for that container.
pub fn with_image(manifest: &str, container: &str, image: &str) -> Result<String, Error> {
    let before = self::image(manifest, container)?;
    let line = |text: &str| [format!("image: {text}"), format!("image: \"{text}\""), format!("image: '{text}'")];
    let edited = replaced(manifest, &line(&before), &line(image), "image")?;
    let mut expected = parsed(manifest)?;
    let containers = expected["spec"]["containers"].as_array_mut().into_iter().flatten();
    for known in containers.filter(|known| known["name"] == container) {
        known["image"] = Value::from(image);
    }
    proven(edited, &expected)
}

/// What a manifest says of its pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// The image of its first container.
    pub image: String,
}

/// The pod of a static pod's manifest.
pub fn pod(manifest: &str) -> Result<Pod, Error> {
    let pod = parsed(manifest)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let image = containers(&pod).next().map(|first| text(&first["image"])).unwrap_or_default();
    Ok(Pod { name: text(&pod["metadata"]["name"]), image })
}

/// The API servers in a kubeconfig, one for each cluster in it.
pub fn servers(kubeconfig: &str) -> Result<Vec<String>, Error> {
    let config = parsed(kubeconfig)?;
    let clusters = config["clusters"].as_array().cloned().unwrap_or_default();
    Ok(clusters.iter().filter_map(|named| named["cluster"]["server"].as_str()).map(str::to_owned).collect())
}

/// The authority that a kubeconfig with one cluster judges its API server by: the data in it (base64), or the path of a file.
pub fn authority(kubeconfig: &str) -> Result<Authority, Error> {
    let config = parsed(kubeconfig)?;
    let cluster = &config["clusters"][0]["cluster"];
    match (cluster["certificate-authority-data"].as_str(), cluster["certificate-authority"].as_str()) {
        (Some(data), _) => Ok(Authority::Data(data.to_owned())),
        (None, Some(path)) => Ok(Authority::File(path.to_owned())),
        (None, None) => Err(Error::Absent("certificate-authority".into())),
    }
}

/// Where an authority is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authority {
    /// In the kubeconfig, as base64 of PEM.
    Data(String),
    /// In a file.
    File(String),
}

/// The kubeconfig of one cluster, with another API server.
pub fn with_server(kubeconfig: &str, server: &str) -> Result<String, Error> {
    let before = match &servers(kubeconfig)?[..] {
        [] => return Err(Error::Absent("server".into())),
        [one] => one.clone(),
        _ => return Err(Error::Ambiguous("server".into())),
    };
    let line = |text: &str| [format!("server: {text}"), format!("server: \"{text}\""), format!("server: '{text}'")];
    let edited = replaced(kubeconfig, &line(&before), &line(server), "server")?;
    let mut expected = parsed(kubeconfig)?;
    if let Some(value) = expected.pointer_mut("/clusters/0/cluster/server") {
        *value = Value::from(server);
    }
    proven(edited, &expected)
}

fn parsed(text: &str) -> Result<Value, Error> {
    serde_saphyr::from_str(text).map_err(|error| Error::Unforeseen(error.to_string()))
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    pod["spec"]["containers"].as_array().into_iter().flatten()
}

fn words(manifest: &Value) -> Vec<&str> {
    let lists = containers(manifest).flat_map(|container| [&container["command"], &container["args"]]);
    lists.filter_map(Value::as_array).flatten().filter_map(Value::as_str).collect()
}

/// Replaces the one line that is one of `old` with its counterpart of `new`.
fn replaced(text: &str, old: &[String; 3], new: &[String; 3], what: &str) -> Result<String, Error> {
    let mut done = 0;
    let lines: Vec<String> = text
        .split_inclusive('\n')
        .map(|line| {
            let body = line.trim_end();
            let found = old.iter().zip(new).find_map(|(old, new)| {
                let indent = body.strip_suffix(old.as_str())?;
                indent.trim().is_empty().then_some((indent, new))
            });
            match found {
                Some((indent, new)) => {
                    done += 1;
                    format!("{indent}{new}{}", &line[body.len()..])
                }
                None => line.to_owned(),
            }
        })
        .collect();
    match done {
        1 => Ok(lines.concat()),
        0 => Err(Error::Unforeseen(format!("{what} does not stand on a line of its own"))),
        _ => Err(Error::Ambiguous(what.to_owned())),
    }
}

fn proven(edited: String, expected: &Value) -> Result<String, Error> {
    if parsed(&edited)? == *expected {
        Ok(edited)
    } else {
        Err(Error::Unforeseen("the change would touch more than it should".into()))
    }
}

fn for_each_string(value: &mut Value, work: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => work(text),
        Value::Array(items) => items.iter_mut().for_each(|item| for_each_string(item, work)),
        Value::Object(fields) => fields.values_mut().for_each(|item| for_each_string(item, work)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = include_str!("../fixtures/kube-apiserver.yaml");
    const KUBECONFIG: &str = "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: QUJD\n    server: https://10.70.0.11:6443 \n  name: kubernetes\n# mine\nusers:\n- name: u\n  user:\n    client-key: /k\n";

    fn differing(one: &str, other: &str) -> Vec<String> {
        assert_eq!(one.lines().count(), other.lines().count());
        one.lines().zip(other.lines()).filter(|(a, b)| a != b).map(|(_, b)| b.trim().to_owned()).collect()
    }

    #[test]
    fn a_flag_is_replaced_on_its_line_and_nothing_else_changes() {
        assert_eq!(flag(MANIFEST, "--etcd-servers").unwrap(), "https://127.0.0.1:2379");
        let new = "https://10.70.0.11:2379,https://10.70.0.12:2379";
        let edited = with_flag(MANIFEST, "--etcd-servers", new).unwrap();
        assert_eq!(differing(MANIFEST, &edited), [format!("- --etcd-servers={new}")]);
        assert_eq!(flag(&edited, "--etcd-servers").unwrap(), new);
    }

    #[test]
    fn quotes_and_comments_are_kept() {
        let quoted =
            MANIFEST.replace("- --etcd-servers=https://127.0.0.1:2379", "- \"--etcd-servers=https://127.0.0.1:2379\"");
        let with_comment = format!("# by hand: --etcd-servers=https://127.0.0.1:2379\n{quoted}");
        let edited = with_flag(&with_comment, "--etcd-servers", "https://a:2379").unwrap();
        assert_eq!(differing(&with_comment, &edited), ["- \"--etcd-servers=https://a:2379\""]);
    }

    #[test]
    fn a_flag_that_is_absent_twice_there_or_oddly_written_is_refused() {
        let absent = MANIFEST.replace("--etcd-servers=", "--x=");
        assert_eq!(with_flag(&absent, "--etcd-servers", "v"), Err(Error::Absent("--etcd-servers".into())));
        let twice = MANIFEST.replace("    - --secure-port=6443\n", "    - --etcd-servers=https://b:1\n");
        assert_eq!(flag(&twice, "--etcd-servers"), Err(Error::Ambiguous("--etcd-servers".into())));
        let flow = "spec:\n  containers:\n  - command: [\"kube-apiserver\", \"--etcd-servers=https://a:1\"]\n";
        assert!(matches!(with_flag(flow, "--etcd-servers", "v"), Err(Error::Unforeseen(_))));
        assert!(matches!(with_flag("a: [", "--etcd-servers", "v"), Err(Error::Unforeseen(_))));
    }

    #[test]
    fn an_image_is_replaced_on_its_line_and_only_there() {
        assert_eq!(image(MANIFEST, "kube-apiserver").unwrap(), "kube.test/kube-apiserver:v1.33.13");
        let edited = with_image(MANIFEST, "kube-apiserver", "kube.test/kube-apiserver:v1.34.4").unwrap();
        assert_eq!(differing(MANIFEST, &edited), ["image: kube.test/kube-apiserver:v1.34.4"]);
        let read = pod(&edited).unwrap();
        assert_eq!((read.name.as_str(), read.image.as_str()), ("kube-apiserver", "kube.test/kube-apiserver:v1.34.4"));
    }

    #[test]
    fn an_image_of_two_containers_or_none_is_left() {
        let twice = "spec:\n  containers:\n  - name: a\n    image: x:1\n  - name: b\n    image: x:1\n";
        assert_eq!(with_image(twice, "a", "x:2"), Err(Error::Ambiguous("image".into())));
        assert!(matches!(image(twice, "c"), Err(Error::Absent(_))));
    }

    #[test]
    fn a_server_is_replaced_and_the_rest_of_the_kubeconfig_kept() {
        let edited = with_server(KUBECONFIG, "https://10.70.0.10:6443").unwrap();
        assert_eq!(differing(KUBECONFIG, &edited), ["server: https://10.70.0.10:6443"]);
        assert!(edited.contains("# mine") && edited.contains(":6443 \n"), "what stood around it is gone");
        let first = "clusters:\n- name: k\n  cluster: {}\n- cluster: {}\n";
        assert!(with_server(first, "https://a:1").is_err());
        let leading = "clusters:\n- name: k\n  cluster:\n    server: 'https://a:1'\n";
        assert_eq!(with_server(leading, "https://b:2").unwrap(), leading.replace("https://a:1", "https://b:2"));
    }

    #[test]
    fn a_kubeconfig_of_two_clusters_is_left_to_its_owner() {
        let two = KUBECONFIG.replace("# mine\n", "- cluster:\n    server: https://other:6443\n  name: other\n");
        assert_eq!(with_server(&two, "https://a:1"), Err(Error::Ambiguous("server".into())));
    }

    #[test]
    fn the_authority_is_in_the_file_or_beside_it() {
        assert_eq!(authority(KUBECONFIG).unwrap(), Authority::Data("QUJD".into()));
        let beside =
            KUBECONFIG.replace("certificate-authority-data: QUJD", "certificate-authority: /etc/kubernetes/pki/ca.crt");
        assert_eq!(authority(&beside).unwrap(), Authority::File("/etc/kubernetes/pki/ca.crt".into()));
        assert!(authority("clusters: []\n").is_err());
    }
}
