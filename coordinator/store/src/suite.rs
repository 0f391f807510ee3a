//! What every backend has to do, as one suite that is run against each of them. A backend is finished when it passes; a promise that is not in
//! here is none.

mod journals;
mod leadership;
mod parallel;
mod records;

use std::sync::Arc;

use async_trait::async_trait;
use slipway_events::{Actor, Event};
use slipway_flow::Line;
use slipway_types::Fence;

use crate::{Candidate, Error, Leadership, Store};

/// Makes stores of one backend.
#[async_trait]
pub trait Factory: Send + Sync {
    /// A new, empty store of lineage `suite`.
    async fn fresh(&self) -> Result<Arc<dyn Store>, Error>;

    /// The same store, as another process finds it. Whoever calls has given up all other hold on it.
    async fn reopen(&self, store: Arc<dyn Store>) -> Result<Arc<dyn Store>, Error>;
}

/// Nothing, or what is wrong.
pub type Verdict = Result<(), String>;

macro_rules! cases {
    ($factory:expr, $($module:ident::$case:ident),* $(,)?) => {
        vec![$((stringify!($case), $module::$case($factory).await)),*]
    };
}

/// Runs every case, each on a new store, and returns its name and verdict.
pub async fn run(factory: &dyn Factory) -> Vec<(&'static str, Verdict)> {
    cases!(
        factory,
        records::a_record_is_written_read_and_deleted,
        records::a_write_with_an_old_version_is_refused_and_changes_nothing,
        records::a_version_is_never_used_twice,
        records::a_prefix_lists_its_own_keys_in_order,
        records::what_is_too_large_is_refused,
        records::a_watcher_hears_of_its_own_keys_in_order,
        records::what_is_cleared_is_gone_and_who_leads_stays,
        records::what_was_acknowledged_is_there_after_reopening,
        leadership::nobody_writes_before_the_first_campaign,
        leadership::each_campaign_takes_a_later_term,
        leadership::every_kind_of_write_by_an_old_leader_is_refused,
        leadership::another_holder_of_the_same_term_is_refused,
        leadership::another_lineage_is_refused,
        leadership::the_loser_learns_of_it,
        leadership::a_floor_lifts_the_term,
        leadership::of_two_that_saw_the_same_leader_fall_one_wins,
        leadership::one_that_is_at_work_is_not_deposed_by_whoever_has_read_its_term,
        journals::entries_are_chained_and_come_back_the_same,
        journals::an_append_at_the_wrong_place_is_refused_and_adds_nothing,
        journals::a_journal_is_read_in_pages,
        journals::open_runs_come_oldest_first_and_ended_ones_not_at_all,
        journals::a_journal_goes_on_after_reopening,
        journals::a_run_of_another_store_is_taken_over_as_it_was_and_goes_on,
        parallel::of_a_thousand_that_take_the_same_thing_exactly_one_wins,
        parallel::sixty_four_writers_lose_nothing,
        parallel::appends_to_one_run_never_fork_it,
    )
}

fn must(holds: bool, what: &str) -> Verdict {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

async fn led(factory: &dyn Factory) -> Result<(Arc<dyn Store>, Fence), String> {
    let store = factory.fresh().await.map_err(text)?;
    let fence = campaign(&store, "c1").await?.fence;
    Ok((store, fence))
}

async fn campaign(store: &Arc<dyn Store>, holder: &str) -> Result<Leadership, String> {
    store.campaign(&Candidate::new(holder)).await.map_err(text)
}

fn lines(count: usize, at_ms: i64) -> Vec<Line> {
    let event = |index| Event::AlreadyTrue { step: format!("step-{index}").into() };
    (0..count).map(|index| Line { actor: Actor("operator/suite".to_owned()), at_ms, event: event(index) }).collect()
}
