//! The fake kubelet as a program of a version: which one runs, what it was configured with when it started, and which of them cannot live here.
//! One of another version starts every static pod anew.

use std::path::Path;

use super::{Node, StartedKubelet, State};
use crate::Active;
use crate::kubelet::CONFIGURATION;

pub(super) const UNIT: &str = "kubelet.service";
/// From this minor release on, the kubelet does not know it any more.
const REMOVED: (u32, &str) = (35, "--pod-infra-container-image");

/// Tells what the kubelet is configured with now from what it was before, by content and by writing.
pub(super) fn configuration(state: &State) -> String {
    CONFIGURATION.iter().map(|path| stamp(state, Path::new(path)).unwrap_or_default()).collect::<Vec<_>>().join("+")
}

/// Another one after each writing.
pub(super) fn stamp(state: &State, path: &Path) -> Option<String> {
    let Some(Node::File(text)) = state.files.get(path) else { return None };
    Some(format!("{}-{}", state.written.get(path).copied().unwrap_or_default(), super::files::mark(text)))
}

/// The minor number of a version such as `v1.34.4`.
pub(super) fn minor(version: &str) -> u32 {
    version.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or_default()
}

/// Why the installed one ends right after its start.
fn dies(state: &State, version: &str) -> Option<String> {
    let (from, flag) = REMOVED;
    let has_flag = || state.text(CONFIGURATION[1]).is_some_and(|flags| flags.contains(flag));
    let unknown = (minor(version) >= from && has_flag()).then(|| format!("unknown flag: {flag}"));
    unknown.or_else(|| state.kubelet_dies.get(version).cloned())
}

/// A kubelet was started: it lives and reads its configuration, or it ends and systemd tries for ever.
pub(super) fn started(state: &mut State) {
    let version = state.kubelet.clone().unwrap_or_default();
    if let Some(words) = dies(state, &version) {
        state.processes.retain(|process| process.comm != "kubelet");
        state
            .said
            .entry(UNIT.to_owned())
            .or_default()
            .push(format!("E1125 run.go:72] \"command failed\" err=\"{words}\""));
        if let Some(unit) = state.units.get_mut(UNIT) {
            unit.active = Active::Activating;
        }
        return;
    }
    if state.started_kubelet.as_ref().is_some_and(|before| before.version != version) {
        state.static_pods.values_mut().for_each(|manifest| *manifest = 0);
    }
    reads(state);
}

/// The kubelet that runs is one that has read what it is configured with now.
pub(super) fn reads(state: &mut State) {
    let version = state.kubelet.clone().unwrap_or_default();
    state.started_kubelet = Some(StartedKubelet { version, configuration: configuration(state) });
}

impl State {
    /// The version of the kubelet that runs; none: no kubelet does.
    pub fn running_kubelet(&self) -> Option<&str> {
        let runs = self.processes.iter().any(|process| process.comm == "kubelet");
        self.started_kubelet.as_ref().filter(|_| runs).map(|started| started.version.as_str())
    }
}
