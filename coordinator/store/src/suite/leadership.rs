//! Leadership: terms only rise, and a write under any but the present one is refused.

use slipway_types::{Fence, Lineage, RunId, Term};

use super::{Factory, Verdict, campaign, led, lines, must, text};
use crate::{Candidate, Error};

pub(super) async fn nobody_writes_before_the_first_campaign(factory: &dyn Factory) -> Verdict {
    let store = factory.fresh().await.map_err(text)?;
    let nobody = store.high_water().await.map_err(text)?;
    must(nobody.term == Term(0), "a new store has a term")?;
    let fence = Fence { lineage: nobody.lineage, term: Term(0), holder: String::new() };
    let early = store.create("a", Vec::new(), &fence).await;
    must(matches!(early, Err(Error::StaleTerm { .. })), "a write without any leadership was taken")
}

pub(super) async fn each_campaign_takes_a_later_term(factory: &dyn Factory) -> Verdict {
    let (store, first) = led(factory).await?;
    let second = campaign(&store, "c1").await?.fence;
    must(second.term > first.term, "the same holder got its old term again")?;
    let store = factory.reopen(store).await.map_err(text)?;
    let third = campaign(&store, "c1").await?.fence;
    must(third.term > second.term, "the term fell back when the store was opened again")?;
    let known = store.high_water().await.map_err(text)?;
    must(known.term == third.term && known.holder == "c1", "the store does not know who leads")
}

pub(super) async fn every_kind_of_write_by_an_old_leader_is_refused(factory: &dyn Factory) -> Verdict {
    let (store, old) = led(factory).await?;
    let version = store.create("a", b"one".to_vec(), &old).await.map_err(text)?;
    let run = RunId::from("r1");
    store.append(&run, 0, lines(1, 0), &old).await.map_err(text)?;
    let new = campaign(&store, "c2").await?.fence;
    let refused = [
        store.create("b", Vec::new(), &old).await.err(),
        store.update("a", b"x".to_vec(), version, &old).await.err(),
        store.delete("a", version, &old).await.err(),
        store.confirm(&old).await.err(),
    ];
    for (index, error) in refused.iter().enumerate() {
        must(matches!(error, Some(Error::StaleTerm { .. })), &format!("write {index} was answered with {error:?}"))?;
    }
    let append = store.append(&run, 1, lines(1, 0), &old).await;
    must(matches!(append, Err(slipway_flow::JournalError::Stale(_))), "an old leader appended to a journal")?;
    store.confirm(&new).await.map_err(text)?;
    store.update("a", b"two".to_vec(), version, &new).await.map(|_| ()).map_err(text)
}

pub(super) async fn another_holder_of_the_same_term_is_refused(factory: &dyn Factory) -> Verdict {
    let (store, fence) = led(factory).await?;
    let other = Fence { holder: "c9".to_owned(), ..fence };
    let write = store.create("a", Vec::new(), &other).await;
    must(matches!(write, Err(Error::StaleTerm { .. })), "two holders write under one term")
}

pub(super) async fn another_lineage_is_refused(factory: &dyn Factory) -> Verdict {
    let (store, fence) = led(factory).await?;
    let other = Fence { lineage: Lineage("elsewhere".to_owned()), term: Term(fence.term.0 + 7), ..fence };
    let write = store.create("a", Vec::new(), &other).await;
    must(matches!(write, Err(Error::StaleTerm { .. })), "a fence of another store was taken")
}

pub(super) async fn the_loser_learns_of_it(factory: &dyn Factory) -> Verdict {
    let store = factory.fresh().await.map_err(text)?;
    let first = campaign(&store, "c1").await?;
    must(!first.lost.is_cancelled(), "a leadership was lost as soon as it was won")?;
    let second = campaign(&store, "c2").await?;
    first.lost.cancelled().await;
    must(!second.lost.is_cancelled(), "the winner was told that it lost")
}

pub(super) async fn a_floor_lifts_the_term(factory: &dyn Factory) -> Verdict {
    let (store, _) = led(factory).await?;
    let lifted = store.campaign(&Candidate::new("c1").above(Term(40))).await.map_err(text)?.fence;
    must(lifted.term == Term(41), "the term is not above the floor")?;
    let next = store.campaign(&Candidate::new("c1").above(Term(3))).await.map_err(text)?.fence;
    must(next.term == Term(42), "a low floor changed the count")
}

pub(super) async fn of_two_that_saw_the_same_leader_fall_one_wins(factory: &dyn Factory) -> Verdict {
    let (store, fence) = led(factory).await?;
    store.resign(&fence).await.map_err(text)?;
    let won = store.campaign(&Candidate::new("c2").after(fence.term)).await.map_err(text)?.fence;
    let late = store.campaign(&Candidate::new("c3").after(fence.term)).await;
    must(matches!(late, Err(Error::Conflict(_))), "the second took the leadership from the first")?;
    store.confirm(&won).await.map_err(text)
}

pub(super) async fn one_that_is_at_work_is_not_deposed_by_whoever_has_read_its_term(factory: &dyn Factory) -> Verdict {
    let (store, fence) = led(factory).await?;
    if store.presence().await.map_err(text)?.is_none() {
        // A store that a single process has open knows of nobody else's work.
        return Ok(());
    }
    let early = store.campaign(&Candidate::new("c2").after(fence.term)).await;
    must(matches!(early, Err(Error::Conflict(_))), "a leader at work was deposed by one that had not seen it fall")?;
    store.confirm(&fence).await.map_err(text)?;
    store.resign(&fence).await.map_err(text)?;
    let next = store.campaign(&Candidate::new("c2").after(fence.term)).await.map_err(text)?.fence;
    let whoever = store.campaign(&Candidate::new("c3")).await.map_err(text)?.fence;
    must(whoever.term > next.term, "who comes after nobody in particular has to wait for somebody")
}
