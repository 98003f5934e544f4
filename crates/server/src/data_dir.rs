//! What lies where in a data folder, and the secrets that belong to it.

use std::path::{Path, PathBuf};

use daybook_kernel::id::PartitionId;
use daybook_privacy::{MasterKey, PrivacyError};

use crate::auth::development::write_secret;
use crate::config::{Config, MASTER_KEY_ENV};
use crate::error::codes;
use crate::serve::StartError;

/// Where the embedded log lies.
pub fn log_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("log")
}

/// Where the store of a partition lies.
pub fn store_folder(data_dir: &Path, partition: PartitionId) -> PathBuf {
    data_dir.join("store").join(format!("{:04}", partition.0))
}

/// Where copies of stores lie while snapshots of them are taken: on the disk of the stores, so that they are hard links.
pub fn snapshot_scratch(data_dir: &Path) -> PathBuf {
    data_dir.join("snapshot-scratch")
}

/// Where the key ring lies.
pub fn keys_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("keys")
}

/// The file that stands there while a log is imported.
pub fn import_marker(data_dir: &Path) -> PathBuf {
    data_dir.join("import-unfinished")
}

/// A node on a half of a log would go on from there, and the other half would never fit again.
pub(crate) fn refuse_unfinished_import(data_dir: &Path) -> Result<(), StartError> {
    if !import_marker(data_dir).exists() {
        return Ok(());
    }
    let message = format!(
        "an import into the log of {} did not come to its end; nothing was started, and nothing is lost; run the same \
         `daybook log import` again, it goes on where it ended",
        data_dir.display()
    );
    Err(StartError { code: codes::IMPORT_UNFINISHED, message })
}

/// The file of the master key that a development node makes for itself.
fn development_master_key(config: &Config) -> PathBuf {
    config.node.data_dir.join("development/master-key")
}

/// The master key that is there: from the environment, from its file, or made earlier by a development node. `None` for
/// a development node that has not made one yet. Changes nothing.
///
/// # Errors
/// [`PrivacyError::NoMasterKey`] when none is set, or what is set is no key.
pub fn find_master_key(config: &Config) -> Result<Option<MasterKey>, PrivacyError> {
    if let Ok(text) = std::env::var(MASTER_KEY_ENV) {
        return MasterKey::from_hex(&text).map(Some);
    }
    if let Some(file) = &config.keys.master_key_file {
        return MasterKey::from_file(file).map(Some);
    }
    if !config.node.development {
        let message = format!("neither {MASTER_KEY_ENV} nor keys.master_key_file is set");
        return Err(PrivacyError::NoMasterKey(message));
    }
    let file = development_master_key(config);
    if file.exists() { MasterKey::from_file(&file).map(Some) } else { Ok(None) }
}

/// The master key: the one that is there, or one that a development node makes.
pub(crate) fn master_key(config: &Config) -> Result<MasterKey, StartError> {
    if let Some(key) = find_master_key(config)? {
        return Ok(key);
    }
    let file = development_master_key(config);
    let key = MasterKey::generate_hex()?;
    write_secret(&file, key.as_bytes())
        .map_err(|error| PrivacyError::NoMasterKey(format!("{}: {error}", file.display())))?;
    Ok(MasterKey::from_file(&file)?)
}
