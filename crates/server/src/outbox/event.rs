//! An event as a record of an outbox topic.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use daybook_kernel::hash::Hash;
use daybook_kernel::id::{CommandId, Offset, PartitionId};
use daybook_kernel::time::Timestamp;
use daybook_log::{BesideRecord, RECORD_BYTES_MAX};
use daybook_proto::descriptors;
use daybook_proto::log::v1::{Decision, Event};
use prost_reflect::{DynamicMessage, SerializeOptions};
use serde_json::{Value, json};

/// Larger than any decision that fits on the log needs; what is larger all the same is named, not shown.
const VALUE_BYTES_MAX: usize = RECORD_BYTES_MAX - (256 << 10);

/// Where an event comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source {
    /// The decision record, and its hash, by which the chain is gone on with.
    pub(super) record: Offset,
    pub(super) record_hash: Hash,
    /// The command.
    pub(super) command: Offset,
    /// Which of the decision's events, from 0.
    pub(super) index: u32,
}

/// A record of an outbox topic.
pub(super) struct Published {
    pub(super) key: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) value: Vec<u8>,
}

/// Puts a record together. Content stays sealed as it is on the log, people stay pseudonyms.
pub(super) fn published(
    partition: PartitionId,
    source: &Source,
    decided_at: Timestamp,
    decision: &Decision,
    event: &Event,
) -> Published {
    let position = format!("{}/{}", partition.0, source.command.0);
    let record_hash = source.record_hash.to_hex();
    let mut value = json!({
        "position": position,
        "index": source.index,
        "tenantId": decision.tenant_id,
        "streamKey": decision.stream_key,
        "domain": decision.domain,
        "kind": event.kind,
        "version": event.version,
        "decidedAt": decided_at.to_proto().to_string(),
        "commandId": CommandId::from_slice(&decision.command_id).map(|id| id.to_string()).unwrap_or_default(),
        "commandHash": Hash::from_slice(&decision.command_hash).map(Hash::to_hex).unwrap_or_default(),
        "decisionRecord": { "offset": source.record.0, "hash": record_hash },
        "event": payload(&decision.domain, event),
    });
    let mut text = value.to_string();
    if text.len() > VALUE_BYTES_MAX
        && let Some(fields) = value.as_object_mut()
    {
        fields.insert("event".to_owned(), Value::Null);
        fields.insert("omitted".to_owned(), "the event is too large for a topic; ask the node for it".into());
        text = value.to_string();
    }
    let headers = vec![
        ("daybook-position", position),
        ("daybook-index", source.index.to_string()),
        ("daybook-kind", format!("{}.{}", decision.domain, event.kind)),
        ("daybook-record-offset", source.record.0.to_string()),
        ("daybook-record-hash", record_hash),
        ("content-type", "application/json".to_owned()),
    ];
    Published { key: decision.stream_key.clone(), headers, value: text.into_bytes() }
}

/// The event by the name that it has in the schema; as it is encoded, in base64, if this release has no such name.
fn payload(domain: &str, event: &Event) -> Value {
    let encoded = |bytes: &Bytes| json!({ "base64": STANDARD.encode(bytes) });
    let Some(descriptor) = descriptors().get_message_by_name(&format!("daybook.{domain}.v1.{}", event.kind)) else {
        return encoded(&event.payload);
    };
    let Ok(message) = DynamicMessage::decode(descriptor, event.payload.clone()) else { return encoded(&event.payload) };
    let options = SerializeOptions::new();
    let written = message.serialize_with_options(serde_json::value::Serializer, &options);
    written.unwrap_or_else(|_| encoded(&event.payload))
}

/// Where a record that was published comes from; `None` if it was not written here.
pub(super) fn source(record: &BesideRecord) -> Option<Source> {
    let text = |name: &str| {
        let found = record.headers.iter().find(|(known, _)| known == name)?;
        std::str::from_utf8(&found.1).ok()
    };
    let (_, command) = text("daybook-position")?.split_once('/')?;
    Some(Source {
        record: Offset(text("daybook-record-offset")?.parse().ok()?),
        record_hash: Hash::from_hex(text("daybook-record-hash")?)?,
        command: Offset(command.parse().ok()?),
        index: text("daybook-index")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_record_comes_from_is_read_back_from_its_headers() {
        let source_ = Source { record: Offset(9), record_hash: Hash::of(b"x"), command: Offset(42), index: 3 };
        let (decision, event) = (Decision::default(), Event { payload: vec![1].into(), ..Event::default() });
        let published = published(PartitionId(2), &source_, Timestamp::default(), &decision, &event);
        let headers =
            published.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect();
        let record =
            BesideRecord { offset: Offset(0), timestamp_ms: None, key: None, headers, value: published.value.into() };
        assert_eq!(source(&record), Some(source_));
        let value: Value = serde_json::from_slice(&record.value).unwrap();
        assert_eq!((&value["position"], &value["event"]["base64"]), (&"2/42".into(), &"AQ==".into()));
        assert_eq!(source(&BesideRecord { headers: Vec::new(), ..record }), None);
    }
}
