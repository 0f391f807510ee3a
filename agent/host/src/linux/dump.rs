//! A list of the kernel's over rtnetlink, asked for and read where we stand. The kernel writes the whole answer while it is asked, so nothing is
//! gained by waiting for it elsewhere; and links are looked at every few seconds.

use std::io;

use rtnetlink::packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::sys::protocols::NETLINK_ROUTE;
use rtnetlink::sys::{Socket, SocketAddr};

/// Messages of one answer are padded to that.
const ALIGNED: usize = 4;
/// Length, type, flags, number and sender.
const HEADER: usize = 16;
const NUMBER: u32 = 1;

/// Everything that the kernel lists in answer to `request`. What cannot be read in it is left out.
pub(super) fn dump(request: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&question(request), 0)?;
    let mut found = Vec::new();
    loop {
        let (answer, _) = socket.recv_from_full()?;
        if take(&answer, &mut found)? == Reading::Ends {
            return Ok(found);
        }
    }
}

fn question(request: RouteNetlinkMessage) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    (header.flags, header.sequence_number) = (NLM_F_REQUEST | NLM_F_DUMP, NUMBER);
    let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(request));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

#[derive(Debug, PartialEq, Eq)]
enum Reading {
    GoesOn,
    Ends,
}

/// Takes the messages out of one answer.
fn take(mut answer: &[u8], found: &mut Vec<RouteNetlinkMessage>) -> io::Result<Reading> {
    while let Some(length) = answer.first_chunk().map(|length| u32::from_ne_bytes(*length) as usize) {
        let short = || io::Error::new(io::ErrorKind::UnexpectedEof, "a message of the kernel is cut short");
        let one = answer.get(..length).filter(|one| one.len() >= HEADER).ok_or_else(short)?;
        answer = answer.get(length.next_multiple_of(ALIGNED)..).unwrap_or_default();
        match NetlinkMessage::<RouteNetlinkMessage>::deserialize(one).map(|message| message.payload) {
            Ok(NetlinkPayload::InnerMessage(inner)) => found.push(inner),
            Ok(NetlinkPayload::Done(done)) if done.code < 0 => return Err(io::Error::from_raw_os_error(-done.code)),
            Ok(NetlinkPayload::Done(_)) => return Ok(Reading::Ends),
            Ok(NetlinkPayload::Error(error)) if error.code.is_some() => return Err(error.to_io()),
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "a message of the kernel cannot be read"),
        }
    }
    Ok(Reading::GoesOn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtnetlink::packet_core::DoneMessage;
    use rtnetlink::packet_route::link::{LinkAttribute, LinkMessage};

    fn bytes(payload: NetlinkPayload<RouteNetlinkMessage>) -> Vec<u8> {
        let mut message = NetlinkMessage::new(NetlinkHeader::default(), payload);
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes
    }

    fn link(name: &str) -> RouteNetlinkMessage {
        let mut link = LinkMessage::default();
        link.attributes.push(LinkAttribute::IfName(name.to_owned()));
        RouteNetlinkMessage::NewLink(link)
    }

    fn done(code: i32) -> Vec<u8> {
        let mut done = DoneMessage::default();
        done.code = code;
        bytes(NetlinkPayload::Done(done))
    }

    #[test]
    fn the_kernel_lists_the_loopback() {
        let links = dump(RouteNetlinkMessage::GetLink(LinkMessage::default())).unwrap();
        let is_lo = |attribute: &LinkAttribute| *attribute == LinkAttribute::IfName("lo".to_owned());
        assert!(
            links
                .iter()
                .any(|link| matches!(link, RouteNetlinkMessage::NewLink(link) if link.attributes.iter().any(is_lo)))
        );
    }

    #[test]
    fn messages_are_taken_one_by_one_until_the_end_and_what_cannot_be_read_is_passed_over() {
        let mut unreadable = bytes(NetlinkPayload::InnerMessage(link("b")));
        unreadable.truncate(HEADER + 4);
        unreadable[..4].copy_from_slice(&20_u32.to_ne_bytes());
        let some = [bytes(NetlinkPayload::InnerMessage(link("abc"))), unreadable].concat();
        let mut found = Vec::new();
        assert_eq!(take(&some, &mut found).unwrap(), Reading::GoesOn);
        let rest = [bytes(NetlinkPayload::InnerMessage(link("c"))), done(0)].concat();
        assert_eq!(take(&rest, &mut found).unwrap(), Reading::Ends);
        assert_eq!(found, [link("abc"), link("c")]);
    }

    #[test]
    fn an_answer_that_is_cut_short_or_tells_a_failure_is_no_list() {
        let whole = bytes(NetlinkPayload::InnerMessage(link("a")));
        let cut = take(&whole[..whole.len() - 4], &mut Vec::new()).unwrap_err();
        assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof);
        assert!(take(&[9, 0, 0, 0, 0, 0, 0, 0, 0], &mut Vec::new()).is_err());
        let refused = take(&done(-nix::libc::EPERM), &mut Vec::new()).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(nix::libc::EPERM));
    }
}
