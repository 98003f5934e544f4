//! The registry of a tenant's events: schemas, profile, and the hash that names both.

use std::time::Duration;

use daybook_kernel::hash::Hash;
use daybook_kernel::key::All;
use daybook_kernel::state::Fault;
use daybook_kernel::time::Timestamp;
use daybook_proto::product_analytics::v1::{EventRegistry, EventSchema, RegistryRow};
use prost::Message;

use crate::{Tables, TablesMut};

/// How long batches may name a registry after another took its place: those under way when it was replaced.
pub const REPLACED_FOR_MAX: Duration = Duration::from_secs(600);

/// The registry as it is.
pub fn registry(tables: &Tables<'_>) -> Result<EventRegistry, Fault> {
    let profile = tables.profile().get(())?.unwrap_or_default();
    let schemas = tables.schemas().scan(All).map(|row| Ok(row?.1.schema.unwrap_or_default()));
    let mut registry =
        EventRegistry { profile: Some(profile), schemas: schemas.collect::<Result<_, Fault>>()?, hash: String::new() };
    registry.hash = hash_of(&registry).to_hex();
    Ok(registry)
}

/// The hash of profile and schemas.
fn hash_of(registry: &EventRegistry) -> Hash {
    Hash::of(&EventRegistry { hash: String::new(), ..registry.clone() }.encode_to_vec())
}

/// Whether a batch may have been minimised under the registry of this hash, at this time.
pub fn is_known(tables: &Tables<'_>, hash: &[u8; 32], now: Timestamp) -> Result<bool, Fault> {
    match tables.registries().get((hash,))? {
        Some(row) if row.replaced_at_us == 0 => Ok(true),
        Some(row) => Ok(now.since(Timestamp::from_micros(row.replaced_at_us)) <= REPLACED_FOR_MAX),
        // Before anything is registered, nothing is known; batches count what they were refused.
        None => Ok(tables.registries().scan(All).next().is_none() && *hash_of_nothing().as_bytes() == *hash),
    }
}

fn hash_of_nothing() -> Hash {
    let profile = Some(Default::default());
    hash_of(&EventRegistry { profile, schemas: Vec::<EventSchema>::new(), hash: String::new() })
}

/// Notes that the registry has changed.
pub(crate) fn changed(tables: &mut TablesMut<'_>, now: Timestamp) -> Result<(), Fault> {
    let current = tables.read(|tables| registry(&tables))?;
    let hash = Hash::from_hex(&current.hash).ok_or_else(|| Fault::Damaged("a hash is none".to_owned()))?;
    let before: Vec<_> = tables.read(|tables| {
        let rows = tables.registries().scan(All).filter(|row| !matches!(row, Ok((_, row)) if row.replaced_at_us != 0));
        rows.map(|row| Ok(row?.0.0)).collect::<Result<_, Fault>>()
    })?;
    for hash in before {
        // Zero means that it is current.
        let replaced_at_us = now.as_micros().max(1);
        tables.registries().put((&hash,), &RegistryRow { replaced_at_us });
    }
    tables.registries().put((hash.as_bytes(),), &RegistryRow { replaced_at_us: 0 });
    Ok(())
}
