//! What a name of an image may look like: it goes into configurations and onto command lines, and has to mean itself there.

/// A name without a tag: a registry and folders.
pub(crate) fn is_name(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | ':');
    let plain = |part: &str| !part.is_empty() && part.starts_with(|c: char| c.is_ascii_alphanumeric());
    !name.is_empty() && name.len() <= 255 && name.chars().all(legal) && name.split('/').all(plain)
}

/// A whole name of an image, with a tag or a digest.
pub(crate) fn is_image(image: &str) -> bool {
    let tag = |tag: &str| {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        !tag.is_empty() && tag.len() <= 128 && tag.chars().all(legal)
    };
    let split = image.split_once('@').or_else(|| image.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')));
    image.contains('/') && split.is_some_and(|(name, end)| is_name(name) && tag(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_name_has_a_registry_and_a_tag_or_a_digest() {
        for good in ["registry.k8s.io/pause:3.10", "localhost:5000/a/pause:3.10", "x.example/kube-proxy@sha256:ab12"] {
            assert!(is_image(good), "{good}");
        }
        for bad in [
            "",
            "pause:3.10",
            "x.example/pause",
            "x.example:5000/pause",
            "x/pause:3 10",
            "x/../pause:1",
            "x/p:1\"\n[a]",
            "--x/y:1",
        ] {
            assert!(!is_image(bad), "{bad}");
        }
    }
}
