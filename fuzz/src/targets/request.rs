//! A request at the door, by gRPC or as JSON, all the way to its answer: the path of a method, and `proto` behind it for
//! protobuf; a line feed; the request.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use daybook_kernel::domain::Asked;
use daybook_kernel::id::{CommandId, TenantId};
use daybook_kernel::partitioning::partition_of;
use daybook_kernel::registry::DomainEntry;
use daybook_kernel::state::Layered;
use daybook_privacy::{MemoryKeyRing, Opener, SealMode, Sealer};
use daybook_proto::log::v1::{Actor, CommandRecord, actor::Kind, decision::Outcome};
use daybook_server::Encoding;
use daybook_server::door::{Handler, Method, Methods, refuse_unknown_fields};
use daybook_server::error::every_code;
use prost::Message;
use prost_reflect::{DynamicMessage, Value};

use super::{first_line, now};
use crate::world::world;

static METHODS: LazyLock<Methods> = LazyLock::new(|| Methods::new(&daybook_domains::registry()));

pub(super) fn run(bytes: &[u8]) {
    let (line, body) = first_line(bytes);
    let line = String::from_utf8_lossy(line);
    let (path, encoding) = match line.strip_suffix(" proto") {
        Some(path) => (path, Encoding::Proto),
        None => (&*line, Encoding::Json),
    };
    let Some(method) = METHODS.get(path) else { return };
    let request = match encoding.decode(method, body) {
        Ok(request) => request,
        Err(error) => {
            let known = every_code(world().decider.registry()).iter().any(|code| code.name == error.code);
            assert!(known && !error.message.is_empty(), "who is refused is told why: {error:?}");
            return;
        }
    };
    if refuse_unknown_fields(&request).is_err() {
        return;
    }
    is_read_as_it_is_written(method, &request);
    match method.handler {
        Handler::Command { domain, kind } => command(method, domain, kind, request),
        Handler::Query { domain, query } => answered(method, domain, query, request),
        // The node itself answers what it is.
        Handler::Node(_) => {}
    }
}

fn is_read_as_it_is_written(method: &Method, request: &DynamicMessage) {
    // A field that is set to what it is anyway is not written; so it is the second reading that nothing may change.
    let written = Bytes::from(request.encode_to_vec());
    let read = Encoding::Proto.decode(method, &written).expect("it was written by us");
    let again = Encoding::Proto.decode(method, &read.encode_to_vec()).expect("it was written by us");
    assert_eq!(again, read);
    let as_answer = Method { output: method.input.clone(), ..method.clone() };
    // A time beyond the year 9999 has no JSON; fields are checked for that when the command is.
    if let Ok(json) = Encoding::Json.encode(&as_answer, written) {
        let again = Encoding::Json.decode(method, &json).expect("it was written by us");
        let again = Encoding::Proto.decode(method, &again.encode_to_vec()).expect("it was written by us");
        assert_eq!(again, read, "{}", String::from_utf8_lossy(&json));
    }
}

/// The tenant that a request is about, as the door finds it.
fn tenant_of(domain: &DomainEntry, request: &DynamicMessage, field: u32) -> Option<TenantId> {
    if domain.name == "platform" {
        return Some(TenantId::platform().clone());
    }
    let named = request.get_field_by_number(field)?;
    match named.as_str()? {
        "" => TenantId::parse("acme").ok(),
        named => TenantId::parse(named).ok(),
    }
}

fn actor(tenant: &TenantId) -> Actor {
    let roles = ["admin", "legal", "records-manager"].map(ToOwned::to_owned).to_vec();
    Actor { kind: Kind::User.into(), id: "lea".into(), roles, tenant_ids: vec![tenant.as_str().to_owned()] }
}

fn command(method: &Method, domain: &str, kind: &str, mut request: DynamicMessage) {
    let world = world();
    let domain = world.decider.registry().get(domain).expect("a domain of the table");
    let Some(tenant) = tenant_of(domain, &request, 2) else { return };
    let id = CommandId::derived(1_800_000_000_000, &[b"request"]);
    request.set_field_by_number(1, Value::String(id.to_string()));
    request.set_field_by_number(2, Value::String(tenant.as_str().to_owned()));
    let keys = Arc::new(MemoryKeyRing::new());
    if now(Sealer::new(keys.clone()).seal(&mut request, &tenant, SealMode::Seal)).is_err() {
        return;
    }
    let payload = Bytes::from(request.encode_to_vec());
    let partitions = world.partitions.len() as u32;
    let Ok(stream_key) = domain.stream_key(&tenant, kind, payload.clone(), partitions) else { return };
    let record = CommandRecord {
        command_id: Bytes::copy_from_slice(id.as_bytes()),
        tenant_id: tenant.as_str().to_owned(),
        stream_key: stream_key.as_str().to_owned(),
        actor: Some(actor(&tenant)),
        received_at: None,
        domain: domain.name.to_owned(),
        kind: kind.to_owned(),
        payload,
        trace_context: None,
        origin: None,
    };
    let partition = world.partition_of(&record);
    let decided = world.decide(partition, &record.encode_to_vec().into());
    let events = match &decided.decision.outcome {
        Some(Outcome::Accepted(accepted)) => &accepted.events,
        Some(Outcome::Parked(parked)) => panic!("the door lets nothing in that is parked: {parked:?}"),
        _ => return,
    };
    let state = Layered::new(&world.partitions[partition.0 as usize].state).over(&decided.writes);
    let response = domain.respond(&state, &tenant, kind, events).expect("what was accepted has an answer");
    let mut message = DynamicMessage::decode(method.output.clone(), &response[..]).expect("a response of the method");
    if method.opens_sealed_content {
        // Its keys are not in this ring: they are taken for destroyed.
        now(Opener::new(keys).open(&mut message, &tenant)).expect("an answer can be opened");
    }
    Encoding::Json.encode(method, message.encode_to_vec().into()).expect("an answer has its JSON");
}

fn answered(method: &Method, domain: &str, query: usize, mut request: DynamicMessage) {
    let world = world();
    let domain = world.decider.registry().get(domain).expect("a domain of the table");
    let Some(tenant) = tenant_of(domain, &request, 1) else { return };
    let sealer = Sealer::new(Arc::new(MemoryKeyRing::new()));
    if now(sealer.seal(&mut request, &tenant, SealMode::PseudonymsOnly)).is_err() {
        return;
    }
    let (request, query) = (Bytes::from(request.encode_to_vec()), &domain.queries[query]);
    let stream_key = (query.stream_key)(&tenant, request.clone()).expect("the door has decoded it");
    (query.authorisation)(request.clone()).expect("the door has decoded it");
    let partitions = world.partitions.len() as u32;
    let partition = partition_of(&tenant, &stream_key, partitions);
    let there = &world.partitions[partition.0 as usize];
    let (now, next_command) = (there.head.now, there.head.next_command);
    let asked = Asked { tenant: &tenant, now, partition, partitions, next_command, reveals: true };
    let Ok(response) = (query.answer)(&there.state, request, &asked) else { return };
    Encoding::Json.encode(method, response.into()).expect("an answer has its JSON");
}
