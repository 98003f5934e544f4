//! A record that any Kafka client put on an inbox topic: lines `name: value`, an empty line, the value.

use std::sync::LazyLock;

use bytes::Bytes;
use daybook_kernel::id::Offset;
use daybook_log::{InboxRecord, PutAt};
use daybook_server::door::{Handler, Methods, refuse_unknown_fields};
use daybook_server::error::CallError;
use daybook_server::inbox::record::{Place, check_envelope, door_headers, encoding, identify, method, value};
use prost_reflect::DynamicMessage;

use super::first_line;

static METHODS: LazyLock<Methods> = LazyLock::new(|| Methods::new(&daybook_domains::registry()));

pub(super) fn run(bytes: &[u8]) {
    let mut rest = bytes;
    let mut headers = Vec::new();
    loop {
        let (line, after) = first_line(rest);
        rest = after;
        if line.is_empty() {
            break;
        }
        let at = line.windows(2).position(|pair| pair == b": ").unwrap_or(line.len());
        let value = line.get(at + 2..).unwrap_or_default();
        headers.push((String::from_utf8_lossy(&line[..at]).into_owned(), Bytes::copy_from_slice(value)));
    }
    let record = InboxRecord {
        offset: Offset(7),
        put_at: PutAt::Broker(1_800_000_000_000),
        key: None,
        headers: Some(headers),
        value: Some(Bytes::copy_from_slice(rest)),
    };
    let Ok(request) = read(&record) else { return };
    let again = read(&record).expect("it was read before");
    assert_eq!(again, request, "a record that comes again is the same command");
    // What is wrong with its fields is told later, with their names.
    let _ = refuse_unknown_fields(&request);
}

fn read(record: &InboxRecord) -> Result<DynamicMessage, CallError> {
    let place = Place { topic: "in".to_owned(), partition: 3, offset: record.offset };
    check_envelope(record)?;
    let headers = door_headers(record)?;
    assert!(headers.len() <= 3);
    let encoding = encoding(record)?;
    let method = method(&METHODS, record)?;
    assert!(matches!(method.handler, Handler::Command { .. }) && !method.opens_sealed_content);
    let mut request = encoding.decode(method, value(record, encoding)?)?;
    identify(&mut request, record, &place)?;
    let id = request.get_field_by_number(1).and_then(|id| id.as_str().map(ToOwned::to_owned));
    assert!(id.is_some_and(|id| !id.is_empty()), "it has an id");
    Ok(request)
}
