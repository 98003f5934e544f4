//! What the records of the keyed log say, folded in their order. Every node folds the same records by the same rules:
//!
//! - Of several keys made for one name the first counts.
//! - Once a name is destroyed, no key made for it counts any more, be it from before or after.
//! - Nothing undoes a destruction.
//!
//! Compaction changes nothing of that: a key that counts is taken off only after its destruction, and the marker of a
//! destruction is never superseded. It must not even be written again under its own record key, or compaction would keep
//! the later one, and a key made in between would look as if it had been made before, and be handed out.

use std::collections::HashMap;

use bytes::Bytes;
use daybook_log::KeyedRecord;

use super::super::row::Gone;
use super::record::{Maker, Name, RecordKey};

/// Everything that is on the keyed log, keys still wrapped.
#[derive(Default)]
pub(super) struct Index {
    entries: HashMap<Name, Entry>,
    /// The check of the ring: the first that was written.
    check: Option<Bytes>,
}

#[derive(Default)]
struct Entry {
    /// Keys on the log that were made for this name, in the order of the log. The first counts, if nothing is gone.
    made: Vec<(Maker, Bytes)>,
    gone: Option<Gone>,
    /// Whether a marker says that there was a key; else only the records of the keys do.
    existed_is_said: bool,
}

/// What is known of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    Nothing,
    Key(Maker, Bytes),
    Gone(Gone),
}

impl Index {
    pub(super) fn apply(&mut self, record: KeyedRecord) {
        match (RecordKey::parse(&record.key), record.value) {
            (Some(RecordKey::Key(name, maker)), Some(row)) => self.made(name, maker, row),
            (Some(RecordKey::Key(name, maker)), None) => self.withdrawn(&name, maker),
            (Some(RecordKey::Gone(name, _)), Some(row)) => self.destroyed(name, &row),
            (Some(RecordKey::Gone(name, _)), None) => {
                tracing::error!(tenant = %name.tenant, key_id = %name.id, "somebody took back a destruction; it stands");
            }
            (Some(RecordKey::Check(_)), Some(row)) => {
                self.check.get_or_insert(row);
            }
            (Some(RecordKey::Check(_)), None) => tracing::error!("somebody took away the key ring's check; it stands"),
            (None, _) => {
                let key = String::from_utf8_lossy(&record.key).into_owned();
                tracing::warn!(offset = %record.offset, key, "the key ring does not know this record; it is passed over");
            }
        }
    }

    fn made(&mut self, name: Name, maker: Maker, row: Bytes) {
        let entry = self.entries.entry(name).or_default();
        // Of what does not count only the place is needed, to take it off the log.
        let row = if entry.gone.is_some() || !entry.made.is_empty() { Bytes::new() } else { row };
        if entry.made.iter().all(|(other, _)| *other != maker) {
            entry.made.push((maker, row));
        }
    }

    fn withdrawn(&mut self, name: &Name, maker: Maker) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        let Some(place) = entry.made.iter().position(|(other, _)| *other == maker) else { return };
        if place == 0 && entry.gone.is_none() {
            // No node does that. With what is left the name would look unused, and get another key.
            tracing::error!(tenant = %name.tenant, key_id = %name.id, "somebody took a key away without destroying it");
            return;
        }
        entry.made.remove(place);
    }

    fn destroyed(&mut self, name: Name, row: &[u8]) {
        let said = Gone::from_row(row).unwrap_or_else(|| {
            tracing::error!(tenant = %name.tenant, key_id = %name.id, "a destruction cannot be read; the key is gone");
            Gone { at: Default::default(), existed: true }
        });
        let entry = self.entries.entry(name).or_default();
        let gone = entry.gone.get_or_insert(Gone { existed: said.existed || !entry.made.is_empty(), ..said });
        gone.existed |= said.existed;
        entry.existed_is_said |= said.existed;
        entry.made.iter_mut().for_each(|(_, row)| row.clear());
    }

    pub(super) fn check(&self) -> Option<&Bytes> {
        self.check.as_ref()
    }

    pub(super) fn known(&self, name: &Name) -> Known {
        let Some(entry) = self.entries.get(name) else { return Known::Nothing };
        match (entry.gone, entry.made.first()) {
            (Some(gone), _) => Known::Gone(gone),
            (None, Some((maker, row))) => Known::Key(*maker, row.clone()),
            (None, None) => Known::Nothing,
        }
    }

    /// The names of all keys that count, with their rows, and how many names are destroyed.
    pub(super) fn all(&self) -> (Vec<(&Name, &Bytes)>, usize) {
        let live = self.entries.iter().filter(|(_, entry)| entry.gone.is_none());
        let keys = live.filter_map(|(name, entry)| entry.made.first().map(|(_, row)| (name, row))).collect();
        (keys, self.entries.values().filter(|entry| entry.gone.is_some()).count())
    }

    /// What a further marker must say before the keys of a name are taken off: that there was one, which nothing else
    /// would tell afterwards. The marker was written before its node had read of the key.
    pub(super) fn unsaid(&self, name: &Name) -> Option<Gone> {
        let entry = self.entries.get(name)?;
        entry.gone.filter(|gone| gone.existed && !entry.existed_is_said)
    }

    /// Records with keys for a name, whether they count or not.
    pub(super) fn made_for(&self, name: &Name) -> Vec<RecordKey> {
        let made = self.entries.get(name).map(|entry| entry.made.as_slice()).unwrap_or_default();
        made.iter().map(|(maker, _)| RecordKey::Key(name.clone(), *maker)).collect()
    }

    /// Records with keys that do not count. Their makers take them off the log; those of a maker that died stay.
    pub(super) fn debris(&self) -> Vec<RecordKey> {
        let debris = |(name, entry): (&Name, &Entry)| {
            let counts = usize::from(entry.gone.is_none());
            let made = entry.made.iter().skip(counts);
            made.map(|(maker, _)| RecordKey::Key(name.clone(), *maker)).collect::<Vec<_>>()
        };
        self.entries.iter().flat_map(debris).collect()
    }
}

#[cfg(test)]
mod tests {
    use daybook_kernel::id::{Offset, TenantId};
    use daybook_kernel::time::Timestamp;
    use proptest::prelude::*;

    use super::super::super::KeyId;
    use super::*;

    fn name() -> Name {
        Name { tenant: TenantId::parse("acme").unwrap(), id: KeyId::item("a") }
    }

    struct Log(Vec<KeyedRecord>);

    impl Log {
        fn put(&mut self, key: &RecordKey, value: Option<Vec<u8>>) {
            let (key, value) = (Bytes::from(key.to_string()), value.map(Bytes::from));
            self.0.push(KeyedRecord { offset: Offset(self.0.len() as u64), key, value });
        }

        /// As the ring does it: first what nothing else would tell afterwards.
        fn take_off(&mut self, now: &Index, keys: &[RecordKey]) {
            if let Some(gone) = now.unsaid(&name()) {
                self.put(&RecordKey::Gone(name(), Maker::new().unwrap()), Some(gone.to_row()));
            }
            keys.iter().for_each(|key| self.put(key, None));
        }

        fn index(&self, keep: impl Fn(&KeyedRecord) -> bool) -> Index {
            let mut index = Index::default();
            self.0.iter().filter(|record| keep(record)).for_each(|record| index.apply(record.clone()));
            index
        }

        fn is_superseded(&self, record: &KeyedRecord) -> bool {
            self.0.iter().any(|later| later.key == record.key && later.offset > record.offset)
        }
    }

    fn gone(at: i64, existed: bool) -> Gone {
        Gone { at: Timestamp::from_micros(at), existed }
    }

    #[test]
    fn the_first_of_two_makers_wins_and_the_loser_is_debris() {
        let (first, second) = (Maker::new().unwrap(), Maker::new().unwrap());
        let mut log = Log(Vec::new());
        log.put(&RecordKey::Key(name(), first), Some(b"first".to_vec()));
        log.put(&RecordKey::Key(name(), second), Some(b"second".to_vec()));
        let index = log.index(|_| true);
        assert_eq!(index.known(&name()), Known::Key(first, Bytes::from("first")));
        assert_eq!(index.debris(), [RecordKey::Key(name(), second)]);
        log.put(&RecordKey::Key(name(), second), None);
        let index = log.index(|_| true);
        assert_eq!(index.known(&name()), Known::Key(first, Bytes::from("first")));
        assert_eq!(index.debris(), []);
    }

    #[test]
    fn a_key_that_was_made_after_the_destruction_does_not_count() {
        let (early, late, marker) = (Maker::new().unwrap(), Maker::new().unwrap(), Maker::new().unwrap());
        let mut log = Log(Vec::new());
        log.put(&RecordKey::Key(name(), early), Some(b"early".to_vec()));
        log.put(&RecordKey::Gone(name(), marker), Some(gone(5, false).to_row()));
        log.put(&RecordKey::Key(name(), late), Some(b"late".to_vec()));
        let index = log.index(|_| true);
        // The maker of the marker had not seen the key yet.
        assert_eq!(index.known(&name()), Known::Gone(gone(5, true)));
        assert_eq!(index.debris().len(), 2);
        log.put(&RecordKey::Gone(name(), marker), None);
        assert_eq!(log.index(|_| true).known(&name()), Known::Gone(gone(5, true)), "for good");
    }

    #[test]
    fn a_key_is_not_lost_by_somebody_who_takes_it_away() {
        let (first, second) = (Maker::new().unwrap(), Maker::new().unwrap());
        let mut log = Log(Vec::new());
        log.put(&RecordKey::Key(name(), first), Some(b"first".to_vec()));
        log.put(&RecordKey::Key(name(), second), Some(b"second".to_vec()));
        log.put(&RecordKey::Key(name(), first), None);
        assert_eq!(log.index(|_| true).known(&name()), Known::Key(first, Bytes::from("first")));
    }

    /// What several nodes do to one name, in the order in which it gets to the log.
    #[derive(Debug, Clone, Copy)]
    enum Step {
        Make,
        /// The maker of a key that lost takes it off.
        Withdraw(usize),
        Destroy {
            /// Its node had not read of the key yet.
            blindly: bool,
        },
        /// Who destroys takes every key off that he has seen.
        Clean,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            Just(Step::Make),
            (0_usize..8).prop_map(Step::Withdraw),
            any::<bool>().prop_map(|blindly| Step::Destroy { blindly }),
            Just(Step::Clean)
        ];
        proptest::collection::vec(step, 1..24)
    }

    proptest! {
        /// Whatever compaction has taken away already, a node that starts now knows what one knows that was there all
        /// the time.
        #[test]
        fn compaction_changes_nothing(steps in steps(), kept in any::<u64>()) {
            let mut log = Log(Vec::new());
            let mut makers = Vec::new();
            for (i, step) in steps.into_iter().enumerate() {
                let now = log.index(|_| true);
                match step {
                    Step::Make => {
                        let maker = Maker::new().unwrap();
                        makers.push(maker);
                        log.put(&RecordKey::Key(name(), maker), Some(vec![i as u8]));
                    }
                    Step::Withdraw(which) => {
                        let Some(maker) = makers.get(which) else { continue };
                        let own = RecordKey::Key(name(), *maker);
                        if now.debris().contains(&own) {
                            log.take_off(&now, &[own]);
                        }
                    }
                    Step::Destroy { blindly } => {
                        let existed = !blindly && matches!(now.known(&name()), Known::Key(..));
                        let marker = RecordKey::Gone(name(), Maker::new().unwrap());
                        log.put(&marker, Some(gone(i as i64, existed).to_row()));
                    }
                    Step::Clean => {
                        if matches!(now.known(&name()), Known::Gone(_)) {
                            log.take_off(&now, &now.made_for(&name()));
                        }
                    }
                }
            }
            let all = log.index(|_| true);
            let compacted = log.index(|record| {
                !log.is_superseded(record) || kept & (1 << (record.offset.0 % 64)) != 0
            });
            prop_assert_eq!(compacted.known(&name()), all.known(&name()));
            let without_tombstones = log.index(|record| !log.is_superseded(record) && record.value.is_some());
            prop_assert_eq!(without_tombstones.known(&name()), all.known(&name()));
        }
    }
}
