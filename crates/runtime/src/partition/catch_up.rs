//! Applying decisions that were made before: after a start, and after losing the head.

use daybook_kernel::apply::{Applied, Fold, apply_record};
use daybook_kernel::chain::{Dropped, Head};
use daybook_kernel::id::Offset;
use daybook_kernel::record::DecisionRecord;
use daybook_kernel::remembered::Remembered;
use daybook_kernel::state::{Layered, Read, WriteSet};
use daybook_log::{Record, Topic};

use super::term::Ended;
use super::{Broken, Partition};
use crate::error::codes;
use crate::status::PartitionState;

/// Rows that are written at once while catching up.
const ROWS_AT_ONCE: usize = 1_000;

impl Partition {
    /// Reads on from the head to the end of the decisions topic.
    pub(super) async fn catch_up(&self, head: &mut Head) -> Result<(), Ended> {
        self.set_state(PartitionState::CatchingUp, "");
        self.decider.check_release(&*self.store.live())?;
        let bounds = self.log.bounds(Topic::Decisions, self.id).await?;
        if head.next_record > bounds.next {
            return Err(self.store_ahead_of_log(head, bounds.next));
        }
        self.check_last_record(head, bounds.first).await?;
        if head.next_record == bounds.next {
            return Ok(());
        }
        let started = (head.next_record, self.clock.now());
        let mut reader = self.log.reader(Topic::Decisions, self.id, head.next_record)?;
        while head.next_record < bounds.next {
            self.apply_records(head, reader.next().await?)?;
        }
        let (records, took) = (head.next_record.0 - started.0.0, self.clock.now().since(started.1));
        tracing::info!(partition = self.id.0, records, took_ms = took.as_millis(), "caught up");
        Ok(())
    }

    /// Applies the records that follow the head.
    pub(super) fn apply_records(&self, head: &mut Head, records: Vec<Record>) -> Result<(), Ended> {
        let mut records = records.into_iter();
        while records.len() > 0 {
            let mut next = head.clone();
            let mut writes = WriteSet::default();
            let mut decisions = Vec::new();
            let live = self.store.live();
            let remembered = Remembered::default();
            let base = remembered.of(&*live);
            for record in records.by_ref() {
                let state = Layered::new(&base).over(&writes);
                if let Some(applied) = self.apply(&state, &mut next, record, Fold::All)? {
                    writes.merge(applied.writes);
                    decisions.extend(applied.decisions);
                }
                if writes.len() >= ROWS_AT_ONCE {
                    break;
                }
            }
            self.store.commit(&[&writes], &next)?;
            *head = next;
            self.committed(head, decisions);
        }
        Ok(())
    }

    /// Applies one record, and counts it if it is dropped.
    pub(super) fn apply(
        &self,
        state: &dyn Read,
        head: &mut Head,
        record: Record,
        fold: Fold,
    ) -> Result<Option<Applied>, Ended> {
        let offset = record.offset;
        match apply_record(&self.decider, state, head, self.id, offset, record.bytes, fold)? {
            Ok(applied) => Ok(Some(applied)),
            Err(dropped) => {
                if fold == Fold::All {
                    self.note_dropped(offset, dropped);
                }
                Ok(None)
            }
        }
    }

    fn note_dropped(&self, offset: Offset, dropped: Dropped) {
        self.dropped.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        metrics::counter!("daybook_dropped_records_total", "partition" => self.id.to_string()).increment(1);
        tracing::warn!(partition = self.id.0, offset = offset.0, ?dropped, "a record that does not count was dropped");
    }

    /// The last record that the store applied must be the one that stands at its place in the log: otherwise store and
    /// log do not belong together, and everything that follows would be dropped without a word.
    async fn check_last_record(&self, head: &Head, first: Offset) -> Result<(), Ended> {
        let Some(offset) = head.record else { return Ok(()) };
        if offset < first {
            return Ok(());
        }
        let mut reader = self.log.reader(Topic::Decisions, self.id, offset)?;
        let record = reader.next().await?.into_iter().next();
        let found = record.and_then(|record| DecisionRecord::read(record.bytes).ok()).map(|record| record.hash);
        if found == Some(head.hash) {
            return Ok(());
        }
        let found = found.map_or("none".to_owned(), |hash| hash.to_string());
        let detail = format!(
            "the store's last record of partition {} at offset {offset} has the hash {}, the log's has {found}: one of \
             them was changed or exchanged; nothing was written; delete the store if the log is right, then it is \
             folded anew",
            self.id, head.hash
        );
        Err(Ended::Broken(Broken { code: codes::STORE_DIFFERS_FROM_LOG, detail, only_here: false }))
    }
}
