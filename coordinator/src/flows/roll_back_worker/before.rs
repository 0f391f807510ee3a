//! Which release a worker had before its last upgrade, where the operator does not say. Only the agent that began that upgrade knows for certain,
//! and only as long as nobody else has changed the host since: a guess could take a node back by two releases.

use slipway_errors::{Code, Coded};
use slipway_types::KubernetesVersion;

use crate::flows::packages::{Repository, packages};
use crate::flows::replace_etcd_member::Place;
use crate::world::World;

/// What the host's agent noted; refused where that does not fit what the node has.
pub(super) async fn noted(world: &World, place: &Place) -> Result<KubernetesVersion, Coded> {
    // Only what is on the host is asked for: no repository is looked at.
    let nowhere = Repository { minor: String::new(), url: String::new(), key: String::new(), keyring: String::new() };
    let last = packages(world, &place.record, &nowhere).await?.last_upgrade;
    fitting(last.as_ref().map(|(to, from)| (to.as_str(), from.as_str())), &place.node.version)
}

/// The release that the last upgrade began from, if the node has that one or the one that it went to.
fn fitting(last: Option<(&str, &str)>, has: &str) -> Result<KubernetesVersion, Coded> {
    let unknown = |why: String| {
        Coded::new(Code::UPGRADE_ROLL_BACK, why).do_this(
            "--to VERSION, the release that it had before; on the host: zgrep ' upgrade kubelet' /var/log/dpkg.log*",
        )
    };
    let Some((to, from)) = last else {
        return Err(unknown(
            "which version the node had before is not known: its agent has begun no upgrade there".to_owned(),
        ));
    };
    if has != to && has != from {
        return Err(unknown(format!("the last upgrade that its agent began went to {to}, and the node has {has}")));
    }
    from.parse().map_err(|_| unknown(format!("its agent did not note which version the node had before {to}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_noted_of_what_the_node_has_is_believed() {
        let last = Some(("v1.34.4", "v1.33.13"));
        assert_eq!(fitting(last, "v1.34.4").unwrap().to_string(), "v1.33.13");
        assert_eq!(fitting(last, "v1.33.13").unwrap().to_string(), "v1.33.13", "the new kubelet never came up");
        for (last, has, words) in [
            (None, "v1.34.4", "begun no upgrade"),
            (last, "v1.35.0", "went to v1.34.4, and the node has v1.35.0"),
            (Some(("v1.34.4", "")), "v1.34.4", "did not note"),
        ] {
            let refused = fitting(last, has).unwrap_err();
            assert_eq!(refused.code, Code::UPGRADE_ROLL_BACK);
            assert!(
                refused.message.contains(words) && refused.way_out.unwrap().contains("--to"),
                "{}",
                refused.message
            );
        }
    }
}
