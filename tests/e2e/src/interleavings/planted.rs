//! Faults that are put in on purpose, into the wrappers and never into the product: an invariant that none of them breaks is one that nobody
//! checks.

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Planted {
    /// None: the invariants hold.
    #[default]
    Nothing,
    /// Everybody is admitted, whatever is out of service.
    BudgetIgnored,
    /// The same, looked at where masters are concerned.
    MastersTogether,
    /// A member leaves etcd that no run is about.
    MemberRemovedUnasked,
    /// An agent resets its host as soon as it is asked what a reset would change.
    ResetWhilePodsRun,
    /// A reset is done twice.
    SecondEffect,
    /// A Node is deleted as soon as it is cordoned.
    NodeDeletedEarly,
    /// A cordon of somebody else is taken back.
    ForeignCordonUndone,
    /// Pods are deleted where they should be evicted.
    PodsDeleted,
    /// A host that was replaced says that it is the one of the record.
    OtherMachineObeyed,
    /// The kubelet of a host that joins is newer than any API server.
    NewerKubelet,
    /// A bootstrap token that was deleted is there again.
    TokenKept,
    /// A join is done twice.
    JoinedTwice,
    /// A member comes into etcd that nobody joins.
    StrangerInEtcd,
}

impl Planted {
    /// Nobody is asked whether a node may be disrupted.
    pub const fn admits_all(self) -> bool {
        matches!(self, Self::BudgetIgnored | Self::MastersTogether)
    }

    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::BudgetIgnored,
        Self::MastersTogether,
        Self::MemberRemovedUnasked,
        Self::ResetWhilePodsRun,
        Self::SecondEffect,
        Self::NodeDeletedEarly,
        Self::ForeignCordonUndone,
        Self::PodsDeleted,
        Self::OtherMachineObeyed,
        Self::NewerKubelet,
        Self::TokenKept,
        Self::JoinedTwice,
        Self::StrangerInEtcd,
    ];
}
