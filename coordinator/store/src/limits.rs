//! How large what is stored may be. A store that takes anything fills the disk of a master one day.

use slipway_flow::Line;

use crate::{Error, MOST_VALUE};

/// The longest key.
const MOST_KEY: usize = 512;

/// The most lines of one append.
const MOST_LINES: usize = 10_000;

pub(crate) fn check_key(key: &str) -> Result<(), Error> {
    if key.is_empty() || key.len() > MOST_KEY || key.contains('\0') {
        return Err(Error::Refused(format!(
            "a key has 1 to {MOST_KEY} bytes and no zero byte; this one has {}",
            key.len()
        )));
    }
    Ok(())
}

pub(crate) fn check_value(value: &[u8]) -> Result<(), Error> {
    if value.len() > MOST_VALUE {
        return Err(Error::Refused(format!("a value has at most {MOST_VALUE} bytes; this one has {}", value.len())));
    }
    Ok(())
}

pub(crate) fn check_lines(lines: &[Line]) -> Result<(), Error> {
    if lines.is_empty() || lines.len() > MOST_LINES {
        return Err(Error::Refused(format!("an append has 1 to {MOST_LINES} lines; this one has {}", lines.len())));
    }
    for line in lines {
        let size = serde_json::to_vec(&line.event).map_or(usize::MAX, |text| text.len());
        if size > 4 * MOST_VALUE {
            return Err(Error::Refused(format!("an event has at most {} bytes; this one has {size}", 4 * MOST_VALUE)));
        }
    }
    Ok(())
}
