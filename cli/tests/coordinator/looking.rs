//! The verbs that look, and the tokens.

use slipway_cli::exit::Exit;
use slipway_errors::{Code, Coded};
use slipway_proto::coordinator::{
    BootstrapToken, ControlPlane, EtcdMemberRow, EtcdOnHost, Finding, GetEtcdStatusResponse, GetNodeResponse,
    ListNodesResponse, Node,
};

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
async fn a_masters_part_is_there_for_machines() {
    let node = Node { name: "m1".into(), heartbeat_age_ms: 400, ..Default::default() };
    let member = EtcdMemberRow { id: "a1".into(), name: "m1".into(), healthy: true, ..Default::default() };
    let told = ControlPlane { member: Some(member), removal: "needs-word".into(), ..Default::default() };
    let page = GetNodeResponse {
        node: Some(node),
        control_plane: Some(told),
        to_do: vec!["join the host again".into()],
        ..Default::default()
    };
    let coordinator = Scripted::new(Script { page: Some(page), ..Default::default() });
    let json = value(&coordinator.typed("slipway node show m1 -o json", "").await.out);
    assert_eq!(json["control_plane"]["etcd"]["member"]["id"], "a1");
    assert_eq!(json["control_plane"]["removal"], "needs-word");
    assert_eq!(json["control_plane"]["virtual_address"], serde_json::Value::Null);
    assert_eq!(json["to_do"], serde_json::json!(["join the host again"]));
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
async fn a_bootstrap_token_comes_with_the_whole_command_and_ends_in_a_day() {
    let coordinator = Scripted::default();
    let came = coordinator.typed("slipway bootstrap-token create --description rack7", "").await;
    assert_eq!(came.out, "kubeadm join 10.0.0.10:6443 --token abcdef.0123456789abcdef\n");
    assert!(came.err.contains("abcdef is not shown again") && !came.err.contains("0123456789abcdef"), "{}", came.err);
    coordinator.typed("slipway bootstrap-token create --never-expires", "").await;
    let seen = coordinator.script().seen_bootstrap.clone();
    assert_eq!((seen[0].ttl_seconds, seen[0].never_expires), (24 * 3600, false));
    assert_eq!((seen[1].ttl_seconds, seen[1].never_expires), (0, true));
    let both = "slipway bootstrap-token create --never-expires --ttl 1h".split_whitespace();
    assert!(<slipway_cli::arguments::Arguments as clap::Parser>::try_parse_from(both).is_err());
}

fn bootstrap_tokens() -> Script {
    let token = |id: &str, description: &str| BootstrapToken {
        id: id.into(),
        expires_ms: 1_000,
        description: description.into(),
        ..Default::default()
    };
    let bootstrap_tokens = vec![token("abcdef", "slipway: rack 7 (admin/alice)"), token("fedcba", "by kubeadm")];
    Script { bootstrap_tokens, ..Default::default() }
}

#[tokio::test]
async fn a_bootstrap_token_is_shown_before_it_is_deleted_and_only_after_a_yes() {
    let line = "slipway bootstrap-token delete abcdef";
    let coordinator = Scripted::new(bootstrap_tokens());
    assert!(coordinator.typed(line, "n\n").await.ended.is_err());
    assert!(coordinator.typed(line, "").await.ended.is_err(), "nobody can answer");
    assert_eq!(coordinator.typed(&format!("{line} --dry-run"), "").await.exit(), Exit::Done);
    assert!(coordinator.script().seen_deletes.is_empty());
    let came = coordinator.typed(line, "y\n").await;
    assert!(came.err.contains("rack 7") && !came.err.contains("fedcba"), "{}", came.err);
    let seen = coordinator.script().seen_deletes.clone();
    assert_eq!((seen.len(), seen[0].description.as_str()), (1, "slipway: rack 7 (admin/alice)"));
    assert_eq!(coordinator.typed(&format!("{line} --yes"), "").await.exit(), Exit::Done);
}

#[tokio::test]
async fn an_unknown_bootstrap_token_is_said_without_the_secret_that_was_typed_with_it() {
    let came =
        Scripted::new(bootstrap_tokens()).typed("slipway bootstrap-token delete zzzzzz.0123456789abcdef", "").await;
    assert_eq!(came.code(), Code::JOIN_TOKEN);
    let said = came.ended.unwrap_err().to_string();
    assert!(!said.contains("0123456789abcdef"), "{said}");
}

#[tokio::test]
async fn bootstrap_tokens_are_listed_for_machines() {
    let coordinator = Scripted::new(bootstrap_tokens());
    let json = value(&coordinator.typed("slipway bootstrap-token list -o json", "").await.out);
    assert_eq!(
        (&json[0]["id"], &json[0]["expires_ms"], &json[0]["run"]),
        (&"abcdef".into(), &1000.into(), &serde_json::Value::Null)
    );
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

fn etcd_of_three() -> GetEtcdStatusResponse {
    let member = |id: &str, name: &str, leader| EtcdMemberRow {
        id: id.into(),
        name: name.into(),
        healthy: true,
        leader,
        alarms: if leader { vec!["NOSPACE".into()] } else { vec![] },
        ..Default::default()
    };
    GetEtcdStatusResponse {
        members: vec![member("a1", "m1", true), member("b2", "m2", false), member("c3", "", false)],
        quorum: 2,
        survives: 1,
        says: "3 of 3 members are healthy; 1 more may fail".into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn the_json_of_etcd_has_the_keys_that_scripts_rely_on() {
    let coordinator = Scripted::new(Script { etcd: etcd_of_three(), ..Default::default() });
    let came = coordinator.typed("slipway etcd status -o json", "").await;
    assert_eq!(came.exit(), Exit::Done);
    let json = value(&came.out);
    assert_eq!((&json["quorum"], &json["survives"]), (&true.into(), &1.into()));
    assert_eq!(json["alarms"], serde_json::json!(["m1: NOSPACE"]));
    let keys = ["id", "name", "learner", "healthy", "leader"];
    let first: Vec<_> = keys.iter().map(|key| json["members"][0][key].clone()).collect();
    assert_eq!(first, ["a1".into(), "m1".into(), false.into(), true.into(), serde_json::Value::from(true)]);
    assert_eq!(json["members"][2]["name"], serde_json::Value::Null, "it was added and never started");
    assert_eq!(json["host"], serde_json::Value::Null);
    assert_eq!(coordinator.script().seen_hosts, [""]);
}

#[tokio::test]
async fn one_host_is_asked_of_its_own_etcd() {
    let on_host = EtcdOnHost {
        host: "m2".into(),
        run_by: "static-pod".into(),
        data_dir: "/var/lib/etcd".into(),
        ..Default::default()
    };
    let etcd = GetEtcdStatusResponse { survives: -1, on_host: Some(on_host), ..Default::default() };
    let coordinator = Scripted::new(Script { etcd, ..Default::default() });
    let came = coordinator.typed("slipway etcd status --host m2", "").await;
    assert_eq!(came.exit(), Exit::Failed, "without a quorum");
    assert!(came.out.contains("a static pod; its data: /var/lib/etcd"), "{}", came.out);
    let json = value(&coordinator.typed("slipway etcd status --host m2 -o json", "").await.out);
    assert_eq!((&json["host"], &json["run_by"]), (&"m2".into(), &"static-pod".into()));
    assert_eq!(coordinator.script().seen_hosts, ["m2", "m2"]);
}

#[tokio::test]
async fn a_host_that_cannot_tell_of_etcd_is_refused_with_its_code() {
    for code in [Code::ETCD_NONE, Code::ETCD_CERTIFICATES, Code::NODE_UNKNOWN, Code::NODE_UNREACHABLE] {
        let refuse_etcd = Some(Coded::new(code, "w1 runs no member of etcd"));
        let coordinator = Scripted::new(Script { refuse_etcd, ..Default::default() });
        let came = coordinator.typed("slipway etcd status --host w1", "").await;
        assert_eq!(came.code(), code);
        assert_eq!(Exit::of_code(code), Exit::Refused, "{code}");
    }
}
