//! A bootstrap token as machines read it.

use serde::Serialize;
use slipway_proto::coordinator as wire;

use super::{moment, some};

/// `bootstrap-token list`.
#[derive(Debug, Serialize)]
pub struct BootstrapToken {
    /// Its public part.
    pub id: String,
    /// Its end; null: never.
    pub expires_ms: Option<i64>,
    /// Its end has passed.
    pub over: bool,
    /// What it is for.
    pub description: Option<String>,
    /// Slipway made it.
    pub ours: bool,
    /// The run that joins with it.
    pub run: Option<String>,
}

impl From<&wire::BootstrapToken> for BootstrapToken {
    fn from(token: &wire::BootstrapToken) -> Self {
        Self {
            id: token.id.clone(),
            expires_ms: moment(token.expires_ms),
            over: token.over,
            description: some(&token.description),
            ours: token.ours,
            run: some(&token.run),
        }
    }
}
