//! The effect that destroys keys: it ends what was sealed under them.

use std::sync::Arc;

use daybook_kernel::id::TenantId;
use daybook_privacy::{KeyId, KeyRing};
use daybook_proto::privacy::v1::{DestroyKeys, DestroyKeysReply, DestroyedKey};
use daybook_runtime::{EffectFailed, EffectHandler, RequestedEffect};
use daybook_store::Store;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use prost::Message;

/// Destroys keys of the key ring, and proves it.
pub(crate) struct DestroyKeysHandler {
    pub(crate) keys: Arc<dyn KeyRing>,
}

impl EffectHandler for DestroyKeysHandler {
    fn run<'a>(
        &'a self,
        effect: &'a RequestedEffect,
        _: &'a Arc<dyn Store>,
    ) -> BoxFuture<'a, Result<Vec<u8>, EffectFailed>> {
        async move {
            let failed = |error: &dyn std::fmt::Display| EffectFailed(error.to_string());
            let request = DestroyKeys::decode(effect.row.payload.clone()).map_err(|error| failed(&error))?;
            let tenant = TenantId::parse(&request.tenant_id).map_err(|error| failed(&error))?;
            let ids: Vec<_> = request.key_ids.iter().map(|id| KeyId::from_log(id)).collect();
            let destroyed = self.keys.destroy(&tenant, &ids).await.map_err(|error| failed(&error))?;
            let keys = destroyed.into_iter().map(|key| DestroyedKey {
                key_id: key.key_id.as_str().to_owned(),
                destroyed_at: Some(key.at.to_proto()),
                key_fingerprint: key.fingerprint,
                existed: key.existed,
            });
            Ok(DestroyKeysReply { keys: keys.collect() }.encode_to_vec())
        }
        .boxed()
    }
}
