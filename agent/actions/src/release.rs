//! A release of Kubernetes as the wire names it (`1.34.4`, or with a `v`), the one form that it has here, and the obstacle that a program of
//! another one is.

use slipway_errors::{Code, Coded};
use slipway_proto::types::Obstacle;

use crate::perform::obstacle;
use crate::wire::bad;

const LONGEST: usize = 40;

/// A release: `v1.34.4`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Release(String);

impl Release {
    /// As the wire names it.
    pub(crate) fn new(text: &str) -> Result<Self, Coded> {
        let bare = text.strip_prefix('v').unwrap_or(text);
        if text.len() <= LONGEST && is_release(bare) {
            Ok(Self(format!("v{bare}")))
        } else {
            Err(bad(format!("{text:?} is no release of Kubernetes such as 1.34.4")))
        }
    }

    /// With its `v`.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands in the way if `installed`, the version of `program`, is not this release.
    pub(crate) fn unless(&self, program: &str, installed: Option<&str>) -> Option<Obstacle> {
        let explain = match installed {
            Some(version) if version == self.0 => return None,
            Some(version) => format!("{program} is {version} on this host and has to be {}: install that one", self.0),
            None => format!("{program} is not installed on this host: install {}", self.0),
        };
        Some(obstacle(Code::UPGRADE_PROGRAM, program, explain))
    }
}

impl std::fmt::Display for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_release(bare: &str) -> bool {
    let (numbers, pre) = bare.split_once('-').map_or((bare, None), |(numbers, pre)| (numbers, Some(pre)));
    let parts: Vec<&str> = numbers.split('.').collect();
    let number = |part: &&str| !part.is_empty() && part.len() <= 4 && part.chars().all(|c| c.is_ascii_digit());
    let word =
        |pre: &str| !pre.is_empty() && pre.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.');
    parts.len() == 3 && parts.iter().all(number) && pre.is_none_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_taken_with_and_without_its_v_and_nothing_else_is() {
        assert_eq!(Release::new("1.34.4").unwrap(), Release::new("v1.34.4").unwrap());
        assert_eq!(Release::new("1.36.0-rc.1").unwrap().as_str(), "v1.36.0-rc.1");
        for bad in ["", "1.34", "v1.34.x", "1.34.4 --yes", "vv1.34.4", "1.34.4-", "latest", "1.34.4;reboot"] {
            assert_eq!(Release::new(bad).unwrap_err().code, Code::AGENT_BAD_ARGUMENT, "{bad}");
        }
    }

    #[test]
    fn only_that_very_version_of_a_program_is_no_obstacle() {
        let release = Release::new("1.34.4").unwrap();
        assert_eq!(release.unless("kubeadm", Some("v1.34.4")), None);
        assert!(release.unless("kubeadm", Some("v1.34.3")).unwrap().explain.contains("v1.34.3"));
        assert!(release.unless("kubeadm", None).unwrap().explain.contains("not installed"));
    }
}
