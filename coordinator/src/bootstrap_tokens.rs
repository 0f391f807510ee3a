//! Bootstrap tokens for people who join hosts by hand: made with an end, listed without their secrets, deleted by their public part.

use std::time::Duration;

use slipway_cluster::BootstrapToken;
use slipway_errors::{Code, Coded};
use slipway_identity::random;
use slipway_proto::coordinator as wire;
use slipway_types::{RunId, Secret};

use crate::flows::way_in;
use crate::runs::Runs;
use crate::world::World;

/// What every description of ours begins with.
const OURS: &str = "slipway: ";
const DAY: u32 = 24 * 3600;
const SHORTEST: u32 = 60;
const LONGEST: u32 = 365 * DAY;
const DESCRIPTION: usize = 200;

/// Makes one, and the command that joins with it. The secret is in the answer and nowhere else but in the cluster.
pub async fn create(
    world: &World,
    request: &wire::CreateBootstrapTokenRequest,
    who: &str,
) -> Result<wire::CreateBootstrapTokenResponse, Coded> {
    let life = life(request)?;
    let description = description(&request.description, who)?;
    let info = way_in(world).await?;
    let parts = random::letters(6).ok().zip(random::letters(16).ok().and_then(Secret::new));
    let no_secret = || Coded::new(Code::INTERNAL, "the system gave no random bytes for a bootstrap token");
    let (id, secret) = parts.ok_or_else(no_secret)?;
    let token = BootstrapToken { id, secret, description, expires: life.map(|life| world.clock.now() + life) };
    world.cluster.create_bootstrap_token(&token).await?;
    let whole = token.whole().ok_or_else(no_secret)?;
    let pins: Vec<String> =
        info.ca_cert_hashes.iter().map(|hash| format!("--discovery-token-ca-cert-hash {hash}")).collect();
    let (server, shown) = (info.api_server, whole.expose_text().unwrap_or_default());
    tracing::info!(id = %token.id, who, "bootstrap token created");
    Ok(wire::CreateBootstrapTokenResponse {
        command: format!("kubeadm join {server} --token {shown} {}", pins.join(" ")),
        expires_ms: ends(&token),
        id: token.id,
    })
}

/// All that there are, ours and others, by their ends.
pub async fn list(world: &World) -> Result<Vec<wire::BootstrapToken>, Coded> {
    let now = world.clock.now();
    let mut tokens = world.cluster.bootstrap_tokens().await?;
    tokens.sort_by(|a, b| (a.expires.is_none(), a.expires, &a.id).cmp(&(b.expires.is_none(), b.expires, &b.id)));
    let row = |token: BootstrapToken| wire::BootstrapToken {
        expires_ms: ends(&token),
        over: token.expires.is_some_and(|end| end <= now),
        ours: token.description.starts_with(OURS),
        run: run_of(&token.description).unwrap_or_default(),
        id: token.id,
        description: token.description,
    };
    Ok(tokens.into_iter().map(row).collect())
}

/// Deletes the one of that id, if it is still what was seen. One that an open run joins with stays.
pub async fn delete(world: &World, runs: &Runs, request: &wire::DeleteBootstrapTokenRequest) -> Result<(), Coded> {
    let id = &request.id;
    let Some(token) = world.cluster.bootstrap_token(id).await? else {
        let text = format!("there is no bootstrap token {id:?}");
        return Err(Coded::new(Code::JOIN_TOKEN, text).do_this("slipway bootstrap-token list shows them"));
    };
    if let Some(run) = run_of(&token.description)
        && runs.book(&RunId(run.clone())).await.is_ok_and(|book| !book.state.is_final())
    {
        let text = format!("the run {run} joins a host with the bootstrap token {id}, and deletes it itself");
        return Err(Coded::new(Code::JOIN_TOKEN, text).do_this(format!("slipway run abort {run} takes the join back")));
    }
    world.cluster.delete_bootstrap_token(id, &request.description).await?;
    tracing::info!(%id, "bootstrap token deleted");
    Ok(())
}

fn life(request: &wire::CreateBootstrapTokenRequest) -> Result<Option<Duration>, Coded> {
    let bad = |text: String| Err(Coded::new(Code::RUN_BAD_PARAMETER, text));
    match (request.never_expires, request.ttl_seconds) {
        (true, 0) => Ok(None),
        (true, _) => bad("a token that never ends has no time to live".to_owned()),
        (false, 0) => Ok(Some(Duration::from_secs(DAY.into()))),
        (false, seconds @ SHORTEST..=LONGEST) => Ok(Some(Duration::from_secs(seconds.into()))),
        (false, seconds) => {
            bad(format!("a bootstrap token lives from a minute to a year, and {seconds} s were asked for"))
        }
    }
}

fn description(text: &str, who: &str) -> Result<String, Coded> {
    if text.chars().count() > DESCRIPTION || text.chars().any(char::is_control) {
        let says = format!("a description is one line of at most {DESCRIPTION} characters");
        return Err(Coded::new(Code::RUN_BAD_PARAMETER, says));
    }
    let text = if text.is_empty() { "to join hosts by hand" } else { text };
    Ok(format!("{OURS}{text} ({who})"))
}

/// The run that a token was made by.
fn run_of(description: &str) -> Option<String> {
    let (run, _) = description.strip_prefix(OURS)?.strip_prefix("run ")?.split_once(" joins ")?;
    Some(run.to_owned())
}

fn ends(token: &BootstrapToken) -> i64 {
    token.expires.map_or(0, jiff::Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(ttl_seconds: u32, never_expires: bool) -> wire::CreateBootstrapTokenRequest {
        wire::CreateBootstrapTokenRequest { ttl_seconds, never_expires, description: String::new() }
    }

    #[test]
    fn a_token_ends_unless_it_was_said_that_it_never_does() {
        assert_eq!(life(&request(0, false)).unwrap(), Some(Duration::from_hours(24)));
        assert_eq!(life(&request(7200, false)).unwrap(), Some(Duration::from_hours(2)));
        assert_eq!(life(&request(0, true)).unwrap(), None);
        for bad in [request(60, true), request(59, false), request(LONGEST + 1, false)] {
            assert_eq!(life(&bad).unwrap_err().code, Code::RUN_BAD_PARAMETER);
        }
    }

    #[test]
    fn a_description_is_one_line_and_says_who() {
        assert_eq!(description("for rack 7", "admin/alice").unwrap(), "slipway: for rack 7 (admin/alice)");
        assert!(description("a\nb", "x").is_err() && description(&"x".repeat(201), "x").is_err());
    }

    #[test]
    fn a_token_of_a_run_is_known_by_its_description() {
        assert_eq!(run_of("slipway: run 0198c2aa joins w2").as_deref(), Some("0198c2aa"));
        assert_eq!(run_of("slipway: for rack 7 (admin/alice)"), None);
        assert_eq!(run_of("run 1 joins w2"), None);
    }
}
