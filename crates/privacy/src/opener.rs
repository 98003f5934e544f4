//! Opening sealed content in an answer, for a caller whose access was decided and recorded.

use std::sync::Arc;

use daybook_kernel::id::TenantId;
use daybook_proto::privacy::v1::Sealed;
use prost_reflect::{DynamicMessage, ReflectMessage, Value};

use crate::PrivacyError;
use crate::cipher::{Key, Place};
use crate::content::carrier;
use crate::key_ring::{KeyId, KeyRing};
use crate::sealer::{SEALED, children, sealed_message, tenant_inside};

/// Opens answers.
#[derive(Clone)]
pub struct Opener {
    keys: Arc<dyn KeyRing>,
}

impl Opener {
    /// An opener with a key ring.
    pub fn new(keys: Arc<dyn KeyRing>) -> Self {
        Self { keys }
    }

    /// Puts the content of every seal back in its place. Content whose key is destroyed stays away, without an error:
    /// that is what deletion means.
    ///
    /// A key that any node had destroyed when this was called is not used any more.
    ///
    /// # Errors
    /// [`PrivacyError::Damaged`] when content does not open under its key, [`PrivacyError::Unavailable`] when the key
    /// ring cannot be asked.
    pub async fn open(&self, answer: &mut DynamicMessage, tenant: &TenantId) -> Result<(), PrivacyError> {
        if carrier(&answer.descriptor()).is_none() {
            return Ok(());
        }
        self.keys.caught_up().await?;
        self.open_inside(answer, tenant)
    }

    fn open_inside(&self, answer: &mut DynamicMessage, tenant: &TenantId) -> Result<(), PrivacyError> {
        let tenant = tenant_inside(answer, tenant).map_err(PrivacyError::Invalid)?;
        children(answer, |child, _| self.open_inside(child, &tenant))?;
        let Some((_, carrier)) = sealed_message(answer).filter(|_| answer.has_field_by_name(SEALED)) else {
            return Ok(());
        };
        let seal = answer.get_field_by_name(SEALED);
        let sealed = seal.as_deref().and_then(Value::as_message).and_then(|seal| seal.transcode_to::<Sealed>().ok());
        answer.clear_field_by_name(SEALED);
        let Some(sealed) = sealed else { return Ok(()) };
        let Some(key) = self.keys.get(&tenant, &KeyId::from_log(&sealed.key_id))? else { return Ok(()) };
        let content = content(answer, &tenant, &key, &sealed)?;
        for (field, _) in &carrier.content {
            if content.has_field(field) {
                answer.set_field(field, content.get_field(field).into_owned());
            }
        }
        Ok(())
    }
}

fn content(
    message: &DynamicMessage,
    tenant: &TenantId,
    key: &Key,
    sealed: &Sealed,
) -> Result<DynamicMessage, PrivacyError> {
    let descriptor = message.descriptor();
    let place = Place { tenant: tenant.as_str(), key_id: &sealed.key_id, message: descriptor.full_name() };
    let damaged = || PrivacyError::Damaged(format!("content under key {} does not open", sealed.key_id));
    let content = key.open_at(&place, &sealed.ciphertext).ok_or_else(damaged)?;
    DynamicMessage::decode(descriptor.clone(), &content[..]).map_err(|_| damaged())
}
