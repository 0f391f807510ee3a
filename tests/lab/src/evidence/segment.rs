//! Who has the address for all, as a fourth host on the segment hears it: a question by ARP every 50 ms, and who answers to each. Questions are told
//! apart by the sender that they name, since an answer repeats it: a late answer to one is none to the next.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use nix::errno::Errno;
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, sendto, setsockopt, socket,
};
use nix::sys::time::TimeVal;

use crate::shape::{BRIDGE, VIP};

/// Between two questions.
pub(crate) const PERIOD: Duration = Duration::from_millis(50);
/// Senders that the questions name, in turn: 10.70.0.100 and up, which no host has.
const FIRST_SENDER: u8 = 100;
const SENDERS: usize = 100;
const ARP: [u8; 2] = [0x08, 0x06];
const FRAME: usize = 42;

/// The address of a link.
pub(crate) type Mac = [u8; 6];

/// One question, and who answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Round {
    pub(crate) at: Duration,
    pub(crate) by: BTreeSet<Mac>,
}

/// The fourth host.
pub(crate) struct Segment {
    began: Instant,
    rounds: Arc<Mutex<Vec<Round>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Segment {
    /// Begins to ask.
    pub(crate) fn watch() -> Result<Self> {
        let link = link()?;
        let protocol = SockProtocol::EthAll;
        let ear = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol).context("a socket")?;
        bind(ear.as_raw_fd(), &link).context("listen on the bridge")?;
        let tick = i64::try_from(PERIOD.as_micros() / 5)?;
        setsockopt(&ear, ReceiveTimeout, &TimeVal::new(0, tick)).context("a time limit on answers")?;
        let (began, rounds, over) = (Instant::now(), Arc::<Mutex<Vec<Round>>>::default(), Arc::<AtomicBool>::default());
        let (kept, ends) = (Arc::clone(&rounds), Arc::clone(&over));
        let thread = Some(thread::spawn(move || ask(&ear, link, began, &kept, &ends)));
        Ok(Self { began, rounds, over, thread })
    }

    /// What was heard since a moment.
    pub(crate) fn since(&self, moment: Instant) -> Vec<Round> {
        let from = moment.saturating_duration_since(self.began);
        let rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        rounds.iter().filter(|round| round.at >= from).cloned().collect()
    }

    /// Ends it; all that was heard.
    pub(crate) fn heard(mut self) -> Result<Vec<Round>> {
        self.over.store(true, Ordering::Relaxed);
        let thread = self.thread.take().ok_or_else(|| anyhow!("it was ended before"))?;
        thread.join().map_err(|_| anyhow!("the fourth host panicked"))??;
        Ok(std::mem::take(&mut *self.rounds.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// The longest time in which more than one answered.
pub(crate) fn longest_double(rounds: &[Round]) -> Duration {
    let mut longest = 0;
    let mut now = 0;
    for round in rounds {
        now = if round.by.len() > 1 { now + 1 } else { 0 };
        longest = longest.max(now);
    }
    PERIOD * longest
}

/// This machine's end of the bridge.
fn link() -> Result<LinkAddr> {
    let all = nix::ifaddrs::getifaddrs().context("list links")?;
    let mut own = all.filter(|one| one.interface_name == BRIDGE);
    own.find_map(|one| one.address?.as_link_addr().copied()).with_context(|| format!("there is no link {BRIDGE}"))
}

fn ask(ear: &OwnedFd, link: LinkAddr, began: Instant, rounds: &Mutex<Vec<Round>>, over: &AtomicBool) -> Result<()> {
    let (own, vip) = (link.addr().context("the bridge has an address")?, VIP.parse::<Ipv4Addr>()?.octets());
    let mut next = Duration::ZERO;
    while !over.load(Ordering::Relaxed) {
        let now = began.elapsed();
        if now >= next {
            let mut rounds = rounds.lock().unwrap_or_else(PoisonError::into_inner);
            let frame = question(own, vip, sender(rounds.len()));
            rounds.push(Round { at: now, by: BTreeSet::new() });
            drop(rounds);
            sendto(ear.as_raw_fd(), &frame, &link, MsgFlags::empty()).context("ask")?;
            next = now + PERIOD;
        }
        let mut frame = [0; 64];
        match recv(ear.as_raw_fd(), &mut frame, MsgFlags::empty()) {
            Ok(length) => {
                if let Some((to, by)) = answer(frame.get(..length).unwrap_or_default(), vip) {
                    note(&mut rounds.lock().unwrap_or_else(PoisonError::into_inner), to, by);
                }
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(error) => return Err(error).context("listen"),
        }
    }
    Ok(())
}

/// The sender that the question of that number names.
fn sender(number: usize) -> [u8; 4] {
    [10, 70, 0, FIRST_SENDER + u8::try_from(number % SENDERS).unwrap_or_default()]
}

/// Puts an answer to the last question that named its sender.
fn note(rounds: &mut [Round], to: [u8; 4], by: Mac) {
    let count = rounds.len();
    let last = (count.saturating_sub(SENDERS)..count).rev().find(|number| sender(*number) == to);
    if let Some(round) = last.and_then(|number| rounds.get_mut(number)) {
        round.by.insert(by);
    }
}

fn question(own: Mac, wanted: [u8; 4], sender: [u8; 4]) -> Vec<u8> {
    let head: [&[u8]; 4] = [&[0xff; 6], &own, &ARP, &[0, 1, 8, 0, 6, 4, 0, 1]];
    [head.concat(), own.to_vec(), sender.to_vec(), vec![0; 6], wanted.to_vec()].concat()
}

/// Of an answer for the address: whom it is for, and whose it is.
fn answer(frame: &[u8], wanted: [u8; 4]) -> Option<([u8; 4], Mac)> {
    let frame = frame.get(..FRAME)?;
    let at = |from: usize, to: usize| frame.get(from..to);
    let is = at(12, 14) == Some(&ARP[..]) && at(20, 22) == Some(&[0, 2][..]) && at(28, 32) == Some(&wanted[..]);
    let parts = (at(38, 42)?.try_into().ok()?, at(22, 28)?.try_into().ok()?);
    is.then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Mac = [2, 0, 0, 0, 0, 1];
    const HIS: Mac = [2, 0, 0, 0, 0, 11];
    const ADDRESS: [u8; 4] = [10, 70, 0, 10];

    #[test]
    fn an_answer_is_known_from_a_question_and_from_other_addresses() {
        let asked = question(OWN, ADDRESS, sender(3));
        assert_eq!((asked.len(), answer(&asked, ADDRESS)), (FRAME, None));
        let mut said = question(HIS, sender(3), ADDRESS);
        said[21] = 2;
        assert_eq!(answer(&said, ADDRESS), Some(([10, 70, 0, 103], HIS)));
        assert_eq!((answer(&said, [10, 70, 0, 9]), answer(&said[..40], ADDRESS)), (None, None));
    }

    #[test]
    fn a_late_answer_belongs_to_its_own_question() {
        let mut rounds = vec![Round::default(); 150];
        note(&mut rounds, sender(3), HIS);
        let of: Vec<usize> = (0..150).filter(|number| rounds[*number].by.contains(&HIS)).collect();
        assert_eq!(of, [103]);
    }

    #[test]
    fn two_who_answer_to_the_same_question_are_counted_while_it_lasts() {
        let by = |macs: &[Mac]| Round { at: Duration::ZERO, by: macs.iter().copied().collect() };
        let rounds = [by(&[OWN]), by(&[OWN, HIS]), by(&[OWN, HIS]), by(&[HIS]), by(&[OWN, HIS]), by(&[])];
        assert_eq!(longest_double(&rounds), PERIOD * 2);
    }
}
