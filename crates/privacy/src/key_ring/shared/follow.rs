//! Following the keyed log: an index in memory that is never more than a moment behind.

use std::sync::Arc;
use std::time::Duration;

use daybook_kernel::id::Offset;
use daybook_log::{KeyedReader, LogError};
use parking_lot::RwLock;
use tokio::sync::watch;

use super::index::Index;
use crate::PrivacyError;

/// How long the log may stand still while somebody waits for it.
const STANDSTILL_MAX: Duration = Duration::from_secs(30);

/// What was read so far.
pub(super) struct Followed {
    pub(super) index: RwLock<Index>,
    progress: watch::Sender<Progress>,
}

#[derive(Debug, Clone, Default)]
struct Progress {
    read_to: Offset,
    /// Why nothing more is read.
    failed: Option<PrivacyError>,
}

impl Followed {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { index: RwLock::default(), progress: watch::Sender::default() })
    }

    /// Reads until an error that nothing mends.
    pub(super) async fn follow(self: Arc<Self>, mut reader: Box<dyn KeyedReader>) {
        loop {
            match reader.next().await {
                Ok(read) => {
                    {
                        let mut index = self.index.write();
                        read.records.into_iter().for_each(|record| index.apply(record));
                    }
                    self.progress.send_modify(|progress| progress.read_to = read.read_to);
                }
                Err(error) => {
                    tracing::error!(%error, "the key ring cannot be followed any more; restart the node");
                    self.progress.send_modify(|progress| progress.failed = Some(from_log(error)));
                    return;
                }
            }
        }
    }

    /// Waits until everything before a place was read.
    pub(super) async fn reach(&self, end: Offset) -> Result<(), PrivacyError> {
        let mut progress = self.progress.subscribe();
        loop {
            {
                let progress = progress.borrow_and_update();
                if progress.read_to >= end {
                    return Ok(());
                }
                if let Some(failed) = &progress.failed {
                    return Err(failed.clone());
                }
            }
            match tokio::time::timeout(STANDSTILL_MAX, progress.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(PrivacyError::Unavailable("the key ring was closed".to_owned())),
                Err(_) => {
                    let what = format!("its log was not read any further for {} s", STANDSTILL_MAX.as_secs());
                    return Err(PrivacyError::Unavailable(what));
                }
            }
        }
    }

    /// Whether it is still followed: what is known otherwise gets older and older.
    pub(super) fn is_followed(&self) -> Result<(), PrivacyError> {
        self.progress.borrow().failed.clone().map_or(Ok(()), Err)
    }
}

pub(super) fn from_log(error: LogError) -> PrivacyError {
    match error {
        LogError::Damaged { what } => PrivacyError::Damaged(what),
        error => PrivacyError::Unavailable(error.to_string()),
    }
}
