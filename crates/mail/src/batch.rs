//! Items as commands.

use std::collections::BTreeSet;
use std::iter::Peekable;

use daybook_proto::legal_hold::v1::Item;
use prost::Message;

use super::Malformed;

/// Items in one command.
const ITEMS_MAX: usize = 100;
/// Bytes of one command as it will be sealed. A node takes 256 KiB, unless it is told otherwise.
pub(crate) const BYTES_MAX: usize = 200_000;
/// Bytes that sealing adds for each key: its name, a pseudonym, a tag.
const SEAL_BYTES: usize = 160;

/// What one command registers, and what was malformed on the way.
#[derive(Debug, Default)]
pub struct Batch {
    /// The items, no two with the same id.
    pub items: Vec<Item>,
    /// What is no item.
    pub malformed: Vec<Malformed>,
}

/// Puts items together for `RegisterItems`, in their order. A copy of a message that is in a batch already goes into the
/// next one, where the node finds it unchanged.
pub fn batches(mail: impl Iterator<Item = Result<Item, Malformed>>) -> impl Iterator<Item = Batch> {
    Batches { mail: mail.peekable() }
}

struct Batches<I: Iterator> {
    mail: Peekable<I>,
}

impl<I: Iterator<Item = Result<Item, Malformed>>> Iterator for Batches<I> {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        self.mail.peek()?;
        let mut batch = Batch::default();
        let (mut ids, mut bytes) = (BTreeSet::new(), 0);
        while batch.items.len() < ITEMS_MAX && batch.malformed.len() < ITEMS_MAX {
            let fits = |next: &Result<Item, Malformed>| match next {
                Ok(item) => {
                    bytes += sealed_bytes(item);
                    batch.items.is_empty() || (bytes <= BYTES_MAX && !ids.contains(&item.item_id))
                }
                Err(_) => true,
            };
            match self.mail.next_if(fits) {
                Some(Ok(item)) => {
                    ids.insert(item.item_id.clone());
                    batch.items.push(item);
                }
                Some(Err(malformed)) => batch.malformed.push(malformed),
                None => break,
            }
        }
        Some(batch)
    }
}

/// At least the size of an item as it will be sealed.
pub(crate) fn sealed_bytes(item: &Item) -> usize {
    item.encoded_len() + SEAL_BYTES * (1 + item.entities.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: usize, body_bytes: usize) -> Result<Item, Malformed> {
        Ok(Item { item_id: format!("mail-{id}"), body: "x".repeat(body_bytes), ..Default::default() })
    }

    fn malformed(place: usize) -> Result<Item, Malformed> {
        Err(Malformed { place: place.to_string(), reason: "has no header".to_owned() })
    }

    fn sizes(mail: Vec<Result<Item, Malformed>>) -> Vec<(usize, usize)> {
        batches(mail.into_iter()).map(|batch| (batch.items.len(), batch.malformed.len())).collect()
    }

    #[test]
    fn no_more_than_a_hundred_items() {
        assert_eq!(sizes((0..250).map(|id| item(id, 10)).collect()), [(100, 0), (100, 0), (50, 0)]);
        assert_eq!(sizes(Vec::new()), []);
    }

    #[test]
    fn no_more_bytes_than_a_node_takes() {
        assert_eq!(sizes((0..5).map(|id| item(id, 90_000)).collect()), [(2, 0), (2, 0), (1, 0)]);
        // One that is too large by itself is for the node to refuse.
        assert_eq!(sizes(vec![item(0, 10), item(1, BYTES_MAX), item(2, 10)]), [(1, 0), (1, 0), (1, 0)]);
    }

    #[test]
    fn a_copy_goes_into_the_next_batch() {
        let batches: Vec<_> = batches([item(1, 1), item(2, 1), item(1, 1), item(3, 1)].into_iter()).collect();
        let ids = |batch: &Batch| batch.items.iter().map(|item| item.item_id.clone()).collect::<Vec<_>>();
        assert_eq!(batches.iter().map(ids).collect::<Vec<_>>(), [vec!["mail-1", "mail-2"], vec!["mail-1", "mail-3"]]);
    }

    #[test]
    fn what_is_malformed_is_kept_in_order_and_not_for_long() {
        assert_eq!(sizes(vec![malformed(1), item(1, 1), malformed(2)]), [(1, 2)]);
        assert_eq!(sizes((0..150).map(malformed).collect()), [(0, 100), (0, 50)]);
    }
}
