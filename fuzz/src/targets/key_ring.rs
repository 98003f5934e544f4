//! Records of the keyed log on which nodes share their keys, behind those of a ring in use. Each is: whether it has a
//! value (1 byte), lengths of key and value (1 byte each), key, value.

use std::sync::Arc;

use bytes::Bytes;
use daybook_kernel::id::TenantId;
use daybook_log::{KeyedLog, MemoryKeyedLog};
use daybook_privacy::{KeyId, KeyRing, MasterKey, PrivacyError, SharedKeyRing, Start};
use tokio::runtime::{Builder, Runtime};

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
}

pub(super) fn run(bytes: &[u8]) {
    RUNTIME.with(|runtime| runtime.block_on(follow(bytes)));
}

async fn follow(mut bytes: &[u8]) {
    let log = MemoryKeyedLog::new();
    let shared: Arc<dyn KeyedLog> = Arc::new(log.clone());
    let master = MasterKey::from_hex(&"5a".repeat(32)).expect("a key");
    let open = |start| SharedKeyRing::open(Arc::clone(&shared), master.clone(), start);
    let tenant = TenantId::parse("acme").expect("a tenant");
    let ids = [KeyId::item("mail-1"), KeyId::item("mail-2")];
    let ring = open(Start::New).await.expect("a new ring");
    ring.get_or_create(&tenant, &ids).await.expect("new keys");
    ring.destroy(&tenant, &ids[1..]).await.expect("it can be destroyed");

    while let [has_value, key_length, value_length, rest @ ..] = bytes {
        let (key, rest) = rest.split_at(rest.len().min(usize::from(*key_length)));
        let (value, rest) = rest.split_at(rest.len().min(usize::from(*value_length)));
        // What a log refuses is not on it.
        let _ = log.put(key, (has_value % 2 == 1).then(|| Bytes::copy_from_slice(value))).await;
        bytes = rest;
    }

    ring.caught_up().await.expect("the log is in memory");
    assert!(matches!(ring.get(&tenant, &ids[1]), Ok(None)), "a destroyed key never comes back");
    // Whoever starts now may see less than who was there all the time, and refuse a ring that is damaged.
    match open(Start::Existing).await {
        Ok(other) => assert!(matches!(other.get(&tenant, &ids[1]), Ok(None)), "nor for who starts now"),
        Err(error) => assert!(matches!(error, PrivacyError::WrongMasterKey | PrivacyError::Missing(_)), "{error}"),
    }
}
