//! What an agent says beforehand that it would not do. An obstacle that goes away with an earlier step of the run is none yet: only what stays in
//! the way whatever the run does is refused, before any node is touched.

use slipway_errors::{Code, Coded};
use slipway_proto::agent::CheckResponse;
use slipway_types::NodeName;

/// Obstacles that no step of a run takes out of the way.
const STAY: [Code; 4] = [Code::PACKAGE_BROKEN, Code::PACKAGE_UNSUPPORTED, Code::UPGRADE_UNDER_WAY, Code::HOST_SERVICE];

/// Refused with the first obstacle that stays; before the `first` step there is none that could take anything away.
pub(super) fn refuse_what_stays(node: &NodeName, checked: &CheckResponse, first: bool) -> Result<(), Coded> {
    for obstacle in &checked.obstacles {
        let code = Code::parse(&obstacle.code).unwrap_or(Code::UPGRADE_BLOCKED);
        if first || STAY.contains(&code) {
            return Err(Coded::new(code, format!("{node}: {} {}", obstacle.what, obstacle.explain)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_proto::types::Obstacle;

    #[test]
    fn only_what_no_earlier_step_takes_away_is_refused() {
        let node: NodeName = "w1".parse().unwrap();
        let with = |code: Code| {
            let obstacle = Obstacle { code: code.to_string(), what: "x".into(), explain: "y".into() };
            CheckResponse { obstacles: vec![obstacle], ..CheckResponse::default() }
        };
        assert_eq!(refuse_what_stays(&node, &CheckResponse::default(), true), Ok(()));
        assert_eq!(refuse_what_stays(&node, &with(Code::PACKAGE_VERSION), false), Ok(()));
        assert_eq!(
            refuse_what_stays(&node, &with(Code::PACKAGE_VERSION), true).unwrap_err().code,
            Code::PACKAGE_VERSION
        );
        let stays = refuse_what_stays(&node, &with(Code::PACKAGE_BROKEN), false).unwrap_err();
        assert_eq!((stays.code, stays.message.as_str()), (Code::PACKAGE_BROKEN, "w1: x y"));
    }
}
