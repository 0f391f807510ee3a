//! `cargo xtask ci`: what a reviewer should not have to look for. All checks run, then the verdict: one red line hides no other.

use crate::run::{cargo, pass};

type Check = fn() -> anyhow::Result<()>;

pub(crate) fn ci() -> anyhow::Result<()> {
    let checks: [(&str, Check); 7] = [
        ("formatting", || pass("cargo fmt", cargo().args(["fmt", "--all", "--check"]))),
        ("clippy", || {
            pass(
                "cargo clippy",
                cargo().args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]),
            )
        }),
        ("rustdoc", || {
            pass(
                "cargo doc",
                cargo().env("RUSTDOCFLAGS", "-D warnings").args(["doc", "--workspace", "--no-deps", "--locked"]),
            )
        }),
        ("dependencies: bans, licences, sources", deny),
        ("arrows between crates", crate::deps::deps),
        ("sizes", crate::sizes::sizes),
        ("runbooks are those of the plans", crate::runbooks::up_to_date),
    ];
    let mut failed = Vec::new();
    for (name, check) in checks {
        println!("== {name}");
        if let Err(error) = check() {
            println!("   {error:#}");
            failed.push(name);
        }
    }
    println!(
        "note: advisories are not checked here; their database is fetched from the network (`cargo deny check advisories`)"
    );
    anyhow::ensure!(failed.is_empty(), "ci: failed: {}", failed.join("; "));
    println!("ci: all checks passed");
    Ok(())
}

fn deny() -> anyhow::Result<()> {
    let present = cargo().args(["deny", "--version"]).output().is_ok_and(|output| output.status.success());
    anyhow::ensure!(present, "cargo-deny is missing: cargo install --locked cargo-deny");
    pass("cargo deny", cargo().args(["deny", "--log-level", "error", "check", "bans", "licenses", "sources"]))
}
