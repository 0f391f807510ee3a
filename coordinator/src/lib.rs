//! What Slipway does for nodes: flows made of steps, the agents they are sent to, the API that people ask.

pub mod admission;
pub mod agents;
pub mod api;
pub mod barrier;
pub mod boot;
pub mod bootstrap_tokens;
pub mod doctor;
pub mod endpoints;
pub mod enrolment;
pub mod etcd;
pub mod fellows;
pub mod fleet;
pub mod flows;
pub mod gate;
pub mod give_up;
pub mod pools;
pub mod reconcilers;
pub mod runs;
pub mod settings;
pub mod snapshot;
pub mod standby;
pub mod steps;
pub mod versions;
pub mod vip_set;
pub mod world;
