//! What keepalived finds in the configuration that the product writes for it: only what its model goes by, and nothing taken from anywhere else.

use std::time::Duration;

use anyhow::Context;

/// What a keepalived goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Configured {
    /// Its priority, before anything is weighed.
    pub base: i64,
    /// For each time that the file of being well says.
    pub well: i64,
    /// The same for holding the address.
    pub holds: i64,
    /// While the check refuses the word.
    pub refused: i64,
    /// Between two checks.
    pub every: Duration,
    /// Between two adverts.
    pub advert: Duration,
    /// It takes the address from one of a lower priority.
    pub preempts: bool,
}

impl Configured {
    /// Reads it.
    pub fn read(text: &str) -> anyhow::Result<Self> {
        let number = |block: &str, keyword: &str| -> anyhow::Result<f64> {
            let value = block_of(text, block).find_map(|line| line.strip_prefix(keyword)?.strip_prefix(' '));
            let value = value.with_context(|| format!("{block} has no {keyword}"))?;
            value.parse().with_context(|| format!("{block}: {keyword} {value}"))
        };
        let instance = "vrrp_instance slipway";
        Ok(Self {
            base: number(instance, "priority")? as i64,
            well: number("track_file slipway_well", "weight")? as i64,
            holds: number("track_file slipway_holds", "weight")? as i64,
            refused: number("vrrp_script slipway_heard", "weight")? as i64,
            every: Duration::from_secs_f64(number("vrrp_script slipway_heard", "interval")?),
            advert: Duration::from_secs_f64(number(instance, "advert_int")?),
            preempts: !block_of(text, instance).any(|line| line == "nopreempt"),
        })
    }
}

/// The lines of a block.
fn block_of<'t>(text: &'t str, name: &str) -> impl Iterator<Item = &'t str> {
    let head = format!("{name} {{");
    text.lines().skip_while(move |line| *line != head).skip(1).take_while(|line| *line != "}").map(str::trim)
}
