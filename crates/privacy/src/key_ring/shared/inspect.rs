//! Looking at a shared ring without writing anything: for people who want to know whether it is well.

use std::sync::Arc;

use daybook_log::KeyedLog;

use super::super::MasterKey;
use super::super::row::place;
use super::SharedKeyRing;
use super::follow::{Followed, from_log};
use crate::PrivacyError;

/// What a shared ring holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InspectedRing {
    /// Keys that can be handed out.
    pub keys: usize,
    /// Names whose key was destroyed.
    pub destroyed: usize,
    /// Whether the master key was given, and is the ring's own.
    pub master_key_fits: bool,
}

impl SharedKeyRing {
    /// Reads a ring from its first record to its last, and with the master key opens every key in it. `None`: there is no
    /// ring on that log yet. Writes nothing.
    ///
    /// # Errors
    /// [`PrivacyError::WrongMasterKey`]; [`PrivacyError::Damaged`] when a record or a key cannot be read;
    /// [`PrivacyError::Unavailable`] when the log cannot be.
    pub async fn inspect(
        log: &dyn KeyedLog,
        master: Option<&MasterKey>,
    ) -> Result<Option<InspectedRing>, PrivacyError> {
        let followed = Followed::new();
        let reader = log.follow().map_err(from_log)?;
        let following = tokio::spawn(Arc::clone(&followed).follow(reader));
        let read = async { followed.reach(log.end().await.map_err(from_log)?).await };
        let read = read.await;
        following.abort();
        read?;
        let index = followed.index.read();
        let Some(check) = index.check() else { return Ok(None) };
        let (keys, destroyed) = index.all();
        if let Some(master) = master {
            master.passes(check)?;
            for (name, row) in &keys {
                master.key_in(&place(&name.tenant, &name.id), row)?;
            }
        }
        Ok(Some(InspectedRing { keys: keys.len(), destroyed, master_key_fits: master.is_some() }))
    }
}
