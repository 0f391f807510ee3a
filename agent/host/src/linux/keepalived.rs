//! keepalived's own program, which reads a configuration and says what it makes of it.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Exec, Program};
use crate::Error;
use crate::keepalived::Keepalived;

/// The installed one.
#[derive(Debug)]
pub(super) struct Installed {
    pub(super) exec: Arc<Exec>,
}

#[async_trait]
impl Keepalived for Installed {
    async fn accepts(&self, file: &Path) -> Result<(), Error> {
        let file = file.display().to_string();
        self.exec.run(Program::Keepalived, &["--config-test", "--use-file", &file], None).await.map(drop)
    }
}
