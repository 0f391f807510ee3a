//! The one question that is put to name servers, and what of the answer matters: the addresses. A few bytes (RFC 1035, section 4); a resolver
//! would bring its own caches, retries and configuration, and it is the server that is looked at here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const HEADER: usize = 12;
const RESPONSE: u8 = 0x80;
const RCODE: u8 = 0x0f;
const A: u16 = 1;
const AAAA: u16 = 28;
const IN: u16 = 1;
/// More records than a cluster's own name can have.
const MOST: u16 = 64;

/// The question for the addresses of `name`: of IPv6 where `six`.
pub(crate) fn question(id: u16, name: &str, six: bool) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    // Recursion is wished for; one question.
    bytes.extend([0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.').filter(|label| !label.is_empty()) {
        let label = &label.as_bytes()[..label.len().min(63)];
        bytes.push(u8::try_from(label.len()).unwrap_or_default());
        bytes.extend(label);
    }
    bytes.push(0);
    bytes.extend(if six { AAAA } else { A }.to_be_bytes());
    bytes.extend(IN.to_be_bytes());
    bytes
}

/// The addresses in an answer to the question of that id; none where the name has none of the kind.
pub(crate) fn addresses(message: &[u8], id: u16) -> Result<Vec<IpAddr>, &'static str> {
    const CUT: &str = "its answer is cut off";
    let header = message.get(..HEADER).ok_or(CUT)?;
    let count = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    if count(0) != id || header[2] & RESPONSE == 0 {
        return Err("its answer is to another question");
    }
    match header[3] & RCODE {
        0 => {}
        2 => return Err("it failed (SERVFAIL)"),
        3 => return Err("it knows no such name (NXDOMAIN)"),
        5 => return Err("it refused to answer (REFUSED)"),
        _ => return Err("it answered with an error"),
    }
    let mut at = HEADER;
    for _ in 0..count(4).min(MOST) {
        at = after_name(message, at).ok_or(CUT)? + 4;
    }
    let mut found = Vec::new();
    for _ in 0..count(6).min(MOST) {
        at = after_name(message, at).ok_or(CUT)?;
        let fixed = message.get(at..at + 10).ok_or(CUT)?;
        let (kind, length) = (u16::from_be_bytes([fixed[0], fixed[1]]), u16::from_be_bytes([fixed[8], fixed[9]]));
        let data = message.get(at + 10..at + 10 + usize::from(length)).ok_or(CUT)?;
        found.extend(address(kind, data));
        at += 10 + usize::from(length);
    }
    Ok(found)
}

fn address(kind: u16, data: &[u8]) -> Option<IpAddr> {
    match kind {
        A => <[u8; 4]>::try_from(data).ok().map(|bytes| Ipv4Addr::from(bytes).into()),
        AAAA => <[u8; 16]>::try_from(data).ok().map(|bytes| Ipv6Addr::from(bytes).into()),
        _ => None,
    }
}

/// What follows a name; a pointer into an earlier name ends it.
fn after_name(message: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length if length & 0xc0 == 0xc0 => return Some(at + 2),
            length if length & 0xc0 == 0 => at += 1 + usize::from(length),
            _ => return None,
        }
    }
}

/// The answer of a name server that knows the name: what a simulated one says.
pub(crate) fn reply(question: &[u8], address: Ipv4Addr) -> Vec<u8> {
    let mut bytes = question.to_vec();
    if let Some(header) = bytes.get_mut(..HEADER) {
        (header[2], header[3], header[7]) = (0x81, 0x80, 1);
    }
    bytes.extend([0xc0, 0x0c]);
    bytes.extend(A.to_be_bytes());
    bytes.extend(IN.to_be_bytes());
    bytes.extend([0, 0, 0, 30, 0, 4]);
    bytes.extend(address.octets());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAME: &str = "kubernetes.default.svc.cluster.local";

    #[test]
    fn the_question_is_what_dig_sends() {
        let bytes = question(0x1234, "a.bc.", false);
        assert_eq!(bytes, [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, b'a', 2, b'b', b'c', 0, 0, 1, 0, 1]);
        assert_eq!(question(0, "a", true)[15..], [0, 28, 0, 1]);
    }

    #[test]
    fn addresses_are_read_behind_names_written_out_or_pointed_at() {
        let asked = question(7, NAME, false);
        let mut answer = reply(&asked, Ipv4Addr::new(10, 96, 0, 1));
        assert_eq!(addresses(&answer, 7), Ok(vec![Ipv4Addr::new(10, 96, 0, 1).into()]));
        // A second record with its name written out, and one of a kind that is no address.
        answer[7] = 3;
        answer.extend([1, b'a', 0, 0, 28, 0, 1, 0, 0, 0, 30, 0, 16]);
        answer.extend(Ipv6Addr::LOCALHOST.octets());
        answer.extend([0xc0, 0x0c, 0, 5, 0, 1, 0, 0, 0, 30, 0, 2, 0xc0, 0x0c]);
        assert_eq!(addresses(&answer, 7).unwrap()[1], IpAddr::from(Ipv6Addr::LOCALHOST));
        assert_eq!(addresses(&answer[..answer.len() - 1], 7), Err("its answer is cut off"));
    }

    #[test]
    fn an_error_or_an_answer_to_another_question_is_no_answer() {
        let asked = question(7, NAME, false);
        let mut answer = reply(&asked, Ipv4Addr::LOCALHOST);
        assert!(addresses(&answer, 8).is_err() && addresses(&asked, 7).is_err());
        answer[3] |= 3;
        assert!(addresses(&answer, 7).unwrap_err().contains("NXDOMAIN"));
    }

    proptest! {
        #[test]
        fn nothing_that_comes_back_is_too_odd_to_be_judged(message in proptest::collection::vec(any::<u8>(), 0..200)) {
            let id = message.get(..2).map_or(0, |two| u16::from_be_bytes([two[0], two[1]]));
            let _ = addresses(&message, id);
        }
    }
}
