//! Many at once: who wins, and that nothing is lost.

use slipway_types::RunId;
use tokio::task::JoinSet;

use super::{Factory, Verdict, led, lines, must, text};
use crate::Error;

const TAKERS: usize = 1_000;
const WRITERS: usize = 64;
const EACH: usize = 8;

pub(super) async fn of_a_thousand_that_take_the_same_thing_exactly_one_wins(factory: &dyn Factory) -> Verdict {
    let (store, fence) = led(factory).await?;
    let version = store.create("token/t1", b"unused".to_vec(), &fence).await.map_err(text)?;
    let mut takers = JoinSet::new();
    for taker in 0..TAKERS {
        let (store, fence) = (store.clone(), fence.clone());
        takers.spawn(async move {
            store.update("token/t1", format!("used by {taker}").into_bytes(), version, &fence).await
        });
    }
    let results = takers.join_all().await;
    let won = results.iter().filter(|result| result.is_ok()).count();
    let late = results.iter().filter(|result| matches!(result, Err(Error::Conflict(_)))).count();
    must(won == 1 && late == TAKERS - 1, &format!("{won} won and {late} came late, of {TAKERS}"))
}

pub(super) async fn sixty_four_writers_lose_nothing(factory: &dyn Factory) -> Verdict {
    let (store, fence) = led(factory).await?;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let (store, fence) = (store.clone(), fence.clone());
        writers.spawn(async move {
            for index in 0..EACH {
                store.create(&format!("w/{writer}/{index}"), vec![1], &fence).await.map_err(text)?;
                let run = RunId(format!("run-{writer}"));
                store.append(&run, index as u64, lines(1, 0), &fence).await.map_err(text)?;
            }
            Ok::<(), String>(())
        });
    }
    writers.join_all().await.into_iter().collect::<Result<Vec<()>, String>>()?;
    let store = factory.reopen(store).await.map_err(text)?;
    let listed = store.list("w/").await.map_err(text)?.len();
    must(listed == WRITERS * EACH, &format!("{listed} records are there, of {}", WRITERS * EACH))?;
    for writer in 0..WRITERS {
        let journal = store.journal(&RunId(format!("run-{writer}")), 1, 100).await.map_err(text)?;
        must(journal.len() == EACH, &format!("run {writer} has {} entries", journal.len()))?;
    }
    Ok(())
}

pub(super) async fn appends_to_one_run_never_fork_it(factory: &dyn Factory) -> Verdict {
    let (store, fence) = led(factory).await?;
    let run = RunId::from("r1");
    for after in 0..10 {
        let mut writers = JoinSet::new();
        for _ in 0..8 {
            let (store, fence, run) = (store.clone(), fence.clone(), run.clone());
            writers.spawn(async move { store.append(&run, after, lines(1, 0), &fence).await.is_ok() });
        }
        let won = writers.join_all().await.into_iter().filter(|won| *won).count();
        must(won == 1, &format!("{won} appends after entry {after} were taken"))?;
    }
    must(store.journal(&run, 1, 100).await.map_err(text)?.len() == 10, "the journal has a fork")
}
