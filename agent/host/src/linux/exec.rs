//! The only place that starts processes. No shell, no search path, no inherited environment: a short list of programs by absolute path, with
//! a deadline and a bound on what they may say.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use slipway_types::secret;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::{Error, Iptables};

const FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
const OUTPUT_LIMIT: u64 = 64 << 20;
const ERRORS_LIMIT: u64 = 64 << 10;
const DEADLINE: Duration = Duration::from_secs(30);

/// A program that may be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `nft`.
    Nft,
    /// `iptables-nft-save` and its like.
    IptablesSave(Iptables),
    /// `iptables-nft-restore` and its like.
    IptablesRestore(Iptables),
    /// `ipset`.
    Ipset,
    /// `kubeadm`.
    Kubeadm,
    /// `kubelet`.
    Kubelet,
    /// `rpm`.
    Rpm,
    /// `apt-get`.
    AptGet,
    /// `apt-cache`.
    AptCache,
    /// `apt-mark`.
    AptMark,
    /// `dpkg-query`.
    DpkgQuery,
    /// `journalctl`.
    Journalctl,
    /// `keepalived`.
    Keepalived,
}

impl Program {
    fn name(self) -> String {
        match self {
            Self::Nft => "nft".to_owned(),
            Self::IptablesSave(which) => format!("{}-save", which.program()),
            Self::IptablesRestore(which) => format!("{}-restore", which.program()),
            Self::Ipset => "ipset".to_owned(),
            Self::Kubeadm => "kubeadm".to_owned(),
            Self::Kubelet => "kubelet".to_owned(),
            Self::Rpm => "rpm".to_owned(),
            Self::AptGet => "apt-get".to_owned(),
            Self::AptCache => "apt-cache".to_owned(),
            Self::AptMark => "apt-mark".to_owned(),
            Self::DpkgQuery => "dpkg-query".to_owned(),
            Self::Journalctl => "journalctl".to_owned(),
            Self::Keepalived => "keepalived".to_owned(),
        }
    }

    /// Where it is installed, if it is.
    pub fn path(self) -> Option<PathBuf> {
        let name = self.name();
        FOLDERS.iter().map(|folder| Path::new(folder).join(&name)).find(|path| path.exists())
    }
}

/// Starts programs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Exec;

impl Exec {
    /// Runs `program` to its end and gives what it printed. A failure carries its last words.
    pub async fn run(&self, program: Program, arguments: &[&str], input: Option<&[u8]>) -> Result<Vec<u8>, Error> {
        let refuse = |why: String| Error::Command { program: program.name(), why };
        let path = program.path().ok_or_else(|| refuse("is not installed".into()))?;
        self.run_path(&path, arguments, input, DEADLINE).await
    }

    async fn run_path(
        &self,
        path: &Path,
        arguments: &[&str],
        input: Option<&[u8]>,
        deadline: Duration,
    ) -> Result<Vec<u8>, Error> {
        let refuse = |why: String| Error::Command { program: path.display().to_string(), why };
        let child =
            start(path, arguments, input.is_some()).map_err(|error| refuse(format!("cannot be started: {error}")))?;
        // Dropping the child on the deadline ends it.
        match tokio::time::timeout(deadline, finish(child, input)).await {
            Err(_) => Err(refuse(format!("did not end within {} s", deadline.as_secs()))),
            Ok(Err(error)) => Err(refuse(format!("could not be talked to: {error}"))),
            Ok(Ok(end)) if end.too_much => Err(refuse(format!("printed more than {OUTPUT_LIMIT} bytes"))),
            Ok(Ok(end)) if !end.success => Err(refuse(format!("failed ({}): {}", end.status, redacted(&end.errors)))),
            Ok(Ok(end)) => Ok(end.output),
        }
    }
}

struct End {
    success: bool,
    status: String,
    output: Vec<u8>,
    errors: Vec<u8>,
    too_much: bool,
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that starts processes")]
fn start(path: &Path, arguments: &[&str], input: bool) -> std::io::Result<Child> {
    Command::new(path)
        .args(arguments)
        .env_clear()
        .env("PATH", FOLDERS.join(":"))
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(if input { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

async fn finish(mut child: Child, input: Option<&[u8]>) -> std::io::Result<End> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let (Some(mut stdin), Some(input)) = (stdin, input) {
            // A program that ends before it read all says so by its exit.
            let _ = stdin.write_all(input).await;
        }
    };
    let ((), output, errors) = tokio::join!(feed, bounded(stdout, OUTPUT_LIMIT), bounded(stderr, ERRORS_LIMIT));
    let (output, too_much) = output?;
    if too_much {
        child.start_kill()?;
    }
    let status = child.wait().await?;
    Ok(End { success: status.success(), status: status.to_string(), output, errors: errors?.0, too_much })
}

async fn bounded(from: Option<impl AsyncRead + Unpin>, limit: u64) -> std::io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(limit + 1).read_to_end(&mut bytes).await?;
    }
    let too_much = bytes.len() as u64 > limit;
    Ok((bytes, too_much))
}

/// The last words of a program, without what could be a bootstrap token or a key.
pub(super) fn redacted(errors: &[u8]) -> String {
    let text = String::from_utf8_lossy(errors);
    let tail: String = text.trim().chars().rev().take(600).collect::<Vec<_>>().into_iter().rev().collect();
    tail.split_whitespace()
        .map(|word| if looks_secret(word) { "<redacted>" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}

fn looks_secret(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let key =
        word.len() >= 64 && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '-' | '_'));
    secret::is_bootstrap_token(word) || key
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn run(path: &str, arguments: &[&str], input: Option<&[u8]>, deadline: Duration) -> Result<Vec<u8>, Error> {
        Exec.run_path(Path::new(path), arguments, input, deadline).await
    }

    #[tokio::test]
    async fn input_and_output_pass_unchanged() {
        assert_eq!(run("/bin/cat", &[], Some(b"a\nb"), DEADLINE).await.unwrap(), b"a\nb");
    }

    #[tokio::test]
    async fn a_failure_carries_the_last_words_without_secrets() {
        let script = "echo token abcdef.0123456789abcdef is bad >&2; exit 3";
        let error = run("/bin/sh", &["-c", script], None, DEADLINE).await.unwrap_err().to_string();
        assert!(error.contains("exit status: 3"), "{error}");
        assert!(error.contains("token <redacted> is bad"), "{error}");
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_is_ended() {
        let error = run("/bin/sleep", &["600"], None, Duration::from_millis(50)).await.unwrap_err().to_string();
        assert!(error.contains("did not end"), "{error}");
    }

    #[tokio::test]
    async fn nothing_of_our_environment_is_passed_on() {
        let environment = String::from_utf8(run("/usr/bin/env", &[], None, DEADLINE).await.unwrap()).unwrap();
        let mut names: Vec<&str> = environment.lines().filter_map(|line| line.split('=').next()).collect();
        names.sort_unstable();
        assert_eq!(names, ["LC_ALL", "PATH"]);
    }

    #[tokio::test]
    async fn a_flood_is_cut_off() {
        let error = run("/bin/cat", &["/dev/zero"], None, DEADLINE).await.unwrap_err().to_string();
        assert!(error.contains("printed more than"), "{error}");
    }
}
