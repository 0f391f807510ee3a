//! How a human asks: the `slipway` program. A verb is one file under `verbs/`; what a screen shows is made in `show/` from plain data, so that
//! it can be compared with golden files; `watch/` folds a run's journal into what is seen live.

pub mod arguments;
pub mod ask;
pub mod config;
pub mod connect;
pub mod exit;
pub mod failure;
pub mod screen;
pub mod shapes;
pub mod show;
pub mod units;
pub mod verbs;
pub mod watch;

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Arguments;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Screen;

/// Parses the process's arguments, runs the verb, and says how it ended.
pub fn run_as_program() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // A reader that has closed the pipe does not turn help into a failure.
            let _ = error.print();
            return if error.use_stderr() { Exit::Refused.into() } else { Exit::Done.into() };
        }
    };
    let mut screen = Screen::of_process(arguments.global.output);
    let verbose = arguments.global.verbose;
    let ended = match runtime() {
        Ok(runtime) => runtime.block_on(verbs::run(arguments, &mut screen)),
        Err(error) => Err(Failure::Output(error)),
    };
    let exit = ended.unwrap_or_else(|failure| failure.report(&mut screen, verbose));
    exit.into()
}

// Two threads: while the first waits at a question, the second keeps the connection alive.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}
