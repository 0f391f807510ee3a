//! What is on the shelf is whole, private and encrypted, and what is not is not listed.

use std::os::unix::fs::PermissionsExt;

use slipway_identity::sealed::BackupKey;

use super::*;

fn kept(taken_ms: i64) -> Kept {
    Kept {
        file: String::new(),
        cluster: "lab".into(),
        host: "m1".into(),
        member: "ab".into(),
        etcd_version: "3.5.24".into(),
        size_bytes: 7,
        sha256: "00".into(),
        revision: None,
        taken_ms,
        recipient: "age1".into(),
    }
}

fn recipient(key: &BackupKey) -> BackupRecipient {
    BackupRecipient::parse(&key.public()).unwrap()
}

fn put(shelf: &Shelf, key: &BackupKey, taken_ms: i64) -> Kept {
    let mut draft = shelf.draft(&recipient(key)).unwrap();
    draft.write(b"secrets").unwrap();
    draft.keep(kept(taken_ms)).unwrap()
}

fn names(shelf: &Shelf) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(shelf.folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_kept_is_private_encrypted_and_opens_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let (shelf, key) = (Shelf::new(folder.path().join("backups")), BackupKey::generate());
    let kept = put(&shelf, &key, 1_795_270_000_000);
    assert_eq!(kept.file, "etcd-lab-20261121T140640Z.snapshot.age");
    let path = shelf.folder().join(&kept.file);
    let sealed = std::fs::read(&path).unwrap();
    assert!(!sealed.windows(7).any(|window| window == b"secrets"), "the snapshot lies there in plain");
    assert_eq!(key.open(&sealed).unwrap(), b"secrets");
    assert!(BackupKey::generate().open(&sealed).is_err());
    for name in names(&shelf) {
        let mode = std::fs::metadata(shelf.folder().join(&name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(std::fs::metadata(shelf.folder()).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(shelf.list().unwrap(), [kept]);
}

#[test]
fn two_of_one_second_have_two_names_and_the_newest_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let (shelf, key) = (Shelf::new(folder.path().to_owned()), BackupKey::generate());
    let files = [1000, 1001, 9000].map(|taken_ms| put(&shelf, &key, taken_ms).file);
    assert_eq!(files[1], "etcd-lab-19700101T000001Z-2.snapshot.age");
    let listed: Vec<i64> = shelf.list().unwrap().iter().map(|kept| kept.taken_ms).collect();
    assert_eq!(listed, [9000, 1001, 1000]);
}

#[test]
fn what_was_not_finished_leaves_nothing_and_is_not_listed() {
    let folder = tempfile::tempdir().unwrap();
    let (shelf, key) = (Shelf::new(folder.path().to_owned()), BackupKey::generate());
    let mut draft = shelf.draft(&recipient(&key)).unwrap();
    draft.write(&vec![1; 1 << 21]).unwrap();
    assert_eq!(shelf.list().unwrap(), []);
    drop(draft);
    assert!(names(&shelf).is_empty());
    std::fs::write(folder.path().join("new.part"), "of a coordinator that was killed").unwrap();
    put(&shelf, &key, 1000);
    assert_eq!(names(&shelf).len(), 2);
}

#[test]
fn a_record_counts_only_with_its_file_and_a_file_only_with_its_record() {
    let folder = tempfile::tempdir().unwrap();
    let (shelf, key) = (Shelf::new(folder.path().to_owned()), BackupKey::generate());
    let (one, two) = (put(&shelf, &key, 1000), put(&shelf, &key, 2000));
    std::fs::remove_file(folder.path().join(&one.file)).unwrap();
    std::fs::remove_file(folder.path().join(two.file.replace(SEALED, RECORD))).unwrap();
    std::fs::write(folder.path().join("etcd-x.json"), "{").unwrap();
    assert_eq!(shelf.list().unwrap(), []);
}

#[test]
fn a_target_that_cannot_be_written_is_said_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let key = BackupKey::generate();
    // Below a file, and below a folder of the kernel's, nothing can be made, whoever asks.
    for bad in [file.join("backups"), PathBuf::from("/proc/slipway/backups")] {
        let error = Shelf::new(bad.clone()).draft(&recipient(&key)).err().unwrap();
        assert_eq!(error.code, Code::BACKUP_TARGET);
        assert!(error.message.contains(&bad.display().to_string()), "{error}");
    }
}

#[test]
fn a_full_disk_is_an_error_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let shelf = Shelf::new(folder.path().to_owned());
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let out = recipient(&BackupKey::generate()).sealing(BufWriter::new(full)).unwrap();
    let path = folder.path().join("new.part");
    std::fs::write(&path, "").unwrap();
    let mut draft = Draft { shelf: shelf.clone(), path, out: Some(out) };
    let written = draft.write(&vec![0; 1 << 20]).and_then(|()| draft.keep(kept(1000)));
    let error = written.unwrap_err();
    assert_eq!(error.code, Code::BACKUP_TARGET);
    assert!(error.message.contains("No space left"), "{error}");
    assert!(names(&shelf).is_empty(), "{:?}", names(&shelf));
}
