//! Brings the facts of a capacity preflight in: nodes, pods, namespaces, and for the volumes of pods their claims. Page by page, and no
//! request per pod.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;
use kube::api::ListParams;

use super::demand::{Demand, NamespaceLabels, VolumePlace};
use super::room::Room;
use super::rules::NodeTerms;
use super::{CapacityReport, Inventory, preflight};
use crate::{ClusterApi, Error};

/// Pods that have ended ask for nothing.
const UNFINISHED: &str = "status.phase!=Succeeded,status.phase!=Failed";

type Claims = BTreeMap<(String, String), String>;
type Volumes = BTreeMap<String, NodeTerms>;

impl ClusterApi {
    /// Would the pods of these nodes fit on the others, all leaving at once?
    pub async fn capacity_without(
        &self,
        leaving: &std::collections::BTreeSet<slipway_types::NodeName>,
    ) -> Result<CapacityReport, Error> {
        Ok(preflight(&self.inventory().await?, leaving))
    }

    /// Everything that a capacity preflight looks at.
    pub async fn inventory(&self) -> Result<Inventory, Error> {
        let all = ListParams::default();
        let unfinished = ListParams::default().fields(UNFINISHED);
        let (namespace_api, claim_api, volume_api): (
            kube::Api<core::Namespace>,
            kube::Api<core::PersistentVolumeClaim>,
            kube::Api<core::PersistentVolume>,
        ) = (kube::Api::all(self.client()), kube::Api::all(self.client()), kube::Api::all(self.client()));
        let (node_api, pod_api) = (self.node_api(), self.pod_api());
        let (nodes, pods, namespaces) = futures::try_join!(
            self.list("list the nodes", &node_api, &all),
            self.list("list the pods of the cluster", &pod_api, &unfinished),
            self.list("list the namespaces", &namespace_api, &all),
        )?;
        let mut demands: Vec<Demand> = pods.into_iter().map(Demand::read).collect();
        if demands.iter().any(|demand| !demand.claims.is_empty()) {
            let (claims, volumes) = futures::try_join!(
                self.list("list the volume claims", &claim_api, &all),
                self.list("list the volumes", &volume_api, &all),
            )?;
            let (claims, volumes) = (bound(claims), confined(volumes));
            for demand in &mut demands {
                find_volumes(demand, &claims, &volumes);
            }
        }
        let mut rooms = nodes.into_iter().map(Room::read).collect::<Result<Vec<_>, _>>()?;
        rooms.sort_by(|a, b| a.node.name.cmp(&b.node.name));
        Ok(Inventory { rooms, demands, namespaces: labels_of(namespaces) })
    }
}

fn labels_of(namespaces: Vec<core::Namespace>) -> NamespaceLabels {
    let metas = namespaces.into_iter().map(|one| one.metadata);
    metas.map(|meta| (meta.name.unwrap_or_default(), meta.labels.unwrap_or_default())).collect()
}

/// Claims that have their volume.
fn bound(claims: Vec<core::PersistentVolumeClaim>) -> Claims {
    let pair = |claim: core::PersistentVolumeClaim| {
        let volume = claim.spec?.volume_name.filter(|name| !name.is_empty())?;
        Some(((claim.metadata.namespace.unwrap_or_default(), claim.metadata.name.unwrap_or_default()), volume))
    };
    claims.into_iter().filter_map(pair).collect()
}

/// Volumes that cannot be used everywhere.
fn confined(volumes: Vec<core::PersistentVolume>) -> Volumes {
    let pair = |volume: core::PersistentVolume| {
        let required = volume.spec?.node_affinity?.required?;
        Some((volume.metadata.name.unwrap_or_default(), NodeTerms::read(required)))
    };
    volumes.into_iter().filter_map(pair).collect()
}

fn find_volumes(demand: &mut Demand, claims: &Claims, volumes: &Volumes) {
    for claim in &demand.claims {
        match claims.get(&(demand.pod.id.namespace.clone(), claim.clone())) {
            None => {
                demand.overlooked.insert("volumes that are bound only once their pod has a node".into());
            }
            Some(volume) => {
                let place =
                    volumes.get(volume).map(|terms| VolumePlace { volume: volume.clone(), terms: terms.clone() });
                demand.volumes.extend(place);
            }
        }
    }
}
