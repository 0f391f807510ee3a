//! The bootstrap token of one join: made for it alone, named after run and node so that it is found again, short-lived, and deleted on every way
//! out.

use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use slipway_cluster::BootstrapToken;
use slipway_errors::{Code, Coded};
use slipway_flow::{OnFailure, Policy, Step, StepCx, StepError};
use slipway_identity::random;
use slipway_types::secret::BOOTSTRAP_ALPHABET;
use slipway_types::{NodeName, RunId, Secret, StepId};

use super::fail::api;
use crate::world::World;

/// A join with images to be pulled takes its time; what is forgotten by everybody ends by itself.
const LIFE: Duration = Duration::from_hours(1);
/// One that ends sooner is replaced before it is used.
const AT_LEAST: Duration = Duration::from_mins(30);

/// The token's public part: the same for the same run and node.
pub(super) fn id_of(run: &RunId, node: &NodeName) -> String {
    let hash = Sha256::digest(format!("{run}/{node}"));
    hash.iter()
        .take(6)
        .map(|byte| char::from(BOOTSTRAP_ALPHABET[usize::from(*byte) % BOOTSTRAP_ALPHABET.len()]))
        .collect()
}

fn description_of(run: &RunId, node: &NodeName) -> String {
    format!("slipway: run {run} joins {node}")
}

/// The token with this run's id for that node, whoever made it.
async fn found(cx: &StepCx<'_, World>, node: &NodeName) -> Result<Option<BootstrapToken>, StepError> {
    cx.world.cluster.bootstrap_token(&id_of(&cx.run, node)).await.map_err(|error| api(error.into()))
}

/// The token of this run for that node, whole.
pub(super) async fn token(cx: &StepCx<'_, World>, node: &NodeName) -> Result<Secret, StepError> {
    let ours = found(cx, node).await?.filter(|token| token.description == description_of(&cx.run, node));
    ours.and_then(|token| token.whole()).ok_or_else(|| {
        let text = format!("the bootstrap token of this run for {node} is gone");
        StepError::Failed(
            Coded::new(Code::JOIN_TOKEN, text).do_this("somebody deleted it, or it ended: begin the join anew"),
        )
    })
}

/// Makes the token.
pub struct CreateBootstrapToken {
    /// The node that joins with it.
    pub node: NodeName,
}

#[async_trait]
impl Step<World> for CreateBootstrapToken {
    fn id(&self) -> StepId {
        StepId(format!("create-token-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("a bootstrap token for {} alone, for {} minutes at most", self.node, LIFE.as_secs() / 60)
    }

    fn by_hand(&self) -> Vec<String> {
        vec![format!("kubeadm token create --ttl 1h --description 'joins {}'", self.node)]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().keep_trying().on_failure(OnFailure::Unwind)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        let Some(token) = found(cx, &self.node).await? else { return Ok(false) };
        if token.description != description_of(&cx.run, &self.node) {
            let text = format!("a bootstrap token {} is there already, and not of this run", token.id);
            return Err(StepError::Failed(Coded::new(Code::JOIN_TOKEN, text).do_this("begin the join anew")));
        }
        let least = cx.clock.now() + AT_LEAST;
        Ok(token.expires.is_some_and(|expires| expires > least))
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let (id, description) = (id_of(&cx.run, &self.node), description_of(&cx.run, &self.node));
        let cluster = &cx.world.cluster;
        // One that is about to end.
        cluster.delete_bootstrap_token(&id, &description).await.map_err(|error| api(error.into()))?;
        let secret = random::letters(16).ok().and_then(Secret::new).ok_or_else(|| {
            StepError::retry(Coded::new(Code::INTERNAL, "the system gave no random bytes for a bootstrap token"))
        })?;
        let token = BootstrapToken { id: id.clone(), secret, description, expires: Some(cx.clock.now() + LIFE) };
        cluster.create_bootstrap_token(&token).await.map_err(|error| api(error.into()))?;
        Ok(vec![format!("created bootstrap token {id}")])
    }

    async fn undo(&self, cx: &StepCx<'_, World>) -> Result<(), StepError> {
        delete(cx, &self.node).await?;
        // Nobody can ask with it any more; what was asked for goes too.
        super::delete_requests::delete_requests(cx, &self.node).await.map(drop)
    }
}

/// Deletes the token once it has served.
pub struct DeleteBootstrapToken {
    /// The node that joined with it.
    pub node: NodeName,
}

#[async_trait]
impl Step<World> for DeleteBootstrapToken {
    fn id(&self) -> StepId {
        StepId(format!("delete-token-{}", self.node))
    }

    fn summary(&self) -> String {
        format!("the bootstrap token of {} is deleted", self.node)
    }

    fn by_hand(&self) -> Vec<String> {
        vec![
            format!("kubeadm token list   # the one that joins {}", self.node),
            "kubeadm token delete TOKEN-ID".to_owned(),
        ]
    }

    fn node(&self) -> Option<NodeName> {
        Some(self.node.clone())
    }

    fn policy(&self) -> Policy {
        Policy::default().keep_trying().on_failure(OnFailure::Pause)
    }

    async fn satisfied(&self, cx: &StepCx<'_, World>) -> Result<bool, StepError> {
        Ok(found(cx, &self.node).await?.is_none_or(|token| token.description != description_of(&cx.run, &self.node)))
    }

    async fn act(&self, cx: &StepCx<'_, World>) -> Result<Vec<String>, StepError> {
        let deleted = delete(cx, &self.node).await?;
        Ok(deleted.then(|| format!("deleted bootstrap token {}", id_of(&cx.run, &self.node))).into_iter().collect())
    }
}

/// It opens nothing to anybody any more. One that is not of this run is left.
pub(super) async fn delete(cx: &StepCx<'_, World>, node: &NodeName) -> Result<bool, StepError> {
    let (id, description) = (id_of(&cx.run, node), description_of(&cx.run, node));
    match cx.world.cluster.delete_bootstrap_token(&id, &description).await {
        Err(slipway_cluster::Error::Foreign { .. }) => Ok(false),
        deleted => deleted.map_err(|error| api(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_join_has_an_id_of_its_own_in_the_form_of_a_token() {
        let node = |name: &str| name.parse::<NodeName>().unwrap();
        let id = id_of(&"r1".into(), &node("w1"));
        assert!(id.len() == 6 && id.bytes().all(|byte| BOOTSTRAP_ALPHABET.contains(&byte)), "{id}");
        assert_eq!(id, id_of(&"r1".into(), &node("w1")));
        assert_ne!(id, id_of(&"r1".into(), &node("w2")));
        assert_ne!(id, id_of(&"r2".into(), &node("w1")));
    }
}
