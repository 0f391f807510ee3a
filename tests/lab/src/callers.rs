//! Callers of the coordinator as strangers make them: curl with a certificate of one's choice, or none. An independent client sees
//! what the coordinator answers, not what our own would make of it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::eventually::eventually;
use crate::host::Host;
use crate::lab::Lab;

const COORDINATORS_AUDIT: &str = "/var/lib/slipway/coordinator/audit.log";

/// What a caller got: the status of gRPC and its message, or nothing where the connection was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// `grpc-status`; none: it came to no call.
    pub(crate) status: Option<u32>,
    /// All that was said, for a failure's text.
    pub(crate) said: String,
}

/// Calls a method of the coordinator's from a host, with the identity in a folder or with none. It sends no message: one that is
/// refused unread makes this curl report a broken stream now and then, and say nothing of the answer.
pub(crate) fn call(lab: &Lab, from: &Host, identity: Option<&str>, method: &str) -> Result<Answer> {
    let address = format!("https://{}:7400/{method}", lab.coordinator()?.address());
    let mut words =
        vec!["curl", "--silent", "--show-error", "--insecure", "--http2", "--max-time", "10", "--dump-header", "-"];
    words.extend(["--header", "content-type: application/grpc", "--header", "te: trailers", "--data-binary", ""]);
    let files = identity.map(|folder| (format!("{folder}/chain.pem"), format!("{folder}/key.pem")));
    if let Some((chain, key)) = &files {
        words.extend(["--cert", chain, "--key", key]);
    }
    words.extend(["--output", "/dev/null", &address]);
    let output = from.run(&words)?;
    let said = format!("{}{}", output.stdout, output.stderr);
    Ok(Answer { status: status(&said), said })
}

fn status(said: &str) -> Option<u32> {
    said.lines().find_map(|line| line.trim().strip_prefix("grpc-status:")).and_then(|text| text.trim().parse().ok())
}

/// How many lines a file has, 0 for one that is not there.
fn length(host: &Host, path: &str) -> Result<usize> {
    if host.has_path(path)? { Ok(host.read_file(path)?.lines().count()) } else { Ok(0) }
}

/// The coordinator's own record, from a point on.
pub(crate) struct Record<'a> {
    host: &'a Host,
    from: usize,
}

impl<'a> Record<'a> {
    /// What comes after now.
    pub(crate) fn after_now(lab: &'a Lab) -> Result<Self> {
        let host = lab.coordinator()?;
        Ok(Self { host, from: length(host, COORDINATORS_AUDIT)? })
    }

    /// Waits until as many refusals with this code stand there since then; any more is an error.
    pub(crate) fn has(&self, code: &str, times: usize) -> Result<()> {
        eventually(&format!("{times} audit records of {code}"), Duration::from_secs(5), || {
            let text = self.host.read_file(COORDINATORS_AUDIT)?;
            let lines = text.lines().skip(self.from).map(serde_json::from_str::<Value>);
            let lines = lines.collect::<Result<Vec<_>, _>>().context("the audit record is JSON lines")?;
            let of_code = lines.iter().filter(|line| line["code"] == code).count();
            let codes: Vec<String> = lines.iter().map(|line| line["code"].to_string()).collect();
            ensure!(of_code == times, "{of_code} among {}", codes.join(" "));
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_found_among_headers_and_trailers() {
        assert_eq!(status("HTTP/2 200 \r\ncontent-type: application/grpc\r\ngrpc-status: 16\r\n\r\n"), Some(16));
        assert_eq!(status("curl: (56) tlsv13 alert certificate required"), None);
    }
}
