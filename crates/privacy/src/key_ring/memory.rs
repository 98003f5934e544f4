//! A key ring in memory, for tests and for rebuilding where nothing is ever opened.

use std::collections::BTreeMap;

use daybook_kernel::id::TenantId;
use daybook_kernel::time::Timestamp;
use futures_util::future::{BoxFuture, FutureExt, ready};
use parking_lot::Mutex;

use super::{Destroyed, KeyId, KeyRing, fingerprint};
use crate::PrivacyError;
use crate::cipher::Key;

/// A key ring in memory.
#[derive(Default)]
pub struct MemoryKeyRing {
    keys: Mutex<BTreeMap<(TenantId, KeyId), Option<Key>>>,
}

impl MemoryKeyRing {
    /// No key.
    pub fn new() -> Self {
        Self::default()
    }

    fn get_or_create_one(&self, tenant: &TenantId, id: &KeyId) -> Result<Key, PrivacyError> {
        let mut keys = self.keys.lock();
        match keys.get(&(tenant.clone(), id.clone())) {
            Some(Some(key)) => Ok(key.clone()),
            Some(None) => Err(PrivacyError::Destroyed { key_id: id.to_string() }),
            None => {
                let key = Key::generate()?;
                keys.insert((tenant.clone(), id.clone()), Some(key.clone()));
                Ok(key)
            }
        }
    }
}

impl KeyRing for MemoryKeyRing {
    fn get_or_create<'a>(
        &'a self,
        tenant: &'a TenantId,
        ids: &'a [KeyId],
    ) -> BoxFuture<'a, Result<Vec<Key>, PrivacyError>> {
        ready(ids.iter().map(|id| self.get_or_create_one(tenant, id)).collect()).boxed()
    }

    fn get(&self, tenant: &TenantId, id: &KeyId) -> Result<Option<Key>, PrivacyError> {
        Ok(self.keys.lock().get(&(tenant.clone(), id.clone())).cloned().flatten())
    }

    fn destroy<'a>(
        &'a self,
        tenant: &'a TenantId,
        ids: &'a [KeyId],
    ) -> BoxFuture<'a, Result<Vec<Destroyed>, PrivacyError>> {
        let destroy = |id: &KeyId| {
            let before = self.keys.lock().insert((tenant.clone(), id.clone()), None);
            Destroyed {
                key_id: id.clone(),
                at: Timestamp::default(),
                fingerprint: fingerprint(tenant, id),
                existed: before.is_some(),
            }
        };
        ready(Ok(ids.iter().map(destroy).collect())).boxed()
    }
}
