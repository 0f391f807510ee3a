//! I12: nothing is done to a machine that is not the one of the record, nor under another boot than the command was meant for, nor to a Node
//! that has taken the place of the one that the run was planned on.

use super::{Event, Invariant};
use crate::workload::machine_id;

/// See the module.
pub(super) struct TheMachineOfTheRecord;

impl Invariant for TheMachineOfTheRecord {
    fn name(&self) -> &'static str {
        "I12"
    }

    fn at(&mut self, event: &Event<'_>) -> Result<(), String> {
        for taken in &event.known.taken {
            let Some(host) = event.after.hosts.get(&taken.host) else { continue };
            if host.boot_id != taken.boot_id {
                return Err(format!("{} was let in by boot {}, not {}", taken.operation, host.boot_id, taken.boot_id));
            }
            if host.machine_id != machine_id(&taken.host) {
                return Err(format!("{} was let in by machine {}", taken.operation, host.machine_id));
            }
        }
        let writes = event.after.writes.iter().filter(|write| write.resource == "nodes" && write.verb != "create");
        for write in writes {
            let mut about = event.known.wishes.iter().filter(|wish| wish.nodes.contains(&write.name)).peekable();
            if about.peek().is_some() && !about.any(|wish| wish.uids.contains(&write.uid)) {
                return Err(format!("{} of Node {}, which no run was planned on", write.verb, write.name));
            }
        }
        Ok(())
    }
}
