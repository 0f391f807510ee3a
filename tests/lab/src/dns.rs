//! Asks the cluster's DNS for a name from one of its hosts, through the Service: one question that only works if the DNS pods,
//! the pod network and kube-proxy all do. Hosts carry no DNS tool, so the question is made here and sent by the host's shell.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::host::Host;

const SERVICE: &str = "10.96.0.10";

impl Host {
    /// The IPv4 address that the cluster's DNS has for a full name.
    pub fn resolve_in_cluster(&self, name: &str) -> Result<String> {
        let question: String = question(name).iter().fold(String::new(), |text, byte| format!("{text}\\x{byte:02x}"));
        // dd makes one datagram of it, whatever printf does at a byte that is a line's end.
        let script = format!(
            "exec 3<>/dev/udp/{SERVICE}/53; printf '{question}' | dd bs=512 iflag=fullblock status=none >&3; \
             timeout 2 dd bs=512 count=1 status=none <&3 | od -An -v -tx1"
        );
        let said = self.run_within(Duration::from_secs(5), &["bash", "-c", &script])?;
        ensure!(said.is_ok(), "{said}");
        let reply: Vec<u8> =
            said.stdout.split_whitespace().map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<_, _>>()?;
        address(&reply).with_context(|| format!("{SERVICE} on {name}"))
    }
}

/// One question, recursion desired, for an address.
fn question(name: &str) -> Vec<u8> {
    let mut packet = vec![0x51, 0x1b, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.trim_end_matches('.').split('.') {
        packet.push(label.len() as u8);
        packet.extend_from_slice(label.as_bytes());
    }
    packet.extend_from_slice(&[0, 0, 1, 0, 1]);
    packet
}

/// The last four bytes of a positive answer with one address in it.
fn address(reply: &[u8]) -> Result<String> {
    ensure!(reply.len() > 16, "no answer");
    let (is_reply, code) = (reply[2] & 0x80 != 0, reply[3] & 0x0f);
    ensure!(is_reply && code == 0, "answer code {code}");
    ensure!(u16::from_be_bytes([reply[6], reply[7]]) > 0, "no address");
    let last: Vec<String> = reply[reply.len() - 4..].iter().map(u8::to_string).collect();
    Ok(last.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_spells_each_label_with_its_length() {
        assert_eq!(&question("a.bc.")[12..], [1, b'a', 2, b'b', b'c', 0, 0, 1, 0, 1]);
    }

    #[test]
    fn a_refusal_is_no_address() {
        let mut reply = vec![0; 30];
        reply[2] = 0x80;
        reply[3] = 3;
        assert_eq!(address(&reply).unwrap_err().to_string(), "answer code 3");
    }
}
