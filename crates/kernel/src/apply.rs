//! Reading one decision record into the state: what catching up, standing by and rebuilding do.

use bytes::Bytes;
use daybook_proto::log::v1;
use prost::Message;

use crate::chain::{Dropped, Head};
use crate::decide::{Decider, Place};
use crate::id::{Offset, PartitionId};
use crate::record::RecordBody;
use crate::state::{Fault, Layered, ProjectionId, Read, WriteSet};

/// A record that counts, with what it changes.
#[derive(Debug, Clone)]
pub struct Applied {
    /// Its decisions with the places of their commands. Empty for a takeover.
    pub decisions: Vec<(Place, v1::Decision)>,
    /// What they change.
    pub writes: WriteSet,
}

/// Which decisions are folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    /// All of them.
    All,
    /// Those of one projection's domain, for building that projection.
    Only(ProjectionId),
}

/// Reads the record at `offset`, which must be the head's next. Moves the head; does not write.
///
/// # Errors
/// A fault means that the state cannot be read or a record that counts cannot be understood. The head is then of no use.
pub fn apply_record(
    decider: &Decider,
    state: &dyn Read,
    head: &mut Head,
    partition: PartitionId,
    offset: Offset,
    bytes: Bytes,
    fold: Fold,
) -> Result<Result<Applied, Dropped>, Fault> {
    let record = match head.offer(offset, bytes) {
        Ok(record) => record,
        Err(dropped) => return Ok(Err(dropped)),
    };
    let mut applied = Applied { decisions: Vec::new(), writes: WriteSet::default() };
    let RecordBody::Batch { first_command, decided_at, decisions } = record.body else { return Ok(Ok(applied)) };
    for (index, bytes) in (0..).zip(decisions) {
        let damaged = |error| Fault::Damaged(format!("a decision of record {offset} cannot be decoded: {error}"));
        let decision = v1::Decision::decode(bytes).map_err(damaged)?;
        let command = Offset(first_command.0 + u64::from(index));
        let place = Place { partition, command, record: offset, index, now: decided_at };
        let wanted = match fold {
            Fold::All => true,
            Fold::Only(projection) => {
                decider.registry().get(&decision.domain).is_some_and(|domain| domain.projection == projection)
            }
        };
        if wanted {
            let changes = decider.fold(&Layered::new(state).over(&applied.writes), &decision, place)?;
            applied.writes.merge(changes);
        }
        applied.decisions.push((place, decision));
    }
    Ok(Ok(applied))
}
