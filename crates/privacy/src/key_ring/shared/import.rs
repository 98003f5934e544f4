//! Taking over the keys of a ring on a local disk, from the time when a log on Kafka had only one node.

use daybook_kernel::id::Offset;

use super::super::EmbeddedKeyRing;
use super::super::row::{Row, place};
use super::SharedKeyRing;
use super::follow::from_log;
use super::index::Known;
use super::record::{Maker, Name, RecordKey};
use crate::PrivacyError;
use crate::cipher::Key;

/// What was taken over from a ring on a local disk. What had been taken over before is not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// Keys.
    pub keys: usize,
    /// Destructions: names whose key must never be made again.
    pub destructions: usize,
}

/// Records that are under way at once.
const AT_ONCE: usize = 1_000;

impl SharedKeyRing {
    /// Puts everything that an older ring holds onto the log. When it returns, all of it is durable and was read back.
    /// Safe to repeat.
    pub(super) async fn import(&self, older: &EmbeddedKeyRing) -> Result<Imported, PrivacyError> {
        let rows = older.rows()?;
        let mut imported = Imported::default();
        for rows in rows.chunks(AT_ONCE) {
            let mut puts = Vec::new();
            for (tenant, id, row) in rows {
                let name = Name::new(tenant, id);
                let known = self.followed.index.read().known(&name);
                let (key, value) = match (row, known) {
                    (Row::Present(key), Known::Nothing) => {
                        imported.keys += 1;
                        let value = self.master.wrap(&place(tenant, id), key.bytes())?;
                        (RecordKey::Key(name, Maker::new()?), value)
                    }
                    (Row::Destroyed(gone), Known::Nothing | Known::Key(..)) => {
                        imported.destructions += 1;
                        (RecordKey::Gone(name, Maker::new()?), gone.to_row())
                    }
                    // Taken over before, or destroyed since.
                    (_, Known::Gone(_)) | (Row::Present(_), Known::Key(..)) => continue,
                };
                puts.push(self.log.put(key.to_string().as_bytes(), Some(value.into())));
            }
            let mut end = Offset(0);
            for put in puts {
                end = end.max(put.await.map_err(from_log)?.next());
            }
            self.followed.reach(end).await?;
        }
        for (tenant, id, row) in &rows {
            if let Row::Present(key) = row {
                self.has(&Name::new(tenant, id), key)?;
            }
        }
        Ok(imported)
    }

    /// Whether this key is the one that counts for a name, or was, until it was destroyed.
    fn has(&self, name: &Name, key: &Key) -> Result<(), PrivacyError> {
        let known = self.followed.index.read().known(name);
        let is_same = match known {
            Known::Gone(_) => true,
            Known::Nothing => false,
            Known::Key(_, row) => self.master.key_in(&place(&name.tenant, &name.id), &row)?.bytes() == key.bytes(),
        };
        let differs = || PrivacyError::Differs { tenant: name.tenant.to_string(), key_id: name.id.to_string() };
        is_same.then_some(()).ok_or_else(differs)
    }
}
