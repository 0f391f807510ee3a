//! Names in a sentence: a few of them, and how many there are besides. A sentence that lists a whole fleet is read by nobody.

/// `w1, w2 and 3 more`; empty where there is no name.
pub fn listed(names: &[impl AsRef<str>], most: usize) -> String {
    let first: Vec<&str> = names.iter().take(most).map(AsRef::as_ref).collect();
    match names.len() - first.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_limit_is_counted() {
        assert_eq!(listed(&["w1", "w2"], 2), "w1, w2");
        assert_eq!(listed(&["w1", "w2", "w3", "w4"], 2), "w1, w2 and 2 more");
        assert_eq!(listed(&[] as &[&str], 2), "");
    }
}
