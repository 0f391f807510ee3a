//! Which master `kubeadm upgrade apply` runs on. The others get `kubeadm upgrade node`, which before the apply would leave them at the old
//! version without a word: so the apply comes first among those that the run is about, or the run does not begin.

use slipway_cluster::KubeadmConfig;
use slipway_types::{KubernetesVersion, NodeName, NodeRole};

use super::findings::found;
use super::gather::static_pods;
use crate::flows::replace_etcd_member::Place;
use crate::steps::tag;
use crate::versions::{Finding, Severity};

/// What is to be known of a master here.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    name: NodeName,
    /// Its API server has the version already.
    begun: bool,
    /// Its kubelet too.
    done: bool,
}

/// None where the cluster's own configuration has the version already, or no master is chosen.
pub(super) fn first(
    places: &[Place],
    chosen: &[NodeName],
    config: &KubeadmConfig,
    to: KubernetesVersion,
) -> Result<Option<NodeName>, Finding> {
    if config.version == to.to_string() {
        return Ok(None);
    }
    let masters = places.iter().filter(|place| place.node.role == NodeRole::ControlPlane);
    let seen: Vec<Seen> = masters.map(|place| seen(place, to)).collect();
    among(&seen, chosen)
}

fn seen(place: &Place, to: KubernetesVersion) -> Seen {
    let image = static_pods(&place.facts).remove("kube-apiserver");
    Seen {
        name: place.node.name.clone(),
        begun: image.is_some_and(|image| tag(&image) == to.to_string()),
        done: place.node.version == to.to_string(),
    }
}

/// The one on which it has begun, or the first one.
fn among(masters: &[Seen], chosen: &[NodeName]) -> Result<Option<NodeName>, Finding> {
    let is_chosen = |master: &&Seen| chosen.contains(&master.name);
    let Some(first) = masters.iter().find(is_chosen) else { return Ok(None) };
    let Some(begun) = masters.iter().find(|master| master.begun) else { return Ok(Some(first.name.clone())) };
    if is_chosen(&begun) {
        return Ok(Some(begun.name.clone()));
    }
    if begun.done {
        return Ok(None);
    }
    let text = format!(
        "kubeadm upgrade apply has begun on {} and is not at its end, and {} is left out",
        begun.name, begun.name
    );
    Err(found(Severity::Block, text, format!("bring {} to its end first, or with the others", begun.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master(name: &str, begun: bool, done: bool) -> Seen {
        Seen { name: name.parse().unwrap(), begun, done }
    }

    fn of(masters: &[Seen], chosen: &[&str]) -> Result<Option<String>, String> {
        let chosen: Vec<NodeName> = chosen.iter().map(|name| name.parse().unwrap()).collect();
        among(masters, &chosen).map(|first| first.map(|first| first.to_string())).map_err(|finding| finding.text)
    }

    #[test]
    fn the_apply_runs_on_a_master_that_the_run_is_about() {
        let fresh = [master("m1", false, false), master("m2", false, false)];
        assert_eq!(of(&fresh, &["m1", "m2", "w1"]), Ok(Some("m1".to_owned())));
        assert_eq!(of(&fresh, &["m2"]), Ok(Some("m2".to_owned())), "m2 alone would get upgrade node, and stay behind");
        assert_eq!(of(&fresh, &["w1"]), Ok(None));
    }

    #[test]
    fn an_apply_that_has_begun_is_brought_to_its_end_first() {
        let half = [master("m1", false, false), master("m2", true, false)];
        assert_eq!(of(&half, &["m1", "m2"]), Ok(Some("m2".to_owned())));
        assert!(of(&half, &["m1"]).unwrap_err().contains("has begun on m2"));
        assert_eq!(of(&[master("m1", false, false), master("m2", true, true)], &["m1"]), Ok(None));
    }
}
