//! How far an upgrade of a host came, judged by its files alone: which static pods are of the new release, which are not, and whether kubeadm
//! changed some and put them back.

/// A static pod, as its manifest stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// Its name.
    pub(crate) name: &'static str,
    /// The tag of its image.
    pub(crate) tag: String,
    /// The manifest was written or moved since kubeadm was started.
    pub(crate) touched: bool,
}

/// How far it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stand {
    /// Every static pod is of the release; of a worker: there are none.
    Reached,
    /// Some are.
    Half { new: Vec<&'static str>, old: Vec<&'static str> },
    /// None is, and these were changed and put back.
    WentBack(Vec<&'static str>),
    /// None is, and none was ever changed.
    Untouched,
}

/// Judges. etcd has versions of its own and may stay as it is.
pub(crate) fn stand(parts: &[Part], release: &str) -> Stand {
    let counted = || parts.iter().filter(|part| part.name != "etcd");
    let names = |wanted: bool| counted().filter(|part| (part.tag == release) == wanted).map(|part| part.name).collect();
    let (new, old): (Vec<_>, Vec<_>) = (names(true), names(false));
    let touched: Vec<_> = counted().filter(|part| part.touched).map(|part| part.name).collect();
    match (new.is_empty(), old.is_empty()) {
        (_, true) => Stand::Reached,
        (false, false) => Stand::Half { new, old },
        (true, false) if touched.is_empty() => Stand::Untouched,
        (true, false) => Stand::WentBack(touched),
    }
}

impl Stand {
    /// As people are told of it; `configured`: what the kubelet is configured with was written.
    pub(crate) fn words(&self, release: &str, configured: bool) -> String {
        let list = |names: &[&str]| names.join(", ");
        match self {
            Self::Reached if configured => "all that it was run for is there".to_owned(),
            Self::Reached => "what the kubelet is configured with was not written".to_owned(),
            Self::Half { new, old } => {
                format!("the host is upgraded in part: {} {} of {release}, {} not yet", list(new), are(new), list(old))
            }
            Self::WentBack(names) => {
                format!("kubeadm had changed {} and put {} back: nothing is of {release}", list(names), it(names))
            }
            Self::Untouched => "no static pod was changed".to_owned(),
        }
    }
}

fn are(names: &[&str]) -> &'static str {
    if names.len() == 1 { "is" } else { "are" }
}

fn it(names: &[&str]) -> &'static str {
    if names.len() == 1 { "it" } else { "them" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn parts(tags: [(&str, bool); 4]) -> Vec<Part> {
        let names = crate::upgrade_kept::COMPONENTS;
        names.into_iter().zip(tags).map(|(name, (tag, touched))| Part { name, tag: tag.into(), touched }).collect()
    }

    const OLD: (&str, bool) = ("v1.33.13", false);
    const BACK: (&str, bool) = ("v1.33.13", true);
    const NEW: (&str, bool) = ("v1.34.4", true);
    const ETCD: (&str, bool) = ("3.5.24-0", false);

    #[rstest]
    #[case([ETCD, NEW, NEW, NEW], Stand::Reached)]
    #[case([ETCD, OLD, OLD, OLD], Stand::Untouched)]
    #[case([("3.6.5-0", true), OLD, OLD, OLD], Stand::Untouched)]
    #[case([ETCD, NEW, OLD, OLD], Stand::Half { new: vec!["kube-apiserver"], old: vec!["kube-controller-manager", "kube-scheduler"] })]
    #[case([ETCD, NEW, BACK, OLD], Stand::Half { new: vec!["kube-apiserver"], old: vec!["kube-controller-manager", "kube-scheduler"] })]
    #[case([ETCD, BACK, BACK, OLD], Stand::WentBack(vec!["kube-apiserver", "kube-controller-manager"]))]
    fn the_manifests_tell_how_far_it_came(#[case] tags: [(&str, bool); 4], #[case] expected: Stand) {
        assert_eq!(stand(&parts(tags), "v1.34.4"), expected);
    }

    #[test]
    fn a_worker_has_no_static_pods_to_wait_for() {
        assert_eq!(stand(&[], "v1.34.4"), Stand::Reached);
    }

    #[test]
    fn a_host_upgraded_in_part_is_told_in_words() {
        let told = stand(&parts([ETCD, NEW, OLD, OLD]), "v1.34.4").words("v1.34.4", false);
        assert_eq!(
            told,
            "the host is upgraded in part: kube-apiserver is of v1.34.4, kube-controller-manager, kube-scheduler not yet"
        );
    }
}
