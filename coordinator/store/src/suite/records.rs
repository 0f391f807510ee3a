//! Records: compare-and-swap, versions, prefixes, watching.

use std::sync::Arc;

use slipway_types::RunId;

use super::{Factory, Verdict, campaign, led, lines, must, text};
use crate::{Change, Error, MOST_VALUE, Store};

pub(super) async fn a_record_is_written_read_and_deleted(factory: &dyn Factory) -> Verdict {
    let (store, fence) = led(factory).await?;
    let first = store.create("a/1", b"one".to_vec(), &fence).await.map_err(text)?;
    let second = store.update("a/1", b"two".to_vec(), first, &fence).await.map_err(text)?;
    let found = store.get("a/1").await.map_err(text)?.ok_or("the record is gone")?;
    must(found.value == b"two" && found.version == second, "the record is not what was written last")?;
    store.delete("a/1", second, &fence).await.map_err(text)?;
    must(store.get("a/1").await.map_err(text)?.is_none(), "the record is still there")
}

pub(super) async fn a_write_with_an_old_version_is_refused_and_changes_nothing(factory: &dyn Factory) -> Verdict {
    let (store, fence) = led(factory).await?;
    let old = store.create("a", b"one".to_vec(), &fence).await.map_err(text)?;
    let now = store.update("a", b"two".to_vec(), old, &fence).await.map_err(text)?;
    let refused = [
        store.create("a", b"x".to_vec(), &fence).await.err(),
        store.update("a", b"x".to_vec(), old, &fence).await.err(),
        store.delete("a", old, &fence).await.err(),
        store.update("b", b"x".to_vec(), 1, &fence).await.err(),
        store.delete("b", 1, &fence).await.err(),
    ];
    for (index, error) in refused.iter().enumerate() {
        must(matches!(error, Some(Error::Conflict(_))), &format!("write {index} was answered with {error:?}"))?;
    }
    let found = store.get("a").await.map_err(text)?.ok_or("the record is gone")?;
    must(found.value == b"two" && found.version == now, "a refused write changed the record")
}

pub(super) async fn a_version_is_never_used_twice(factory: &dyn Factory) -> Verdict {
    let (store, fence) = led(factory).await?;
    let first = store.create("a", Vec::new(), &fence).await.map_err(text)?;
    store.delete("a", first, &fence).await.map_err(text)?;
    let again = store.create("a", Vec::new(), &fence).await.map_err(text)?;
    must(again > first, "a record that was made anew has an old version")?;
    let late = store.update("a", b"x".to_vec(), first, &fence).await;
    must(matches!(late, Err(Error::Conflict(_))), "a write for the deleted record hit the new one")
}

pub(super) async fn a_prefix_lists_its_own_keys_in_order(factory: &dyn Factory) -> Verdict {
    let (store, fence) = led(factory).await?;
    for key in ["host/b", "host/a", "host", "hosts/c", "token/a"] {
        store.create(key, key.as_bytes().to_vec(), &fence).await.map_err(text)?;
    }
    let listed: Vec<String> = store.list("host/").await.map_err(text)?.into_iter().map(|record| record.key).collect();
    must(listed == ["host/a", "host/b"], &format!("listed {listed:?}"))?;
    must(store.list("").await.map_err(text)?.len() == 5, "the empty prefix does not list everything")
}

pub(super) async fn what_is_too_large_is_refused(factory: &dyn Factory) -> Verdict {
    let (store, fence) = led(factory).await?;
    let large = store.create("a", vec![0; MOST_VALUE + 1], &fence).await;
    must(matches!(large, Err(Error::Refused(_))), "a value beyond the limit was taken")?;
    let long = store.create(&"k".repeat(10_000), Vec::new(), &fence).await;
    must(matches!(long, Err(Error::Refused(_))), "a key beyond the limit was taken")?;
    store.create("a", vec![0; MOST_VALUE], &fence).await.map(|_| ()).map_err(text)
}

pub(super) async fn a_watcher_hears_of_its_own_keys_in_order(factory: &dyn Factory) -> Verdict {
    let (store, fence) = led(factory).await?;
    let mut watch = store.watch("a/").await.map_err(text)?;
    let version = store.create("a/1", b"one".to_vec(), &fence).await.map_err(text)?;
    store.create("b/1", Vec::new(), &fence).await.map_err(text)?;
    let version = store.update("a/1", b"two".to_vec(), version, &fence).await.map_err(text)?;
    store.delete("a/1", version, &fence).await.map_err(text)?;
    let mut heard = Vec::new();
    for _ in 0..3 {
        heard.push(match watch.next().await.ok_or("the watch has ended")? {
            Change::Put(record) => String::from_utf8_lossy(&record.value).into_owned(),
            Change::Deleted { key } => format!("deleted {key}"),
        });
    }
    must(heard == ["one", "two", "deleted a/1"], &format!("heard {heard:?}"))
}

pub(super) async fn what_was_acknowledged_is_there_after_reopening(factory: &dyn Factory) -> Verdict {
    let (store, fence) = led(factory).await?;
    let version = store.create("a", b"one".to_vec(), &fence).await.map_err(text)?;
    let store: Arc<dyn Store> = factory.reopen(store).await.map_err(text)?;
    let found = store.get("a").await.map_err(text)?.ok_or("the record is gone")?;
    must(found.value == b"one" && found.version == version, "the record is another one")?;
    let fence = campaign(&store, "c2").await?.fence;
    let next = store.update("a", b"two".to_vec(), version, &fence).await.map_err(text)?;
    must(next > version, "versions began anew")
}

pub(super) async fn what_is_cleared_is_gone_and_who_leads_stays(factory: &dyn Factory) -> Verdict {
    let (store, old) = led(factory).await?;
    store.create("a", b"one".to_vec(), &old).await.map_err(text)?;
    store.append(&RunId::from("r1"), 0, lines(2, 0), &old).await.map_err(text)?;
    let fence = campaign(&store, "c2").await?.fence;
    must(matches!(store.clear(&old).await, Err(Error::StaleTerm { .. })), "an old leader cleared the store")?;
    let version = store.get("a").await.map_err(text)?.ok_or("the record is gone")?.version;
    store.clear(&fence).await.map_err(text)?;
    must(store.list("").await.map_err(text)?.is_empty(), "a record is left")?;
    must(store.runs(10).await.map_err(text)?.is_empty(), "a run is left")?;
    must(store.open_runs().await.map_err(text)?.is_empty(), "an open run is left")?;
    store.confirm(&fence).await.map_err(text)?;
    let again = store.create("a", b"two".to_vec(), &fence).await.map_err(text)?;
    must(again > version, "a version was used twice")?;
    store.append(&RunId::from("r1"), 0, lines(1, 0), &fence).await.map(|_| ()).map_err(text)
}
