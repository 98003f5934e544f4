//! The contract of a partition's state.

use std::path::Path;
use std::sync::Arc;

use daybook_kernel::chain::Head;
use daybook_kernel::id::PartitionId;
use daybook_kernel::state::{ProjectionId, Read, WriteSet};

use crate::{ProjectionVersion, StoreError};

/// The state of one partition. Everything in it can be folded again from the log, so it may lose what was written last,
/// but never a part of it.
///
/// What an implementation MUST do:
///
/// - Rows and head of a commit are there together or not at all, now and after a crash. After a crash the state is one
///   that some commit left, not necessarily the last; after [`Store::flush`] it is that one or a later one.
/// - A snapshot does not move. Its rows and its head belong together.
/// - A projection that is built serves either whole or not at all, now and after a crash.
pub trait Store: Send + Sync + 'static {
    /// Writes what decisions changed, and the head that they led to.
    fn commit(&self, writes: &[&WriteSet], head: &Head) -> Result<(), StoreError>;

    /// The state as it is, changing under the reader's eyes. For the one who writes it.
    fn live(&self) -> Box<dyn Read + '_>;

    /// The state as it is now, with its head.
    fn snapshot(&self) -> Result<(Box<dyn Read + '_>, Head), StoreError>;

    /// Makes everything durable, so that the next start has little to catch up with.
    fn flush(&self) -> Result<(), StoreError>;

    /// Writes a copy of the state into a folder that must not exist yet: what some commit left, whole, whatever is
    /// committed meanwhile. A store opened in that folder stands where the copy stands. A store that does not lie on a
    /// disk has nothing to copy, and says so.
    fn copy_to(&self, folder: &Path) -> Result<(), StoreError> {
        Err(StoreError::Failed(format!("this store cannot be copied to {}", folder.display())))
    }

    /// Projections whose rows were folded by another version of the code. They must be built again before they serve.
    fn outdated(&self) -> Vec<ProjectionId>;

    /// The projections with their generations.
    fn projections(&self) -> Vec<ProjectionVersion>;

    /// How many rows a projection has, about.
    fn estimated_rows(&self, projection: ProjectionId) -> Result<u64, StoreError>;

    /// Starts to build a projection anew, beside the live one.
    fn build(self: Arc<Self>, projection: ProjectionId) -> Result<Box<dyn Building>, StoreError>;
}

/// A projection that is being built. It reads as a state that holds nothing but itself, and is forgotten when it is
/// dropped before [`Building::swap_in`].
pub trait Building: Read + Send + Sync {
    /// What is being built.
    fn projection(&self) -> &ProjectionVersion;

    /// Writes what decisions changed in this projection; what they changed elsewhere is passed over.
    fn write(&self, writes: &WriteSet) -> Result<(), StoreError>;

    /// How many rows it has, about.
    fn estimated_rows(&self) -> Result<u64, StoreError>;

    /// Lets it serve from now on. Only the writer of the store may call this, when both projections stand at the same
    /// head.
    fn swap_in(self: Box<Self>) -> Result<(), StoreError>;
}

/// Where a node's stores lie.
pub trait Stores: Send + Sync {
    /// Opens the store of a partition, creating it if there is none, and tells where it stands. `genesis` is the head of
    /// the empty log: a store that belongs to another log or partition is refused. `projections` are those that this
    /// release folds.
    fn open(
        &self,
        partition: PartitionId,
        genesis: &Head,
        projections: &[ProjectionVersion],
    ) -> Result<(Arc<dyn Store>, Head), StoreError>;
}
