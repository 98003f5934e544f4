//! Asking a log that is elsewhere. Right after its topics were made, and while brokers change places, a question fails
//! that succeeds a moment later.

use std::time::{Duration, Instant};

use daybook_kernel::id::PartitionId;
use daybook_log::{Bounds, Log, LogError, Topic};

/// How long a question is asked again, and how often.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(200);

/// The bounds of a partition.
pub(crate) async fn bounds(log: &dyn Log, topic: Topic, partition: PartitionId) -> Result<Bounds, LogError> {
    let started = Instant::now();
    loop {
        match log.bounds(topic, partition).await {
            Err(error) if error.is_transient() && started.elapsed() < PATIENCE => tokio::time::sleep(PAUSE).await,
            answered => return answered,
        }
    }
}
