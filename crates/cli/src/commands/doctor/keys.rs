//! The key ring: is it there, is it readable, is the master key its own?

use std::path::Path;

use daybook_privacy::{EmbeddedKeyRing, MasterKey, PrivacyError, codes};
use daybook_rocks::{Db, Family, Memory, RocksError, Spec, Wal, family, is_in_use};
use daybook_server::config::Config;
use daybook_server::data_dir::{find_master_key, keys_folder};

use super::finding::{Finding, Report};
use super::log::Seen;

/// Where a key ring keeps its rows, and the row that tells a wrong master key; see `EmbeddedKeyRing`.
const FAMILY: &str = "keys";
const CHECK: &[u8] = b"check";

/// Looks at the key ring.
pub(super) fn look(config: &Config, seen: Option<&Seen>, scratch: &Path, memory: &Memory, report: &mut Report) {
    let folder = keys_folder(&config.node.data_dir);
    let master = look_for_master_key(config, report);
    if !EmbeddedKeyRing::is_there(&folder) {
        let has_records = seen.is_some_and(Seen::has_records);
        report.add(if has_records && !config.keys.start_over {
            missing(&format!("there is none in {}", folder.display()), "put the folder `keys` back from its copy")
        } else {
            Finding::ok("key ring", format!("there is none in {} yet", folder.display()))
                .means("the next start makes one")
        });
        return;
    }
    let beside = (is_in_use(&folder) == Some(true)).then(|| scratch.join("keys-beside"));
    match check(&folder, beside.as_deref(), master, scratch, memory) {
        Ok(Checked::RightKey) => report.add(Finding::ok("key ring", "it can be read, and the master key is its own")),
        Ok(Checked::NoKey) => report.add(
            Finding::warning("key ring", "it can be read; without a master key, nothing more can be said")
                .next("give the master key and look again"),
        ),
        Ok(Checked::Empty) => report.add(Finding::ok("key ring", "it was made and has no keys yet")),
        Err(error) => {
            report
                .add(unusable(&error, "keep a copy of the folder `keys`, then put it back from the newest good copy"));
        }
    }
}

/// The master key that a node would use, if it is there.
pub(super) fn look_for_master_key(config: &Config, report: &mut Report) -> Option<MasterKey> {
    let error = match find_master_key(config) {
        Ok(found) => return found,
        Err(error) => error,
    };
    // One that others can read is told with the other secrets.
    if !matches!(error, PrivacyError::Exposed(_)) {
        report.add(
            Finding::problem("master key", &error)
                .code(error.code())
                .means("a node does not start without it")
                .next("give it with keys.master_key_file or DAYBOOK_MASTER_KEY"),
        );
    }
    None
}

/// A log with records whose ring is gone.
pub(super) fn missing(what: &str, next: &str) -> Finding {
    Finding::problem("key ring", format!("{what}, but the log has records"))
        .code(codes::KEY_RING_MISSING)
        .means("nothing sealed can be opened; a node does not start, because it would make other keys")
        .next(next)
}

/// A ring that a node does not start on.
pub(super) fn unusable(error: &PrivacyError, next: &str) -> Finding {
    let next = match error {
        PrivacyError::WrongMasterKey => "give the master key under which the key ring was made",
        _ => next,
    };
    Finding::problem("key ring", error)
        .code(error.code())
        .means("a node does not start on it; nothing sealed can be opened until it is right")
        .next(next)
}

enum Checked {
    RightKey,
    NoKey,
    Empty,
}

/// Reads the row that tells a wrong master key, puts that one alone into a key ring of its own, and opens that one: so
/// nothing is written to the real one, and no key is copied.
fn check(
    folder: &Path,
    beside: Option<&Path>,
    master: Option<MasterKey>,
    scratch: &Path,
    memory: &Memory,
) -> Result<Checked, PrivacyError> {
    let spec = |folder: &Path| Spec::new(folder, Wal::Kept).family(Family::new(FAMILY).with_small_files());
    let db = match beside {
        Some(scratch) => spec(folder).open_to_read(memory, scratch)?,
        None => spec(folder).open_read_only(memory)?,
    };
    let Some(row) = read_all(&db)? else { return Ok(Checked::Empty) };
    let Some(master) = master else { return Ok(Checked::NoKey) };
    let alone = scratch.join("keys");
    let copy = spec(&alone).open(memory)?;
    copy.put_cf(&family(&copy, FAMILY)?, CHECK, row).map_err(RocksError::from)?;
    copy.flush_wal(true).map_err(RocksError::from)?;
    drop(copy);
    EmbeddedKeyRing::open(&alone, master, memory)?;
    Ok(Checked::RightKey)
}

/// Reads every row, so that damage shows, and returns the one to check with.
fn read_all(db: &Db) -> Result<Option<Vec<u8>>, PrivacyError> {
    let Ok(keys) = family(db, FAMILY) else { return Ok(None) };
    let mut check = None;
    let mut rows = db.raw_iterator_cf(&keys);
    rows.seek_to_first();
    while let Some((key, value)) = rows.item() {
        if key == CHECK {
            check = Some(value.to_vec());
        }
        rows.next();
    }
    rows.status().map_err(RocksError::from)?;
    Ok(check)
}
