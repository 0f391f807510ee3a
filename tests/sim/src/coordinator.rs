//! A coordinator's process from its start to its end: it stands by while somebody leads, campaigns when nobody does, and leads until it is told, or
//! has to assume, that it does not any more. As the product's processes do, it then ends and is started again.

use std::pin::pin;
use std::task::Poll;

use futures::future::{Either, join_all, select};
use slipway_coordinator::boot::candidate;
use slipway_coordinator::gate::quiet;
use slipway_errors::{Code, Coded};
use slipway_store::signs::{Heard, LEASE, SIGN, Signs};
use slipway_store::{HighWater, Leadership};
use slipway_types::{Clock, Fence, Term};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

use crate::fact::Fact;
use crate::leader::Leader;
use crate::message::{Answer, Ask, Reply};
use crate::mutants::Mutant;
use crate::party::Party;
use crate::shared::Shared;
use crate::site::Site;
use crate::tasks::Spawner;

/// How long agents are asked for the fences they keep.
const ASK_FENCES: Duration = Duration::from_secs(3);

/// A process.
#[derive(Clone)]
pub struct Coordinator {
    /// The world.
    pub shared: Shared,
    /// Its number.
    pub me: usize,
    /// Names it among all processes that ever were.
    pub holder: String,
    /// Begins tasks.
    pub spawner: Spawner,
}

impl Coordinator {
    /// From its start to its end.
    pub async fn run(self) {
        loop {
            // What goes wrong here ends the process, which is started again.
            let Ok(live) = self.stand_by().await else { break };
            match self.campaign(live).await {
                Ok(leadership) => {
                    self.lead(leadership).await;
                    break;
                }
                Err(error) if error.code == Code::STORE_CONFLICT => {}
                Err(_) => break,
            }
        }
        if let Some(process) = self.shared.world().processes.get_mut(self.me) {
            process.exits = true;
        }
    }

    async fn store(&self, ask: Ask) -> Reply {
        self.shared.ask_store(Party::Coordinator(self.me), ask).await
    }

    /// Waits until nobody leads. True: somebody did.
    async fn stand_by(&self) -> Result<bool, Coded> {
        let Answer::Presence(true) = self.store(Ask::Presence).await? else { return Ok(false) };
        loop {
            // Whatever becomes of the question, the look decides.
            let told = self.shared.ask(Party::Coordinator(self.me), Party::Store, Ask::Vacancy, LEASE);
            drop(told.await);
            match self.store(Ask::Presence).await {
                Ok(Answer::Presence(false)) => return Ok(true),
                Ok(_) => {}
                Err(_) => self.shared.sleep(Duration::from_millis(250)).await,
            }
        }
    }

    async fn campaign(&self, store_is_live: bool) -> Result<Leadership, Coded> {
        let seen = if store_is_live { Vec::new() } else { self.fences().await };
        let Answer::HighWater(high_water) = self.store(Ask::HighWater).await? else {
            return Err(Coded::new(Code::INTERNAL, "an answer to another question"));
        };
        if self.shared.world().mutant == Some(Mutant::PromotedWithoutSwap) && high_water.term > Term(0) {
            return Ok(promoted(&high_water, &self.holder));
        }
        let mut candidate = candidate(&high_water, &seen, false)?;
        candidate.holder.clone_from(&self.holder);
        match self.store(Ask::Campaign(candidate)).await? {
            Answer::Won(leadership) => Ok(leadership),
            _ => Err(Coded::new(Code::INTERNAL, "an answer to another question")),
        }
    }

    /// The fences that agents keep, of those that answer in time.
    async fn fences(&self) -> Vec<Fence> {
        let hosts = self.shared.world().hosts.len();
        let asked = (0..hosts)
            .map(|host| self.shared.ask(Party::Coordinator(self.me), Party::Agent(host), Ask::Identify, ASK_FENCES));
        let answers = join_all(asked.collect::<Vec<_>>()).await;
        let fence = |answer| match answer {
            Ok(Answer::Identity(_, fence)) => fence,
            _ => None,
        };
        answers.into_iter().filter_map(fence).collect()
    }

    async fn lead(&self, leadership: Leadership) {
        let fence = leadership.fence.clone();
        {
            let mut world = self.shared.world();
            world.say(format_args!("c{} leads: {fence}", self.me + 1));
            world.facts.push(Fact::Leads { coordinator: self.me, fence: fence.clone() });
        }
        let lost = CancellationToken::new();
        self.spawner.spawn(self.me, self.clone().live(fence, lost.clone()));
        self.spawner.spawn(self.me, self.clone().settle(leadership.clone(), lost.clone()));
        let leader = Leader::new(Site::new(&self.shared, self.me, &leadership), lost.clone(), self.spawner.clone());
        let work = pin!(async {
            if leader.recover().await {
                let hosts: Vec<usize> = (0..self.shared.world().hosts.len()).collect();
                let site = leader.site.clone();
                self.spawner.spawn(self.me, async move { drop(site.raise(&hosts).await) });
                self.listen(&leader).await;
            }
        });
        select(work, pin!(lost.cancelled())).await;
    }

    /// Tells the store once those before cannot be at work any more.
    async fn settle(self, leadership: Leadership, lost: CancellationToken) {
        if !leadership.before_may_act {
            return;
        }
        self.shared.sleep(quiet(&leadership)).await;
        while !lost.is_cancelled() && self.store(Ask::Settle(leadership.fence.clone())).await.is_err() {
            self.shared.sleep(Duration::from_secs(2)).await;
        }
    }

    /// Gives signs of life until the leadership is lost.
    async fn live(self, fence: Fence, lost: CancellationToken) {
        let clock = self.shared.world().clock.clone();
        let mut signs = Signs::since(clock.since_boot());
        loop {
            let asked = clock.since_boot();
            let patience = pin!(self.shared.sleep(signs.patience(asked)));
            let heard = match select(pin!(self.store(Ask::Sign(fence.clone()))), patience).await {
                Either::Left((Ok(Answer::Is(true)), _)) => Heard::Taken,
                Either::Left((Ok(_), _)) => Heard::Gone,
                Either::Left((Err(_), _)) | Either::Right(_) => Heard::Nothing,
            };
            if !signs.heard(heard, asked, clock.since_boot()) {
                return lost.cancel();
            }
            self.shared.sleep(SIGN).await;
        }
    }

    async fn listen(&self, leader: &std::sync::Arc<Leader>) {
        loop {
            let asks = std::future::poll_fn(|cx| {
                let mut world = self.shared.world();
                let Some(process) = world.processes.get_mut(self.me) else { return Poll::Pending };
                if process.inbox.is_empty() {
                    process.reader = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                Poll::Ready(std::mem::take(&mut process.inbox))
            })
            .await;
            for ask in asks {
                leader.hear(ask);
            }
        }
    }
}

/// The leadership that a coordinator gives itself where the bug is put in.
fn promoted(high_water: &HighWater, holder: &str) -> Leadership {
    let fence = Fence { term: high_water.term.next(), holder: holder.to_owned(), ..high_water.fence() };
    Leadership { fence, lost: CancellationToken::new(), before_may_act: false }
}
