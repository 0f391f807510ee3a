//! The verbs that look, and the tokens.

use slipway_cli::exit::Exit;
use slipway_errors::Code;
use slipway_proto::coordinator::{Finding, ListNodesResponse, Node};

use crate::scripted::{Script, Scripted};

fn value(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn a_silent_api_server_is_said_beside_the_list() {
    let node = Node { name: "w1".into(), heartbeat_age_ms: 400, ..Default::default() };
    let nodes = ListNodesResponse { nodes: vec![node], api_error: "connection refused".into() };
    let coordinator = Scripted::new(Script { nodes, ..Default::default() });
    let came = coordinator.typed("slipway node list", "").await;
    assert!(came.out.contains("w1") && came.err.contains("connection refused"), "{} {}", came.out, came.err);
    let json = value(&coordinator.typed("slipway node list -o json", "").await.out);
    assert_eq!(
        (&json["api_error"], &json["nodes"][0]["ready"]),
        (&"connection refused".into(), &serde_json::Value::Null)
    );
}

#[tokio::test]
async fn an_unknown_node_keeps_the_coordinators_code() {
    assert_eq!(Scripted::default().typed("slipway node show w9", "").await.code(), Code::NODE_UNKNOWN);
}

#[tokio::test]
async fn who_may_not_is_told_so() {
    let came = Scripted::default().typed("slipway host list", "").await;
    assert_eq!(came.code(), Code::AUTH_ROLE);
    assert_eq!(Exit::of_code(came.code()), Exit::NotAllowed);
}

#[tokio::test]
async fn a_token_comes_with_the_line_to_run() {
    let coordinator = Scripted::default();
    let came = coordinator.typed("slipway token create --host w3 --ttl 5m --address 10.0.0.3:7443", "").await;
    assert_eq!(
        came.out,
        "slipway-agent enrol --coordinator coordinator.test:7400 --token slip1.id.secret --ca-hash sha256:ab --name w3 --address 10.0.0.3:7443\n"
    );
    assert_eq!(coordinator.script().seen_tokens[0].ttl_seconds, 300);
}

#[tokio::test]
async fn a_token_for_an_hour_is_refused_here() {
    let coordinator = Scripted::default();
    for line in [
        "slipway token create --host w3 --ttl 1h",
        "slipway token create --host w3 --ttl 0s",
        "slipway token create --host w3 --address w3",
    ] {
        assert!(coordinator.typed(line, "").await.ended.is_err(), "{line}");
    }
    assert!(coordinator.script().seen_tokens.is_empty());
}

#[tokio::test]
async fn a_bad_finding_fails_the_doctor() {
    let finding = |level: &str| Finding {
        about: "store".into(),
        level: level.into(),
        says: "says".into(),
        way_out: String::new(),
    };
    for (level, exit) in [("ok", Exit::Done), ("warn", Exit::Done), ("bad", Exit::Failed)] {
        let coordinator = Scripted::new(Script { findings: vec![finding(level)], ..Default::default() });
        assert_eq!(coordinator.typed("slipway doctor --config /nowhere", "").await.exit(), exit);
    }
}

#[tokio::test]
async fn a_doctor_that_reaches_nobody_says_what_it_tried() {
    let coordinator = Scripted::new(Script { dials_fail: 9, ..Default::default() });
    let came = coordinator.typed("slipway doctor --config /nowhere", "").await;
    assert_eq!(came.exit(), Exit::Unreachable);
    assert!(came.out.contains("SLIP-WIRE-003: connection refused"), "{}", came.out);
}

#[tokio::test]
async fn flows_come_with_their_schema_for_machines() {
    let json = value(&Scripted::default().typed("slipway flow list -o json", "").await.out);
    assert_eq!(json[0]["params_schema"]["type"], "object");
}

#[tokio::test]
async fn open_runs_are_listed_by_the_end_of_their_id() {
    let coordinator = Scripted::new(Script { state: "paused".into(), ..Default::default() });
    let came = coordinator.typed("slipway run list", "").await;
    assert!(came.out.contains("deadbeef") && came.out.contains("paused"), "{}", came.out);
}
