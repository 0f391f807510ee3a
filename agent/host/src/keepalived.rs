//! keepalived, as far as it has to be asked itself: its unit is one of [`crate::Services`], its configuration one of [`crate::Files`].

use std::path::Path;

use async_trait::async_trait;

use crate::Error;

/// keepalived.
#[async_trait]
pub trait Keepalived: Send + Sync + std::fmt::Debug {
    /// Whether it would run with the configuration in `file`; its own words, where not.
    async fn accepts(&self, file: &Path) -> Result<(), Error>;
}
