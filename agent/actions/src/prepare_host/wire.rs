//! From the wire to the action, every argument checked: what is written into configurations must mean itself there.

use slipway_errors::Coded;
use slipway_proto::types;

use super::PrepareHost;
use super::kubelet::ALLOWED;
use crate::image::is_image;
use crate::wire::bad;

const REGISTRIES: usize = 16;
const ENDPOINTS: usize = 8;

impl PrepareHost {
    /// As the wire asks for it.
    pub fn new(wire: types::PrepareHost) -> Result<Self, Coded> {
        if !matches!(wire.cgroup_driver.as_str(), "" | "systemd" | "cgroupfs") {
            return Err(bad(format!("{:?} is neither `systemd` nor `cgroupfs`", wire.cgroup_driver)));
        }
        if !(wire.sandbox_image.is_empty() || is_image(&wire.sandbox_image)) {
            return Err(bad(format!("{:?} is no image such as registry.k8s.io/pause:3.10", wire.sandbox_image)));
        }
        if wire.mirrors.len() > REGISTRIES || wire.kubelet_arguments.len() > ALLOWED.len() {
            return Err(bad("more mirrors or arguments are named than there may be"));
        }
        let mut mirrors = Vec::with_capacity(wire.mirrors.len());
        for mirror in wire.mirrors {
            if !is_registry(&mirror.registry) {
                return Err(bad(format!("{:?} is no registry such as docker.io", mirror.registry)));
            }
            if mirror.endpoints.is_empty() || mirror.endpoints.len() > ENDPOINTS {
                return Err(bad(format!("{} has no mirrors, or more than {ENDPOINTS}", mirror.registry)));
            }
            if let Some(endpoint) = mirror.endpoints.iter().find(|endpoint| !is_endpoint(endpoint)) {
                return Err(bad(format!("{endpoint:?} is no mirror such as https://mirror.example:5000")));
            }
            mirrors.push((mirror.registry, mirror.endpoints));
        }
        let mut arguments = Vec::with_capacity(wire.kubelet_arguments.len());
        for argument in wire.kubelet_arguments {
            if !ALLOWED.contains(&argument.name.as_str()) || !is_value(&argument.value) {
                return Err(bad(format!(
                    "{:?} = {:?} is no argument of a kubelet that may be set for one host: {}",
                    argument.name,
                    argument.value,
                    ALLOWED.join(", ")
                )));
            }
            arguments.push((argument.name, argument.value));
        }
        Ok(Self {
            swap_allowed: wire.swap_allowed,
            driver: wire.cgroup_driver,
            sandbox: wire.sandbox_image,
            mirrors,
            arguments,
        })
    }
}

fn of(text: &str, most: usize, more: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
    !text.is_empty() && text.len() <= most && text.chars().all(legal)
}

fn is_registry(text: &str) -> bool {
    text == "_default"
        || (of(text, 253, ".-:") && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && !text.contains(".."))
}

fn is_endpoint(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| of(rest, 253, ".-_:/[]") && !rest.starts_with('/'))
}

fn is_value(text: &str) -> bool {
    of(text, 128, ".,:/-_") && !text.starts_with('-')
}
