//! Pulls the images of a release before they are needed: kubeadm's preflight and the kubelet would do it in the middle of the upgrade, where
//! each minute counts against a time limit.

use std::time::Duration;

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_host::Host;
use slipway_proto::types;

use crate::cri_socket::CriSocket;
use crate::image::{is_image, is_name};
use crate::perform::change;
use crate::release::Release;
use crate::wire::bad;
use crate::{Check, Done, Error, OperationContext, Perform};

/// Of the images of a release, those that a worker runs too.
const OF_WORKERS: [&str; 3] = ["pause", "kube-proxy", "coredns"];
const MOST_MORE: usize = 8;
const LONGEST_PULL: Duration = Duration::from_mins(5);

/// Pulls images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullImages {
    release: Release,
    repository: Option<String>,
    control_plane: bool,
    more: Vec<String>,
}

impl PullImages {
    /// As the wire asks for it, every argument checked.
    pub fn new(pull: types::PullImages) -> Result<Self, Coded> {
        if pull.more_images.len() > MOST_MORE {
            return Err(bad(format!("{} more images are named, {MOST_MORE} are the limit", pull.more_images.len())));
        }
        if let Some(name) = pull.more_images.iter().find(|name| !is_image(name)) {
            return Err(bad(format!("{name:?} is no image such as registry.k8s.io/etcd:3.5.26-0")));
        }
        let repository = Some(pull.image_repository).filter(|repository| !repository.is_empty());
        if let Some(repository) = repository.as_deref().filter(|repository| !is_name(repository)) {
            return Err(bad(format!("{repository:?} is no repository of images such as registry.k8s.io")));
        }
        let release = Release::new(&pull.kubernetes)?;
        Ok(Self { release, repository, control_plane: pull.control_plane, more: pull.more_images })
    }

    async fn needed(&self, host: &Host) -> Result<Vec<String>, Error> {
        let all = host.kubeadm.images(self.release.as_str(), self.repository.as_deref()).await?;
        let here = |image: &String| self.control_plane || OF_WORKERS.contains(&last_part(image));
        let mut needed: Vec<String> = all.into_iter().filter(here).chain(self.more.iter().cloned()).collect();
        needed.dedup();
        Ok(needed)
    }

    async fn missing(&self, host: &Host, socket: &str) -> Result<Vec<String>, Error> {
        let mut missing = Vec::new();
        for image in self.needed(host).await? {
            if host.runtime.image(socket, &image).await?.is_none() {
                missing.push(image);
            }
        }
        Ok(missing)
    }
}

/// `kube-proxy` of `registry.k8s.io/kube-proxy:v1.34.4`.
fn last_part(image: &str) -> &str {
    image.rsplit('/').next().and_then(|part| part.split([':', '@']).next()).unwrap_or_default()
}

/// Pulls one image, and is not kept from being cancelled by it.
pub(crate) async fn pull(host: &Host, operation: &OperationContext, socket: &str, image: &str) -> Result<(), Error> {
    operation.progress.say(format!("pulling {image}"));
    let within = operation.left().min(LONGEST_PULL);
    tokio::select! {
        () = operation.cancelled.cancelled() => Ok(()),
        pulled = host.runtime.pull_image(socket, image, within) => Ok(pulled?),
    }
}

#[async_trait]
impl Perform for PullImages {
    fn name(&self) -> &'static str {
        "pull-images"
    }

    fn by_hand(&self) -> Vec<String> {
        let from = self.repository.as_ref().map(|from| format!(" --image-repository {from}")).unwrap_or_default();
        let list = format!("kubeadm config images list --kubernetes-version {}{from}", self.release);
        let mut words = if self.control_plane {
            vec![list.replace("images list", "images pull")]
        } else {
            vec![format!("{list} | grep -E '/({}):' | xargs -n1 crictl pull", OF_WORKERS.join("|"))]
        };
        words.extend(self.more.iter().map(|image| format!("crictl pull {image}")));
        words
    }

    fn failure(&self) -> Code {
        Code::IMAGE_PULL
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let other = self.release.unless("kubeadm", host.kubeadm.version().await?.as_deref());
        let mut obstacles = CriSocket::default().obstacles(host).await?;
        obstacles.extend(other);
        if !obstacles.is_empty() {
            return Ok(Check { obstacles, ..Check::default() });
        }
        let socket = CriSocket::default().of(host, self).await?;
        let missing = self.missing(host, &socket).await?;
        let changes: Vec<_> =
            missing.into_iter().map(|image| change("image", image, "pull", "it is not here yet")).collect();
        Ok(Check { satisfied: changes.is_empty(), changes, obstacles })
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, found: &Check) -> Result<Done, Error> {
        let socket = CriSocket::default().of(host, self).await?;
        let mut failed = Vec::new();
        for image in found.changes.iter().map(|change| &change.what) {
            operation.go_on(self.name())?;
            match pull(host, operation, &socket, image).await {
                Ok(()) => {}
                Err(Error::Host(slipway_host::Error::Image { image, why })) => failed.push((image, why)),
                Err(error) => return Err(error),
            }
        }
        operation.go_on(self.name())?;
        // The rest is there by then; the first tells the cause, and all are named.
        let Some((image, why)) = failed.first().cloned() else {
            return Ok(Done { changes: found.changes.clone(), record: vec![] });
        };
        let others: Vec<&str> = failed.iter().skip(1).map(|(image, _)| image.as_str()).collect();
        let why = if others.is_empty() { why } else { format!("{why}; nor can {}", others.join(", ")) };
        Err(slipway_host::Error::Image { image, why }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn wire() -> types::PullImages {
        types::PullImages { kubernetes: "1.34.4".into(), image_repository: "kube.test".into(), ..Default::default() }
    }

    #[rstest]
    #[case(types::PullImages { kubernetes: "latest".into(), ..wire() })]
    #[case(types::PullImages { image_repository: "--config=/x".into(), ..wire() })]
    #[case(types::PullImages { image_repository: "a b".into(), ..wire() })]
    #[case(types::PullImages { image_repository: "kube.test/".into(), ..wire() })]
    #[case(types::PullImages { more_images: vec!["etcd".into()], ..wire() })]
    #[case(types::PullImages { more_images: vec!["x/etcd:3 5".into()], ..wire() })]
    #[case(types::PullImages { more_images: vec!["x/etcd:1".into(); 9], ..wire() })]
    fn what_no_pull_could_mean_is_refused(#[case] pull: types::PullImages) {
        assert_eq!(PullImages::new(pull).unwrap_err().code, Code::AGENT_BAD_ARGUMENT);
    }

    #[rstest]
    #[case("registry.k8s.io/coredns/coredns:v1.12.1", "coredns")]
    #[case("localhost:5000/pause:3.10", "pause")]
    #[case("a.example/kube-proxy@sha256:ab12", "kube-proxy")]
    fn the_last_part_of_a_name_tells_what_an_image_is(#[case] image: &str, #[case] part: &str) {
        assert_eq!(last_part(image), part);
        assert!(is_image(image), "{image}");
    }
}
