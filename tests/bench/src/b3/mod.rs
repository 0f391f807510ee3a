//! B3: what an agent takes from its host for looking at it once a second, against prometheus-node-exporter asked once a second for the same
//! figures. Both run at the same time, so that the machine's noise is in both, and their values are compared: whoever looks at less is no
//! cheaper.

mod agent;
mod exporter;
mod limit;
mod page;
mod watch;

use std::path::Path;

use anyhow::{Context, ensure};

use crate::figure::{Figure, Target, Unit};
use crate::peer::NODE_EXPORTER;
use crate::statistics::Spread;
use watch::Window;

/// The benchmark.
pub(crate) const ID: &str = "B3";

/// Measures for `seconds`, in as many windows as there are pairs.
pub(crate) async fn run(seconds: u64, windows: usize, scratch: &Path) -> anyhow::Result<Vec<Figure>> {
    let exporter = exporter::Exporter::start(&NODE_EXPORTER.find()?)?;
    let mut agent = agent::Agent::start(scratch).await?;
    let looking = limit::Looking::begin();
    let watched = watch::both(&mut agent, &exporter, seconds, windows).await?;
    let limit = looking.ended()?;
    let compared = page::compare(&watched.of_agent, &watched.of_exporter);
    let wrong: Vec<&str> = compared.iter().filter(|one| !one.agrees).map(|one| one.says.as_str()).collect();
    eprintln!("  {} of {} values agree", compared.len() - wrong.len(), compared.len());
    ensure!(wrong.is_empty(), "agent and exporter do not see the same host:\n  {}", wrong.join("\n  "));
    figures(&watched.windows, limit)
}

fn figures(windows: &[Window], limit: f64) -> anyhow::Result<Vec<Figure>> {
    let figure = |what: &str, unit: Unit, of: fn(&watch::Spent) -> f64| {
        let ours: Vec<f64> = windows.iter().map(|window| of(&window.agent)).collect();
        let peer: Vec<f64> = windows.iter().map(|window| of(&window.exporter)).collect();
        let spread = Spread::of(&ours).context("nothing was measured")?;
        Ok::<_, anyhow::Error>(Figure::new(ID, what, unit, spread).against(NODE_EXPORTER.title(), &ours, &peer))
    };
    Ok(vec![
        figure("agent at 1 Hz: RSS", Unit::Megabytes, |spent| spent.rss_mb)?.target(Target::AtMost(12.0)),
        figure("agent at 1 Hz: RSS without files", Unit::Megabytes, |spent| spent.anonymous_mb)?.target(Target::None),
        figure("agent at 1 Hz: CPU a sample", Unit::Microseconds, |spent| spent.cpu_us_a_sample)?
            .floor(limit)
            .target(Target::TimesLess(10.0)),
        figure("agent at 1 Hz: sleeps ended", Unit::PerSecond, |spent| spent.wakeups_a_second)?
            .target(Target::AtMost(2.0)),
    ])
}
