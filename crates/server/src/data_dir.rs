//! What lies where in a data folder, and the secrets that belong to it.

use std::path::{Path, PathBuf};

use daybook_kernel::id::PartitionId;
use daybook_privacy::{MasterKey, PrivacyError, exposed};

use crate::auth::development::{DevelopmentKey, write_secret};
use crate::config::{Config, ConfigError, MASTER_KEY_ENV};
use crate::error::codes;
use crate::file_access::FileAccess;
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

/// Makes the data folder, closed to others.
pub(crate) fn make_data_folder(config: &Config) -> Result<(), ConfigError> {
    let folder = &config.node.data_dir;
    let access = FileAccess::parse(&config.node.file_access);
    access.create_folder(folder).map_err(|error| ConfigError(format!("node.data_dir {}: {error}", folder.display())))
}

/// Closes the data folder to others, with everything that an older release has left open in it.
pub(crate) fn close_data_folder(config: &Config) {
    let folder = &config.node.data_dir;
    let closed = FileAccess::parse(&config.node.file_access).close(folder);
    if closed.open > closed.left.len() {
        let files = closed.open - closed.left.len();
        tracing::warn!(files, folder = %folder.display(), "others could read the data folder: it is closed to them now");
    }
    if let Some((path, why)) = closed.left.first() {
        let files = closed.left.len();
        tracing::warn!(
            files,
            path = %path.display(),
            why,
            "others can read files of the data folder, and this user may not change that: give the folder to the user of \
             the node, or set node.file_access = \"group\" where a group shares it"
        );
    }
}

/// Data that a development node made is not served as production, unless it was said that it shall be.
pub(crate) fn refuse_development_data(config: &Config) -> Result<(), StartError> {
    let is_made_by_one = DevelopmentKey::is_there(&config.node.data_dir);
    if config.node.development || config.node.leave_development || !is_made_by_one {
        return Ok(());
    }
    Err(development_data(&format!("{} holds the signing key of a development node", config.node.data_dir.display())))
}

pub(crate) fn development_data(what: &str) -> StartError {
    let message = format!(
        "{what}; nothing was started, and nothing was changed; start with --dev to go on trying things out, or once with \
         --leave-development, which takes away what only a development node may do"
    );
    StartError { code: codes::DEVELOPMENT_DATA, message }
}

/// From now on nobody signs tokens with the key of a development node.
pub(crate) fn forget_development_key(data_dir: &Path) -> Result<(), ConfigError> {
    DevelopmentKey::remove(data_dir).map_err(ConfigError)
}

/// The file of the master key that a development node makes for itself.
fn development_master_key(config: &Config) -> PathBuf {
    config.node.data_dir.join("development/master-key")
}

/// The master key that is there: from the environment, from its file, or made earlier by a development node. `None` for
/// a development node that has not made one yet. Changes nothing.
///
/// # Errors
/// [`PrivacyError::NoMasterKey`] when none is set, or what is set is no key; [`PrivacyError::Exposed`] when others can
/// read the file with it.
pub fn find_master_key(config: &Config) -> Result<Option<MasterKey>, PrivacyError> {
    if let Ok(text) = std::env::var(MASTER_KEY_ENV) {
        return MasterKey::from_hex(&text).map(Some);
    }
    if let Some(file) = &config.keys.master_key_file {
        return read_secret_key(config, file).map(Some);
    }
    if !config.node.development {
        let made = development_master_key(config);
        let made = if made.exists() {
            format!("; a development node has made one in {}: move it to your secrets and name it", made.display())
        } else {
            String::new()
        };
        let message = format!("neither {MASTER_KEY_ENV} nor keys.master_key_file is set{made}");
        return Err(PrivacyError::NoMasterKey(message));
    }
    let file = development_master_key(config);
    if file.exists() { read_secret_key(config, &file).map(Some) } else { Ok(None) }
}

fn read_secret_key(config: &Config, file: &Path) -> Result<MasterKey, PrivacyError> {
    check_secret(config, file)?;
    MasterKey::from_file(file)
}

/// A secret that others can read, or exchange, is none.
///
/// # Errors
/// [`PrivacyError::Exposed`] when the file is one.
pub fn check_secret(config: &Config, file: &Path) -> Result<(), PrivacyError> {
    let access = FileAccess::parse(&config.node.file_access);
    exposed(file, access.lets_group_in()).map_or(Ok(()), |what| Err(PrivacyError::Exposed(what)))
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
