//! URLs as people are told of them: whoever reads a plan, a refusal or a log is not meant to learn what a mirror is entered with.

/// The text with user and password left out of every URL in it.
pub fn without_credentials(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (scheme, after) = rest.split_at(at + "://".len());
        told.push_str(scheme);
        let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '<' | '>');
        let (authority, more) = after.split_at(after.find(ends).unwrap_or(after.len()));
        told.push_str(authority.rsplit_once('@').map_or(authority, |(_, host)| host));
        rest = more;
    }
    told.push_str(rest);
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_go_and_all_else_stays() {
        for (text, told) in [
            ("https://user:pa%2Fss@mirror.example/v1.34/deb/", "https://mirror.example/v1.34/deb/"),
            ("https://token@mirror:8443", "https://mirror:8443"),
            ("https://a:b@c@mirror/x@y", "https://mirror/x@y"),
            (
                "E: Failed to fetch 'http://u:p@m/x' and http://u:p@n 401",
                "E: Failed to fetch 'http://m/x' and http://n 401",
            ),
            ("file:/srv/mirror/v1.34", "file:/srv/mirror/v1.34"),
            ("https://mirror.example/?by=a@b", "https://mirror.example/?by=a@b"),
            ("mail me@example at ://", "mail me@example at ://"),
        ] {
            assert_eq!(without_credentials(text), told);
        }
    }
}
