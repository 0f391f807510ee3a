//! Physical limits of this machine in this minute: what disk, loopback and processor take for the least that has to be done.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::statistics::quantile;

/// A journal's record, about.
const RECORD: usize = 256;
/// Records that are made durable together where many wait.
const GROUP: usize = 64;
/// As long as that is measured.
const SPAN: Duration = Duration::from_millis(300);
const ROUND_TRIPS: usize = 2_000;
const STARTS: usize = 200;

/// Durable records a second on the disk of `folder` where they are written in groups.
pub(crate) fn durable_records(folder: &Path) -> anyhow::Result<f64> {
    let file = File::create(folder.join("floor"))?;
    let group = vec![7_u8; RECORD * GROUP];
    for place in 0..64_u64 {
        file.write_all_at(&group, place * group.len() as u64)?;
    }
    file.sync_all()?;
    let (begun, mut groups) = (Instant::now(), 0_u64);
    while begun.elapsed() < SPAN {
        file.write_all_at(&group, groups % 64 * group.len() as u64)?;
        file.sync_data()?;
        groups += 1;
    }
    Ok((groups * GROUP as u64) as f64 / begun.elapsed().as_secs_f64())
}

/// Seconds until one record is durable on the disk of `folder`.
pub(crate) fn durable_write(folder: &Path) -> anyhow::Result<f64> {
    let file = File::create(folder.join("floor"))?;
    file.write_all_at(&[7; RECORD * GROUP], 0)?;
    file.sync_all()?;
    let (begun, mut taken) = (Instant::now(), Vec::new());
    while begun.elapsed() < SPAN {
        let write = Instant::now();
        file.write_all_at(&[8; RECORD], (taken.len() % GROUP * RECORD) as u64)?;
        file.sync_data()?;
        taken.push(write.elapsed().as_secs_f64());
    }
    Ok(quantile(&taken, 0.5).unwrap_or_default())
}

/// Seconds for a short question and its answer over loopback.
pub(crate) fn round_trip() -> anyhow::Result<f64> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let answering = std::thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let mut question = [0; 64];
        while stream.read_exact(&mut question).is_ok() {
            stream.write_all(&question)?;
        }
        Ok(())
    });
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let (mut taken, mut message) = (Vec::with_capacity(ROUND_TRIPS), [0; 64]);
    for _ in 0..ROUND_TRIPS {
        let begun = Instant::now();
        stream.write_all(&message)?;
        stream.read_exact(&mut message)?;
        taken.push(begun.elapsed().as_secs_f64());
    }
    drop(stream);
    drop(answering.join());
    Ok(quantile(&taken, 0.5).unwrap_or_default())
}

/// Seconds to start a program that does nothing, and to see it end.
pub(crate) fn start(program: &Path) -> anyhow::Result<f64> {
    let mut taken = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        let begun = Instant::now();
        Command::new(program).stdin(Stdio::null()).stdout(Stdio::null()).status()?;
        taken.push(begun.elapsed().as_secs_f64());
    }
    Ok(quantile(&taken, 0.5).unwrap_or_default())
}

/// The cores that can work at once.
pub(crate) fn cores() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_of_any_machine_are_above_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(durable_records(folder.path()).unwrap() > 0.0 && durable_write(folder.path()).unwrap() > 0.0);
        assert!(round_trip().unwrap() > 0.0 && cores() >= 1.0);
        assert!(start(Path::new("/bin/true")).unwrap() > 0.0);
    }
}
