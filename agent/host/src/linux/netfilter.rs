//! The firewall through its own programs: nft in JSON, each iptables by its save and restore, ipset by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::exec::{Exec, Program};
use crate::{Error, Iptables, Netfilter, Ruleset};

#[derive(Debug)]
pub(super) struct Programs {
    pub(super) exec: Arc<Exec>,
}

fn unreadable(program: &str, why: impl std::fmt::Display) -> Error {
    Error::Command { program: program.to_owned(), why: format!("said what cannot be understood: {why}") }
}

impl Programs {
    async fn nft(&self) -> Result<Vec<Value>, Error> {
        if Program::Nft.path().is_none() {
            // Without the program the kernel's tables cannot be seen; with them in use, "none" would be a lie.
            if std::path::Path::new("/sys/module/nf_tables").exists() {
                let why = "is not installed, but this kernel uses nftables: install it, so that its tables can be seen"
                    .into();
                return Err(Error::Command { program: "nft".into(), why });
            }
            return Ok(Vec::new());
        }
        let said = self.exec.run(Program::Nft, &["-j", "list", "ruleset"], None).await?;
        let mut json: Value = serde_json::from_slice(&said).map_err(|error| unreadable("nft", error))?;
        match json.get_mut("nftables").map(Value::take) {
            Some(Value::Array(list)) => Ok(list),
            _ => Err(unreadable("nft", "no list under \"nftables\"")),
        }
    }

    async fn iptables(&self) -> Result<BTreeMap<Iptables, String>, Error> {
        let mut saved = BTreeMap::new();
        for which in Iptables::ALL {
            if Program::IptablesSave(which).path().is_some() {
                let said = self.exec.run(Program::IptablesSave(which), &[], None).await?;
                saved.insert(which, String::from_utf8(said).map_err(|error| unreadable(which.program(), error))?);
            }
        }
        Ok(saved)
    }

    async fn ipsets(&self) -> Result<Vec<String>, Error> {
        if Program::Ipset.path().is_none() {
            return Ok(Vec::new());
        }
        let said = self.exec.run(Program::Ipset, &["list", "-n"], None).await?;
        Ok(String::from_utf8_lossy(&said).lines().map(str::to_owned).collect())
    }
}

#[async_trait]
impl Netfilter for Programs {
    async fn ruleset(&self) -> Result<Ruleset, Error> {
        Ok(Ruleset { nft: self.nft().await?, iptables: self.iptables().await?, ipsets: self.ipsets().await? })
    }

    async fn apply_nft(&self, commands: &[Value]) -> Result<(), Error> {
        let text = json!({ "nftables": commands }).to_string();
        self.exec.run(Program::Nft, &["-j", "-f", "-"], Some(text.as_bytes())).await.map(drop)
    }

    async fn restore(&self, which: Iptables, text: &str) -> Result<(), Error> {
        self.exec
            .run(Program::IptablesRestore(which), &["--noflush", "-w", "10"], Some(text.as_bytes()))
            .await
            .map(drop)
    }

    async fn destroy_ipset(&self, name: &str) -> Result<(), Error> {
        if !self.ipsets().await?.iter().any(|known| known == name) {
            return Ok(());
        }
        self.exec.run(Program::Ipset, &["destroy", name], None).await.map(drop)
    }
}
