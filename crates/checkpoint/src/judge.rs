//! Does a log still pass through a checkpoint?

use daybook_kernel::chain::Head;

use crate::{Checkpoint, CheckpointError, Mark};

/// What was seen of a partition of a log.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Where its decisions end.
    pub decisions_next: u64,
    /// Where its commands end.
    pub commands_next: u64,
    /// Where its chain stood before the record [`Mark::next_record`]; `None` when it has no such place.
    pub head: Option<Head>,
}

impl Checkpoint {
    /// Whether it was made of a log of this name and shape.
    pub fn is_of(&self, log: &str, partitions: u32) -> Result<(), CheckpointError> {
        let shape = |name: &str, partitions: u32| format!("{name:?} with {partitions} partitions");
        if (self.log.as_str(), self.partitions) == (log, partitions) {
            return Ok(());
        }
        let (checkpoint, log) = (shape(&self.log, self.partitions), shape(log, partitions));
        Err(CheckpointError::OfAnotherLog { checkpoint, log })
    }
}

/// Judges one partition: nothing before the mark was cut off, nothing was rewritten.
pub fn judge(checkpoint: &Checkpoint, mark: &Mark, seen: &Seen) -> Result<(), CheckpointError> {
    let (partition, made_at) = (mark.partition.0, checkpoint.made_at.to_string());
    for (topic, known, next) in
        [("decisions", mark.next_record, seen.decisions_next), ("commands", mark.next_command, seen.commands_next)]
    {
        if next < known {
            return Err(CheckpointError::CutOff { partition, topic, known, next, made_at });
        }
    }
    let found = seen.head.as_ref().map(|head| head.hash);
    if found == Some(mark.hash) {
        return Ok(());
    }
    Err(CheckpointError::Rewritten {
        partition,
        next_record: mark.next_record,
        known: mark.hash.to_hex(),
        found: found.map_or("none".to_owned(), |hash| hash.to_hex()),
        made_at,
    })
}

#[cfg(test)]
mod tests {
    use daybook_kernel::hash::Hash;
    use daybook_kernel::id::PartitionId;
    use daybook_kernel::time::Timestamp;

    use super::*;

    #[test]
    fn a_log_that_was_cut_off_rewritten_or_is_another_one_is_told_apart() {
        let head = Head::genesis("books", 1, PartitionId(0));
        let mark = Mark { next_record: 5, next_command: 9, ..Mark::of(PartitionId(0), &head) };
        let checkpoint = Checkpoint {
            log: "books".to_owned(),
            partitions: 1,
            made_at: Timestamp::default(),
            heads: vec![mark.clone()],
        };
        let seen = Seen { decisions_next: 7, commands_next: 9, head: Some(head.clone()) };
        assert_eq!(judge(&checkpoint, &mark, &seen), Ok(()));
        let code = |seen: &Seen| judge(&checkpoint, &mark, seen).unwrap_err().code().name;
        assert_eq!(code(&Seen { decisions_next: 4, head: None, ..seen.clone() }), "LOG_CUT_OFF");
        assert_eq!(code(&Seen { commands_next: 8, ..seen.clone() }), "LOG_CUT_OFF");
        let other = Head { hash: Hash::of(b"other"), ..head };
        assert_eq!(code(&Seen { head: Some(other), ..seen }), "LOG_REWRITTEN");
        assert_eq!(checkpoint.is_of("books", 1), Ok(()));
        assert_eq!(checkpoint.is_of("books", 2).unwrap_err().code().name, "CHECKPOINT_OF_ANOTHER_LOG");
        assert_eq!(checkpoint.is_of("other", 1).unwrap_err().code().name, "CHECKPOINT_OF_ANOTHER_LOG");
    }
}
