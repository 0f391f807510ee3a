//! Journals: chained, appended at their end alone, read in pages.

use slipway_events::{Actor, Event, RunState};
use slipway_flow::journal::verify;
use slipway_flow::{Journal as _, JournalError, Line};
use slipway_types::{Lineage, RunId};

use super::{Factory, Verdict, campaign, led, lines, must, text};
use crate::{Candidate, Error, Memory, Store as _};

pub(super) async fn entries_are_chained_and_come_back_the_same(factory: &dyn Factory) -> Verdict {
    let (store, fence) = led(factory).await?;
    let run = RunId::from("r1");
    let mut written = store.append(&run, 0, lines(3, 1), &fence).await.map_err(text)?;
    written.extend(store.append(&run, 3, lines(2, 2), &fence).await.map_err(text)?);
    let read = store.journal(&run, 1, 100).await.map_err(text)?;
    must(read == written, "what is read is not what was written")?;
    must(read.iter().all(|entry| entry.term == fence.term), "the entries do not carry the term")?;
    verify(&run, None, &read).map_err(text)
}

pub(super) async fn an_append_at_the_wrong_place_is_refused_and_adds_nothing(factory: &dyn Factory) -> Verdict {
    let (store, fence) = led(factory).await?;
    let run = RunId::from("r1");
    store.append(&run, 0, lines(2, 0), &fence).await.map_err(text)?;
    for after in [0, 1, 3, 99] {
        let append = store.append(&run, after, lines(1, 0), &fence).await;
        must(matches!(append, Err(JournalError::OutOfOrder(_))), &format!("an append after {after} was taken"))?;
    }
    must(store.append(&run, 2, Vec::new(), &fence).await.is_err(), "an append of nothing was taken")?;
    must(store.journal(&run, 1, 100).await.map_err(text)?.len() == 2, "a refused append added something")
}

pub(super) async fn a_journal_is_read_in_pages(factory: &dyn Factory) -> Verdict {
    let (store, fence) = led(factory).await?;
    let run = RunId::from("r1");
    store.append(&run, 0, lines(7, 0), &fence).await.map_err(text)?;
    for (from, limit, expected) in
        [(0, 2, vec![1, 2]), (1, 3, vec![1, 2, 3]), (4, 3, vec![4, 5, 6]), (7, 9, vec![7]), (8, 9, vec![])]
    {
        let page = store.journal(&run, from, limit).await.map_err(text)?;
        let found: Vec<u64> = page.iter().map(|entry| entry.seq).collect();
        must(found == expected, &format!("from {from}, at most {limit}: {found:?}"))?;
    }
    must(store.journal(&RunId::from("r2"), 1, 9).await.map_err(text)?.is_empty(), "an unknown run has entries")
}

pub(super) async fn open_runs_come_oldest_first_and_ended_ones_not_at_all(factory: &dyn Factory) -> Verdict {
    let (store, fence) = led(factory).await?;
    for (name, at_ms) in [("late", 30), ("early", 10), ("ended", 20)] {
        store.append(&RunId::from(name), 0, lines(1, at_ms), &fence).await.map_err(text)?;
    }
    let event = Event::Finished { state: RunState::Completed, why: String::new() };
    let end = Line { actor: Actor("c1".to_owned()), at_ms: 40, event };
    store.append(&RunId::from("ended"), 1, vec![end], &fence).await.map_err(text)?;
    let open: Vec<String> = store.open_runs().await.map_err(text)?.into_iter().map(|head| head.first.run.0).collect();
    must(open == ["early", "late"], &format!("open are {open:?}"))?;
    let newest = store.runs(2).await.map_err(text)?;
    let names: Vec<&str> = newest.iter().map(|head| head.first.run.as_str()).collect();
    must(names == ["late", "ended"], &format!("the newest are {names:?}"))?;
    must(newest.iter().map(slipway_flow::RunHead::ended).eq([false, true]), "the wrong run has ended")
}

pub(super) async fn a_journal_goes_on_after_reopening(factory: &dyn Factory) -> Verdict {
    let (store, fence) = led(factory).await?;
    let run = RunId::from("r1");
    store.append(&run, 0, lines(2, 0), &fence).await.map_err(text)?;
    let store = factory.reopen(store).await.map_err(text)?;
    let fence = campaign(&store, "c2").await?.fence;
    store.append(&run, 2, lines(2, 0), &fence).await.map_err(text)?;
    let read = store.journal(&run, 1, 100).await.map_err(text)?;
    must(read.len() == 4 && read[3].term == fence.term, "the journal did not go on")?;
    verify(&run, None, &read).map_err(text)
}

pub(super) async fn a_run_of_another_store_is_taken_over_as_it_was_and_goes_on(factory: &dyn Factory) -> Verdict {
    let other = Memory::new(Lineage("suite".to_owned()));
    let before = other.campaign(&Candidate::new("c0")).await.map_err(text)?.fence;
    let run = RunId::from("r1");
    let entries = other.append(&run, 0, lines(150, 7), &before).await.map_err(text)?;
    let (store, fence) = led(factory).await?;
    must(store.adopt(Vec::new(), &fence).await.is_err(), "a run of nothing was taken over")?;
    must(store.adopt(entries[1..].to_vec(), &fence).await.is_err(), "a run without its first entry was taken over")?;
    store.adopt(entries.clone(), &fence).await.map_err(text)?;
    must(store.journal(&run, 1, 1_000).await.map_err(text)? == entries, "it is not what it was")?;
    let again = store.adopt(entries, &fence).await;
    must(matches!(again, Err(Error::Conflict(_))), &format!("taking it over again ended as {again:?}"))?;
    must(store.open_runs().await.map_err(text)?.len() == 1, "it is open, and not listed as such")?;
    store.append(&run, 150, lines(1, 9), &fence).await.map_err(text)?;
    verify(&run, None, &store.journal(&run, 1, 1_000).await.map_err(text)?).map_err(text)
}
