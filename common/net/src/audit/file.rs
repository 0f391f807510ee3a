//! Audit records on disk: JSON lines, each with the hash of the one before. The file is bounded by rotation, and a flood of refusals is counted
//! instead of written, so that a stranger cannot roll the record of his own deeds out of it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Audit, AuditEvent};

/// One file's size; beyond it a new one is begun.
const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Old files that are kept beside the present one.
const KEPT: u32 = 4;
/// Refusals written per second; further ones are counted.
const MAX_REFUSALS: u32 = 50;
/// No line is longer.
const LONGEST_LINE: u64 = 64 * 1024;
/// The hash before the first line.
const BEGINNING: &str = "";

#[derive(Serialize, Deserialize)]
struct Line {
    seq: u64,
    #[serde(flatten)]
    event: AuditEvent,
    prev: String,
    hash: String,
}

impl Line {
    fn seal(seq: u64, event: AuditEvent, prev: &str) -> Self {
        let mut line = Self { seq, event, prev: prev.to_owned(), hash: String::new() };
        line.hash = line.expected();
        line
    }

    fn expected(&self) -> String {
        let event = serde_json::to_vec(&self.event).unwrap_or_default();
        let mut hash = Sha256::new();
        hash.update(self.seq.to_be_bytes());
        hash.update(self.prev.as_bytes());
        hash.update(event);
        hex::encode(hash.finalize())
    }
}

/// Where a file of audit records is not what was written.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// It cannot be read.
    #[error("reading the audit records")]
    Io(#[from] io::Error),
    /// A line was changed, removed or put in.
    #[error("line {line} is not what was written, or does not follow the one before")]
    Line {
        /// Counted from 1.
        line: u64,
    },
}

/// Checks one file of records line by line. How many there are.
pub fn verify(path: &Path) -> Result<u64, Damage> {
    let mut prev: Option<(u64, String)> = None;
    let mut count = 0;
    let mut reader = BufReader::new(File::open(path)?);
    loop {
        let mut text = Vec::new();
        if (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut text)? == 0 {
            return Ok(count);
        }
        count += 1;
        let wrong = || Damage::Line { line: count };
        let line: Line = serde_json::from_slice(&text).map_err(|_| wrong())?;
        let follows = prev.as_ref().is_none_or(|(seq, hash)| line.seq == seq + 1 && line.prev == *hash);
        if !follows || line.hash != line.expected() {
            return Err(wrong());
        }
        prev = Some((line.seq, line.hash));
    }
}

/// Counts refusals, so that a flood of them is told in one line.
#[derive(Debug, Default)]
struct Flood {
    second: i64,
    written: u32,
    left_out: u64,
}

enum Verdict {
    Write,
    WriteAfter(u64),
    LeaveOut,
}

impl Flood {
    fn judge(&mut self, event: &AuditEvent) -> Verdict {
        if event.code.is_none() {
            return Verdict::Write;
        }
        if event.at.as_second() != self.second {
            let left_out = std::mem::take(&mut self.left_out);
            *self = Self { second: event.at.as_second(), written: 1, left_out: 0 };
            return if left_out == 0 { Verdict::Write } else { Verdict::WriteAfter(left_out) };
        }
        if self.written < MAX_REFUSALS {
            self.written += 1;
            return Verdict::Write;
        }
        self.left_out += 1;
        Verdict::LeaveOut
    }
}

#[derive(Debug)]
struct Open {
    file: File,
    size: u64,
    seq: u64,
    hash: String,
    flood: Flood,
}

/// Audit records in a file, for the owner alone.
#[derive(Debug)]
pub struct FileAudit {
    path: PathBuf,
    max_bytes: u64,
    open: Mutex<Open>,
}

impl FileAudit {
    /// Goes on with the records in `path`, or begins them. A last line that a crash cut short is cut off.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        Self::with_limit(path.into(), MAX_BYTES)
    }

    fn with_limit(path: PathBuf, max_bytes: u64) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let mut file = appending(&path)?;
        let (size, last) = last_line(&mut file)?;
        if file.metadata()?.len() > size {
            file.set_len(size)?;
        }
        let last = last.or_else(|| last_line(&mut File::open(rotated(&path, 1)).ok()?).ok()?.1);
        let (seq, hash) = last.map_or((0, BEGINNING.to_owned()), |line| (line.seq, line.hash));
        Ok(Self { path, max_bytes, open: Mutex::new(Open { file, size, seq, hash, flood: Flood::default() }) })
    }

    fn write(&self, open: &mut Open, event: AuditEvent) -> io::Result<()> {
        if open.size >= self.max_bytes {
            for age in (1..KEPT).rev() {
                let _ = fs::rename(rotated(&self.path, age), rotated(&self.path, age + 1));
            }
            fs::rename(&self.path, rotated(&self.path, 1))?;
            open.file = appending(&self.path)?;
            open.size = 0;
        }
        let durable = event.code.is_none();
        let line = Line::seal(open.seq + 1, event, &open.hash);
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        if let Err(why) = open.file.write_all(&text) {
            let _ = open.file.set_len(open.size);
            return Err(why);
        }
        open.size += text.len() as u64;
        (open.seq, open.hash) = (line.seq, line.hash);
        // What was allowed has consequences, and its record must survive with them.
        if durable { open.file.sync_data() } else { Ok(()) }
    }
}

impl Audit for FileAudit {
    fn record(&self, mut event: AuditEvent) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.flood.judge(&event) {
            Verdict::LeaveOut => return Ok(()),
            Verdict::Write => {}
            Verdict::WriteAfter(left_out) => {
                event.says = format!("{} ({left_out} refusals before this one were not written)", event.says);
            }
        }
        self.write(&mut open, event)
    }
}

fn appending(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

fn rotated(path: &Path, age: u32) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{age}"));
    path.with_file_name(name)
}

/// Where the last whole line ends, and the line.
fn last_line(file: &mut File) -> io::Result<(u64, Option<Line>)> {
    let size = file.seek(SeekFrom::End(0))?;
    let from = size.saturating_sub(2 * LONGEST_LINE);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(2 * LONGEST_LINE).read_to_end(&mut tail)?;
    let Some(end) = tail.iter().rposition(|byte| *byte == b'\n') else {
        return Ok((if from == 0 { 0 } else { size }, None));
    };
    let start =
        tail.get(..end).and_then(|before| before.iter().rposition(|byte| *byte == b'\n')).map_or(0, |at| at + 1);
    let line = tail.get(start..end).and_then(|text| serde_json::from_slice(text).ok());
    Ok((from + end as u64 + 1, line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_types::Timestamp;
    use std::os::unix::fs::PermissionsExt;

    fn event(second: i64, code: Option<&str>, says: &str) -> AuditEvent {
        let at = Timestamp::from_second(second).unwrap();
        AuditEvent { at, peer: "p".into(), path: "/s/m".into(), code: code.map(Into::into), says: says.into() }
    }

    fn lines(path: &Path) -> Vec<Line> {
        fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn records_are_chained_across_restarts_and_the_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub/audit.log");
        for says in ["one", "two"] {
            FileAudit::open(&path).unwrap().record(event(1, None, says)).unwrap();
        }
        assert_eq!(verify(&path).unwrap(), 2);
        assert_eq!(lines(&path)[1].seq, 2);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_changed_a_removed_and_a_swapped_line_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let audit = FileAudit::open(&path).unwrap();
        for says in ["one", "two", "three"] {
            audit.record(event(1, None, says)).unwrap();
        }
        let whole = fs::read_to_string(&path).unwrap();
        let all: Vec<&str> = whole.lines().collect();
        let damaged = [
            (whole.replace("two", "six"), 2),
            ([all[0], all[2]].join("\n"), 2),
            ([all[1], all[0], all[2]].join("\n"), 2),
            (format!("{whole}garbage\n"), 4),
        ];
        for (text, at) in damaged {
            fs::write(&path, text).unwrap();
            assert!(matches!(verify(&path), Err(Damage::Line { line }) if line == at), "line {at}");
        }
    }

    #[test]
    fn a_line_that_a_crash_cut_short_is_cut_off_and_the_chain_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        FileAudit::open(&path).unwrap().record(event(1, None, "one")).unwrap();
        let mut torn = fs::read(&path).unwrap();
        torn.extend_from_slice(b"{\"seq\":2,\"at\":\"19");
        fs::write(&path, torn).unwrap();
        FileAudit::open(&path).unwrap().record(event(2, None, "two")).unwrap();
        assert_eq!(verify(&path).unwrap(), 2);
        fs::write(&path, b"{\"seq\":1,\"a").unwrap();
        FileAudit::open(&path).unwrap().record(event(3, None, "three")).unwrap();
        assert_eq!(verify(&path).unwrap(), 1);
    }

    #[test]
    fn the_files_are_bounded_and_the_chain_crosses_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let audit = FileAudit::with_limit(path.clone(), 500).unwrap();
        for number in 0..100 {
            audit.record(event(number, None, "something")).unwrap();
        }
        drop(audit);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1 + KEPT as usize);
        let newest = lines(&path)[0].prev.clone();
        assert_eq!(lines(&rotated(&path, 1)).last().unwrap().hash, newest);
        // Also when a restart falls between two files.
        fs::rename(&path, folder.path().join("moved")).unwrap();
        let again = FileAudit::with_limit(path.clone(), 500).unwrap();
        again.record(event(100, None, "after")).unwrap();
        assert_eq!(lines(&path)[0].prev, lines(&rotated(&path, 1)).last().unwrap().hash);
    }

    #[test]
    fn a_flood_of_refusals_is_counted_and_changes_are_always_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let audit = FileAudit::open(&path).unwrap();
        for _ in 0..(MAX_REFUSALS + 30) {
            audit.record(event(7, Some("SLIP-AUTH-001"), "no")).unwrap();
        }
        audit.record(event(7, None, "allowed")).unwrap();
        audit.record(event(8, Some("SLIP-AUTH-001"), "no")).unwrap();
        let written = lines(&path);
        assert_eq!(written.len(), MAX_REFUSALS as usize + 2);
        assert_eq!(written[written.len() - 2].event.says, "allowed");
        assert!(written.last().unwrap().event.says.contains("30 refusals"));
    }

    #[test]
    fn a_disk_that_refuses_is_told_to_whoever_is_about_to_act_and_stops_no_refusal() {
        let audit = FileAudit::open("/dev/full").unwrap();
        assert_eq!(audit.record(event(1, None, "one")).unwrap_err().kind(), io::ErrorKind::StorageFull);
        audit.note(event(2, Some("SLIP-AUTH-001"), "two"));
    }
}
