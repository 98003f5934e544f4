//! A key ring in memory, for tests and for rebuilding where nothing is ever opened.

use std::collections::BTreeMap;
use std::time::Duration;

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
    keys: Mutex<BTreeMap<(TenantId, KeyId), State>>,
}

enum State {
    Present(Key),
    Destroyed { existed: bool },
}

impl MemoryKeyRing {
    /// No key.
    pub fn new() -> Self {
        Self::default()
    }

    fn get_or_create_one(&self, tenant: &TenantId, id: &KeyId) -> Result<Key, PrivacyError> {
        let mut keys = self.keys.lock();
        match keys.get(&(tenant.clone(), id.clone())) {
            Some(State::Present(key)) => Ok(key.clone()),
            Some(State::Destroyed { .. }) => Err(PrivacyError::Destroyed { key_id: id.to_string() }),
            None => {
                let key = Key::generate()?;
                keys.insert((tenant.clone(), id.clone()), State::Present(key.clone()));
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
        Ok(match self.keys.lock().get(&(tenant.clone(), id.clone())) {
            Some(State::Present(key)) => Some(key.clone()),
            Some(State::Destroyed { .. }) | None => None,
        })
    }

    fn leaves_disk_within(&self) -> Duration {
        Duration::ZERO
    }

    fn destroy<'a>(
        &'a self,
        tenant: &'a TenantId,
        ids: &'a [KeyId],
    ) -> BoxFuture<'a, Result<Vec<Destroyed>, PrivacyError>> {
        let destroy = |id: &KeyId| {
            let mut keys = self.keys.lock();
            let name = (tenant.clone(), id.clone());
            let existed = match keys.get(&name) {
                Some(State::Present(_)) => true,
                Some(State::Destroyed { existed }) => *existed,
                None => false,
            };
            keys.insert(name, State::Destroyed { existed });
            Destroyed { key_id: id.clone(), at: Timestamp::default(), fingerprint: fingerprint(tenant, id), existed }
        };
        ready(Ok(ids.iter().map(destroy).collect())).boxed()
    }
}
