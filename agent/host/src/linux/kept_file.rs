//! A file of the kernel that is read again and again: opened once, for opening costs as much as reading, and read from its beginning each time.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

const PIECE: usize = 8 * 1024;
/// Of a kernel's file that is longer nobody here would know what to think.
const LONGEST: usize = 16 << 20;

/// One such file.
#[derive(Debug)]
pub(super) struct KeptFile {
    path: &'static str,
    file: Option<File>,
    bytes: Vec<u8>,
}

impl KeptFile {
    /// The file there, opened when it is read first.
    pub(super) const fn at(path: &'static str) -> Self {
        Self { path, file: None, bytes: Vec::new() }
    }

    /// Its text now.
    pub(super) fn text(&mut self) -> io::Result<&str> {
        let file = match self.file.take() {
            Some(file) => file,
            None => File::open(self.path)?,
        };
        read(&file, &mut self.bytes)?;
        // Only a file that could be read is kept: what fails is opened anew the next time.
        self.file = Some(file);
        std::str::from_utf8(&self.bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// The open file, for asking whether it has changed; none before it was read.
    pub(super) fn open(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd)
    }
}

fn read(file: &File, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut filled = 0;
    loop {
        if bytes.len() < filled + PIECE {
            bytes.resize(filled + PIECE, 0);
        }
        match file.read_at(&mut bytes[filled..], filled as u64) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if filled > LONGEST {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than any that the kernel writes"));
        }
    }
    bytes.truncate(filled);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_reading_sees_what_changed_through_the_same_open_file() {
        let mut file = KeptFile::at("/proc/self/comm");
        assert!(file.open().is_none(), "nothing is opened before it is wanted");
        let before = file.text().unwrap().to_owned();
        assert_eq!(before, std::fs::read_to_string("/proc/self/comm").unwrap());
        std::fs::write("/proc/self/comm", "kept").unwrap();
        assert_eq!(file.text().unwrap(), "kept\n");
        std::fs::write("/proc/self/comm", before.trim_end()).unwrap();
        assert_eq!(file.text().unwrap(), before, "a shorter text before leaves nothing behind");
    }

    #[test]
    fn a_text_of_many_pieces_is_whole() {
        let mut file = KeptFile::at("/proc/self/smaps");
        assert!(file.text().unwrap().trim_end().ends_with(|last: char| last.is_ascii_alphanumeric()));
        assert!(file.text().unwrap().len() > PIECE);
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error_each_time() {
        let mut file = KeptFile::at("/proc/self/none");
        for _ in 0..2 {
            assert_eq!(file.text().unwrap_err().kind(), io::ErrorKind::NotFound);
        }
    }
}
