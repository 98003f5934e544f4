//! Following: applying what another node decides, as it comes, and appending nothing. Whoever follows can answer queries
//! for positions that it has reached, and lead without rebuilding anything.

use daybook_kernel::chain::Head;
use daybook_kernel::decide::Place;
use daybook_kernel::record::DecisionRecord;
use daybook_kernel::sabotage::{self, Mistake};
use daybook_log::{Durability, Topic};
use futures_util::FutureExt;
use prost::Message;
use tokio::sync::mpsc;

use super::term::Ended;
use super::{Partition, SwapRequest};
use crate::assignment::{Orders, Role};
use crate::status::PartitionState;

impl Partition {
    /// Applies decisions until the role changes.
    pub(super) async fn follow(
        &self,
        head: &mut Head,
        swaps: &mut mpsc::Receiver<SwapRequest>,
        orders: &Orders,
    ) -> Ended {
        let prepared = async {
            self.catch_up(head).await?;
            self.rebuild_outdated(head).await
        };
        let prepared = tokio::select! {
            biased;
            () = orders.other_than(Role::Follow) => return Ended::Relieved,
            prepared = prepared => prepared,
        };
        if let Err(ended) = prepared {
            return ended;
        }
        let mut reader = match self.log.reader(Topic::Decisions, self.id, head.next_record) {
            Ok(reader) => reader,
            Err(error) => return error.into(),
        };
        self.set_state(PartitionState::Following, "");
        loop {
            let step = tokio::select! {
                biased;
                () = orders.other_than(Role::Follow) => return Ended::Relieved,
                Some(swap) = swaps.recv() => self.swap(head, swap).await,
                records = reader.next() => {
                    records.map_err(Ended::from).and_then(|records| self.apply_records(head, records))
                }
            };
            if let Err(ended) = step {
                return ended;
            }
            if sabotage::makes(Mistake::StandbyAppends)
                && let Err(ended) = self.append_out_of_turn(head)
            {
                return ended;
            }
        }
    }

    /// Decides a command that is for another node to decide, which nobody but `daybook_kernel::sabotage` asks for.
    fn append_out_of_turn(&self, head: &Head) -> Result<(), Ended> {
        let mut commands = self.log.reader(Topic::Commands, self.id, head.next_command)?;
        let Some(Ok(records)) = commands.next().now_or_never() else { return Ok(()) };
        let Some(command) = records.first() else { return Ok(()) };
        let now = self.clock.now().max(head.now);
        let (record, partition) = (head.next_record, self.id);
        let place = Place { partition, command: command.offset, record, index: 0, now };
        let decided = self.decider.decide(&*self.store.live(), &command.bytes, place)?;
        let decisions = vec![decided.decision.encode_to_vec().into()];
        let record = DecisionRecord::batch(head.hash, head.epoch, head.next_command, now, decisions);
        drop(self.log.append(Topic::Decisions, self.id, record.bytes, Durability::Synced));
        Ok(())
    }
}
