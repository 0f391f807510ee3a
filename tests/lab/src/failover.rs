//! One failure of a master, watched from three sides: clients who come in by the address for all, a fourth host that asks who has it, and the
//! hosts themselves.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::eventually::{eventually, holds};
use crate::evidence::segment::{Mac, Round, longest_double};
use crate::evidence::{Entrance, Segment};
use crate::host::Host;
use crate::lab::Lab;

/// How often a question stays without an answer on a machine that has other things to do.
const STEADY: usize = 10;
/// Questions that the same one has answered, until it is believed that nothing more moves: four seconds.
const LONG: usize = 80;
/// Longer than any failure takes.
const LONGEST: Duration = Duration::from_secs(40);
/// Two adverts, and the questions at both ends.
const TWO_ADVERTS: Duration = Duration::from_millis(500);

/// What became of the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// It leaves its holder.
    Moves,
    /// It stays where it is, for so long.
    Stays(Duration),
    /// It is with one alone in the end, whoever that is.
    Settles,
}

impl Seen {
    /// One alone holds the address, but for two adverts after a cut heals: so long two may answer, and no longer.
    pub(crate) fn one_answered(&self) -> Result<()> {
        ensure!(self.double <= TWO_ADVERTS, "{}: two answered for {:?}", self.what, self.double);
        Ok(())
    }
}

/// What was seen.
pub(crate) struct Seen {
    what: String,
    /// From the failure until another one alone answered; none, where it stayed.
    pub(crate) moved: Option<Duration>,
    /// The longest time in which no client was answered.
    pub(crate) gap: Duration,
    /// The longest time in which two hosts answered for the address.
    pub(crate) double: Duration,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, moved, gap, double } = self;
        let moved = moved.map_or("stayed".to_owned(), |after| format!("moved after {:.2} s", after.as_secs_f32()));
        write!(
            f,
            "{what}: {moved}, clients' gap {:.2} s, two answered for {:.2} s",
            gap.as_secs_f32(),
            double.as_secs_f32()
        )
    }
}

/// Does something to the holder of the address, and watches what becomes of it.
pub(crate) fn fails(
    lab: &Lab,
    what: &str,
    holder: &Host,
    address: Address,
    act: impl FnOnce() -> Result<()>,
) -> Result<Seen> {
    let own = mac(holder)?;
    let (segment, entrance) = (Segment::watch()?, Entrance::watch(lab)?);
    let began = Instant::now();
    eventually("the holder to answer on the segment", Duration::from_secs(10), || {
        let alone = segment.since(began).iter().filter(|round| by_alone(round, &[own])).count();
        ensure!(alone >= STEADY, "{} answered {alone} times", holder.name());
        Ok(())
    })?;
    let moment = Instant::now();
    act().with_context(|| what.to_owned())?;
    waits(what, address, own, || segment.since(moment))?;
    let rounds = segment.since(moment);
    let gap = entrance.gap_since(moment)?;
    segment.heard()?;
    let seen = Seen { what: what.to_owned(), moved: moved(&rounds, own), gap, double: longest_double(&rounds) };
    println!("       {seen}");
    Ok(seen)
}

/// Until that has become of the address.
fn waits(what: &str, address: Address, own: Mac, heard: impl Fn() -> Vec<Round>) -> Result<()> {
    match address {
        Address::Moves => eventually(&format!("{what}: another one to answer"), LONGEST, || {
            let rounds = heard();
            let last = last(&rounds, STEADY);
            ensure!(last.len() == STEADY && last.iter().all(|round| is_another(round, own)), "{last:?}");
            Ok(())
        }),
        Address::Settles => eventually(&format!("{what}: one alone to answer"), LONGEST, || {
            let rounds = heard();
            let last = last(&rounds, LONG);
            let alone = last.len() == LONG && last.iter().all(|round| round.by.len() == 1 && round.by == last[0].by);
            ensure!(alone, "{last:?}");
            Ok(())
        }),
        Address::Stays(time) => holds(&format!("{what}: the address"), time, || {
            let moved = heard().into_iter().find(|round| is_another(round, own));
            ensure!(moved.is_none(), "{moved:?} answers, and not {own:?}");
            Ok(())
        }),
    }
}

fn by_alone(round: &Round, macs: &[Mac]) -> bool {
    round.by.iter().eq(macs.iter())
}

fn is_another(round: &Round, own: Mac) -> bool {
    !round.by.is_empty() && !round.by.contains(&own)
}

/// From the first question to the first one that another one alone answered; none, where the first holder answers last.
fn moved(rounds: &[Round], own: Mac) -> Option<Duration> {
    let last = rounds.iter().rev().find(|round| !round.by.is_empty())?;
    let first = rounds.iter().find(|round| is_another(round, own))?;
    is_another(last, own).then(|| first.at.saturating_sub(rounds.first().map_or(first.at, |round| round.at)))
}

/// The last so many, without the one that may not be answered yet.
fn last(rounds: &[Round], count: usize) -> Vec<&Round> {
    rounds.iter().rev().skip(1).take(count).collect()
}

/// The address of a host's link.
pub(crate) fn mac(host: &Host) -> Result<Mac> {
    let text = host.read_file("/sys/class/net/host0/address")?;
    let bytes: Vec<u8> = text
        .trim()
        .split(':')
        .map(|part| u8::from_str_radix(part, 16))
        .collect::<Result<_, _>>()
        .context(text.clone())?;
    Mac::try_from(bytes).map_err(|_| anyhow::anyhow!("{} has the link address {text}", host.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Mac = [2, 0, 0, 0, 0, 1];
    const OTHER: Mac = [2, 0, 0, 0, 0, 2];

    fn rounds(by: &[&[Mac]]) -> Vec<Round> {
        let at = |index: usize| Duration::from_millis(50 * index as u64);
        by.iter().enumerate().map(|(index, macs)| Round { at: at(index), by: macs.iter().copied().collect() }).collect()
    }

    #[test]
    fn an_address_has_moved_when_another_one_answers_alone_and_goes_on_to() {
        let seen = rounds(&[&[OWN], &[], &[OWN, OTHER], &[OTHER], &[OTHER], &[]]);
        assert_eq!(moved(&seen, OWN), Some(Duration::from_millis(150)));
        assert_eq!(moved(&rounds(&[&[OWN], &[OTHER], &[OWN]]), OWN), None);
        assert_eq!(moved(&rounds(&[&[OWN], &[]]), OWN), None);
    }
}
