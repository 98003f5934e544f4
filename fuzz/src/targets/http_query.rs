//! A request in the query of a URL, and the trace context beside it.

use daybook_server::Encoding;
use daybook_server::http::read_get;

pub(super) fn run(bytes: &[u8]) {
    if let Ok(query) = std::str::from_utf8(bytes)
        && let Ok((encoding, message)) = read_get(query)
    {
        assert!(message.len() <= query.len(), "it does not grow");
        assert_eq!(read(encoding, &message), message);
    }
    assert_eq!(read(Encoding::Proto, bytes), bytes, "any bytes can be sent");
}

/// What is read of a message that was written as URLs have it.
fn read(encoding: Encoding, message: &[u8]) -> Vec<u8> {
    let name = if encoding == Encoding::Json { "json" } else { "proto" };
    let digits: String = message.iter().map(|byte| format!("%{byte:02x}")).collect();
    let (again, read) = read_get(&format!("encoding={name}&message={digits}")).expect("a request");
    assert_eq!(again, encoding);
    read.to_vec()
}
