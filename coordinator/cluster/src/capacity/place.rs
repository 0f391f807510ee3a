//! Finds a place for each pod of the leaving nodes: those with the fewest choices first, then the largest, each on the first node that takes
//! it. Pods that wait for one another get further rounds. A place found here is a place that exists; that none was found is no proof.

use std::collections::{BTreeMap, BTreeSet};

use slipway_types::NodeName;

use super::Inventory;
use super::demand::{Demand, NamespaceLabels};
use super::neighbours::{Resident, Surroundings};
use super::quantity::Amounts;
use super::report::{CapacityReport, Homeless, Placement, grouped};
use super::room::{Place, Room};
use crate::PodRef;

/// Rounds over the pods that found no place yet: only pods that have to be beside each other need more than one.
const ROUNDS: usize = 8;

/// Places the pods of the leaving nodes on the others.
pub fn preflight(inventory: &Inventory, leaving: &BTreeSet<NodeName>) -> CapacityReport {
    let mut board = Board::new(inventory, leaving);
    let mut waiting = board.in_order(movers(inventory, leaving));
    let moving = waiting.len();
    let (mut placed, mut caveats) = (Vec::new(), BTreeSet::new());
    for _ in 0..ROUNDS {
        let before = waiting.len();
        waiting.retain(|demand| match board.place(demand) {
            Some((placement, caveat)) => {
                placed.push(placement);
                caveats.extend(caveat);
                false
            }
            None => true,
        });
        if waiting.len() == before || waiting.is_empty() {
            break;
        }
    }
    let homeless: Vec<Homeless> = waiting.iter().map(|demand| board.explain(demand)).collect();
    placed.sort_by(|a, b| a.pod.cmp(&b.pod));
    CapacityReport {
        moving,
        placed,
        homeless,
        lost: lost(inventory, leaving),
        warnings: caveats.into_iter().chain(board.overcommitted()).collect(),
        not_considered: not_considered(inventory, leaving),
    }
}

fn is_on(demand: &Demand, leaving: &BTreeSet<NodeName>) -> bool {
    leaving.iter().any(|name| name.as_str() == demand.pod.node)
}

/// Pods that somebody will make again elsewhere. One that is being deleted has its successor already.
fn movers<'a>(inventory: &'a Inventory, leaving: &BTreeSet<NodeName>) -> Vec<&'a Demand> {
    let moves = |demand: &&Demand| {
        let pod = &demand.pod;
        !pod.mirror && pod.daemon_set().is_none() && pod.owner.is_some() && pod.deletion.is_none() && !pod.is_finished()
    };
    inventory.demands.iter().filter(|demand| is_on(demand, leaving)).filter(moves).collect()
}

fn lost(inventory: &Inventory, leaving: &BTreeSet<NodeName>) -> Vec<PodRef> {
    let bare = inventory.demands.iter().filter(|demand| is_on(demand, leaving)).filter(|demand| {
        !demand.pod.mirror && demand.pod.owner.is_none() && demand.pod.deletion.is_none() && !demand.pod.is_finished()
    });
    bare.map(|demand| demand.pod.id.clone()).collect()
}

fn not_considered(inventory: &Inventory, leaving: &BTreeSet<NodeName>) -> Vec<String> {
    let moving = movers(inventory, leaving);
    let mut notes: BTreeSet<String> = moving.iter().flat_map(|demand| demand.overlooked.iter().cloned()).collect();
    if moving.iter().any(|demand| !demand.claims.is_empty()) {
        notes.insert("how many volumes a node may attach, and who else uses a volume".into());
    }
    let pending =
        inventory.demands.iter().filter(|demand| demand.pod.node.is_empty() && !demand.pod.is_finished()).count();
    if pending > 0 {
        notes.insert(format!("{pending} pods that wait for a node already and want the same room"));
    }
    if !moving.is_empty() {
        notes.insert("admission webhooks, quotas and plugins of the scheduler".into());
    }
    notes.into_iter().collect()
}

/// The nodes that stay, with who is on them.
struct Board<'a> {
    places: Vec<Place<'a>>,
    residents: Vec<Resident<'a>>,
    /// Nodes that stay, and the same with those that leave: until they are deleted, they count as domains too.
    rooms: Vec<&'a Room>,
    all_rooms: Vec<&'a Room>,
    namespaces: &'a NamespaceLabels,
}

impl<'a> Board<'a> {
    fn new(inventory: &'a Inventory, leaving: &BTreeSet<NodeName>) -> Self {
        let rooms: Vec<&Room> = inventory.rooms.iter().filter(|room| !leaving.contains(&room.node.name)).collect();
        let index: BTreeMap<&str, usize> =
            rooms.iter().enumerate().map(|(at, room)| (room.node.name.as_str(), at)).collect();
        let mut board = Self {
            places: rooms.iter().map(|room| Place::new(room)).collect(),
            residents: Vec::new(),
            all_rooms: inventory.rooms.iter().collect(),
            namespaces: &inventory.namespaces,
            rooms,
        };
        for demand in inventory.demands.iter().filter(|demand| !demand.pod.is_finished()) {
            if let Some(at) = index.get(demand.pod.node.as_str()) {
                board.put(demand, *at);
            }
        }
        board
    }

    fn put(&mut self, demand: &'a Demand, at: usize) {
        self.places[at].put(demand);
        self.residents.push(Resident { demand, room: self.rooms[at] });
    }

    /// Those with the fewest nodes to choose from first, then those that take the largest share of the whole.
    fn in_order(&self, mut demands: Vec<&'a Demand>) -> Vec<&'a Demand> {
        let mut whole = Amounts::new();
        self.rooms.iter().for_each(|room| super::quantity::add(&mut whole, &room.allocatable));
        let share = |demand: &Demand| {
            let parts = demand.requests.iter().map(|(name, amount)| {
                let all = whole.get(name).copied().unwrap_or_default().max(1);
                amount.saturating_mul(1_000_000) / all
            });
            parts.max().unwrap_or_default()
        };
        let choices = |demand: &Demand| self.rooms.iter().filter(|room| room.bars(demand).is_none()).count();
        demands.sort_by_cached_key(|demand| (choices(demand), std::cmp::Reverse(share(demand)), demand.pod.id.clone()));
        demands
    }

    fn surroundings(&self, demand: &'a Demand) -> Surroundings<'a> {
        Surroundings::of(demand, &self.residents, &self.rooms, self.namespaces)
    }

    fn place(&mut self, demand: &'a Demand) -> Option<(Placement, Option<String>)> {
        let around = self.surroundings(demand);
        let at = (0..self.places.len()).find(|at| self.refusal(demand, &around, *at).is_none())?;
        let caveat = self.caveat(demand, at);
        self.put(demand, at);
        Some((Placement { pod: demand.pod.id.clone(), node: self.rooms[at].node.name.clone() }, caveat))
    }

    fn refusal(&self, demand: &Demand, around: &Surroundings<'_>, at: usize) -> Option<String> {
        let room = self.rooms[at];
        room.bars(demand).or_else(|| self.places[at].lacks(demand)).or_else(|| around.bars(room))
    }

    /// A spread that works out only once the leaving nodes are gone keeps the pod waiting until then.
    fn caveat(&self, demand: &'a Demand, at: usize) -> Option<String> {
        if demand.spread.is_empty() || self.all_rooms.len() == self.rooms.len() {
            return None;
        }
        let until = Surroundings::of(demand, &self.residents, &self.all_rooms, self.namespaces);
        let key = until.uneven(self.rooms[at])?;
        Some(format!(
            "{} may wait without a node until the leaving nodes are deleted: they still count as domains of {key}",
            demand.pod.id
        ))
    }

    fn explain(&self, demand: &'a Demand) -> Homeless {
        let around = self.surroundings(demand);
        let refusals = (0..self.places.len())
            .filter_map(|at| Some((self.rooms[at].node.name.clone(), self.refusal(demand, &around, at)?)));
        Homeless { pod: demand.pod.id.clone(), from: demand.pod.node.clone(), why: grouped(refusals) }
    }

    fn overcommitted(&self) -> Vec<String> {
        self.places.iter().flat_map(Place::overcommitted).collect()
    }
}
