//! Folding a projection again from the log, beside the live one, while the partition serves.

use std::sync::Arc;
use std::time::Duration;

use daybook_kernel::apply::Fold;
use daybook_kernel::chain::Head;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_kernel::state::{Layered, ProjectionId, WriteSet};
use daybook_log::Topic;
use daybook_store::Building;
use tokio::sync::oneshot;

use super::term::Ended;
use super::{Broken, Partition};
use crate::error::ReadError;

/// Rows that are written at once while building.
const ROWS_AT_ONCE: usize = 5_000;

/// A projection that was built anew and serves now.
#[derive(Debug, Clone)]
pub struct Rebuilt {
    /// The partition.
    pub partition: PartitionId,
    /// Decisions that were read.
    pub decisions: u64,
    /// Rows it has, as the store estimates them.
    pub rows: u64,
    /// How long it took.
    pub took: Duration,
    /// The generation that serves now.
    pub generation: u64,
}

/// Asks whoever writes the store to let a built projection serve: only there is known where the store stands.
pub(crate) struct SwapRequest {
    building: Box<dyn Building>,
    head: Head,
    done: oneshot::Sender<Result<u64, String>>,
}

impl SwapRequest {
    /// Says why it is not done.
    pub(super) fn refuse(self, why: &str) {
        // Someone who went away does not want to know.
        let _ = self.done.send(Err(why.to_owned()));
    }
}

impl Partition {
    /// Builds a projection anew and swaps it in. The partition serves all the while.
    pub async fn rebuild(self: &Arc<Self>, projection: ProjectionId) -> Result<Rebuilt, ReadError> {
        let started = self.clock.now();
        let unavailable = |detail: String| ReadError::Unavailable { partition: self.id, detail };
        let ended = |ended: Ended| match ended {
            Ended::Broken(broken) => unavailable(format!("{}: {}", broken.code, broken.detail)),
            ended => unavailable(format!("{ended:?}")),
        };
        let building = Arc::clone(&self.store).build(projection)?;
        let mut head = Head::genesis(self.log.name(), self.log.partitions(), self.id);
        // Most of it happens here; what comes meanwhile is little, and the owner adds it before the swap.
        let until = self.progress.lock().head.next_record;
        if until > head.next_record {
            // A log that does not have its beginning any more says so itself, with what to do about it.
            self.log.reader(Topic::Decisions, self.id, head.next_record)?.next().await?;
        }
        self.fold_projection(&*building, &mut head, until).await.map_err(ended)?;
        let (rows, generation) = (building.estimated_rows()?, building.projection().generation);
        let (done, swapped) = oneshot::channel();
        let gone = |_| unavailable("the partition neither leads nor follows".to_owned());
        self.swaps.send(SwapRequest { building, head, done }).await.map_err(|_| gone(()))?;
        let decisions = swapped.await.map_err(|_| gone(()))?.map_err(unavailable)?;
        Ok(Rebuilt { partition: self.id, decisions, rows, took: self.clock.now().since(started), generation })
    }

    /// Lets a built projection serve, after adding what came since.
    pub(super) async fn swap(&self, head: &Head, request: SwapRequest) -> Result<(), Ended> {
        let SwapRequest { building, head: mut built, done } = request;
        let swapped = match self.fold_projection(&*building, &mut built, head.next_record).await {
            Ok(()) => building.swap_in().map_err(|error| error.to_string()),
            Err(ended) => Err(format!("{ended:?}")),
        };
        // Someone who went away does not want to know.
        let _ = done.send(swapped.map(|()| built.next_command.0));
        Ok(())
    }

    /// Builds projections whose rows were folded by another version of the code, before anyone reads them.
    pub(super) async fn rebuild_outdated(&self, head: &Head) -> Result<(), Ended> {
        for projection in self.store.outdated() {
            if projection == ProjectionId::SYSTEM {
                // Its rows follow from the events of every domain: it cannot be folded by itself.
                let detail = format!(
                    "the rows that the loop of partition {} keeps were written by another release; nothing is lost; \
                     delete the partition's store, then it is folded anew from the log",
                    self.id
                );
                return Err(Ended::Broken(Broken {
                    code: daybook_store::codes::STORE_FAILED,
                    detail,
                    only_here: true,
                }));
            }
            let building = Arc::clone(&self.store).build(projection)?;
            tracing::info!(
                partition = self.id.0,
                projection = building.projection().name,
                "another version: built anew"
            );
            let mut built = Head::genesis(self.log.name(), self.log.partitions(), self.id);
            self.fold_projection(&*building, &mut built, head.next_record).await?;
            building.swap_in()?;
        }
        Ok(())
    }

    /// Folds records into a projection that is being built, from its head to before `until`.
    async fn fold_projection(&self, building: &dyn Building, head: &mut Head, until: Offset) -> Result<(), Ended> {
        if head.next_record >= until {
            return Ok(());
        }
        let fold = Fold::Only(building.projection().id);
        let mut reader = self.log.reader(Topic::Decisions, self.id, head.next_record)?;
        let mut writes = WriteSet::default();
        while head.next_record < until {
            for record in reader.next().await? {
                if record.offset >= until {
                    break;
                }
                let state = Layered::new(building).over(&writes);
                if let Some(applied) = self.apply(&state, head, record, fold)? {
                    writes.merge(applied.writes);
                }
                if writes.len() >= ROWS_AT_ONCE {
                    building.write(&writes)?;
                    writes = WriteSet::default();
                }
            }
        }
        Ok(building.write(&writes)?)
    }
}
