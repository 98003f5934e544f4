//! Effects: what is done in the world once the decision that asked for it is durable.
//!
//! An effect is a row in the outbox, written with the decision. The owner carries it out, at least once; its outcome
//! returns as a command, and the decision of that command removes the row. The token is the same however often it is
//! tried, so that the other side can tell.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use daybook_kernel::hash::Hash;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_proto::system::v1::OutboxRow;
use daybook_store::Store;
use futures_util::future::BoxFuture;

/// An effect that is to be carried out.
#[derive(Debug, Clone)]
pub struct RequestedEffect {
    /// The partition whose decision asked for it.
    pub partition: PartitionId,
    /// The command whose decision asked for it.
    pub command: Offset,
    /// Which of that decision's effects.
    pub index: u32,
    /// What was asked.
    pub row: OutboxRow,
}

impl RequestedEffect {
    /// The same for every attempt, and for no other effect of this log: 32 hexadecimal digits.
    pub fn token(&self) -> String {
        let place = [self.partition.0.to_be_bytes(), self.index.to_be_bytes()].concat();
        let hash = Hash::of_parts(&[b"daybook effect", &place, &self.command.0.to_be_bytes()]);
        hash.to_hex()[..32].to_owned()
    }
}

/// An effect could not be carried out now. It is tried again, later and later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EffectFailed(pub String);

/// Carries out one kind of effect.
pub trait EffectHandler: Send + Sync + 'static {
    /// Carries it out and returns the payload of the command that brings the outcome. Must be safe to repeat. `store` is the
    /// partition's, at least as new as the decision that asked for it.
    fn run<'a>(
        &'a self,
        effect: &'a RequestedEffect,
        store: &'a Arc<dyn Store>,
    ) -> BoxFuture<'a, Result<Vec<u8>, EffectFailed>>;
}

/// The effects that a node can carry out, by kind.
#[derive(Clone, Default)]
pub struct EffectHandlers {
    by_kind: BTreeMap<&'static str, Arc<dyn EffectHandler>>,
}

impl EffectHandlers {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    #[must_use]
    pub fn with(mut self, kind: &'static str, handler: Arc<dyn EffectHandler>) -> Self {
        self.by_kind.insert(kind, handler);
        self
    }

    pub(crate) fn get(&self, kind: &str) -> Option<Arc<dyn EffectHandler>> {
        self.by_kind.get(kind).cloned()
    }
}

impl fmt::Debug for EffectHandlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.by_kind.keys()).finish()
    }
}
