//! From an operation's id to the name of its file. An id comes from another machine: it must not lead out of the folder, grow beyond what a
//! file system takes, or meet another id's file.

use sha2::{Digest, Sha256};
use slipway_errors::{Code, Coded};

/// The longest id that is taken: run, step with a node's name in it, attempt.
pub const LONGEST_ID: usize = 512;

const READABLE: usize = 120;

/// Checks an id that came over the wire.
pub fn check(id: &str) -> Result<(), Coded> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    let part = |part: &str| part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.chars().all(legal);
    if id.len() <= LONGEST_ID && id.split('/').count() == 3 && id.split('/').all(part) {
        return Ok(());
    }
    let shown: String = id.chars().take(80).flat_map(char::escape_default).collect();
    Err(Coded::new(
        Code::WIRE_BAD_REQUEST,
        format!("{shown:?} is no operation id: run/step/attempt, at most {LONGEST_ID} letters"),
    ))
}

/// The file of an operation: readable, and unique by a hash of the whole id.
pub fn file(id: &str) -> String {
    let readable: String =
        id.chars().take(READABLE).map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    let hash = hex::encode(Sha256::digest(id.as_bytes()));
    format!("{readable}.{}.json", &hash[..24])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_run_step_and_attempt() {
        let node = format!("r1/reset-{}/1", "n".repeat(253));
        for good in ["r1/reset-w2/1", "0198c2aa-0000-7000-8000-123456789abc/clean-host-w2.example.com/12", &node] {
            assert!(check(good).is_ok(), "{good:?} was refused");
        }
        let long = format!("r/{}/1", "s".repeat(LONGEST_ID));
        for bad in [
            "", "r1", "r1/s", "r1/s/1/2", "r1//1", "/s/1", "r1/s/1\n", "r1/é/1", "r1/a b/1", "../../x", "r1/./1",
            "r1/-s/1", &long,
        ] {
            assert_eq!(check(bad).unwrap_err().code, Code::WIRE_BAD_REQUEST, "{bad:?} was taken");
        }
    }

    #[test]
    fn no_id_leaves_its_folder_or_outgrows_a_file_name() {
        for id in ["../../etc/passwd", "r/../1", "././.", "r/s/1", &"x".repeat(LONGEST_ID)] {
            let name = file(id);
            assert!(!name.contains('/') && !name.starts_with('.') && name.len() < 200, "{name}");
        }
    }

    #[test]
    fn ids_that_read_alike_have_files_of_their_own() {
        assert_ne!(file("r/a.b/1"), file("r/a_b/1"));
        let long = "x".repeat(200);
        assert_ne!(file(&format!("{long}/1")), file(&format!("{long}/2")));
    }
}
