//! Bugs that are put in on purpose, one at a time, by the way the world is wired: the product's own code stays as it is. Each names the invariant
//! that has to catch it; a bug that is caught by another one only is not caught for the right reason.

use crate::invariants::Name;

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutant {
    /// An agent lets every command in.
    NoFenceCheck,
    /// An agent takes a command of the term that it keeps from whoever holds it.
    EqualTermAccepted,
    /// An agent's writes are not flushed before it acts.
    NoFsync,
    /// A new leadership disrupts before the agents refuse the one before it.
    BarrierLeftOut,
    /// One worker too many may be out of service.
    BudgetOffByOne,
    /// Masters are counted against a budget of two.
    TwoMastersAtOnce,
    /// Any cordon is undone as if it were ours.
    ForeignCordonUndone,
    /// Nobody looks at etcd again between the preflight and the removal of its member.
    NoSecondProjection,
    /// A master is restarted without a look at etcd.
    NoLookBeforeStop,
    /// A member leaves without the operator's word.
    NoWordAsked,
    /// A node counts as back in service although the answer was lost.
    StepAssumedDone,
    /// A Node is deleted by its name alone.
    UnconditionalDelete,
    /// A step whose answer was lost is done again without a look.
    BlindRedo,
    /// A step is sent off before its line is in the journal.
    DispatchedBeforeWritten,
    /// The store takes writes of a leadership that has ended.
    StoreTakesOldTerm,
    /// The store gives the term that somebody has to the next one, too.
    EqualTermWon,
    /// A coordinator leads because nobody else seems to, and asks the store for nothing.
    PromotedWithoutSwap,
    /// Writes to the API server ask nobody and wait for nobody.
    GateAlwaysOpen,
    /// The store gives the leadership to whoever has read the latest term, whoever is at work under it.
    FreshLeaderDeposed,
    /// keepalived goes on believing a guard that is dead.
    GuardNeverExpires,
    /// A dead guard's word is taken away from a master that it did not call well.
    DeadCountsTwice,
    /// A guard that begins takes back a word that keepalived does not believe any more.
    ExpiredTakenBack,
    /// A master that returns is well at the first look.
    WellAtOnce,
    /// keepalived goes by the bases alone: a master that returns takes the address before it is well.
    NothingIsWeighed,
    /// Whoever is highest takes the address, whoever has it.
    HoldingCountsForNothing,
    /// A lowered priority alone moves nothing.
    NobodyPreempts,
    /// What is bad at one look is believed.
    NoPatience,
    /// What a dead keepalived leaves behind stays.
    StrayStays,
}

impl Mutant {
    /// Every one.
    pub const ALL: [Self; 28] = [
        Self::NoFenceCheck,
        Self::EqualTermAccepted,
        Self::NoFsync,
        Self::BarrierLeftOut,
        Self::BudgetOffByOne,
        Self::TwoMastersAtOnce,
        Self::ForeignCordonUndone,
        Self::NoSecondProjection,
        Self::NoLookBeforeStop,
        Self::NoWordAsked,
        Self::StepAssumedDone,
        Self::UnconditionalDelete,
        Self::BlindRedo,
        Self::DispatchedBeforeWritten,
        Self::StoreTakesOldTerm,
        Self::EqualTermWon,
        Self::PromotedWithoutSwap,
        Self::GateAlwaysOpen,
        Self::FreshLeaderDeposed,
        Self::GuardNeverExpires,
        Self::DeadCountsTwice,
        Self::ExpiredTakenBack,
        Self::WellAtOnce,
        Self::NothingIsWeighed,
        Self::HoldingCountsForNothing,
        Self::NobodyPreempts,
        Self::NoPatience,
        Self::StrayStays,
    ];

    /// As it is listed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoFenceCheck => "no-fence-check",
            Self::EqualTermAccepted => "equal-term-accepted",
            Self::NoFsync => "no-fsync",
            Self::BarrierLeftOut => "barrier-left-out",
            Self::BudgetOffByOne => "budget-off-by-one",
            Self::TwoMastersAtOnce => "two-masters-at-once",
            Self::ForeignCordonUndone => "foreign-cordon-undone",
            Self::NoSecondProjection => "no-second-projection",
            Self::NoLookBeforeStop => "no-look-before-stop",
            Self::NoWordAsked => "no-word-asked",
            Self::StepAssumedDone => "step-assumed-done",
            Self::UnconditionalDelete => "unconditional-delete",
            Self::BlindRedo => "blind-redo",
            Self::DispatchedBeforeWritten => "dispatched-before-written",
            Self::StoreTakesOldTerm => "store-takes-old-term",
            Self::EqualTermWon => "equal-term-won",
            Self::PromotedWithoutSwap => "promoted-without-swap",
            Self::GateAlwaysOpen => "gate-always-open",
            Self::FreshLeaderDeposed => "fresh-leader-deposed",
            Self::GuardNeverExpires => "guard-never-expires",
            Self::DeadCountsTwice => "dead-counts-twice",
            Self::ExpiredTakenBack => "expired-taken-back",
            Self::WellAtOnce => "well-at-once",
            Self::NothingIsWeighed => "nothing-is-weighed",
            Self::HoldingCountsForNothing => "holding-counts-for-nothing",
            Self::NobodyPreempts => "nobody-preempts",
            Self::NoPatience => "no-patience",
            Self::StrayStays => "stray-stays",
        }
    }

    /// The bug of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mutant| mutant.name() == name)
    }

    /// It is about the address, which is simulated by itself.
    pub const fn is_of_address(self) -> bool {
        matches!(
            self,
            Self::GuardNeverExpires
                | Self::DeadCountsTwice
                | Self::ExpiredTakenBack
                | Self::WellAtOnce
                | Self::NothingIsWeighed
                | Self::HoldingCountsForNothing
                | Self::NobodyPreempts
                | Self::NoPatience
                | Self::StrayStays
        )
    }

    /// The invariant that has to catch it.
    pub const fn caught_by(self) -> Name {
        match self {
            Self::TwoMastersAtOnce => Name::I1,
            Self::NoSecondProjection | Self::NoLookBeforeStop | Self::NoWordAsked => Name::I2,
            Self::BudgetOffByOne => Name::I3,
            Self::BlindRedo | Self::DispatchedBeforeWritten => Name::I4,
            Self::NoFenceCheck
            | Self::EqualTermAccepted
            | Self::NoFsync
            | Self::BarrierLeftOut
            | Self::UnconditionalDelete
            | Self::GateAlwaysOpen => Name::I5,
            Self::StoreTakesOldTerm | Self::EqualTermWon => Name::I6,
            Self::ForeignCordonUndone | Self::StepAssumedDone => Name::I10,
            Self::PromotedWithoutSwap
            | Self::FreshLeaderDeposed
            | Self::GuardNeverExpires
            | Self::DeadCountsTwice
            | Self::ExpiredTakenBack
            | Self::WellAtOnce
            | Self::NothingIsWeighed
            | Self::HoldingCountsForNothing
            | Self::NobodyPreempts
            | Self::NoPatience
            | Self::StrayStays => Name::I18,
        }
    }
}

/// Within so many seeds, counted from 1, every bug has to be caught.
pub const WITHIN: u64 = 1_000;
