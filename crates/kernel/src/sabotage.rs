//! Deliberate mistakes, to show that the simulator notices them. Without the feature `sabotage`, which nothing that ships
//! has, none of them exists and none of this is compiled in.

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// Every record counts, whatever it names.
    ChainRuleOff,
    /// A batch is applied, and its callers answered, before it is durable.
    ApplyBeforeDurable,
    /// A command that was decided before is decided again.
    DedupOff,
    /// Effects are carried out when they are decided, not when the decision is durable.
    EffectBeforeCommit,
    /// Whoever follows a partition decides its commands as well.
    StandbyAppends,
    /// A release goes on where the log has reached a feature level that it does not understand.
    ReleaseGateOff,
}

impl Mistake {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::ChainRuleOff,
        Self::ApplyBeforeDurable,
        Self::DedupOff,
        Self::EffectBeforeCommit,
        Self::StandbyAppends,
        Self::ReleaseGateOff,
    ];
}

#[cfg(feature = "sabotage")]
mod on {
    use std::cell::Cell;

    use super::Mistake;

    thread_local! {
        static MADE: Cell<Option<Mistake>> = const { Cell::new(None) };
    }

    /// Whether this thread makes the mistake.
    pub fn makes(mistake: Mistake) -> bool {
        MADE.get() == Some(mistake)
    }

    /// Lets this thread make a mistake from now on, or none.
    pub fn make(mistake: Option<Mistake>) {
        MADE.set(mistake);
    }

    /// Does something without any mistake.
    pub fn off<T>(what: impl FnOnce() -> T) -> T {
        let made = MADE.replace(None);
        let result = what();
        MADE.set(made);
        result
    }
}

#[cfg(not(feature = "sabotage"))]
mod on {
    use super::Mistake;

    /// Whether this thread makes the mistake: never.
    #[inline(always)]
    pub const fn makes(_: Mistake) -> bool {
        false
    }

    /// Lets this thread make a mistake: it does not, in this build.
    #[inline(always)]
    pub const fn make(_: Option<Mistake>) {}

    /// Does something without any mistake.
    #[inline(always)]
    pub fn off<T>(what: impl FnOnce() -> T) -> T {
        what()
    }
}

pub use on::*;
