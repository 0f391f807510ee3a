//! What may be upgraded to what: a table of rules as data, each with its source, and a judge that holds plain facts against it. Nothing here
//! asks anybody anything, so that what an upgrade would run into is told, and tested, before anything is touched.

mod facts;
mod judge;
mod numbers;
mod rule;
mod table;

pub use facts::{
    CertificateEnd, Cgroup, EtcdFacts, Facts, FlagSource, HostFacts, KubeadmFacts, KubeletFlag, NodeFacts,
};
pub use judge::{Finding, Judgement, Severity, UNANSWERED, judge};
pub use numbers::{Dotted, InvalidNumber, Minor};
pub use rule::{ClusterIs, ImpasseIs, Level, MemberIs, NodeIs, Rule};
pub use table::{EtcdImages, FOLDERS, OlderSkew, Skew, Table};
