//! `store member`: what the store's etcd on this host needs to start: its certificate, and its settings for the unit slipway-etcd. On the host of a
//! coordinator.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;
use slipway_errors::{Code, Coded};
use slipway_identity::store::{FOLDER, PORTS, member_settings, store_certificate};
use slipway_types::SystemClock;

use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Format;

const MOST: usize = 7;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// This host's name among the members
    #[arg(long, value_name = "NAME")]
    name: String,
    /// All members that the store begins with, each NAME=ADDRESS
    #[arg(long, value_name = "NAME=ADDRESS", required = true, value_delimiter = ',')]
    members: Vec<String>,
    /// The store runs already, and this member was admitted to it (`slipway-coordinator --admit-store-member`)
    #[arg(long)]
    existing: bool,
    /// The file with the settings that the unit reads
    #[arg(long, value_name = "FILE", default_value = "/etc/slipway/etcd.env")]
    settings: PathBuf,
    /// The coordinator's folder
    #[arg(long, value_name = "DIR", default_value = "/var/lib/slipway/coordinator")]
    dir: PathBuf,
}

fn members(words: &[String]) -> Result<BTreeMap<String, String>, Coded> {
    let wrong = |word: &str| {
        Coded::new(Code::CONF_BAD_VALUE, format!("{word:?} is no member such as m1=10.0.0.1"))
            .do_this("--members m1=10.0.0.1,m2=10.0.0.2,m3=10.0.0.3")
    };
    let legal = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-.:[]".contains(c));
    let mut all = BTreeMap::new();
    for word in words {
        let (name, address) =
            word.split_once('=').filter(|(name, at)| legal(name) && legal(at)).ok_or_else(|| wrong(word))?;
        all.insert(name.to_owned(), address.to_owned());
    }
    if all.len() != words.len() || all.len() > MOST {
        return Err(Coded::new(Code::CONF_BAD_VALUE, format!("a store has 1 to {MOST} members, each named once")));
    }
    Ok(all)
}

/// As etcd reads them from its environment.
fn settings(name: &str, all: &BTreeMap<String, String>, place: (&Path, &str)) -> Result<String, Coded> {
    member_settings(name, all, place).ok_or_else(|| {
        Coded::new(Code::CONF_BAD_VALUE, format!("{name} is not among the members"))
            .do_this("--name is this host's own name, as --members has it")
    })
}

/// Makes both.
pub fn run(context: Context<'_>, args: &Args) -> Result<Exit, Failure> {
    let all = members(&args.members)?;
    let state = if args.existing { "existing" } else { "new" };
    let text = settings(&args.name, &all, (&args.dir, state))?;
    store_certificate(&args.dir, &SystemClock).map_err(Coded::from)?;
    let parent = args.settings.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(parent).and_then(|()| std::fs::write(&args.settings, text)).map_err(|error| {
        Coded::new(Code::CONF_UNREADABLE, format!("cannot write {}: {error}", args.settings.display()))
    })?;
    let store: Vec<String> = all.values().map(|address| format!("{address}:{}", PORTS.0)).collect();
    let url = format!("etcd://{}", store.join(","));
    if context.screen.format() == Format::Json {
        context.screen.json(&json!({"settings": args.settings, "store": url}))?;
        return Ok(Exit::Done);
    }
    context.screen.line(format!(
        "wrote {} and the certificate in {}",
        args.settings.display(),
        args.dir.join(FOLDER).display()
    ))?;
    context.screen.line("next: systemctl enable --now slipway-etcd, here and on the other members; then in the settings of each coordinator")?;
    context.screen.line(format!("      store = \"{url}\""))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_told_of_all_and_lets_in_only_who_has_the_stores_name() {
        let words = ["m1=10.0.0.1".to_owned(), "m2=10.0.0.2".to_owned()];
        let text = settings("m2", &members(&words).unwrap(), (Path::new("/c"), "new")).unwrap();
        assert!(text.contains("ETCD_INITIAL_CLUSTER=m1=https://10.0.0.1:7411,m2=https://10.0.0.2:7411\n"), "{text}");
        assert!(text.contains("ETCD_CLIENT_CERT_ALLOWED_HOSTNAME=store.slipway.internal\n"), "{text}");
        assert!(text.contains("ETCD_PEER_CERT_FILE=/c/store/chain.pem\n"), "{text}");
        assert!(settings("m3", &members(&words).unwrap(), (Path::new("/c"), "new")).is_err());
        for bad in ["m1", "m1=", "m1=a b", "m1=10.0.0.1;x"] {
            assert!(members(&[bad.to_owned()]).is_err(), "{bad}");
        }
        assert!(members(&[words[0].clone(), words[0].clone()]).is_err());
    }
}
