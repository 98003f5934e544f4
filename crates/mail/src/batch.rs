//! Items as commands.

use std::collections::HashSet;
use std::iter::Peekable;

use daybook_mail_address::compared;
use daybook_proto::legal_hold::v1::Item;
use prost::Message;

use super::{Mail, Malformed};

/// Items in one command.
const ITEMS_MAX: usize = 100;
/// Bytes of one command as it will be sealed. A node takes 256 KiB, unless it is told otherwise.
pub(crate) const BYTES_MAX: usize = 200_000;
/// Bytes that sealing adds for each key: its name, a pseudonym, a tag.
const SEAL_BYTES: usize = 160;
/// Bytes of each other pseudonym that a person has.
const PSEUDONYM_BYTES: usize = 48;

/// What one command registers, and what was malformed on the way.
#[derive(Debug, Default)]
pub struct Batch {
    /// The items, no two of an import with the same id.
    pub mail: Vec<Mail>,
    /// What is no item.
    pub malformed: Vec<Malformed>,
    /// Messages that came before in the same import, byte by byte and at the same place.
    pub copies: u64,
}

/// Puts items together for `RegisterItems`, in their order, each id once. Remembers 16 bytes of every message.
pub fn batches(mail: impl Iterator<Item = Result<Mail, Malformed>>) -> impl Iterator<Item = Batch> {
    Batches { mail: mail.peekable(), seen: HashSet::new() }
}

struct Batches<I: Iterator> {
    mail: Peekable<I>,
    seen: HashSet<[u8; 16]>,
}

impl<I: Iterator<Item = Result<Mail, Malformed>>> Iterator for Batches<I> {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        self.mail.peek()?;
        let mut batch = Batch::default();
        let mut bytes = 0;
        while batch.mail.len() < ITEMS_MAX && batch.malformed.len() < ITEMS_MAX {
            let (seen, is_empty) = (&self.seen, batch.mail.is_empty());
            let fits = |next: &Result<Mail, Malformed>| match next {
                Ok(mail) if seen.contains(&name(&mail.item)) => true,
                Ok(mail) => {
                    bytes += sealed_bytes(&mail.item);
                    is_empty || bytes <= BYTES_MAX
                }
                Err(_) => true,
            };
            match self.mail.next_if(fits) {
                Some(Ok(mail)) if self.seen.insert(name(&mail.item)) => batch.mail.push(mail),
                Some(Ok(_)) => batch.copies += 1,
                Some(Err(malformed)) => batch.malformed.push(malformed),
                None => break,
            }
        }
        Some(batch)
    }
}

/// So short that one for every message of an import fits into memory, and long enough that no two are the same.
fn name(item: &Item) -> [u8; 16] {
    let mut name = [0; 16];
    name.copy_from_slice(&blake3::hash(item.item_id.as_bytes()).as_bytes()[..16]);
    name
}

/// At least the size of an item as it will be sealed.
pub(crate) fn sealed_bytes(item: &Item) -> usize {
    let other_pseudonyms: usize = item.entities.iter().map(|entity| compared(&entity.id).former.len()).sum();
    item.encoded_len() + SEAL_BYTES * (1 + item.entities.len()) + PSEUDONYM_BYTES * other_pseudonyms
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Place;

    fn item(id: usize, body_bytes: usize) -> Result<Mail, Malformed> {
        let item = Item { item_id: format!("mail-{id}"), body: "x".repeat(body_bytes), ..Default::default() };
        Ok(Mail { item, place: Place { file: "a".to_owned(), position: Some(1) } })
    }

    fn malformed(place: usize) -> Result<Mail, Malformed> {
        let place = Place { file: place.to_string(), position: None };
        Err(Malformed { place, reason: "has no header".to_owned() })
    }

    fn sizes(mail: Vec<Result<Mail, Malformed>>) -> Vec<(usize, usize)> {
        batches(mail.into_iter()).map(|batch| (batch.mail.len(), batch.malformed.len())).collect()
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
    fn a_copy_within_an_import_is_counted_and_sent_once() {
        let mail =
            [item(1, 1), item(2, 1), item(1, 1)].into_iter().chain((3..103).map(|id| item(id, 1))).chain([item(2, 1)]);
        let batches: Vec<_> = batches(mail).collect();
        let ids: Vec<_> =
            batches.iter().flat_map(|batch| batch.mail.iter().map(|mail| mail.item.item_id.clone())).collect();
        assert_eq!(ids, (1..103).map(|id| format!("mail-{id}")).collect::<Vec<_>>());
        assert_eq!(batches.iter().map(|batch| batch.copies).collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn what_is_malformed_is_kept_in_order_and_not_for_long() {
        assert_eq!(sizes(vec![malformed(1), item(1, 1), malformed(2)]), [(1, 2)]);
        assert_eq!(sizes((0..150).map(malformed).collect()), [(0, 100), (0, 50)]);
    }
}
