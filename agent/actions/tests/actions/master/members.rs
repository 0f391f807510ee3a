//! Members that go and come, and leaders that move.

use super::*;

#[tokio::test]
async fn a_master_leaves_its_etcd_and_its_data_is_gone() {
    let masters = Masters::new();
    let (id, removal) = (masters.id("m1"), masters.removal("m1"));
    assert_eq!(masters.leader(), id, "the one that leaves leads");
    done(&*lead(masters.id("m2")), masters.host(1)).await;
    assert_eq!(masters.leader(), masters.id("m2"));
    let applied = done(&*removal, masters.host(2)).await;
    assert!(applied.record.iter().any(|line| line.contains("m2") && line.contains("m3") && !line.contains("m1")));
    for action in [mask(), reset(), wipe(DATA)] {
        done(&*action, masters.host(1)).await;
    }
    assert_eq!(data_left(masters.handle(1)), 0);
    assert_eq!(masters.etcd.effects(&format!("etcd remove-member {id:x}")), 1);
    let now = status(masters.host(3)).await;
    assert_eq!((now.members.len(), now.quorum_read, now.error.as_str()), (2, true, ""));
    assert!(now.members.iter().all(|member| member.status.is_some()));
    // Once more, and nothing is left to do.
    assert!(done(&*removal, masters.host(2)).await.already_true);
    assert!(done(&*wipe(DATA), masters.host(1)).await.already_true);
    assert_eq!(masters.etcd.effects(&format!("etcd remove-member {id:x}")), 1);
}

#[tokio::test]
async fn a_member_that_is_not_as_it_was_named_is_left_alone() {
    let masters = Masters::new();
    let (id, peer) = (masters.id("m1"), vec!["https://10.70.0.11:2380".to_owned()]);
    for (other, words) in [
        (remove(id, "m3", &peer), "asked was for m3"),
        (remove(id, "", &peer), "asked was for (never started)"),
        (remove(id, "m1", &["https://192.168.0.11:2380".into()]), "192.168.0.11"),
    ] {
        let (code, says) = refused(&*other, masters.host(2)).await;
        assert_eq!(code, Code::ETCD_OTHER_MEMBER);
        assert!(says.contains(words) && says.contains("m1"), "{says}");
    }
    let (code, says) = refused(&*masters.removal("m1"), masters.host(1)).await;
    assert_eq!(code, Code::ETCD_OTHER_MEMBER);
    assert!(says.contains("is the member of this host"), "{says}");
    assert_eq!(masters.etcd.cluster().members.len(), 3);
}

#[tokio::test]
async fn without_a_majority_or_an_etcd_nothing_is_tried() {
    let masters = Masters::new();
    let removal = masters.removal("m1");
    let (worker, _) = FakeHost::worker("w1");
    assert_eq!(refused(&*removal, &worker).await.0, Code::ETCD_NONE);
    masters.handle(3).change(|state| {
        for end in ["healthcheck-client.crt", "server.crt"] {
            state.files.remove(&Path::new("/etc/kubernetes/pki/etcd").join(end));
        }
    });
    assert_eq!(refused(&*removal, masters.host(3)).await.0, Code::ETCD_CERTIFICATES);
    masters.power_off(1);
    masters.power_off(3);
    assert_eq!(refused(&*removal, masters.host(2)).await.0, Code::ETCD_SILENT);
    assert_eq!(masters.etcd.all_effects().len(), 0);
}

#[tokio::test]
async fn with_one_down_the_dead_one_may_go_and_a_healthy_one_may_not() {
    let masters = Masters::new();
    let (healthy, dead) = (masters.removal("m1"), masters.removal("m3"));
    masters.power_off(3);
    let error = apply(&*healthy, masters.host(2)).await.unwrap_err();
    assert_eq!(error.coded().code, Code::ETCD_REFUSED);
    assert!(error.to_string().contains("etcd at") || error.coded().message.contains("unhealthy cluster"), "{error}");
    done(&*dead, masters.host(2)).await;
    assert_eq!(masters.etcd.cluster().members.len(), 2);
}

#[tokio::test]
async fn a_lost_answer_and_a_failed_call_come_to_one_removal() {
    for fault in [Fault::Fail, Fault::FailAfter] {
        let masters = Masters::new();
        let (id, removal) = (masters.id("m3"), masters.removal("m3"));
        masters.handle(2).inject("etcd.remove_member", 1, fault);
        let _ = apply(&*removal, masters.host(2)).await;
        done(&*removal, masters.host(2)).await;
        assert_eq!(masters.etcd.effects(&format!("etcd remove-member {id:x}")), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn the_leadership_goes_to_a_voter_that_answers_and_to_nobody_else() {
    let masters = Masters::new();
    let (first, second, third) = (masters.id("m1"), masters.id("m2"), masters.id("m3"));
    assert_eq!(refused(&*lead(first), masters.host(1)).await.0, Code::ETCD_OTHER_MEMBER);
    assert_eq!(refused(&*lead(4711), masters.host(1)).await.0, Code::ETCD_OTHER_MEMBER);
    assert!(done(&*lead(third), masters.host(2)).await.already_true, "a follower was asked to hand over");
    masters.power_off(3);
    let (_, says) = refused(&*lead(third), masters.host(1)).await;
    assert!(says.contains("does not answer"), "{says}");
    let applied = done(&*lead(second), masters.host(1)).await;
    assert_eq!(applied.record, [format!("the leader of etcd is {second:x}")]);
    assert_eq!(masters.etcd.effects(&format!("etcd move-leader {second:x}")), 1);
}

#[tokio::test]
async fn a_learner_is_added_once_and_votes_when_it_runs() {
    let masters = Masters::new();
    let (peer, removal) = ("https://10.70.0.14:2380", masters.removal("m3"));
    done(&*removal, masters.host(1)).await;
    masters.handle(2).inject("etcd.add_learner", 1, Fault::FailAfter);
    let _ = apply(&*learner("m4", peer), masters.host(2)).await;
    assert!(done(&*learner("m4", peer), masters.host(2)).await.already_true);
    assert_eq!(masters.etcd.effects(&format!("etcd add-learner {peer}")), 1);
    let (code, says) = refused(&*learner("m5", "https://10.70.0.15:2380"), masters.host(2)).await;
    assert_eq!(code, Code::ETCD_REFUSED, "{says}");
    let id = masters.etcd.cluster().members.last().unwrap().id;
    let promote = action(Wire::PromoteEtcdLearner(types::PromoteEtcdLearner { member_id: id }));
    assert_eq!(refused(&*promote, masters.host(1)).await.0, Code::ETCD_REFUSED);
    // The host that it was added for comes up with an empty data folder.
    let _new = FakeHost::sharing(preset::master("m4"), Arc::new(SystemClock), &masters.etcd);
    done(&*promote, masters.host(1)).await;
    assert!(done(&*promote, masters.host(1)).await.already_true);
    assert!(done(&*learner("m4", peer), masters.host(2)).await.already_true, "a voter was added again");
    assert_eq!(masters.etcd.cluster().members.iter().filter(|member| !member.learner).count(), 3);
    let (code, _) = refused(&*learner("m6", "https://10.70.0.11:2380"), masters.host(2)).await;
    assert_eq!(code, Code::ETCD_OTHER_MEMBER);
}
