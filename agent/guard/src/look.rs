//! Looks at the master, with a deadline on everything: what does not answer in time is slow, and that is an answer too.

use std::time::Duration;

use slipway_host::{Active, Error, Host, ServiceState, api_server, kubelet};

use crate::decide::{Look, Sight};

/// The kubelet's unit.
pub const KUBELET: &str = "kubelet.service";
/// keepalived's.
pub const KEEPALIVED: &str = "keepalived.service";
/// For one answer. An overloaded API server needs more than a moment for the handshake.
const DEADLINE: Duration = Duration::from_millis(1_500);

/// What was seen.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What the guard judges by.
    pub sight: Sight,
    /// The kubelet's unit, where systemd answered.
    pub kubelet: Option<ServiceState>,
    /// keepalived's.
    pub keepalived: Option<ServiceState>,
    /// The link that has the address, and the address as it stands there.
    pub held_by: Option<(String, String)>,
}

/// Looks at everything at once. `vip` is the address without its prefix.
pub async fn look(host: &Host, vip: &str) -> Seen {
    let (kubelet_unit, keepalived, answers, api_server, held_by) = tokio::join!(
        unit(host, KUBELET),
        unit(host, KEEPALIVED),
        kubelet_answers(host),
        api_server_of(host),
        held_by(host, vip)
    );
    let sight = Sight { kubelet: kubelet_of(kubelet_unit.as_ref(), answers), api_server, holds: held_by.is_some() };
    Seen { sight, kubelet: kubelet_unit, keepalived, held_by }
}

async fn unit(host: &Host, name: &str) -> Option<ServiceState> {
    tokio::time::timeout(DEADLINE, host.services.state(name)).await.ok()?.ok()
}

/// None: it did not say in time; or it was told not to say at all, so that its unit is all there is to go by.
async fn kubelet_answers(host: &Host) -> Option<bool> {
    let asked = async {
        let address = kubelet::healthz(host).await.ok()??;
        host.kubeadm.kubelet_is_well(&address).await.ok()
    };
    tokio::time::timeout(DEADLINE, asked).await.unwrap_or(Some(false))
}

/// How the kubelet is, by its unit and by its own word.
pub fn kubelet_of(unit: Option<&ServiceState>, answers: Option<bool>) -> Look {
    let runs = unit.map(|unit| unit.active);
    match (runs, answers) {
        (Some(Active::Active) | None, Some(true)) | (Some(Active::Active), None) => Look::Well,
        (Some(Active::Active), Some(false)) => Look::Ill("its healthz does not say that it is well".into()),
        (None, _) => Look::Ill("systemd does not answer, and its healthz does not say that it is well".into()),
        // What answers beside a unit that is down is another kubelet, or one that is just ending.
        (Some(state), _) => Look::Gone(format!("its unit is {}", state.as_str())),
    }
}

async fn api_server_of(host: &Host) -> Look {
    match tokio::time::timeout(DEADLINE, api_server::own_is_ready(host)).await {
        Ok(Ok(true)) => Look::Well,
        Ok(Ok(false)) => Look::Ill("it says that it is not ready, or this host has none".into()),
        Ok(Err(Error::ApiServer { refused: true, why, .. })) => Look::Gone(why),
        Ok(Err(error)) => Look::Ill(error.coded().message),
        Err(_) => Look::Ill(format!("no answer within {} s", DEADLINE.as_secs_f32())),
    }
}

async fn held_by(host: &Host, vip: &str) -> Option<(String, String)> {
    let links = tokio::time::timeout(DEADLINE, host.links.list()).await.ok()?.ok()?;
    links.into_iter().find_map(|link| {
        let address = link.addresses.iter().find(|address| address.split('/').next() == Some(vip))?.clone();
        Some((link.name, address))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipway_host::fake::{FakeHost, SharedEtcd, preset};
    use std::sync::Arc;

    async fn seen(change: impl FnOnce(&mut slipway_host::fake::State)) -> Seen {
        let clock = Arc::new(slipway_types::SystemClock);
        let (host, machine) = FakeHost::sharing(preset::master("m1"), clock, &SharedEtcd::new());
        machine.change(change);
        look(&host, "10.0.0.10").await
    }

    #[tokio::test]
    async fn a_master_in_order_is_seen_as_well() {
        let seen = seen(|_| {}).await;
        assert_eq!((&seen.sight.kubelet, &seen.sight.api_server), (&Look::Well, &Look::Well), "{seen:?}");
    }

    #[tokio::test]
    async fn a_kubelet_that_was_stopped_is_gone_and_so_is_an_api_server_that_nobody_runs() {
        let seen = seen(|state| {
            state.stop_unit(KUBELET);
            state.processes.retain(|process| process.comm != "kube-apiserver");
        })
        .await;
        assert_eq!(seen.sight.kubelet, Look::Gone("its unit is inactive".into()));
        assert!(matches!(seen.sight.api_server, Look::Gone(_)), "{seen:?}");
    }

    #[tokio::test]
    async fn the_address_is_found_on_whatever_link_has_it() {
        let address = |state: &mut slipway_host::fake::State| {
            let link = state.links.iter_mut().find(|link| link.name == "eth0").unwrap();
            link.addresses.push("10.0.0.10/32".into());
        };
        let seen = seen(address).await;
        assert_eq!(seen.held_by, Some(("eth0".into(), "10.0.0.10/32".into())));
        assert!(seen.sight.holds);
    }

    #[test]
    fn a_unit_that_is_down_outweighs_whatever_answers() {
        let unit = |active| ServiceState {
            unit: KUBELET.into(),
            active,
            enablement: slipway_host::Enablement::Enabled,
            main_pid: None,
        };
        for (active, answers, well) in [
            (Some(Active::Active), Some(true), true),
            (Some(Active::Active), None, true),
            (Some(Active::Active), Some(false), false),
            (Some(Active::Activating), Some(true), false),
            (Some(Active::Failed), None, false),
            (None, Some(true), true),
            (None, Some(false), false),
            (None, None, false),
        ] {
            let look = kubelet_of(active.map(unit).as_ref(), answers);
            assert_eq!(look == Look::Well, well, "{active:?} {answers:?} {look:?}");
        }
    }
}
