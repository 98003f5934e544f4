//! A log whose appends go wrong on demand: refused, or carried out with the acknowledgement lost.

use std::sync::Arc;

use bytes::Bytes;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_log::{Appended, Bounds, Durability, Log, LogError, LogReader, Topic};
use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

/// What happens to an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendFault {
    /// It succeeds.
    None,
    /// It does not happen, and fails.
    Refused,
    /// It happens, and fails all the same.
    AcknowledgementLost,
    /// It happens twice; the second copy is acknowledged.
    Repeated,
}

type Plan = dyn Fn(Topic, PartitionId) -> AppendFault + Send + Sync;

/// A log with a plan for its faults.
pub struct FaultyLog<L> {
    inner: L,
    plan: Arc<Plan>,
}

impl<L: Log> FaultyLog<L> {
    /// Asks `plan` before each append.
    pub fn new(inner: L, plan: impl Fn(Topic, PartitionId) -> AppendFault + Send + Sync + 'static) -> Self {
        Self { inner, plan: Arc::new(plan) }
    }
}

impl<L: Log> Log for FaultyLog<L> {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn partitions(&self) -> u32 {
        self.inner.partitions()
    }

    fn describe(&self) -> String {
        format!("{}, with faults", self.inner.describe())
    }

    fn append(&self, topic: Topic, partition: PartitionId, record: Bytes, durability: Durability) -> Appended {
        let lost = || LogError::Unavailable { what: "injected by a test".to_owned() };
        match (self.plan)(topic, partition) {
            AppendFault::None => self.inner.append(topic, partition, record, durability),
            AppendFault::Refused => Appended::done(Err(lost())),
            AppendFault::AcknowledgementLost => {
                drop(self.inner.append(topic, partition, record, durability));
                let (done, result) = oneshot::channel();
                let _ = done.send(Err(lost()));
                Appended::waiting(result)
            }
            AppendFault::Repeated => {
                drop(self.inner.append(topic, partition, record.clone(), durability));
                self.inner.append(topic, partition, record, durability)
            }
        }
    }

    fn reader(&self, topic: Topic, partition: PartitionId, from: Offset) -> Result<Box<dyn LogReader>, LogError> {
        self.inner.reader(topic, partition, from)
    }

    fn bounds(&self, topic: Topic, partition: PartitionId) -> BoxFuture<'_, Result<Bounds, LogError>> {
        self.inner.bounds(topic, partition)
    }

    fn trim(&self, topic: Topic, partition: PartitionId, before: Offset) -> BoxFuture<'_, Result<(), LogError>> {
        self.inner.trim(topic, partition, before)
    }
}
