//! `cargo xtask test`: every test that needs neither root nor a cluster.

use crate::run::{cargo, pass};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Passed on to `cargo test`, such as the name of a test.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Tests at once, of one program: many only wait, for a process or for time that is simulated, so two cores want more than two of them.
const AT_ONCE: usize = 4;

pub(crate) fn test(arguments: &Arguments) -> anyhow::Result<()> {
    // The end-to-end tests start the programs themselves. All in one go: each further call of cargo would wait for its last link alone.
    pass("building", cargo().args(["build", "--workspace", "--all-targets"]))?;
    let mut tests = cargo();
    tests.args(["test", "--workspace", "--no-fail-fast"]).args(&arguments.rest);
    if std::env::var_os("RUST_TEST_THREADS").is_none() {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        tests.env("RUST_TEST_THREADS", AT_ONCE.max(cores).to_string());
    }
    pass("the tests", &mut tests)
}
