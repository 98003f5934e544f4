//! The Rust client: what it looks like, that right use compiles and wrong use does not, and what it sends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
#[allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated for other programs")]
#[rustfmt::skip]
#[path = "golden/events.rs"]
mod events;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use common::{awkward, check_body, golden, run};
use daybook_instrument::client::{Language, generate};
use events::{
    CaseExported, CaseExportedFormat, Client, Context, CopilotAnswerUsed, PageViewed, PageViewedPage,
    SafetySignalRaised, SafetySignalRaisedSignal, Transport,
};

type Answer = Result<(u16, String), String>;

/// What was posted, and what was heard.
#[derive(Clone, Default)]
struct Kept {
    bodies: Arc<Mutex<Vec<String>>>,
    reports: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<Vec<Answer>>>,
}

impl Kept {
    fn bodies(&self) -> Vec<String> {
        self.bodies.lock().unwrap().clone()
    }
}

impl Transport for Kept {
    fn post(&mut self, body: &str) -> Answer {
        self.bodies.lock().unwrap().push(body.to_owned());
        self.answers.lock().unwrap().pop().unwrap_or(Ok((200, "{}".to_owned())))
    }

    fn report(&mut self, text: &str) {
        self.reports.lock().unwrap().push(text.to_owned());
    }
}

fn actor(name: &str) -> Context {
    Context { actor: name.to_owned(), consents: vec!["product_improvement".to_owned()] }
}

const LONG: Duration = Duration::from_secs(20);

#[test]
fn rust_client_sends_a_batch_again_until_it_is_answered() {
    let kept = Kept::default();
    let answer = r#"{"refused": [
        {"reason": "REFUSAL_TOO_LATE", "property": "took"}, {"index": 1, "reason": "REFUSAL_NO_CONSENT"}]}"#;
    *kept.answers.lock().unwrap() =
        vec![Ok((200, answer.to_owned())), Ok((429, String::new())), Err("no network".to_owned())];
    let client = Client::start(kept.clone(), "demo").unwrap();
    let exported = CaseExported::new("case-7", CaseExportedFormat::Pdf, 12)
        .took(Duration::from_millis(1_500))
        .with_redactions(true);
    client.record(&actor("ann"), exported).unwrap();
    client.record(&actor("bob"), PageViewed::new(PageViewedPage::CaseList)).unwrap();
    assert!(client.flush(LONG));
    let bodies = kept.bodies();
    assert!(bodies.len() == 3 && bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    check_body(&serde_json::from_str(&bodies[0]).unwrap());
    assert_eq!(*kept.reports.lock().unwrap(), ["case.exported was refused: REFUSAL_TOO_LATE, property took"]);
}

#[test]
fn rust_client_sends_batches_of_500_and_gives_up_what_is_refused() {
    let kept = Kept::default();
    kept.answers.lock().unwrap().push(Ok((401, "no token".to_owned())));
    let client = Client::start(kept.clone(), "demo").unwrap();
    for i in 0..1_200 {
        client.record(&actor("ann"), CopilotAnswerUsed::new(format!("a{i}"))).unwrap();
    }
    assert!(client.flush(LONG));
    let of = |body: &String| {
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        body["events"].as_array().unwrap().len()
    };
    let counts: Vec<usize> = kept.bodies().iter().map(of).collect();
    assert_eq!((counts.iter().sum::<usize>(), counts.iter().max()), (1_200, Some(&500)));
    let reports = kept.reports.lock().unwrap();
    assert!(reports.len() == 1 && reports[0].ends_with("events were refused with status 401: no token"), "{reports:?}");
}

#[test]
fn rust_client_refuses_values_out_of_bounds() {
    let client = Client::start(Kept::default(), "").unwrap();
    let count = |count| client.record(&actor("ann"), CaseExported::new("case-7", CaseExportedFormat::Pdf, count));
    assert_eq!((count(1), count(1_000_000)), (Ok(()), Ok(())));
    for wrong in [0, 1_000_001, i64::MIN] {
        let text = format!("document_count is {wrong}; give it a number from 1 to 1000000");
        assert_eq!(count(wrong).unwrap_err().to_string(), text);
    }
    let long = CaseExported::new("case-7", CaseExportedFormat::Pdf, 1).took(Duration::MAX);
    assert!(client.record(&actor("ann"), long).unwrap_err().to_string().starts_with("took is 9223372036854775807"));
    let named = CaseExported::new("Ann Lee", CaseExportedFormat::Pdf, 1);
    assert!(client.record(&actor("ann"), named).unwrap_err().to_string().starts_with("case_id is no id"));
    let signal = SafetySignalRaised::new(SafetySignalRaisedSignal::DataLeak, 4, false);
    assert_eq!(client.record(&Context::default(), signal), Ok(()));
}

#[test]
fn rust_client_writes_times_as_json_has_them() {
    let kept = Kept::default();
    let client = Client::start(kept.clone(), "").unwrap();
    let times = [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_399_999, "2000-02-28T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (1_798_761_599_001, "2026-12-31T23:59:59.001Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
    ];
    for (milliseconds, _) in times {
        let time = UNIX_EPOCH + Duration::from_millis(milliseconds);
        client.record_at(time, &Context::default(), CopilotAnswerUsed::new("a")).unwrap();
    }
    assert!(client.flush(LONG));
    let sent: Vec<String> = kept
        .bodies()
        .iter()
        .flat_map(|body| {
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            body["events"]
                .as_array()
                .unwrap()
                .iter()
                .map(|event| event["time"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(sent, times.map(|(_, text)| text));
}

/// As much of `serde_json` and `uuid` as the client uses: only types are checked with it, and where the real ones lie
/// is known to cargo alone.
const SERDE_JSON: &str = "
#[derive(Debug, Clone, PartialEq)]
pub enum Value { Array(Vec<Value>), Object(Map<String, Value>), Other }
#[derive(Debug, Clone, PartialEq)]
pub struct Map<K, V>(Vec<(K, V)>);
impl<K, V> Default for Map<K, V> { fn default() -> Self { Self::new() } }
impl<K, V> Map<K, V> {
    pub fn new() -> Self { Self(Vec::new()) }
    pub fn insert(&mut self, key: K, value: V) -> Option<V> { self.0.push((key, value)); None }
}
impl Value {
    pub fn get(&self, _: &str) -> Option<&Value> { None }
    pub fn as_array(&self) -> Option<&Vec<Value>> { None }
    pub fn as_str(&self) -> Option<&str> { None }
    pub fn as_u64(&self) -> Option<u64> { None }
}
impl std::fmt::Display for Value { fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { Ok(()) } }
macro_rules! from { ($($of:ty),*) => { $(impl From<$of> for Value { fn from(_: $of) -> Self { Self::Other } })* } }
from!(&str, String, i64, u32, bool);
pub fn from_str<T>(_: &str) -> Result<T, ()> { Err(()) }
";
const UUID: &str = "
pub struct Uuid;
impl Uuid { pub fn now_v7() -> Self { Self } }
impl std::fmt::Display for Uuid { fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { Ok(()) } }
";

fn rustc(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let rustc = std::env::var_os("RUSTC").unwrap_or("rustc".into());
    let fixed =
        ["--edition", "2024", "--crate-type", "lib", "--emit", "metadata", "-L", ".", "--error-format", "short"];
    run(Command::new(rustc).args(fixed).args(arguments).current_dir(folder))
}

/// A folder with a client, compiled as a crate called `events`.
fn compiled(client: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("serde_json", SERDE_JSON), ("uuid", UUID), ("events", client)] {
        fs::write(folder.path().join(format!("{name}.rs")), text).unwrap();
        let needs: &[&str] = if name == "events" { &["--extern", "serde_json", "--extern", "uuid"] } else { &[] };
        let file = format!("{name}.rs");
        let (is_good, said) = rustc(folder.path(), &[&["--crate-name", name, file.as_str()], needs].concat());
        assert!(is_good && (said.is_empty() || name != "events"), "{name}: {said}");
    }
    folder
}

#[test]
fn rust_client_that_is_wrong_does_not_compile() {
    let folder = compiled(&fs::read_to_string(golden(Language::Rust)).unwrap());
    let program = |line: &str| {
        let text = format!(
            "use events::*;\npub fn record(client: &Client, context: &Context) -> Result<(), WrongValue> {{\n{line} }}\n"
        );
        fs::write(folder.path().join("program.rs"), text).unwrap();
        rustc(folder.path(), &["--extern", "events", "program.rs"])
    };
    let right =
        "client.record(context, CaseExported::new(\"case-7\", CaseExportedFormat::Pdf, 12).with_redactions(true))";
    assert_eq!(program(right), (true, String::new()));
    let wrong = [
        ("client.record(context, CaseExportd::new(\"c\", CaseExportedFormat::Pdf, 12))", "E0433"),
        ("client.record(context, CaseExported::new(\"c\", CaseExportedFormat::Pfd, 12))", "E0599"),
        ("client.record(context, CaseExported::new(\"c\", \"pdf\", 12))", "E0308"),
        ("client.record(context, CaseExported::new(\"c\", CaseExportedFormat::Pdf))", "E0061"),
        ("client.record(context, CaseExported::new(\"c\", CaseExportedFormat::Pdf, \"12\"))", "E0308"),
        ("client.record(context, CaseExported::new(\"c\", CaseExportedFormat::Pdf, 12).name(\"Ann\"))", "E0599"),
        ("client.record(context, CaseExported::new(\"c\", CaseExportedFormat::Pdf, 12).took(1_500))", "E0308"),
        ("client.record(context, \"case.exported\")", "E0277"),
    ];
    for (line, code) in wrong {
        let (is_good, said) = program(line);
        assert!(!is_good && said.contains(code), "{line}: {said}");
        assert!(said.lines().any(|line| line.starts_with("program.rs:3:")), "{line}: {said}");
    }
}

#[test]
fn rust_client_has_no_name_twice() {
    compiled(&generate(Language::Rust, &awkward()));
}
