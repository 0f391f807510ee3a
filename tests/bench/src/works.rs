//! An agent's actions, each preceded by something that a benchmark wants done on every host: all else about them stays as it is.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use slipway_agent::core::Setup;
use slipway_agent::work::{Applied, Operation, View, Work, Works};
use slipway_errors::Coded;
use slipway_proto::types::Action;

/// What is done first.
#[async_trait]
pub(crate) trait First: Debug + Send + Sync + 'static {
    async fn first(&self) -> Result<(), Coded>;
}

/// An agent every action of which is preceded by `first`.
pub(crate) fn preceded(setup: Setup, first: impl First) -> Setup {
    let works = Arc::new(Preceded { inner: setup.works.clone(), first: Arc::new(first) });
    Setup { works, ..setup }
}

#[derive(Debug)]
struct Preceded {
    inner: Arc<dyn Works>,
    first: Arc<dyn First>,
}

struct OneOf {
    inner: Box<dyn Work>,
    first: Arc<dyn First>,
}

impl Works for Preceded {
    fn work_for(&self, action: Action) -> Result<Box<dyn Work>, Coded> {
        Ok(Box::new(OneOf { inner: self.inner.work_for(action)?, first: self.first.clone() }))
    }
}

#[async_trait]
impl Work for OneOf {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn by_hand(&self) -> Vec<String> {
        self.inner.by_hand()
    }

    async fn check(&self) -> Result<View, Coded> {
        self.inner.check().await
    }

    async fn apply(&self, operation: &Operation) -> Result<Applied, Coded> {
        self.first.first().await?;
        self.inner.apply(operation).await
    }

    async fn left_running(&self, operation_id: &str) -> Result<bool, Coded> {
        self.inner.left_running(operation_id).await
    }

    async fn settled(&self, operation_id: &str) {
        self.inner.settled(operation_id).await;
    }
}
