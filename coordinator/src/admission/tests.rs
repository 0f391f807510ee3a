//! What is told, what is counted, and in which order, while the cluster changes under it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use slipway_types::NodeRole;

use super::*;

fn name(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

fn coded(code: Code) -> Coded {
    Coded::new(code, "x")
}

#[test]
fn an_agent_that_was_not_told_counts_and_one_that_knows_better_ends_it() {
    let silent = untold([("w1".to_owned(), coded(Code::WIRE_UNREACHABLE))]).unwrap();
    assert_eq!(silent, [name("w1")]);
    let knows = untold([("w1".to_owned(), coded(Code::FENCE_OLD_TERM))]);
    assert!(matches!(knows, Err(StepError::Fenced(_))));
    let state = |node: &str| NodeState { name: name(node), pool: "p".to_owned(), ready: true, schedulable: true };
    let states = [state("w1"), state("w2")];
    let (silent, wanted) = (silent.into_iter().collect(), &states[1].name);
    assert!(matches!(judge(&states, &silent, wanted, ("p", 1)), Err(StepError::Wait { .. })));
    assert_eq!(judge(&states, &silent, wanted, ("p", 2)), Ok(()));
    assert!(matches!(judge(&[], &silent, wanted, ("p", 2)), Err(StepError::Veto(_))));
}

/// A cluster that is another one at every look until the last, and agents of which some refuse.
struct Scene {
    looks: Mutex<VecDeque<Vec<Node>>>,
    refuses: BTreeMap<&'static str, Code>,
    told: Mutex<Vec<Vec<String>>>,
}

impl Scene {
    fn of(looks: impl IntoIterator<Item = Vec<Node>>) -> Self {
        Self { looks: Mutex::new(looks.into_iter().collect()), refuses: BTreeMap::new(), told: Mutex::default() }
    }

    fn refuses(self, node: &'static str, code: Code) -> Self {
        Self { refuses: BTreeMap::from([(node, code)]), ..self }
    }

    async fn asks_for(&self, node: &str) -> Result<BTreeSet<NodeName>, StepError> {
        let request = AdmissionRequest {
            node: name(node),
            run: RunId::from("r1"),
            fence: Default::default(),
            under_way: BTreeMap::new(),
        };
        consider(self, &request).await
    }

    fn told(&self) -> Vec<Vec<String>> {
        self.told.lock().unwrap().clone()
    }
}

#[async_trait]
impl Outlook for Scene {
    async fn writable(&self) -> Result<(), StepError> {
        Ok(())
    }

    async fn nodes(&self) -> Result<Vec<Node>, StepError> {
        let mut looks = self.looks.lock().unwrap();
        Ok(if looks.len() > 1 { looks.pop_front() } else { looks.front().cloned() }.unwrap_or_default())
    }

    fn share(&self, node: &Node) -> Share {
        Share { pool: node.labels.get("pool").cloned().unwrap_or_default(), limit: 1 }
    }

    async fn limit(&self, _run: &RunId, share: &Share) -> Result<usize, StepError> {
        Ok(share.limit as usize)
    }

    async fn raise(&self, nodes: &[&Node]) -> Result<Vec<(String, Coded)>, StepError> {
        let names: Vec<String> = nodes.iter().map(|node| node.name.to_string()).collect();
        let refusal = |node: &String| Some((node.clone(), coded(*self.refuses.get(node.as_str())?)));
        let refusals = names.iter().filter_map(refusal).collect();
        self.told.lock().unwrap().push(names);
        Ok(refusals)
    }
}

fn node(node: &str, pool: &str) -> Node {
    Node {
        name: name(node),
        uid: format!("the first {node}"),
        resource_version: String::new(),
        role: NodeRole::Worker,
        ready: true,
        ready_status: "True".into(),
        version: String::new(),
        unschedulable: false,
        annotations: BTreeMap::new(),
        labels: BTreeMap::from([("pool".to_owned(), pool.to_owned())]),
        taints: Vec::new(),
        addresses: Vec::new(),
        created: None,
        machine_id: String::new(),
        boot_id: String::new(),
    }
}

/// While the agents of the pool are told, w3 comes into it.
fn w3_comes() -> Scene {
    let before = vec![node("w1", "p"), node("w2", "p"), node("x1", "x")];
    let after = [before.clone(), vec![node("w3", "p"), node("x2", "x")]].concat();
    Scene::of([before, after])
}

#[tokio::test]
async fn a_node_that_comes_while_others_are_told_is_told_before_anything_is_counted() {
    let scene = w3_comes();
    assert_eq!(scene.asks_for("w1").await, Ok(BTreeSet::new()));
    assert_eq!(scene.told(), [vec!["w1", "w2"], vec!["w3"]], "each agent of the pool once, and no other");
}

#[tokio::test]
async fn a_node_that_comes_and_cannot_be_told_counts_and_one_that_knows_better_ends_it() {
    let silent = w3_comes().refuses("w3", Code::WIRE_UNREACHABLE).asks_for("w1").await;
    assert!(matches!(silent, Err(StepError::Wait { .. })), "{silent:?}");
    let knows = w3_comes().refuses("w3", Code::FENCE_OLD_TERM).asks_for("w1").await;
    assert!(matches!(knows, Err(StepError::Fenced(_))), "{knows:?}");
}

#[tokio::test]
async fn a_node_of_the_same_name_may_have_another_host_behind_it() {
    let before = vec![node("w1", "p"), node("w2", "p")];
    let after = vec![before[0].clone(), Node { uid: "the second w2".into(), ..before[1].clone() }];
    let scene = Scene::of([before, after]);
    assert_eq!(scene.asks_for("w1").await, Ok(BTreeSet::new()));
    assert_eq!(scene.told(), [vec!["w1", "w2"], vec!["w2"]]);
}

#[tokio::test]
async fn whoever_shares_a_pool_now_is_told_whatever_the_labels_said_before() {
    let before = vec![node("w1", "p"), node("w2", "p"), node("x1", "x")];
    let after = vec![node("w1", "x"), node("w2", "p"), node("x1", "x")];
    let scene = Scene::of([before, after]).refuses("x1", Code::WIRE_UNREACHABLE);
    let asked = scene.asks_for("w1").await;
    assert!(matches!(asked, Err(StepError::Wait { .. })), "{asked:?}");
    assert_eq!(scene.told(), [vec!["w1", "w2"], vec!["x1"]]);
}
