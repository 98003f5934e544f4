//! Feature levels: what every node of a log must understand before anybody makes use of it.
//!
//! A release that changes what commands lead to, or what stands on the log, gives the change the next level and uses it
//! only where the log has reached that level ([`Context::requires`](crate::domain::Context::requires)). So nodes of two
//! releases can work side by side: while they do, the log stays at the level that both understand. When the last old
//! node is gone, an operator raises it. The level is a record like any other, on every partition, and what needs it
//! comes after it.
//!
//! A node whose release does not understand a level stops at that record, before it misreads what follows.
//!
//! | level | since | what it permits |
//! | --- | --- | --- |
//! | 0 | | a log that was made before there were levels |
//! | 1 | 0.1.0 | every kind of command and event of 0.1.0 |
//! | 2 | 0.1.0 | product analytics |
//! | 3 | 0.1.0 | holds over several tenants that each tenant confirms; retention in calendar time; decisions that name the actor's kind and the policies that failed; a policy that fails denies |

use std::fmt;

use crate::state::Fault;

/// A feature level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeatureLevel(pub u32);

impl FeatureLevel {
    /// The newest level that this release understands.
    pub const NEWEST: Self = Self(3);

    /// From here on decisions say what kind of principal asked and which policies failed, and a policy that fails denies.
    pub const ACCOUNTABLE_DECISIONS: Self = Self(3);
    /// Holds over several tenants whose state each tenant confirms, and periods in calendar time.
    pub const CONFIRMED_HOLDS: Self = Self(3);

    /// Whether a release that understands up to this level may go on where the log has reached `reached`.
    ///
    /// # Errors
    /// [`Fault::NewerRelease`] when it may not.
    pub fn understands(self, reached: Self) -> Result<(), Fault> {
        if reached <= self { Ok(()) } else { Err(Fault::NewerRelease { reached, understood: self }) }
    }
}

impl fmt::Display for FeatureLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
