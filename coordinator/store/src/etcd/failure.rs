//! What etcd's failures mean. It has one gRPC code for many things, so its own texts tell
//! (<https://github.com/etcd-io/etcd/blob/v3.6.0/api/v3rpc/rpctypes/error.go>).

use crate::Error;

/// What to do about a failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It will be the same everywhere and always.
    Refused(Error),
    /// Another member may know more.
    Away {
        /// The question may have had its effect.
        sent: bool,
        /// In etcd's words.
        text: String,
    },
}

pub(super) fn sorted(doing: &'static str, error: &etcd_client::Error) -> Kind {
    match error {
        etcd_client::Error::GRpcStatus(status) => meaning(doing, status.code(), status.message()),
        other => Kind::Away { sent: true, text: other.to_string() },
    }
}

fn meaning(doing: &'static str, code: tonic::Code, message: &str) -> Kind {
    let has = |part: &str| message.contains(part);
    let text: String = message.chars().take(300).collect();
    if has("database space exceeded") {
        return Kind::Refused(Error::Full { doing });
    }
    if has("corrupt") {
        return Kind::Refused(Error::Corrupt(format!("{doing}: {text}")));
    }
    if has("too large") || has("too many operations") {
        return Kind::Refused(Error::Refused(format!("{doing}: {text}")));
    }
    if has("compacted") {
        return Kind::Refused(Error::Io { doing, why: text });
    }
    let never_sent = ["not leader", "no leader", "unhealthy cluster", "not supported for learner", "too many requests"];
    let sent = !never_sent.into_iter().any(has) && !is_unconnected(code, message);
    Kind::Away { sent, text: if text.is_empty() { code.description().to_owned() } else { text } }
}

/// A channel that has no connection has sent nothing.
fn is_unconnected(code: tonic::Code, message: &str) -> bool {
    code == tonic::Code::Unavailable && (message.contains("tcp connect error") || message.contains("dns error"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_same_everywhere_is_told_from_what_another_member_may_know() {
        let of = |code, message| meaning("writing", code, message);
        let full = of(tonic::Code::ResourceExhausted, "etcdserver: mvcc: database space exceeded");
        assert_eq!(full, Kind::Refused(Error::Full { doing: "writing" }));
        let corrupt = of(tonic::Code::DataLoss, "etcdserver: corrupt cluster");
        assert!(matches!(corrupt, Kind::Refused(Error::Corrupt(_))), "{corrupt:?}");
        let large = of(tonic::Code::InvalidArgument, "etcdserver: request is too large");
        assert!(matches!(large, Kind::Refused(Error::Refused(_))), "{large:?}");
        for (message, effect) in
            [("etcdserver: request timed out", true), ("etcdserver: no leader", false), ("transport error", true)]
        {
            let away = of(tonic::Code::Unavailable, message);
            assert!(matches!(&away, Kind::Away { sent, .. } if *sent == effect), "{message}: {away:?}");
        }
    }
}
