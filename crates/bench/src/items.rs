//! Commands as callers send them: items of tenants that are spread over the partitions.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use daybook_kernel::id::{CommandId, StreamKey, TenantId};
use daybook_kernel::partitioning::partition_of;
use daybook_proto::legal_hold::v1::{Item, ItemKind, RegisterItemRequest};
use daybook_proto::log::v1::{Actor, CommandRecord, actor::Kind};
use prost::Message;
use prost_types::Timestamp;

/// Partitions of every log that is measured.
pub(crate) const PARTITIONS: u32 = 8;
/// Tenants for each partition.
const TENANTS_EACH: u32 = 2;
/// The retention class of every item.
pub(crate) const CLASS: &str = "fifty-years";
/// A second in 2020, from which items are dated on.
const FIRST_CREATED: i64 = 1_577_836_800;

/// Tenants such that every partition has as many; neighbours in the list are in different partitions.
pub(crate) fn tenants() -> Vec<String> {
    let mut of_partition: Vec<Vec<String>> = vec![Vec::new(); PARTITIONS as usize];
    for name in (0..).map(|number| format!("tenant-{number:03}")) {
        let (Ok(tenant), Ok(stream)) = (TenantId::parse(&name), StreamKey::parse(&name)) else { break };
        let tenants = &mut of_partition[partition_of(&tenant, &stream, PARTITIONS).0 as usize];
        if tenants.len() < TENANTS_EACH as usize {
            tenants.push(name);
        }
        if of_partition.iter().all(|tenants| tenants.len() == TENANTS_EACH as usize) {
            break;
        }
    }
    (0..TENANTS_EACH as usize).flat_map(|i| of_partition.iter().map(move |tenants| tenants[i].clone())).collect()
}

/// Items with ids that nobody used before.
#[derive(Debug)]
pub(crate) struct Items {
    run: String,
    next: AtomicU64,
}

impl Items {
    pub(crate) fn new() -> Self {
        let id = CommandId::generate().to_string().replace('-', "");
        Self { run: id[id.len() - 12..].to_owned(), next: AtomicU64::new(0) }
    }

    /// One more item.
    pub(crate) fn next(&self) -> Item {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let run = &self.run;
        Item {
            item_id: format!("mail/{run}/{number:012}"),
            kind: ItemKind::Message.into(),
            data_category: "email".to_owned(),
            case_ids: vec![format!("case-{:05}", number % 10_000)],
            created_at: Some(Timestamp { seconds: FIRST_CREATED + (number % 100_000_000) as i64, nanos: 0 }),
            retention_class_id: CLASS.to_owned(),
            content_hash: format!("sha256:{:064x}", number),
            reference: format!("imap://archive.example/{run}/{number:012}"),
            ..Default::default()
        }
    }

    /// Registers one more item.
    pub(crate) fn register(&self, tenant: &str) -> RegisterItemRequest {
        RegisterItemRequest {
            command_id: CommandId::generate().to_string(),
            tenant_id: tenant.to_owned(),
            item: Some(self.next()),
        }
    }

    /// Registers one more item with content, which the door seals.
    pub(crate) fn register_with_content(&self, tenant: &str) -> RegisterItemRequest {
        let mut request = self.register(tenant);
        if let Some(item) = &mut request.item {
            item.title = "Re: minutes of the meeting of last Tuesday, with corrections".to_owned();
            item.body = "Dear all, please find my corrections below; the rest is fine as it is. ".repeat(14);
        }
        request
    }
}

/// A command record as the door makes it.
pub(crate) fn record(tenant: &str, kind: &str, role: &str, request: &impl Message) -> CommandRecord {
    let id = CommandId::generate();
    let now = jiff::Timestamp::now();
    CommandRecord {
        command_id: Bytes::copy_from_slice(id.as_bytes()),
        tenant_id: tenant.to_owned(),
        stream_key: tenant.to_owned(),
        actor: Some(Actor {
            kind: Kind::Service.into(),
            id: "benchmark".to_owned(),
            roles: vec![role.to_owned()],
            tenant_ids: vec![tenant.to_owned()],
        }),
        received_at: Some(Timestamp { seconds: now.as_second(), nanos: now.subsec_nanosecond() }),
        domain: "legal_hold".to_owned(),
        kind: kind.to_owned(),
        payload: request.encode_to_vec().into(),
        trace_context: None,
        origin: None,
    }
}
