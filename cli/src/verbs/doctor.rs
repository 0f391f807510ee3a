//! `doctor`: what is wrong, and what to do about it. It begins here, with this user's own files, so that it helps also where nothing answers.

use jiff::Timestamp;
use slipway_identity::Identity;
use slipway_proto::coordinator::DoctorRequest;
use slipway_types::{Clock, SystemClock};

use super::Context;
use crate::connect::{SHORT, within};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::screen::Format;
use crate::shapes::Finding;
use crate::show::doctor;
use crate::units::span;

/// What it takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {}

/// Looks.
pub async fn run(context: Context<'_>) -> Result<Exit, Failure> {
    let mut findings = local(&context, SystemClock.now());
    let asked = ask(&context).await;
    let exit = match asked {
        Ok(remote) => {
            findings.extend(remote);
            if findings.iter().any(|finding| finding.level == "bad") { Exit::Failed } else { Exit::Done }
        }
        Err(Failure::Coded(error)) => {
            let exit = Exit::of_code(error.code);
            findings.push(Finding {
                about: "coordinator".into(),
                level: "bad".into(),
                says: format!("{}: {}", error.code, error.message),
                way_out: error.way_out,
            });
            exit
        }
        Err(other) => return Err(other),
    };
    if context.screen.format() == Format::Json {
        context.screen.json(&findings)?;
    } else {
        let width = context.screen.width();
        context.screen.line(doctor::text(&findings, width).trim_end())?;
    }
    Ok(exit)
}

async fn ask(context: &Context<'_>) -> Result<Vec<Finding>, Failure> {
    let answer = context.session().await?.admin().doctor(within(SHORT, DoctorRequest {})).await?;
    Ok(answer.into_inner().findings.into_iter().map(Finding::from).collect())
}

fn local(context: &Context<'_>, now: Timestamp) -> Vec<Finding> {
    let finding =
        |level: &str, says: String| Finding { about: "this user".into(), level: level.into(), says, way_out: None };
    // What is wrong with the files themselves is told by the attempt to connect, with its code.
    let Ok(config) = context.config() else { return Vec::new() };
    let Ok(identity) = Identity::load(&config.identity) else { return Vec::new() };
    let who = identity.peer();
    let left = identity.not_after().duration_since(now);
    let text = format!("{} {} of cluster {}", who.role, who.id, who.cluster);
    vec![judge(left.as_secs(), &text, &finding)]
}

const WARN_BEFORE: i64 = 30 * 86_400;

fn judge(left_s: i64, who: &str, finding: &dyn Fn(&str, String) -> Finding) -> Finding {
    let time = |seconds: i64| span(std::time::Duration::from_secs(seconds.unsigned_abs()));
    let renew = "slipway identity create on the coordinator's host makes a new one";
    if left_s <= 0 {
        return Finding {
            way_out: Some(renew.into()),
            ..finding("bad", format!("{who}; the certificate ended {} ago", time(left_s)))
        };
    }
    let says = format!("{who}; the certificate is good for {}", time(left_s));
    if left_s < WARN_BEFORE {
        Finding { way_out: Some(renew.into()), ..finding("warn", says) }
    } else {
        finding("ok", says)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_judged_by_the_time_it_has_left() {
        let finding =
            |level: &str, says: String| Finding { about: "this user".into(), level: level.into(), says, way_out: None };
        let level = |left| judge(left, "admin root", &finding).level;
        assert_eq!([level(-5), level(86_400), level(90 * 86_400)], ["bad", "warn", "ok"]);
        assert_eq!(judge(-86_400 * 3, "x", &finding).says, "x; the certificate ended 3 d ago");
    }
}
