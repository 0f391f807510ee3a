//! Emptying a node. What to do is decided by plain data in [`state`]; this file brings the facts in, carries the requests out, and ends
//! when nothing is left. Everything is known again from the API after a restart, and dropping the future at any moment does no harm.

mod attempt;
mod decide;
mod entry;
mod evict;
mod ledger;
mod options;
mod outlook;
mod progress;
#[cfg(test)]
mod scenario_tests;
mod state;
#[cfg(test)]
mod state_tests;

use std::pin::Pin;

use futures::stream::{FuturesUnordered, Stream, StreamExt as _};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde::{Deserialize, Serialize};
use slipway_errors::{Code, Coded};
use slipway_types::NodeName;

use self::attempt::{Answer, Now};
use self::entry::Entry;
use self::outlook::End;
use self::state::State;
use crate::follow::{Seen, follow};
use crate::pods::bound_to;
use crate::{Budget, ClusterApi, DaemonSets, Error, Flag, LeaveReason, Pod, PodRef, Verdict, blocking, classify};

pub use self::options::{DrainOptions, Ladder, ShorterGrace};
pub use self::progress::{Blocked, BlockedBy, DrainProgress, DrainReporter, Silent};

/// What a drain would do with a pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodVerdict {
    /// Which pod.
    pub pod: PodRef,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// What a drain would meet if it began now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DrainPreview {
    /// Every pod of the node.
    pub pods: Vec<PodVerdict>,
    /// Those that a disruption budget would hold up at this moment.
    pub blocked: Vec<Blocked>,
}

impl DrainPreview {
    /// How many pods would go.
    pub fn to_evict(&self) -> usize {
        self.pods.iter().filter(|pod| !matches!(pod.verdict, Verdict::Leave(_))).count()
    }

    /// Those that need the operator's word.
    pub fn needing(&self) -> Vec<PodVerdict> {
        self.pods.iter().filter(|pod| matches!(pod.verdict, Verdict::Needs(_))).cloned().collect()
    }
}

/// How a drain ended well.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DrainReport {
    /// How many pods left while it worked.
    pub gone: usize,
    /// Pods that stay: those of DaemonSets, and static ones.
    pub left: Vec<PodRef>,
    /// Pods that were no longer waited for.
    pub skipped: Vec<PodRef>,
    /// Every use of a rung, pod by pod.
    pub rungs: Vec<String>,
}

/// Why a drain ended early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DrainError {
    /// Pods that may not go without the operator's word. Before the first eviction nothing was done.
    #[error("{} of the node's pods need a flag: {}", .0.len(), needs_sentence(.0))]
    NeedsFlags(Vec<PodVerdict>),
    /// Its time is up.
    #[error("the drain did not end in its time: {0}")]
    Deadline(String, Box<DrainProgress>),
    /// Nobody could go on.
    #[error(transparent)]
    Cluster(#[from] Error),
}

impl From<DrainError> for Coded {
    fn from(error: DrainError) -> Self {
        let message = error.to_string();
        match error {
            DrainError::NeedsFlags(pods) => {
                let flags: std::collections::BTreeSet<Flag> =
                    pods.iter().flat_map(|pod| flags_of(&pod.verdict)).copied().collect();
                let flags: Vec<String> = flags.iter().map(ToString::to_string).collect();
                Self::new(Code::DRAIN_NEEDS_FLAG, message)
                    .do_this(format!("give {}, or take these pods away first", flags.join(" ")))
            }
            DrainError::Deadline(_, progress) => {
                let by_budget =
                    |blocked: &Blocked| matches!(blocked.by, BlockedBy::Budget { .. } | BlockedBy::Budgets(_));
                let code =
                    if progress.blocked.iter().any(by_budget) { Code::DRAIN_BLOCKED } else { Code::DRAIN_DEADLINE };
                Self::new(code, message)
            }
            DrainError::Cluster(error) => error.into(),
        }
    }
}

fn flags_of(verdict: &Verdict) -> &[Flag] {
    if let Verdict::Needs(flags) = verdict { flags } else { &[] }
}

fn needs_sentence(pods: &[PodVerdict]) -> String {
    let one = |pod: &PodVerdict| {
        let flags: Vec<String> = flags_of(&pod.verdict).iter().map(ToString::to_string).collect();
        format!("{} needs {}", pod.pod, flags.join(" "))
    };
    pods.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Empties one node.
#[derive(Debug, Clone)]
pub struct Drainer {
    cluster: ClusterApi,
    node: NodeName,
    options: DrainOptions,
}

type Feed<T> = Pin<Box<dyn Stream<Item = Seen<T>> + Send>>;

impl Drainer {
    /// A drain of that node. Nothing happens before [`Self::run`].
    pub fn new(cluster: ClusterApi, node: NodeName, options: DrainOptions) -> Self {
        Self { cluster, node, options }
    }

    /// What it would meet now. Reads only.
    pub async fn preview(&self) -> Result<DrainPreview, Error> {
        let (pods, budgets) = futures::try_join!(self.cluster.pods_on(&self.node), self.cluster.budgets())?;
        let daemon_sets = self.cluster.daemon_sets_of(&pods).await?;
        let verdict = |pod: &Pod| classify(pod, &daemon_sets, self.options.flags);
        let going: Vec<Pod> =
            pods.iter().filter(|pod| matches!(verdict(pod), Verdict::Evict | Verdict::Needs(_))).cloned().collect();
        let now = self.cluster.clock().now();
        let blocked = blocking(&going, &budgets);
        Ok(DrainPreview {
            blocked: blocked
                .into_iter()
                .map(|(pod, by)| Blocked { pod: pod.id.clone(), by: obstacle(&by), since: now })
                .collect(),
            pods: pods.iter().map(|pod| PodVerdict { pod: pod.id.clone(), verdict: verdict(pod) }).collect(),
        })
    }

    /// True when nothing is left on the node that this drain would take away.
    pub async fn is_drained(&self) -> Result<bool, Error> {
        let pods = self.cluster.pods_on(&self.node).await?;
        let goes = |known: &DaemonSets| {
            let verdicts = pods.iter().map(|pod| classify(pod, known, self.options.flags));
            verdicts
                .filter(|verdict| *verdict != Verdict::Undecided)
                .any(|verdict| !matches!(verdict, Verdict::Leave(_)))
        };
        // A node that is not empty shows it by pods of no DaemonSet, most often; only without them is each DaemonSet worth a question.
        if goes(&DaemonSets::default()) {
            return Ok(false);
        }
        Ok(!goes(&self.cluster.daemon_sets_of(&pods).await?))
    }

    /// The pods that this drain would still bring away or wait for. Those that have finished count no more, nor those whose end it would no
    /// longer wait for.
    pub async fn unfinished(&self) -> Result<Vec<Pod>, Error> {
        let pods = self.cluster.pods_on(&self.node).await?;
        let daemon_sets = self.cluster.daemon_sets_of(&pods).await?;
        let wanted = |pod: &Pod| {
            let entry = Entry::new(pod.clone(), classify(pod, &daemon_sets, self.options.flags));
            entry.is_wanted() && !pod.is_finished() && !entry.is_skippable(&self.options.ladder, self.now())
        };
        Ok(pods.into_iter().filter(wanted).collect())
    }

    /// The pods that a drain leaves on the node, for whoever waits for their volumes.
    pub async fn staying(&self) -> Result<Vec<Pod>, Error> {
        let pods = self.cluster.pods_on(&self.node).await?;
        let daemon_sets = self.cluster.daemon_sets_of(&pods).await?;
        Ok(pods
            .into_iter()
            .filter(|pod| matches!(classify(pod, &daemon_sets, self.options.flags), Verdict::Leave(_)))
            .collect())
    }

    /// Drains until nothing is left that would have to go. An API server that does not answer is waited for and told about.
    pub async fn run(&self, reporter: &dyn DrainReporter) -> Result<DrainReport, DrainError> {
        let mut state = State::new(self.options.clone(), self.now());
        let mut pods: Feed<core::Pod> = Box::pin(follow(
            &self.cluster,
            self.cluster.pod_api(),
            Some(bound_to(&self.node)),
            &format!("watch the pods of {}", self.node),
        ));
        let mut budgets: Feed<PodDisruptionBudget> =
            Box::pin(follow(&self.cluster, self.cluster.budget_api(), None, "watch the disruption budgets"));
        let mut requests = FuturesUnordered::new();
        let mut teller = Teller { reporter, told: None, rungs: Vec::new() };
        loop {
            let now = self.now();
            if let Some(end) = state.end(now) {
                if end != End::Drained || self.confirms(&mut state).await? {
                    teller.tell(&mut state, self.now());
                    return self.ended(end, &state, teller.rungs);
                }
                continue;
            }
            for attempt in state.attempts(now) {
                let cluster = &self.cluster;
                requests.push(async move { (evict::send(cluster, &attempt).await, attempt) });
            }
            teller.tell(&mut state, now);
            tokio::select! {
                biased;
                Some((answer, attempt)) = requests.next(), if !requests.is_empty() => match answer {
                    Answer::Fatal(error) => return Err(error.into()),
                    answer => state.answered(&attempt, answer, self.now()),
                },
                Some(seen) = budgets.next() => self.take_budget(&mut state, seen)?,
                Some(seen) = pods.next() => self.take_pod(&mut state, seen)?,
                () = tokio::time::sleep(state.nap(now)) => {}
            }
        }
    }

    /// A watch may lag: only a fresh list may say that a node is empty.
    async fn confirms(&self, state: &mut State) -> Result<bool, DrainError> {
        match self.cluster.pods_on(&self.node).await {
            Ok(pods) => state.see_pods(pods, self.now()),
            Err(error) if error.is_unreachable() => {
                state.trouble.pods = Some(error.to_string());
                tokio::time::sleep(state.nap(self.now())).await;
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(state.end(self.now()) == Some(End::Drained))
    }

    fn ended(&self, end: End, state: &State, rungs: Vec<String>) -> Result<DrainReport, DrainError> {
        let now = self.now();
        let progress = state.progress(now);
        match end {
            End::Drained => {
                Ok(DrainReport { gone: progress.gone, left: progress.left, skipped: progress.skipped, rungs })
            }
            End::NeedsFlags(pods) => Err(DrainError::NeedsFlags(pods)),
            End::Deadline => Err(DrainError::Deadline(progress.sentence(now.wall), Box::new(progress))),
        }
    }

    fn take_pod(&self, state: &mut State, seen: Seen<core::Pod>) -> Result<(), DrainError> {
        match seen {
            Seen::All(pods) => state.see_pods(pods.into_iter().map(Pod::read).collect(), self.now()),
            Seen::Changed(pod) => state.see_pod(Pod::read(pod), self.now()),
            Seen::Gone(pod) => state.lose_pod(&pod.metadata.uid.unwrap_or_default()),
            Seen::Trouble(error) => state.trouble.pods = Some(bearable(error)?),
        }
        Ok(())
    }

    fn take_budget(&self, state: &mut State, seen: Seen<PodDisruptionBudget>) -> Result<(), DrainError> {
        match seen {
            Seen::All(budgets) => state.see_budgets(budgets.into_iter().map(Budget::read).collect(), self.now()),
            Seen::Changed(budget) => state.see_budget(Budget::read(budget), self.now()),
            Seen::Gone(budget) => state.lose_budget(&Budget::read(budget).id),
            Seen::Trouble(error) => state.trouble.budgets = Some(bearable(error)?),
        }
        Ok(())
    }

    fn now(&self) -> Now {
        let clock = self.cluster.clock();
        Now { wall: clock.now(), boot: clock.since_boot() }
    }
}

/// Asks once to evict the pod with that uid: true where it is being deleted now. For the suite that proves what the server makes of a uid.
pub(crate) async fn evict_once(cluster: &ClusterApi, pod: PodRef, uid: &str) -> Result<bool, Error> {
    let attempt = attempt::Attempt { uid: uid.to_owned(), pod, how: attempt::How::Evict, grace: None, budget: None };
    match evict::send(cluster, &attempt).await {
        Answer::Accepted => Ok(true),
        Answer::Fatal(error) | Answer::Later(error) => Err(error),
        _ => Ok(false),
    }
}

/// Trouble that may pass is told; a missing right will not pass.
fn bearable(error: Error) -> Result<String, Error> {
    if matches!(error, Error::Forbidden { .. }) { Err(error) } else { Ok(error.to_string()) }
}

fn obstacle(budgets: &[&Budget]) -> BlockedBy {
    match budgets {
        [one] => BlockedBy::Budget {
            budget: one.id.clone(),
            allowed: one.allowed,
            healthy: one.healthy,
            desired: one.desired,
        },
        several => BlockedBy::Budgets(several.iter().map(|one| one.id.clone()).collect()),
    }
}

/// Tells what is new, and once a second while something is blocked.
struct Teller<'a> {
    reporter: &'a dyn DrainReporter,
    told: Option<(DrainProgress, std::time::Duration)>,
    rungs: Vec<String>,
}

impl Teller<'_> {
    fn tell(&mut self, state: &mut State, now: Now) {
        for line in state.lines.drain(..) {
            self.reporter.rung(&line);
            self.rungs.push(line);
        }
        let progress = state.progress(now);
        let again =
            |at: std::time::Duration| !progress.blocked.is_empty() && now.boot.saturating_sub(at).as_secs() >= 1;
        let news = self.told.as_ref().is_none_or(|(told, at)| *told != progress || again(*at));
        if news {
            self.reporter.progress(&progress);
            self.told = Some((progress, now.boot));
        }
    }
}
