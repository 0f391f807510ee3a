//! Following a run to its end. The run lives at the coordinator, not here: a connection that breaks is made again and the journal asked for
//! from where it stopped, so a restarted coordinator costs a line on the screen and nothing else.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use slipway_errors::{Code, Coded};
use slipway_events::{Entry, RunState};
use slipway_proto::coordinator::watch_run_response::What;
use slipway_proto::coordinator::{GetRunRequest, GetRunResponse, Plan, StepSays, WatchRunRequest, WatchRunResponse};
use slipway_types::{Clock, SystemClock};
use tonic::{Status, Streaming};

use super::lines::Lines;
use super::live::Live;
use super::machine::Machine;
use super::view::ProgressView;
use super::{Link, Paint};
use crate::connect::{SHORT, Session, within};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::{Format, Screen};
use crate::show::{short, wrap};

/// How often a lost coordinator is dialled again before the user gets the terminal back: ten minutes and more.
const RECONNECTS: u32 = 300;
const TICK: Duration = Duration::from_secs(1);

/// How long to wait before the next try: short at first, two seconds at most.
pub fn pause_before(tries: u32) -> Duration {
    Duration::from_millis(100 << tries.min(4)).min(Duration::from_secs(2))
}

/// Follows one run.
pub struct Follow {
    session: Session,
    run: String,
    view: ProgressView,
    verbose: bool,
    clock: Arc<dyn Clock>,
}

/// Why a stream is no longer read.
enum Stop {
    /// The run has ended, or waits for a person.
    Still,
    /// The connection broke.
    Lost(Coded),
    /// The coordinator refuses, or the output is closed.
    Failure(Failure),
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Failure(Failure::Output(error))
    }
}

impl From<Status> for Stop {
    fn from(status: Status) -> Self {
        let error = slipway_proto::status::from_status(&status);
        if is_lost(&status) { Self::Lost(error) } else { Self::Failure(error.into()) }
    }
}

/// Whether `status` says only that the connection is gone. What the coordinator itself refuses carries details with its code; what the
/// transport makes up does not, whatever it calls it.
pub fn is_lost(status: &Status) -> bool {
    use tonic::Code::{Aborted, Cancelled, DeadlineExceeded, Internal, Unavailable, Unknown};
    if status.details().is_empty() {
        return matches!(status.code(), Unavailable | Unknown | Internal | Cancelled | DeadlineExceeded | Aborted);
    }
    is_away(slipway_proto::status::from_status(status).code)
}

/// Whether a coordinator will answer by and by: it cannot be reached, or of several none leads just now.
fn is_away(code: Code) -> bool {
    Exit::of_code(code) == Exit::Unreachable || [Code::LEADER_ELSEWHERE, Code::STORE_AWAY].contains(&code)
}

impl Follow {
    /// Follows `run`, whose plan is `plan`.
    pub fn new(session: Session, run: &str, plan: &Plan, verbose: bool) -> Self {
        Self { session, run: run.to_owned(), view: ProgressView::new(plan), verbose, clock: Arc::new(SystemClock) }
    }

    /// Follows until the run ends or waits for a person, or until ctrl-C.
    pub async fn to_its_end(self, screen: &mut Screen) -> Result<Exit, Failure> {
        self.until(screen, async {
            // Without the signal the default action ends the program, which leaves the run alone as well.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
        .await
    }

    /// Follows until the run ends or waits for a person, or until `leave` is ready.
    pub async fn until(mut self, screen: &mut Screen, leave: impl Future<Output = ()>) -> Result<Exit, Failure> {
        let (live, format, verbose, clock) = (screen.is_live, screen.format(), self.verbose, self.clock.clone());
        let left = {
            let mut paint: Box<dyn Paint + '_> = match format {
                Format::Json => Box::new(Machine(screen)),
                Format::Text if live => Box::new(Live::new(verbose)),
                Format::Text => Box::new(Lines::new(screen, clock, verbose)),
            };
            let mut leave = pin!(leave);
            let left = tokio::select! {
                biased;
                ended = self.go(paint.as_mut()) => { ended?; false }
                () = &mut leave => true,
            };
            let (state, why) = if left {
                (RunState::Running, "detached; the run goes on")
            } else {
                (self.view.state(), self.view.why())
            };
            paint.ended(state, why)?;
            left
        };
        let id = short(&self.run);
        if left {
            screen.aside(format!("detached; the run goes on. `slipway run watch {id}` comes back"))?;
            return Ok(Exit::Detached);
        }
        self.say_what_next(screen).await?;
        Ok(Exit::of_state(self.view.state()).unwrap_or(Exit::Failed))
    }

    async fn go(&mut self, paint: &mut dyn Paint) -> Result<(), Failure> {
        let mut tries = 0;
        loop {
            let seen = self.view.last_seq();
            match self.read(paint, tries > 0).await {
                Stop::Still => return Ok(()),
                Stop::Failure(failure) => return Err(failure),
                Stop::Lost(why) => {
                    if self.view.last_seq() > seen {
                        tries = 0;
                    }
                    tries += 1;
                    self.dial_again(paint, why, &mut tries).await?;
                }
            }
        }
    }

    /// Dials until somebody answers, and says so once.
    async fn dial_again(&mut self, paint: &mut dyn Paint, why: Coded, tries: &mut u32) -> Result<(), Failure> {
        if *tries == 1 {
            let whom = self.session.whom();
            paint.connection(
                Link::Lost,
                &format!(
                    "no connection to the coordinator at {whom} ({}); the run does not need it; trying again",
                    why.message
                ),
            )?;
        }
        let mut last = why;
        while *tries <= RECONNECTS {
            tokio::time::sleep(pause_before(*tries)).await;
            match self.session.again().await {
                Ok(()) => return Ok(()),
                Err(error) if is_away(error.code) => last = error,
                Err(error) => return Err(error.into()),
            }
            *tries += 1;
        }
        let id = short(&self.run);
        Err(Failure::Coded(
            Coded::new(Code::WIRE_UNREACHABLE, format!("the coordinator does not come back: {}", last.message))
                .do_this(format!("the run goes on when it does; `slipway run watch {id}` follows it")),
        ))
    }

    /// Opens the stream and reads it until something ends it.
    async fn read(&mut self, paint: &mut dyn Paint, again: bool) -> Stop {
        match self.read_inner(paint, again).await {
            Ok(never) => match never {},
            Err(stop) => stop,
        }
    }

    async fn read_inner(&mut self, paint: &mut dyn Paint, again: bool) -> Result<std::convert::Infallible, Stop> {
        let mut stream = self.open().await?;
        if again {
            paint.connection(
                Link::Back,
                &format!("connected again; going on after line {} of the journal", self.view.last_seq()),
            )?;
        }
        self.stop_if_still(self.view.state() == RunState::Paused).await?;
        let mut ticks = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                biased;
                message = stream.message() => match message? {
                    Some(message) => self.take(message, paint).await?,
                    None => return Err(Stop::Lost(Coded::new(Code::WIRE_UNREACHABLE, "it closed the stream"))),
                },
                _ = ticks.tick() => paint.tick(&self.view)?,
            }
        }
    }

    async fn open(&self) -> Result<Streaming<WatchRunResponse>, Stop> {
        let request = WatchRunRequest { run: self.run.clone(), from_seq: self.view.last_seq() + 1 };
        let mut flows = self.session.flows();
        match tokio::time::timeout(SHORT, flows.watch_run(request)).await {
            Ok(answer) => Ok(answer?.into_inner()),
            Err(_elapsed) => Err(Stop::Lost(Coded::new(Code::WIRE_DEADLINE, "no answer in time"))),
        }
    }

    async fn take(&mut self, message: WatchRunResponse, paint: &mut dyn Paint) -> Result<(), Stop> {
        match message.what {
            None => Ok(()),
            Some(What::Progress(StepSays { step, says })) => {
                self.view.says(&step, &says);
                Ok(paint.progress(&step, &says, &self.view)?)
            }
            Some(What::EntryJson(raw)) => {
                let before = self.view.state();
                let notices = match serde_json::from_str::<Entry>(&raw) {
                    Ok(entry) => self.view.apply(&entry),
                    Err(_newer) => {
                        self.view.skip(seq_of(&raw));
                        Vec::new()
                    }
                };
                paint.entry(&raw, &notices, &self.view)?;
                if self.view.state().is_final() {
                    return Err(Stop::Still);
                }
                self.stop_if_still(before != RunState::Paused && self.view.state() == RunState::Paused).await
            }
        }
    }

    /// A pause in the journal may lie in the past: only the run itself says whether it stands still now.
    async fn stop_if_still(&mut self, maybe_paused: bool) -> Result<(), Stop> {
        if !maybe_paused && self.view.last_seq() > 0 {
            return Ok(());
        }
        let state = self.ask().await?.summary.map(|summary| summary.state).unwrap_or_default();
        if maybe_paused && state == RunState::Paused.as_str() {
            return Err(Stop::Still);
        }
        if state == RunState::AwaitingApproval.as_str() {
            self.view.await_approval();
            return Err(Stop::Still);
        }
        Ok(())
    }

    async fn ask(&self) -> Result<GetRunResponse, Status> {
        let request = within(SHORT, GetRunRequest { run: self.run.clone() });
        Ok(self.session.flows().get_run(request).await?.into_inner())
    }

    /// What a person can do now, where it is a person's turn.
    async fn say_what_next(&self, screen: &mut Screen) -> Result<(), Failure> {
        let state = self.view.state();
        if screen.format() == Format::Json || state == RunState::Completed {
            return Ok(());
        }
        let id = short(&self.run);
        let (resume, abort) =
            (format!("`slipway run resume {id}` goes on"), format!("`slipway run abort {id}` undoes it"));
        screen.line(match state {
            RunState::Paused if self.view.is_committed() => format!(
                "the run stands still: {resume}; if it never can, `slipway run give-up {id} --reason TEXT` ends it"
            ),
            RunState::Paused => format!("the run stands still: {resume}, {abort}"),
            RunState::AwaitingApproval => format!("the run waits for a second person: `slipway run approve {id}`"),
            _ => format!("`slipway run show {id}` has the whole story"),
        })?;
        // The coordinator may be gone by now; the commands are a help, not the answer.
        let remaining = self.ask().await.map(|answer| answer.remaining_by_hand).unwrap_or_default();
        if !remaining.is_empty() && matches!(state, RunState::Paused | RunState::NeedsOperator) {
            screen.line("what remains, by hand:")?;
            let width = screen.width().saturating_sub(2);
            for line in remaining.iter().flat_map(|command| wrap::command(command, width)) {
                screen.line(format!("  {line}"))?;
            }
        }
        Ok(())
    }
}

/// The number of a line whose event this version does not know.
fn seq_of(raw: &str) -> u64 {
    serde_json::from_str::<serde_json::Value>(raw).ok().and_then(|line| line["seq"].as_u64()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_begin_soon_and_end_two_seconds_apart() {
        assert_eq!(pause_before(1), Duration::from_millis(200));
        assert_eq!(pause_before(50), Duration::from_millis(1600));
    }

    #[test]
    fn what_the_coordinator_refuses_is_no_lost_connection() {
        assert!(is_lost(&Status::unavailable("connection refused")));
        assert!(is_lost(&Status::internal("h2 protocol error")));
        let refused =
            slipway_proto::status::to_status(tonic::Code::Internal, &Coded::new(Code::INTERNAL, "impossible"));
        assert!(!is_lost(&refused));
        let unreachable = Coded::new(Code::WIRE_UNREACHABLE, "connection refused");
        assert!(is_lost(&slipway_proto::status::to_status(tonic::Code::Unavailable, &unreachable)));
        assert!(!is_lost(&Status::permission_denied("no")));
        let nobody = Coded::new(Code::LEADER_ELSEWHERE, "no coordinator leads at the moment");
        assert!(is_lost(&slipway_proto::status::to_status(tonic::Code::Unavailable, &nobody)));
        assert!(is_away(nobody.code) && is_away(Code::STORE_AWAY) && !is_away(Code::RUN_UNKNOWN));
    }

    #[test]
    fn a_line_of_a_newer_coordinator_still_counts() {
        assert_eq!(seq_of(r#"{"seq": 7, "event": "levitated"}"#), 7);
        assert_eq!(seq_of("{"), 0);
    }
}
