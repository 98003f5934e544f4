//! What the tests of clients share: schemas, golden files, and a server that answers as it is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, unreachable_pub, reason = "each test is a crate and uses a part")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use daybook_instrument::client::{Language, generate};
use daybook_instrument::files;
use daybook_proto::product_analytics::v1::{EventSchema, PropertySchema, PropertyType};
use serde_json::Value;

/// The schemas of `docs/examples/events`.
pub fn examples() -> Vec<EventSchema> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/events");
    files::read(&[folder]).expect("the examples can be read").schemas()
}

/// The golden client of the examples. With the environment variable UPDATE it is written anew.
pub fn golden(language: Language) -> PathBuf {
    let file = format!("tests/golden/events.{}", language.extension());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let generated = generate(language, &examples());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &generated).expect("the golden file can be written");
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        golden == generated,
        "{} is not what is generated; look at the difference after UPDATE=1 cargo test",
        path.display()
    );
    path
}

/// Schemas that pass the rules and are awkward to name in some language.
pub fn awkward() -> Vec<EventSchema> {
    let words = [
        "type",
        "class",
        "self",
        "import",
        "context",
        "properties",
        "actor",
        "value",
        "new",
        "int",
        "str",
        "none",
        "name",
        "match",
        "fn",
        "constructor",
        "flush",
        "this",
        "record",
        "into_properties",
        "put",
        "super",
        "crate",
        "bool",
    ];
    let property = |name: &str, of: PropertyType, required| {
        let mut property = PropertySchema { name: name.into(), required, ..PropertySchema::default() };
        property.set_type(of);
        match of {
            PropertyType::Enum => {
                property.values = ["self", "a_1", "a1", "a__1", "none", "class"].map(str::to_owned).to_vec();
                property.description = "ends */ a comment, \"\"\" a text, \\ and a line\nas well\"".into();
            }
            PropertyType::Integer => (property.minimum, property.maximum) = (-5, 9_007_199_254_740_991),
            _ => {}
        }
        property
    };
    let types = [PropertyType::Enum, PropertyType::Integer, PropertyType::Boolean, PropertyType::OpaqueId];
    let schema = |name: &str, is_required: bool| EventSchema {
        name: name.into(),
        version: 7,
        purpose: "test".into(),
        description: "ends */ a comment, \"\"\" a text, \\ and a line\nas well\"".into(),
        // Every object of JavaScript has a member `constructor`, and no property can be called so with its type
        // checked.
        properties: words
            .iter()
            .filter(|word| **word != "constructor")
            .zip(types.iter().cycle())
            .map(|(word, of)| property(word, *of, is_required))
            .collect(),
        ..EventSchema::default()
    };
    let mut schemas: Vec<EventSchema> = words.iter().enumerate().map(|(at, word)| schema(word, at % 2 == 0)).collect();
    schemas.extend(
        ["context.type", "event", "client", "string", "some", "ok", "promise", "optional", "literal", "fn_mut", "send"]
            .map(|name| EventSchema { properties: Vec::new(), ..schema(name, false) }),
    );
    schemas.iter().for_each(|schema| assert_eq!(daybook_event_rules::schema_rules::check(schema), Ok(())));
    schemas
}

/// The program or script that an environment variable names.
pub fn named_by(variable: &str, script: &str) -> PathBuf {
    let path = std::env::var_os(variable);
    PathBuf::from(
        path.unwrap_or_else(|| panic!("{variable} must name what tests/setup/{script} prints: run it and set it")),
    )
}

/// Runs a program; whether it ended well, and all that it said.
pub fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), said)
}

/// A server on loopback. It answers as often as there are answers with these, then with an empty object.
pub struct Server {
    pub url: String,
    requests: Arc<Mutex<Vec<(String, String)>>>,
}

impl Server {
    pub fn start(answers: &[(u16, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let mut answers: Vec<(u16, String)> =
            answers.iter().rev().map(|(status, body)| (*status, (*body).into())).collect();
        let kept = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let answer = answers.pop().unwrap_or((200, "{}".into()));
                if let Some(request) = stream.ok().and_then(|stream| serve(stream, &answer)) {
                    kept.lock().expect("no test panics here").push(request);
                }
            }
        });
        Self { url, requests }
    }

    /// Heads and bodies of what was asked.
    pub fn requests(&self) -> Vec<(String, Value)> {
        let requests = self.requests.lock().expect("no test panics here");
        requests.iter().map(|(head, body)| (head.clone(), serde_json::from_str(body).expect("JSON"))).collect()
    }
}

fn serve(mut stream: TcpStream, (status, answer): &(u16, String)) -> Option<(String, String)> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let length = answer.len();
    let text = format!("HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}");
    stream.write_all(text.as_bytes()).ok()?;
    Some((head, String::from_utf8(body).ok()?))
}

/// Checks what every client sends after it was told to record two events, and met a 503 first: the same batch twice.
pub fn check_requests(requests: &[(String, Value)]) {
    assert_eq!(requests.len(), 2, "{requests:?}");
    assert_eq!(requests[0].1, requests[1].1, "the same batch, under the same id");
    let (head, body) = &requests[0];
    assert!(
        head.starts_with("POST /daybook.product_analytics.v1.ProductAnalyticsService/RecordEvents HTTP/1.1"),
        "{head}"
    );
    assert!(head.to_lowercase().contains("authorization: bearer secret"), "{head}");
    assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
    check_body(body);
}

/// The same of the body.
pub fn check_body(body: &Value) {
    let descriptor =
        daybook_proto::descriptors().get_message_by_name("daybook.product_analytics.v1.RecordEventsRequest");
    let message = prost_reflect::DynamicMessage::deserialize(descriptor.expect("a message"), body.clone());
    message.expect("what is sent is the JSON of RecordEventsRequest, and nothing beyond");
    let is_v7 = |id: &Value| {
        let id = uuid::Uuid::parse_str(id.as_str().expect("text")).expect("a UUID");
        assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
        let age = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
        assert!(age.abs_diff(id.get_timestamp().expect("a time").to_unix().0) < 600);
    };
    is_v7(&body["commandId"]);
    assert_eq!(body["tenantId"], "demo");
    let [exported, viewed] = body["events"].as_array().expect("events").as_slice() else {
        panic!("two events: {body}")
    };
    for event in [exported, viewed] {
        is_v7(&event["eventId"]);
        assert!(event["time"].as_str().expect("a time").ends_with('Z'));
        assert_eq!(event["schemaVersion"], 1);
    }
    assert_eq!((&exported["name"], &exported["actor"]), (&"case.exported".into(), &"ann".into()));
    assert_eq!(exported["consents"], serde_json::json!(["product_improvement"]));
    let properties = serde_json::json!({
        "case_id": "case-7", "format": "pdf", "document_count": 12, "took": 1500, "with_redactions": true
    });
    assert_eq!(exported["properties"], properties);
    assert_eq!((&viewed["name"], &viewed["actor"]), (&"page.viewed".into(), &"bob".into()));
    assert_eq!(viewed["properties"], serde_json::json!({"page": "case_list"}));
}
