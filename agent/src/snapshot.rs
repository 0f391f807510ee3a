//! A snapshot of etcd on its way to a coordinator: cut into messages, hashed as it passes, and given up when its receiver stops taking it, so
//! that a lost coordinator does not keep the next one out.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use sha2::{Digest, Sha256};
use slipway_errors::{Code, Coded};
use slipway_host::etcd::Snapshot;
use slipway_proto::agent::FetchSnapshotResponse;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The most data of one message.
pub const PIECE: usize = 64 * 1024;
/// Messages that wait for their receiver.
pub const QUEUE: usize = 4;
/// More than any etcd holds: its own advice ends at 8 GiB.
pub const LONGEST: u64 = 32 << 30;
/// How long a receiver may take nothing.
const IMPATIENCE: Duration = Duration::from_secs(30);
/// All of it.
const DEADLINE: Duration = Duration::from_hours(1);

/// What the receiver gets.
pub type Message = Result<FetchSnapshotResponse, Coded>;

/// Sends all of `snapshot` and what it amounts to. Gives how much that was; an error was sent too, if there was still somebody to send it to.
pub async fn send(snapshot: Snapshot, to: mpsc::Sender<Message>, stopping: CancellationToken) -> Result<u64, Coded> {
    let sent = tokio::select! {
        biased;
        () = stopping.cancelled() => Err(Coded::new(Code::WIRE_UNREACHABLE, "the agent stops before the snapshot's end")),
        sent = tokio::time::timeout(DEADLINE, pieces(snapshot, &to)) => {
            sent.unwrap_or_else(|_| Err(Coded::new(Code::WIRE_DEADLINE, "the snapshot did not end within an hour")))
        }
    };
    if let Err(error) = &sent {
        // A full queue means that nobody takes it.
        let _ = to.try_send(Err(error.clone()));
    }
    sent
}

async fn pieces(mut snapshot: Snapshot, to: &mpsc::Sender<Message>) -> Result<u64, Coded> {
    let (mut hash, mut total) = (Sha256::new(), 0_u64);
    while let Some(piece) = snapshot.pieces.next().await {
        let piece = Bytes::from(piece.map_err(|error| error.coded())?);
        total += piece.len() as u64;
        if total > LONGEST {
            return Err(Coded::new(Code::WIRE_TOO_LARGE, format!("the snapshot is longer than {LONGEST} bytes")));
        }
        hash.update(&piece);
        for start in (0..piece.len()).step_by(PIECE) {
            let data = piece.slice(start..piece.len().min(start + PIECE));
            hand_over(to, FetchSnapshotResponse { data, ..FetchSnapshotResponse::default() }).await?;
        }
    }
    let last = FetchSnapshotResponse {
        data: Bytes::new(),
        total_bytes: total,
        sha256: hex::encode(hash.finalize()),
        member_id: snapshot.member_id,
        etcd_version: snapshot.version.clone(),
    };
    hand_over(to, last).await?;
    Ok(total)
}

async fn hand_over(to: &mpsc::Sender<Message>, message: FetchSnapshotResponse) -> Result<(), Coded> {
    match tokio::time::timeout(IMPATIENCE, to.send(Ok(message))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Coded::new(Code::WIRE_UNREACHABLE, "the receiver of the snapshot is gone")),
        Err(_) => {
            let says = format!("the receiver took nothing of the snapshot for {} s", IMPATIENCE.as_secs());
            Err(Coded::new(Code::WIRE_DEADLINE, says))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;
    use slipway_host::etcd::Refusal;

    fn snapshot(pieces: Vec<Result<Vec<u8>, slipway_host::Error>>) -> Snapshot {
        Snapshot { member_id: 7, version: "3.5.24".into(), pieces: stream::iter(pieces).boxed() }
    }

    async fn received(mut from: mpsc::Receiver<Message>) -> Vec<Message> {
        let mut all = Vec::new();
        while let Some(message) = from.recv().await {
            all.push(message);
        }
        all
    }

    #[tokio::test]
    async fn large_pieces_are_cut_and_the_last_message_tells_the_sum() {
        let (to, from) = mpsc::channel(QUEUE);
        let bytes: Vec<u8> = (0..200_000_u32).map(|number| number as u8).collect();
        let pieces = vec![Ok(bytes[..150_000].to_vec()), Ok(vec![]), Ok(bytes[150_000..].to_vec())];
        let (sent, all) = tokio::join!(send(snapshot(pieces), to, CancellationToken::new()), received(from));
        let mut all: Vec<FetchSnapshotResponse> = all.into_iter().map(Result::unwrap).collect();
        assert_eq!(sent.unwrap(), 200_000);
        let last = all.pop().unwrap();
        assert!(all.iter().all(|message| message.data.len() <= PIECE && !message.data.is_empty()));
        assert_eq!(all.iter().flat_map(|message| message.data.to_vec()).collect::<Vec<u8>>(), bytes);
        assert_eq!((last.total_bytes, last.member_id, last.data.len()), (200_000, 7, 0));
        assert_eq!(last.sha256, hex::encode(Sha256::digest(&bytes)));
    }

    #[tokio::test]
    async fn a_stream_that_breaks_off_ends_with_an_error_and_no_sum() {
        let (to, from) = mpsc::channel(QUEUE);
        let broken = slipway_host::Error::Etcd {
            doing: "taking a snapshot of etcd".into(),
            url: "https://127.0.0.1:2379".into(),
            refusal: Refusal::Silent,
            why: "broken pipe".into(),
        };
        let pieces = vec![Ok(vec![1; 10]), Err(broken)];
        let (sent, all) = tokio::join!(send(snapshot(pieces), to, CancellationToken::new()), received(from));
        assert_eq!(sent.unwrap_err().code, Code::ETCD_SILENT);
        assert_eq!(all.last().unwrap().clone().unwrap_err().code, Code::ETCD_SILENT);
        assert!(all.iter().flatten().all(|message| message.sha256.is_empty()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_receiver_that_takes_nothing_is_given_up() {
        let (to, from) = mpsc::channel(QUEUE);
        let endless = Snapshot { pieces: stream::repeat_with(|| Ok(vec![0; PIECE])).boxed(), ..snapshot(vec![]) };
        let error = send(endless, to, CancellationToken::new()).await.unwrap_err();
        assert_eq!(error.code, Code::WIRE_DEADLINE);
        drop(from);
    }

    #[tokio::test]
    async fn a_stopping_agent_says_so() {
        let (to, from) = mpsc::channel(QUEUE);
        let stop = CancellationToken::new();
        let silent = Snapshot { pieces: stream::pending().boxed(), ..snapshot(vec![]) };
        stop.cancel();
        let (sent, all) = tokio::join!(send(silent, to, stop), received(from));
        assert_eq!(all[0].clone().unwrap_err().code, Code::WIRE_UNREACHABLE);
        assert!(sent.is_err());
    }
}
