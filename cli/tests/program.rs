//! The program itself, started as a user starts it: exit codes, help, and what works with no coordinator anywhere.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, also in what it is set up with")]

use assert_cmd::Command;
use assert_cmd::assert::Assert;

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn slipway(&self, line: &str) -> Assert {
        let mut command = Command::cargo_bin("slipway").unwrap();
        command.env_clear().env("HOME", self.0.path()).args(line.split_whitespace()).assert()
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Makes a cluster whose coordinator would be where nobody listens.
    fn init(&self) -> Assert {
        let passphrase = self.write("passphrase", "correct horse battery staple\n");
        let (dir, export) = (self.path("coordinator"), self.path("export"));
        self.slipway(&format!(
            "init --dir {dir} --cluster lab --address 127.0.0.1:1 --export {export} --passphrase-file {passphrase}"
        ))
    }
}

fn out(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stdout).into_owned()
}

fn err(assert: &Assert) -> String {
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}

#[test]
fn help_and_version_are_no_errors_and_wrong_usage_is_two() {
    let home = Home::new();
    assert!(out(&home.slipway("--help").code(0)).contains("130  detached"));
    home.slipway("--version").code(0);
    home.slipway("node remove").code(2);
    home.slipway("nodes").code(2);
}

#[test]
fn a_code_is_explained_without_any_configuration() {
    let home = Home::new();
    let page = out(&home.slipway("explain slip-drain-002").code(0));
    assert!(page.starts_with("# SLIP-DRAIN-002: A PodDisruptionBudget blocks the drain"), "{page}");
    let unknown = err(&home.slipway("explain SLIP-DRAIN-022").code(2));
    assert!(unknown.contains("did you mean SLIP-DRAIN-00"), "{unknown}");
    assert!(out(&home.slipway("explain").code(0)).lines().count() >= 70);
}

#[test]
fn completions_know_the_verbs() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(out(&home.slipway(&format!("completions {shell}")).code(0)).contains("isolate"), "{shell}");
    }
}

#[test]
fn without_a_configuration_the_way_out_is_said() {
    let says = err(&Home::new().slipway("node list").code(2));
    assert!(
        says.contains("SLIP-CONF-003") && says.contains("way out:") && says.contains("slipway explain SLIP-CONF-003"),
        "{says}"
    );
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_name() {
    let home = Home::new();
    let file = home.write("c.toml", "cordinator = '127.0.0.1:1'\nidentity = 'i'\n");
    let says = err(&home.slipway(&format!("node list --config {file}")).code(2));
    assert!(says.contains("SLIP-CONF-001") && says.contains("did you mean \"coordinator\"?"), "{says}");
}

#[test]
fn a_coordinator_that_nobody_runs_is_three() {
    let home = Home::new();
    home.init().success();
    let says = err(&home.slipway("node list").code(3));
    assert!(says.starts_with("SLIP-WIRE-003"), "{says}");
    let json = err(&home.slipway("node list -o json").code(3));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["error"]["code"], "SLIP-WIRE-003");
    home.slipway("doctor").code(3);
}

#[test]
fn init_says_what_lies_where_and_never_overwrites() {
    let home = Home::new();
    let told = out(&home.init().success());
    for name in
        ["root.key.age", "backup.key.age", "cluster.json", ".config/slipway/identity", ".config/slipway/config.toml"]
    {
        assert!(told.contains(name), "{name} is not named:\n{told}");
    }
    let safe = told.find("keep in a safe").unwrap();
    assert!(
        safe < told.find("root.key.age").unwrap()
            && told.find("stays here").unwrap() < told.find("cluster.json").unwrap()
    );
    let config = std::fs::read_to_string(home.0.path().join(".config/slipway/config.toml")).unwrap();
    assert!(config.contains("coordinator = \"127.0.0.1:1\""), "{config}");
    assert!(err(&home.init().code(2)).starts_with("SLIP-INIT-001"));
    std::fs::remove_dir_all(home.0.path().join(".config")).unwrap();
    assert!(
        err(&home.init().code(2)).starts_with("SLIP-INIT-001"),
        "the coordinator's folder alone is enough to refuse"
    );
}

#[test]
fn a_short_passphrase_leaves_nothing_behind() {
    let home = Home::new();
    let passphrase = home.write("passphrase", "short\n");
    let (dir, export) = (home.path("coordinator"), home.path("export"));
    let line =
        format!("init --dir {dir} --cluster lab --address c:7400 --export {export} --passphrase-file {passphrase}");
    assert!(err(&home.slipway(&line).code(2)).starts_with("SLIP-CONF-002"));
    assert!(!home.0.path().join("coordinator").exists() && !home.0.path().join(".config").exists());
}

#[test]
fn an_identity_for_a_person_brings_its_configuration_along() {
    let home = Home::new();
    home.init().success();
    let (dir, out_dir) = (home.path("coordinator"), home.path("alice"));
    let line = format!("identity create --role reader --name alice --out {out_dir} --dir {dir}");
    assert!(out(&home.slipway(&line).code(0)).starts_with("reader alice until "));
    // The identity loads, and gets as far as the address where nobody listens.
    home.slipway(&format!("--config {out_dir}/config.toml run list")).code(3);
    assert!(err(&home.slipway(&line).code(2)).starts_with("SLIP-INIT-001"), "a second one is not laid over the first");
    home.slipway(&line.replace("reader", "agent")).code(2);
}
