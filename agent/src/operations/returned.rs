//! What became of an operation that the agent left without an end, where its long command is gone: only the host itself can tell, and where it
//! does not, nobody knows.

use crate::journal::Outcome;
use crate::work::View;

/// The end that a look at the host proves, with its sentence. Nothing is taken for a failure: part of the work may have been done.
pub fn judge(action: &str, view: &View) -> (Outcome, String) {
    if view.satisfied {
        return (Outcome::Done, "the host is as wanted".to_owned());
    }
    let left = view.changes.len();
    (
        Outcome::Unknown,
        format!("the agent was restarted in the middle of {action}; {left} changes are still to be made"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_is_not_as_wanted_proves_nothing() {
        let view = View { satisfied: true, ..View::default() };
        assert_eq!(judge("mask-kubelet", &view).0, Outcome::Done);
        let (outcome, says) = judge("mask-kubelet", &View::default());
        assert_eq!(outcome, Outcome::Unknown);
        assert!(says.contains("mask-kubelet; 0 changes"), "{says}");
    }
}
