//! What clients may ask: thin services that check requests, ask the parts behind them, and put answers into words of the wire.

mod admin;
mod answer;
mod enrol;
mod etcd;
mod flow;
mod node;
mod plan;
mod routes;
mod run;

pub use etcd::etcd_status;
pub use node::show_node;
pub use routes::{Parts, routes};
