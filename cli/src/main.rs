//! The door of the `slipway` program: arguments in, exit code out. Everything between is the library, so that tests can reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    slipway_cli::run_as_program()
}
