//! Brings the member of etcd on this host to a later patch release by its static pod's image. The member has to answer from the new image and be
//! part of a majority; if it is not, the manifest from before comes back, and the member is waited for with that.

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use slipway_errors::{Code, Coded};
use slipway_host::etcd::{Local, MANIFEST, required};
use slipway_host::{Host, edit};
use slipway_proto::types::Obstacle;

use crate::cri_socket::CriSocket;
use crate::image::is_image;
use crate::kept::{Replacement, text};
use crate::perform::{change, obstacle};
use crate::pull_images::pull;
use crate::wire::bad;
use crate::{Check, Done, Error, OperationContext, Perform};

const CONTAINER: &str = "etcd";
const POLL: Duration = Duration::from_secs(1);
/// The kubelet of a stacked master waits out timeouts of its own API server, whose etcd is down meanwhile.
const HEALTHY_WITHIN: u32 = 240;

/// Changes the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetEtcdImage {
    image: String,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32, u32);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// The version in the tag of an image: 3.5.26 of `registry.k8s.io/etcd:3.5.26-0`.
fn version(image: &str) -> Option<Version> {
    let (_, tag) = image.rsplit_once(':').filter(|(name, _)| !name.contains('@'))?;
    let numbers: Vec<u32> =
        tag.trim_start_matches('v').split('-').next()?.split('.').map_while(|part| part.parse().ok()).collect();
    match numbers[..] {
        [major, minor, patch] => Some(Version(major, minor, patch)),
        _ => None,
    }
}

/// What there is to change.
struct Found {
    local: Local,
    replacement: Replacement,
    before: String,
}

impl SetEtcdImage {
    /// To that image.
    pub fn new(image: &str) -> Result<Self, Coded> {
        let found = version(image).filter(|_| is_image(image));
        let Some(version) = found else {
            return Err(bad(format!(
                "{image:?} is no image of a release of etcd such as registry.k8s.io/etcd:3.5.26-0"
            )));
        };
        Ok(Self { image: image.to_owned(), version })
    }

    async fn found(&self, host: &Host) -> Result<Result<Found, Obstacle>, Error> {
        let refused = |why: String| obstacle(Code::UPGRADE_ETCD_IMAGE, MANIFEST, why);
        let Some(manifest) = text(host, Path::new(MANIFEST)).await? else {
            return Ok(Err(refused(format!(
                "there is no {MANIFEST}: the etcd of this host is not kubeadm's, or there is none"
            ))));
        };
        let planned = edit::image(&manifest, CONTAINER).and_then(|before| {
            let new = edit::with_image(&manifest, CONTAINER, &self.image)?;
            Ok((before, new))
        });
        let (before, new) = match planned {
            Ok(planned) => planned,
            Err(error) => return Ok(Err(refused(format!("{MANIFEST} is not changed: {error}")))),
        };
        if let Some(why) = self.no_way_from(&before) {
            return Ok(Err(refused(why)));
        }
        let local = required(host).await?;
        Ok(Ok(Found { local, replacement: Replacement { path: MANIFEST.into(), new }, before }))
    }

    /// Why an etcd of that image is not brought to the new one.
    fn no_way_from(&self, before: &str) -> Option<String> {
        let Some(old) = version(before) else {
            return Some(format!("{before} is now its image, whose tag is no version"));
        };
        let new = self.version;
        if (old.0, old.1) != (new.0, new.1) {
            return Some(format!(
                "etcd {old} is not brought to {new} by its image: that is another minor release, which comes with a release of Kubernetes"
            ));
        }
        (new < old).then(|| {
            format!("etcd {old} is not brought back to {new}: it may have written what the older one cannot read")
        })
    }

    /// Why the member is not yet what it is to be; none: it runs from `image` and takes part.
    async fn short(&self, host: &Host, local: &Local, image: &str) -> Result<Option<String>, Error> {
        let socket = CriSocket::default().of(host, self).await?;
        let Some(id) = host.runtime.image(&socket, image).await? else {
            return Ok(Some(format!("the runtime does not have {image}")));
        };
        let containers = host.runtime.containers(&socket).await?;
        let runs = containers.iter().any(|known| known.name == CONTAINER && known.running && known.image == id);
        if !runs {
            return Ok(Some(format!("no container of {image} runs")));
        }
        let asked = host.etcd.member_status(&local.access).await;
        let status = match asked {
            Ok(asked) => asked.status,
            Err(error) => return Ok(Some(error.coded().message)),
        };
        if version(image).map(|version| version.to_string()) != Some(status.version.clone()) {
            return Ok(Some(format!("the member that answers is {}", status.version)));
        }
        if !status.errors.is_empty() {
            return Ok(Some(format!("the member says {}", status.errors.join(", "))));
        }
        Ok(host.etcd.quorum_read(&local.access).await.err().map(|error| error.coded().message))
    }

    /// Why it is not well with `image` after all that time; none: it is. Somebody who does not answer once among so many looks is no sick member,
    /// so what a look fails with is only one more sentence.
    async fn gets_healthy(
        &self,
        host: &Host,
        operation: &OperationContext,
        local: &Local,
        image: &str,
    ) -> Result<Option<String>, Error> {
        let mut last = None;
        for tried in 0..HEALTHY_WITHIN {
            last = self.short(host, local, image).await.unwrap_or_else(|error| Some(error.coded().message));
            let Some(short) = &last else { return Ok(None) };
            operation.go_on(self.name())?;
            if tried % 10 == 9 {
                operation.progress.say(format!("{} s after the change: {short}", tried + 1));
            }
            tokio::select! {
                () = operation.cancelled.cancelled() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
        Ok(last)
    }

    /// Puts the manifest from before back, and tells how the member does with it.
    async fn back(&self, host: &Host, operation: &OperationContext, found: &Found) -> Result<String, Error> {
        operation.progress.say("etcd did not get healthy; putting the old manifest back");
        if !found.replacement.put_back(host).await? {
            return Ok("there is no older manifest to put back".to_owned());
        }
        let manifest = text(host, Path::new(MANIFEST)).await?.unwrap_or_default();
        // What was found may have been the new image already, where an attempt before this one was cut off.
        let before = edit::image(&manifest, CONTAINER).unwrap_or_default();
        operation.progress.say(format!("waiting for etcd from {before}"));
        let well = match self.gets_healthy(host, operation, &found.local, &before).await {
            Ok(None) => "the member is healthy with it".to_owned(),
            Ok(Some(short)) => format!("the member is not healthy with it after {HEALTHY_WITHIN} s: {short}"),
            Err(_) => "there was no time to see the member healthy with it: slipway etcd status".to_owned(),
        };
        Ok(format!("the manifest before was put back, and {well}"))
    }
}

#[async_trait]
impl Perform for SetEtcdImage {
    fn name(&self) -> &'static str {
        "set-etcd-image"
    }

    fn by_hand(&self) -> Vec<String> {
        vec![
            format!("crictl pull {}", self.image),
            format!("cp {MANIFEST} /root/   # not beside it: the kubelet would start both"),
            format!("sed -i 's|image: .*/etcd:.*|image: {}|' {MANIFEST}", self.image),
            format!(
                "slipway etcd status   # until this member is {} and all are healthy; else put the copy back",
                self.version
            ),
        ]
    }

    fn failure(&self) -> Code {
        Code::UPGRADE_ETCD_IMAGE
    }

    async fn check(&self, host: &Host) -> Result<Check, Error> {
        let found = match self.found(host).await? {
            Ok(found) => found,
            Err(obstacle) => return Ok(Check { obstacles: vec![obstacle], ..Check::default() }),
        };
        let (mut changes, mut obstacles) = (Vec::new(), CriSocket::default().obstacles(host).await?);
        if found.before != self.image {
            let detail = format!("image: {} instead of {}", self.image, found.before);
            changes.push(change("file", MANIFEST, "change", detail));
            // A member that takes part in no majority would only be one more unknown.
            if let Err(error) = host.etcd.quorum_read(&found.local.access).await {
                let coded = error.coded();
                obstacles.push(obstacle(
                    coded.code,
                    "etcd",
                    format!("{}: see that etcd is healthy first", coded.message),
                ));
            }
        } else if obstacles.is_empty()
            && let Some(short) = self.short(host, &found.local, &self.image).await?
        {
            changes.push(change("process", CONTAINER, "wait for", short));
        }
        Ok(Check { satisfied: changes.is_empty() && obstacles.is_empty(), changes, obstacles })
    }

    async fn perform(&self, host: &Host, operation: &OperationContext, check: &Check) -> Result<Done, Error> {
        let found = match self.found(host).await? {
            Ok(found) => found,
            Err(obstacle) => return Err(Error::Refused { action: self.name(), obstacles: vec![obstacle] }),
        };
        let socket = CriSocket::default().of(host, self).await?;
        if host.runtime.image(&socket, &self.image).await?.is_none() {
            pull(host, operation, &socket, &self.image).await?;
        }
        operation.go_on(self.name())?;
        found.replacement.put(host).await?;
        operation.progress.say(format!("waiting for etcd {}", self.version));
        let outcome = self.gets_healthy(host, operation, &found.local, &self.image).await;
        if matches!(outcome, Ok(None)) {
            let kept = found.replacement.kept();
            let line = format!("etcd runs from {}; the manifest before is kept in {}", self.image, kept.display());
            return Ok(Done { changes: check.changes.clone(), record: vec![line] });
        }
        let back = self.back(host, operation, &found).await?;
        operation.progress.say(back.clone());
        let short = outcome?.unwrap_or_default();
        let what = format!("etcd did not get healthy within {HEALTHY_WITHIN} s: {short}; {back}");
        Err(Error::NotReached { action: self.name(), code: self.failure(), what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("kube.test/etcd:3.5.24-0", None)]
    #[case("kube.test/etcd:3.5.26-0", None)]
    #[case("kube.test/etcd:3.5.27-0", Some("not brought back"))]
    #[case("kube.test/etcd:3.6.1-0", Some("another minor release"))]
    #[case("kube.test/etcd:3.4.30-0", Some("another minor release"))]
    #[case("kube.test/etcd:latest", Some("no version"))]
    #[case("kube.test/etcd@sha256:ab", Some("no version"))]
    fn only_a_later_patch_release_is_put_in_place(#[case] before: &str, #[case] why: Option<&str>) {
        let set = SetEtcdImage::new("kube.test/etcd:3.5.26-0").unwrap();
        let refused = set.no_way_from(before);
        assert_eq!(refused.is_some(), why.is_some(), "{refused:?}");
        assert!(refused.unwrap_or_default().contains(why.unwrap_or_default()));
    }

    #[test]
    fn an_image_without_a_version_is_refused() {
        for bad in [
            "",
            "etcd:3.5.26-0",
            "kube.test/etcd",
            "kube.test/etcd:latest",
            "kube.test/etcd:3.5.26-0 x",
            "x/etcd@sha256:3.5.26",
        ] {
            assert_eq!(SetEtcdImage::new(bad).unwrap_err().code, Code::AGENT_BAD_ARGUMENT, "{bad}");
        }
    }
}
