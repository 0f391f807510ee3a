//! keepalived as a fake machine has it: it is there where its unit is, and reads no more of a configuration than that it is one.

use std::path::Path;

use async_trait::async_trait;

use super::{FakeHost, Node};
use crate::keepalived::Keepalived;
use crate::{Enablement, Error};

#[async_trait]
impl Keepalived for FakeHost {
    async fn accepts(&self, file: &Path) -> Result<(), Error> {
        let refuse = |why: &str| Err(Error::Command { program: "keepalived".to_owned(), why: why.to_owned() });
        self.look("keepalived.accepts", |state| {
            let unit = state.units.get("keepalived.service");
            if unit.is_none_or(|unit| unit.enablement == Enablement::NotFound) {
                return refuse("is not installed");
            }
            let Some(Node::File(text)) = state.files.get(file) else { return refuse("failed (1): no such file") };
            let (opened, closed) = (text.matches('{').count(), text.matches('}').count());
            if opened != closed || !text.contains("vrrp_instance") {
                return refuse("failed (4): there is an instance that is none");
            }
            Ok(())
        })
        .await
    }
}
