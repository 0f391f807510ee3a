//! Where state is kept. One trait with two backends, `sqlite:PATH` and `memory:`; every write carries the leadership it is made under, and
//! the backend itself refuses one that has ended, inside the same transaction. So an old leader can change nothing, however late it wakes.

mod error;
mod leader;
mod limits;
mod memory;
mod open;
mod record;
mod sqlite;
mod store;
pub mod suite;
mod watchers;

pub use error::Error;
pub use memory::Memory;
pub use open::{Url, judge_copy, open};
pub use record::{Change, HighWater, Leadership, Record, Watch};
pub use sqlite::Sqlite;
pub use store::{MOST_LISTED, MOST_VALUE, Store};
