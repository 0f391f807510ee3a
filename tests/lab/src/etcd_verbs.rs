//! Slipway's words for masters, as an operator types them, in one place: tests say what they want, this says how it is called.

use anyhow::{Result, ensure};
use serde::Deserialize;

use crate::command::Output;
use crate::lab::Lab;
use crate::slipway::WITH_FLAGS;

/// What `etcd status -o json` says, as far as tests ask.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct StatusShown {
    pub(crate) members: Vec<MemberShown>,
    pub(crate) alarms: Vec<serde_json::Value>,
    pub(crate) quorum: bool,
    /// How many more members may fail; null: it has no quorum.
    pub(crate) survives: Option<u32>,
}

/// One member of it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct MemberShown {
    pub(crate) id: String,
    /// Empty, or not there at all: it never started.
    pub(crate) name: Option<String>,
    pub(crate) learner: bool,
    pub(crate) healthy: bool,
    pub(crate) leader: bool,
}

impl StatusShown {
    /// Names of the members that are well.
    pub(crate) fn healthy(&self) -> Vec<&str> {
        let well = self.members.iter().filter(|member| member.healthy && !member.learner);
        well.filter_map(|member| member.name.as_deref()).collect()
    }
}

impl Lab {
    /// What Slipway says of etcd.
    pub(crate) fn etcd_status(&self) -> Result<StatusShown> {
        Ok(serde_json::from_value(self.slipway_json(&["etcd", "status"])?)?)
    }

    /// Takes a node out with what a master's removal is allowed to cost in these tests, and more flags.
    pub(crate) fn remove_master(&self, name: &str, more: &[&str]) -> Result<Output> {
        self.slipway(&[&["node", "remove", name][..], &WITH_FLAGS, &["--accept-less-tolerance"], more].concat())
    }

    /// Takes a node out whose host does not answer; with the operator's word that it is fenced, or without.
    pub(crate) fn remove_unreachable(&self, name: &str, fenced: Option<&str>) -> Result<Output> {
        let mut words = vec!["node", "remove", name, "--unreachable"];
        words.extend(WITH_FLAGS);
        if let Some(statement) = fenced {
            words.extend(["--fenced", statement]);
        }
        self.slipway(&words)
    }

    /// Takes out a member that never started; with the operator's word that nobody is behind it, or without.
    pub(crate) fn remove_unnamed_member(&self, id: &str, proof: Option<&str>) -> Result<Output> {
        let mut words = vec!["etcd", "remove-member", id, "--yes"];
        if let Some(statement) = proof {
            words.extend(["--gone", statement]);
        }
        self.slipway(&words)
    }

    /// Replaces a member of an etcd under systemd by a new one on another host.
    pub(crate) fn replace_member(&self, name: &str, on: &str) -> Result<Output> {
        self.slipway(&["etcd", "replace-member", name, "--on", on, "--yes", "--accept-less-tolerance", "-o", "json"])
    }

    /// Takes a backup of etcd.
    pub(crate) fn back_up_etcd(&self) -> Result<Output> {
        self.slipway(&["etcd", "backup", "--yes"])
    }
}

/// A page as one line: where it is wrapped depends on the names in it.
pub(crate) fn unwrapped(page: &str) -> String {
    page.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Checks that a verb was refused (exit 2) with one of a family of codes, and that all of these words are said.
pub(crate) fn refused_in_words(output: &Output, family: &str, words: &[&str]) -> Result<()> {
    let said = unwrapped(&format!("{} {}", output.stdout, output.stderr));
    ensure!(output.code == Some(2), "exit 2 was expected, but: {output}");
    ensure!(said.contains(family), "a code of {family} was expected, but: {said}");
    let missing: Vec<_> = words.iter().filter(|word| !said.contains(**word)).collect();
    ensure!(missing.is_empty(), "{missing:?} is not said: {said}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_without_a_name_is_not_counted_among_the_well() {
        let text = r#"{"members":[{"id":"a","name":"m1","peer_urls":[],"client_urls":[],"learner":false,"healthy":true,"leader":true},
            {"id":"b","name":"","learner":false,"healthy":false,"leader":false},
            {"id":"c","name":"m3","learner":true,"healthy":true,"leader":false}],"alarms":[],"quorum":true,"survives":0,"host":"m1"}"#;
        let shown: StatusShown = serde_json::from_str(text).unwrap();
        assert_eq!(shown.healthy(), ["m1"]);
    }

    #[test]
    fn words_are_found_wherever_a_page_is_wrapped() {
        let said = Output { code: Some(2), stdout: String::new(), stderr: "SLIP-ETCD-003: no\n    quorum".to_owned() };
        assert!(refused_in_words(&said, "SLIP-ETCD-", &["no quorum"]).is_ok());
    }

    #[test]
    fn a_refusal_without_its_reason_is_not_enough() {
        let said = Output { code: Some(2), stdout: String::new(), stderr: "SLIP-ETCD-003: quorum".to_owned() };
        assert!(refused_in_words(&said, "SLIP-ETCD-", &["quorum"]).is_ok());
        assert!(refused_in_words(&said, "SLIP-ETCD-", &["m2"]).is_err());
    }
}
