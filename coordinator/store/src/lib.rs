//! Where state is kept. One trait with three backends, `sqlite:PATH`, `etcd://HOSTS` and `memory:`; every write carries the leadership it is made under, and
//! the backend itself refuses one that has ended, inside the same transaction. So an old leader can change nothing, however late it wakes.

mod error;
mod etcd;
mod leader;
mod limits;
mod memory;
mod moving;
mod open;
mod record;
pub mod signs;
mod sqlite;
mod store;
pub mod suite;
mod watchers;

pub use error::Error;
pub use etcd::{Etcd, EtcdTls};
pub use memory::Memory;
pub use moving::{Moved, move_all, refuse_half_moved};
pub use open::{Url, judge_copy, open};
pub use record::{
    Admission, Attendant, Candidate, Change, HighWater, Leadership, MemberState, Presence, Record, StoreMember, Watch,
};
pub use sqlite::Sqlite;
pub use store::{MOST_LISTED, MOST_VALUE, Store};
