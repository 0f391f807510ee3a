//! What a host has for a kubelet just now, put together from the traits. It is asked before a join, so a part that cannot be told is left open
//! rather than keeping the rest from being told.

use std::path::Path;

use slipway_proto::types::{FreeSpace, HostReadiness};
use slipway_types::Clock;

use crate::{Error, Host};

/// Where a node's growing things lie.
pub const FOLDERS: [&str; 4] = ["/", "/var/lib/containerd", "/var/lib/kubelet", "/var/lib/etcd"];

/// Looks.
pub async fn gather(host: &Host, clock: &dyn Clock) -> Result<HostReadiness, Error> {
    let mut spaces = Vec::new();
    for folder in FOLDERS {
        if let Ok(available_bytes) = host.kernel.free_bytes(Path::new(folder)).await {
            spaces.push(FreeSpace { path: folder.to_owned(), available_bytes });
        }
    }
    Ok(HostReadiness {
        spaces,
        listening_ports: host.kernel.listening_ports().await?.into_iter().map(u32::from).collect(),
        now_ms: clock.now().as_millisecond(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{FakeHost, preset};
    use slipway_types::SystemClock;

    #[tokio::test]
    async fn a_full_disk_and_a_taken_port_are_told() {
        let (host, handle) = FakeHost::of(preset::machine("w1"), std::sync::Arc::new(SystemClock));
        let ready = gather(&host, &SystemClock).await.unwrap();
        assert!(ready.spaces.len() == FOLDERS.len() && ready.listening_ports.is_empty() && ready.now_ms > 0);
        handle.change(|state| {
            state.kernel.free.insert("/var/lib/containerd".into(), 7);
            state.kernel.listening.insert(10250);
        });
        let ready = gather(&host, &SystemClock).await.unwrap();
        assert!(ready.spaces.iter().any(|space| space.path == "/var/lib/containerd" && space.available_bytes == 7));
        assert!(ready.spaces.iter().any(|space| space.path == "/" && space.available_bytes > 7));
        assert_eq!(ready.listening_ports, [10250]);
    }
}
