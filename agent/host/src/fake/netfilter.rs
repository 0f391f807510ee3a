//! The fake firewall: transactions that take effect as a whole or not at all, chains that cannot go while a rule leads to them, sets that
//! cannot go while a rule uses them.

use async_trait::async_trait;
use serde_json::Value;

use super::FakeHost;
use crate::plan::{iptables, nft};
use crate::{Error, Iptables, Netfilter, Ruleset};

fn refused(program: &str, why: impl Into<String>) -> Error {
    Error::Command { program: program.to_owned(), why: why.into() }
}

#[async_trait]
impl Netfilter for FakeHost {
    async fn ruleset(&self) -> Result<Ruleset, Error> {
        self.look("netfilter.ruleset", |state| Ok(state.ruleset.clone())).await
    }

    async fn apply_nft(&self, commands: &[Value]) -> Result<(), Error> {
        self.act("netfilter.apply_nft", |state| {
            let mut list = state.ruleset.nft.clone();
            for command in commands {
                delete(&mut list, command)?;
            }
            state.ruleset.nft = list;
            state.witness("nft");
            Ok(())
        })
        .await
    }

    async fn restore(&self, which: Iptables, text: &str) -> Result<(), Error> {
        self.act("netfilter.restore", |state| {
            let saved =
                state.ruleset.iptables.get(&which).ok_or_else(|| refused(which.program(), "is not installed"))?;
            let tables = restored(iptables::parse(saved), text)?;
            state.ruleset.iptables.insert(which, iptables::render(&tables));
            state.witness(format!("{}-restore", which.program()));
            Ok(())
        })
        .await
    }

    async fn destroy_ipset(&self, name: &str) -> Result<(), Error> {
        self.act("netfilter.destroy_ipset", |state| {
            let used = state
                .ruleset
                .iptables
                .values()
                .any(|text| text.lines().any(|line| iptables::words(line).iter().any(|word| word == name)));
            if used {
                return Err(refused("ipset", format!("destroy: set {name} is in use by a kernel component")));
            }
            let before = state.ruleset.ipsets.len();
            state.ruleset.ipsets.retain(|known| known != name);
            if state.ruleset.ipsets.len() < before {
                state.witness(format!("destroy ipset {name}"));
            }
            Ok(())
        })
        .await
    }
}

fn delete(list: &mut Vec<Value>, command: &Value) -> Result<(), Error> {
    let body =
        command.get("delete").ok_or_else(|| refused("nft", format!("only deletions are simulated: {command}")))?;
    let before = list.len();
    if let Some(table) = body.get("table") {
        let key =
            nft::tables(list).into_iter().find(|(key, handle)| table["family"] == key.0 && table["handle"] == *handle);
        let (key, _) = key.ok_or_else(|| refused("nft", "No such file or directory"))?;
        list.retain(|item| nft::object(item).is_none_or(|(kind, body)| nft::table_of(kind, body) != key));
    } else if let Some(rule) = body.get("rule") {
        let same = |body: &Value| ["family", "table", "chain", "handle"].iter().all(|key| body[*key] == rule[*key]);
        list.retain(|item| nft::object(item).is_none_or(|(kind, body)| kind != "rule" || !same(body)));
    }
    if list.len() == before { Err(refused("nft", "No such file or directory")) } else { Ok(()) }
}

fn restored(mut tables: Vec<iptables::Table>, text: &str) -> Result<Vec<iptables::Table>, Error> {
    let no_chain = || refused("iptables-restore", "No chain/target/match by that name");
    let mut current = None;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('*') {
            current = tables.iter().position(|table| table.name == name);
            continue;
        }
        if line == "COMMIT" || line.is_empty() {
            continue;
        }
        let table = current.and_then(|at| tables.get_mut(at)).ok_or_else(no_chain)?;
        let mut words = line.splitn(3, ' ');
        let (verb, name, rest) =
            (words.next().unwrap_or_default(), words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let at = table.chains.iter().position(|chain| chain.name == name).ok_or_else(no_chain)?;
        match verb {
            "-D" => {
                let rule = table.chains[at].rules.iter().position(|rule| rule == rest).ok_or_else(|| {
                    refused("iptables-restore", "Bad rule (does a matching rule exist in that chain?)")
                })?;
                table.chains[at].rules.remove(rule);
            }
            "-F" => table.chains[at].rules.clear(),
            "-X" => {
                let led_to = table
                    .chains
                    .iter()
                    .any(|chain| chain.rules.iter().any(|rule| iptables::target(rule).as_deref() == Some(name)));
                if led_to || !table.chains[at].rules.is_empty() || table.chains[at].policy.is_some() {
                    return Err(refused("iptables-restore", format!("Directory not empty: {name}")));
                }
                table.chains.remove(at);
            }
            other => return Err(refused("iptables-restore", format!("{other} is not simulated"))),
        }
    }
    Ok(tables)
}
