//! Events in the shapes of other programs' SDKs: a line that says which, then the body. What is mapped is minimised as the
//! door does it.

use std::collections::BTreeMap;
use std::sync::Arc;

use daybook_event_shapes::{EVENTS_MAX, SegmentCall, otlp_json, otlp_protobuf, segment};
use daybook_kernel::hash::Hash;
use daybook_kernel::id::TenantId;
use daybook_kernel::time::Timestamp;
use daybook_minimise::{Minimiser, Sent, Unmapped};
use daybook_privacy::{EpochKeys, MemoryKeyRing};
use daybook_proto::product_analytics::v1::{EventRegistry, EventSchema, PropertySchema, PropertyType};

use super::{first_line, now};

fn registry() -> EventRegistry {
    let property = |name: &str, of: PropertyType| PropertySchema {
        name: name.to_owned(),
        r#type: of.into(),
        values: if of == PropertyType::Enum { vec!["pdf".to_owned(), "csv".to_owned()] } else { Vec::new() },
        maximum: 100,
        ..Default::default()
    };
    let schema = EventSchema {
        name: "case_exported".to_owned(),
        version: 1,
        purpose: "product".to_owned(),
        properties: vec![
            property("format", PropertyType::Enum),
            property("pages", PropertyType::Integer),
            property("case_id", PropertyType::OpaqueId),
            property("is_new", PropertyType::Boolean),
        ],
        ..Default::default()
    };
    EventRegistry { profile: None, schemas: vec![schema], hash: Hash::of(b"registry").to_hex() }
}

pub(super) fn run(bytes: &[u8]) {
    let (kind, body) = first_line(bytes);
    let at = Timestamp::from_micros(1_790_000_000_000_000);
    let json = || serde_json::from_slice(body).ok();
    let mapped = match kind {
        b"otlp" => otlp_protobuf(body).ok(),
        b"otlp-json" => json().and_then(|body| otlp_json(&body).ok()),
        kind => {
            let call = std::str::from_utf8(kind).ok().and_then(SegmentCall::from_path);
            json().and_then(|body| segment(call, &body, at.to_proto()).ok())
        }
    };
    let Some(mapped) = mapped else { return };
    assert!(mapped.len() <= EVENTS_MAX && mapped.places().count() == mapped.events.len());
    let place = |place| u32::try_from(place).expect("a place in a body");
    let places: Vec<u32> = mapped.places().map(place).collect();
    let (count, left_out) = (mapped.len(), mapped.left_out);
    let mut sent = Sent { events: places.into_iter().zip(mapped.events).collect(), left_out, ..Sent::default() };
    for skipped in mapped.skipped {
        let reason = skipped.why.refusal();
        if skipped.why.is_no_event() {
            *sent.no_events.entry(reason).or_default() += 1;
        } else {
            sent.unmapped.push(Unmapped { index: place(skipped.index), reason, name: skipped.name });
        }
    }
    if sent.is_empty() {
        return;
    }
    let minimiser = Minimiser::new(&registry()).expect("a registry with a hash");
    let keys = EpochKeys::new(Arc::new(MemoryKeyRing::default()));
    let tenant = TenantId::parse("acme").expect("a tenant");
    let key = |epoch| Some((epoch, now(keys.get(&tenant, epoch)).ok()?));
    let keys: BTreeMap<_, _> = minimiser.epochs(&sent, at).into_iter().filter_map(key).collect();
    let batch = minimiser.minimise(&sent, at, &keys);
    // Each input is in one place, and the columns go together.
    let whole = batch.dropped.iter().filter(|dropped| dropped.name.is_empty()).map(|dropped| dropped.count as usize);
    assert_eq!(batch.name.len() + batch.refused.len() + whole.sum::<usize>(), count);
    assert!(!batch.name.is_empty() || !batch.refused.is_empty(), "a command holds one entry at least");
    let count = batch.name.len();
    assert_eq!([batch.index.len(), batch.time_delta_ms.len(), batch.actor.len()], [count; 3]);
    assert!(batch.actors.len().is_multiple_of(16) && [0, count * 16].contains(&batch.event_ids.len()));
    for column in &batch.properties {
        assert!(column.events.len() == column.values.len() && column.events.is_sorted());
        assert!(column.events.iter().all(|event| (*event as usize) < count));
    }
}
