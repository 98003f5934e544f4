//! Looking at a store without changing a byte of it.

use std::path::Path;

use daybook_kernel::chain::Head;
use daybook_kernel::hash::Hash;
use daybook_proto::system::v1::ProjectionRow;
use daybook_rocks::{Family, Memory, RocksError, Spec, Wal, family};
use prost::Message;

use crate::families::{family_name, row_key};
use crate::{GENESIS, HEAD, META, ProjectionVersion, StoreError, decode_head};

/// What a store says of itself.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// The first hash of the log and partition that it belongs to; `None` when nothing was written to it yet.
    pub genesis: Option<Hash>,
    /// Where it stands; `None` when nothing was written to it yet.
    pub head: Option<Head>,
    /// Projections of this release whose rows another version of the code folded, or that are new.
    pub outdated: Vec<String>,
}

/// Looks at the store in a folder. `beside` is a folder for what reading beside a process that has the store open needs;
/// without one, nobody may have it open.
///
/// # Errors
/// [`StoreError::Damaged`] when what it says cannot be read.
pub fn inspect(
    folder: &Path,
    projections: &[ProjectionVersion],
    beside: Option<&Path>,
    memory: &Memory,
) -> Result<Inspected, StoreError> {
    let spec = Spec::new(folder, Wal::Unused).family(Family::new(META));
    let db = match beside {
        Some(scratch) => spec.open_to_read(memory, scratch)?,
        None => spec.open_read_only(memory)?,
    };
    let damaged = |what: &str| StoreError::Damaged(what.to_owned());
    let meta = match family(&db, META) {
        Ok(meta) => meta,
        // Made, and never flushed: as good as new.
        Err(_) => return Ok(Inspected { genesis: None, head: None, outdated: Vec::new() }),
    };
    let get = |key: &[u8]| db.get_cf(&meta, key).map_err(RocksError::from);
    let genesis = get(GENESIS)?.map(|row| Hash::from_slice(&row).ok_or_else(|| damaged("its first hash")));
    let head = get(HEAD)?.map(|row| decode_head(&row)).transpose()?;
    let mut outdated = Vec::new();
    for projection in projections {
        let row = get(&row_key(projection.id))?.map(|row| ProjectionRow::decode(&row[..]));
        match row.transpose().map_err(|_| damaged("what describes a projection cannot be read"))? {
            Some(row) if row.version == projection.version => {
                if db.cf_handle(&family_name(&projection.name, row.generation)).is_none() {
                    return Err(damaged(&format!("the rows of projection {} are missing", projection.name)));
                }
            }
            _ => outdated.push(projection.name.clone()),
        }
    }
    Ok(Inspected { genesis: genesis.transpose()?, head, outdated })
}
