//! The data of an etcd that left, and nothing else.

use super::*;

#[tokio::test]
async fn data_is_not_wiped_under_a_living_etcd() {
    let masters = Masters::new();
    let (code, says) = refused(&*wipe(DATA), masters.host(1)).await;
    assert_eq!(code, Code::ETCD_DATA);
    assert!(says.contains("process") && says.contains("container") && says.contains("etcd.yaml"), "{says}");
    done(&*mask(), masters.host(1)).await;
    let (_, says) = refused(&*wipe(DATA), masters.host(1)).await;
    assert!(says.contains("container") && !says.contains("etcd.yaml"), "containers outlive the kubelet: {says}");
    masters.handle(1).change(|state| state.runtime_up = false);
    assert!(apply(&*wipe(DATA), masters.host(1)).await.is_err(), "nobody could say what runs, and it was wiped");
    assert!(data_left(masters.handle(1)) > 0);
}

async fn left() -> Masters {
    let masters = Masters::new();
    done(&*masters.removal("m1"), masters.host(2)).await;
    done(&*mask(), masters.host(1)).await;
    done(&*reset(), masters.host(1)).await;
    assert!(data_left(masters.handle(1)) > 0, "a reset without its etcd phase leaves the data");
    masters
}

#[tokio::test]
async fn only_what_is_etcds_goes_and_the_mount_point_stays() {
    let masters = left().await;
    masters.handle(1).change(|state| state.write("/var/lib/etcd/notes.txt", "mine"));
    let (code, says) = refused(&*wipe(DATA), masters.host(1)).await;
    assert_eq!(code, Code::ETCD_DATA);
    assert!(says.contains("notes.txt"), "{says}");
    masters.handle(1).change(|state| {
        state.files.remove(Path::new("/var/lib/etcd/notes.txt"));
        state.directory("/var/lib/etcd/lost+found");
    });
    let found = wipe(DATA).check(masters.host(1)).await.unwrap();
    assert_eq!(found.changes[0].what, "/var/lib/etcd/member");
    done(&*wipe(DATA), masters.host(1)).await;
    let state = masters.handle(1).state();
    assert!(state.files.contains_key(Path::new("/var/lib/etcd/lost+found")), "the file system's own folder is gone");
    assert!(!state.files.contains_key(Path::new("/var/lib/etcd/member")));
}

#[tokio::test]
async fn neither_a_mount_nor_a_link_is_crossed() {
    let masters = left().await;
    let below =
        Mount { mount_point: "/var/lib/etcd/member/snap".into(), fs_type: "nfs4".into(), source: "nas:/x".into() };
    masters.handle(1).change(|state| state.mounts.push(below));
    assert_eq!(refused(&*wipe(DATA), masters.host(1)).await.0, Code::HOST_MOUNTED_BELOW);
    masters.handle(1).change(|state| {
        state.mounts.pop();
        state.files.insert("/srv/etcd".into(), slipway_host::fake::Node::Symlink(DATA.into()));
    });
    assert_eq!(refused(&*wipe("/srv/etcd"), masters.host(1)).await.0, Code::HOST_SYMLINK);
    assert!(data_left(masters.handle(1)) > 0);
    assert!(done(&*wipe("/srv/none"), masters.host(1)).await.already_true);
}

#[tokio::test]
async fn a_wipe_that_was_cut_off_is_finished_by_the_next() {
    for fault in [Fault::Fail, Fault::FailAfter] {
        let masters = left().await;
        masters.handle(1).inject("files.remove", 1, fault);
        assert!(apply(&*wipe(DATA), masters.host(1)).await.is_err());
        done(&*wipe(DATA), masters.host(1)).await;
        assert_eq!(data_left(masters.handle(1)), 0, "{fault:?}");
    }
}
