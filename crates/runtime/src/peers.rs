//! Other nodes of the same log.

use daybook_kernel::id::PartitionId;
use daybook_proto::log::v1;
use futures_util::future::{BoxFuture, FutureExt, ready};

use crate::error::SubmitError;
use crate::routes::Owner;
use crate::waiters::Outcome;

/// The way to other nodes.
pub trait Peers: Send + Sync + 'static {
    /// Has the node `owner` decide a command. One hop: that node does not pass it on. The command may have been
    /// decided even if this fails; it is safe to repeat.
    fn submit<'a>(
        &'a self,
        owner: &'a Owner,
        partition: PartitionId,
        record: &'a v1::CommandRecord,
    ) -> BoxFuture<'a, Result<Outcome, SubmitError>>;

    /// Whether there are any, who could take over what this node cannot go on with.
    fn are_there(&self) -> bool;
}

/// A node that has its log for itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPeers;

impl Peers for NoPeers {
    fn submit<'a>(
        &'a self,
        owner: &'a Owner,
        partition: PartitionId,
        _: &'a v1::CommandRecord,
    ) -> BoxFuture<'a, Result<Outcome, SubmitError>> {
        let detail = format!("{} leads it, and this node is not part of a cluster", owner.address);
        ready(Err(SubmitError::NotLeading { partition, detail })).boxed()
    }

    fn are_there(&self) -> bool {
        false
    }
}
