//! The life of a partition: terms, one after the other, until the node stops or going on would not be safe.

use std::sync::Arc;
use std::time::Duration;

use daybook_kernel::chain::Head;
use daybook_kernel::id::Epoch;
use daybook_kernel::record::DecisionRecord;
use daybook_kernel::state::Fault;
use daybook_log::{Durability, LogError, Topic};
use daybook_store::StoreError;
use tokio::sync::mpsc;

use super::{Broken, Partition, SwapRequest};
use crate::assignment::{Orders, Role};
use crate::error::codes;
use crate::status::PartitionState;

/// How a term ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The node stops, or the partition has another role now.
    Relieved,
    /// Another record got in between, or an append failed: catch up and take over anew.
    LostTheHead(String),
    /// The log cannot be reached: try again later.
    Unavailable(String),
    /// Going on would not be safe.
    Broken(Broken),
}

impl From<LogError> for Ended {
    fn from(error: LogError) -> Self {
        if error.is_transient() {
            return Self::Unavailable(error.to_string());
        }
        // What was trimmed away is missing here, because this node's store is older than that.
        let only_here = matches!(error, LogError::Trimmed { .. });
        Self::Broken(Broken { code: error.code(), detail: error.to_string(), only_here })
    }
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Broken(Broken { code: error.code(), detail: error.to_string(), only_here: true })
    }
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        StoreError::from(fault).into()
    }
}

/// Waits longer after each failure, up to a bound.
struct Backoff(Duration);

impl Backoff {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(5);

    fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(Self::LONGEST);
        wait
    }
}

impl Partition {
    /// Runs the partition until the node stops.
    pub(crate) async fn run(self: Arc<Self>, mut head: Head, mut swaps: mpsc::Receiver<SwapRequest>, orders: Orders) {
        let mut backoff = Backoff(Backoff::FIRST);
        while let Some(role) = orders.role() {
            let record_before = head.next_record;
            let ended = match role {
                Role::Lead => self.term(&mut head, &mut swaps, &orders).await,
                Role::Follow => self.follow(&mut head, &mut swaps, &orders).await,
                Role::Rest => self.rest(&mut swaps, &orders).await,
            };
            if head.next_record > record_before {
                backoff = Backoff(Backoff::FIRST);
            }
            match ended {
                Ended::Relieved => continue,
                Ended::LostTheHead(why) => {
                    tracing::warn!(partition = self.id.0, why, "the head was lost; catching up");
                    self.set_state(PartitionState::CatchingUp, why);
                }
                Ended::Unavailable(why) => self.set_state(PartitionState::Waiting, why),
                Ended::Broken(broken) => {
                    tracing::error!(partition = self.id.0, code = broken.code.name, broken.detail, "partition stopped");
                    // First why: whoever the state wakes up must know whether another node can be asked.
                    self.broken.set(Some(broken.clone()));
                    self.set_state(PartitionState::Broken, broken.to_string());
                    if broken.only_here {
                        // Whoever waits here can ask the node that takes over.
                        self.waiters.give_up();
                    }
                    // Waits for the end; dropping the receiver tells those who ask for a rebuild.
                    drop(swaps);
                    orders.stopped().await;
                    break;
                }
            }
            tokio::select! {
                biased;
                () = orders.other_than(role) => {}
                () = self.clock.sleep(backoff.next()) => {}
            }
        }
        if let Err(error) = self.store.flush() {
            tracing::warn!(partition = self.id.0, %error, "the store could not be flushed; the next start takes longer");
        }
        if self.state.get().0 != PartitionState::Broken {
            self.set_state(PartitionState::Stopped, "");
        }
    }

    /// Others have the partition. Whoever still waits here for a decision must ask them.
    async fn rest(&self, swaps: &mut mpsc::Receiver<SwapRequest>, orders: &Orders) -> Ended {
        self.set_state(PartitionState::Resting, "");
        self.waiters.give_up();
        loop {
            tokio::select! {
                biased;
                () = orders.other_than(Role::Rest) => return Ended::Relieved,
                Some(swap) = swaps.recv() => swap.refuse("the partition is left to other nodes"),
            }
        }
    }

    async fn term(&self, head: &mut Head, swaps: &mut mpsc::Receiver<SwapRequest>, orders: &Orders) -> Ended {
        let prepared = async {
            self.catch_up(head).await?;
            self.rebuild_outdated(head).await?;
            self.take_over(head).await
        };
        let prepared = tokio::select! {
            biased;
            () = orders.other_than(Role::Lead) => return Ended::Relieved,
            prepared = prepared => prepared,
        };
        match prepared {
            Ok(()) => self.lead(head, swaps, orders).await,
            Err(ended) => ended,
        }
    }

    /// Appends a takeover record that names the head. It counts unless another record got there first.
    async fn take_over(&self, head: &mut Head) -> Result<(), Ended> {
        self.set_state(PartitionState::TakingOver, "");
        let now = self.log_time(&*self.store.live(), head)?;
        let epoch = Epoch(head.epoch.0 + 1);
        let record = DecisionRecord::takeover(head.hash, epoch, &self.node_id, &self.address, now);
        let append = self.log.append(Topic::Decisions, self.id, record.bytes.clone(), Durability::Synced);
        let offset = append.await?;
        if offset != head.next_record {
            let why = format!("the takeover record stands at {offset}, not at {}", head.next_record);
            return Err(Ended::LostTheHead(why));
        }
        head.advance(offset, &record);
        self.store.commit(&[], head)?;
        self.committed(head, []);
        Ok(())
    }

    /// The store must not know more than the log: then the log has lost something.
    pub(super) fn store_ahead_of_log(&self, head: &Head, next: daybook_kernel::id::Offset) -> Ended {
        let detail = format!(
            "the store has applied decisions up to offset {} of partition {}, but the log ends at {next}: the log has \
             lost data, or the store belongs to another log; nothing was changed; restore the log, or delete the store \
             if the log is right",
            head.next_record, self.id
        );
        Ended::Broken(Broken { code: codes::STORE_AHEAD_OF_LOG, detail, only_here: false })
    }
}
