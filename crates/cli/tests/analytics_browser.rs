//! The example application, in a real browser: people use it, what they did is counted, and nothing else of them is kept.
//!
//! The compiler and the browser are those that `tests/setup/typescript.sh` and `tests/setup/browser.sh` print, in the
//! environment variables DAYBOOK_TYPESCRIPT and DAYBOOK_BROWSER.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::nodes::free_address;
use common::{Served, text_of};
use daybook_tests::disk::{files, rows};
use serde_json::Value;

/// The case that the people who agree work on; the one of the person who does not.
const COUNTED_CASE: &str = "case-204";
const REFUSED_CASE: &str = "case-127";

/// How often, by the names of events.
type Counts = BTreeMap<String, u64>;

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples")
}

fn named_by(variable: &str, script: &str) -> PathBuf {
    let path = std::env::var_os(variable);
    path.unwrap_or_else(|| panic!("{variable} must name what tests/setup/{script} prints: run it and set it")).into()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What a program printed; it must have ended well.
#[track_caller]
fn said_by(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// The schemas of the example; of a handful of people the numbers are shown as well.
fn schemas(to: &Path) {
    fs::create_dir(to).unwrap();
    for file in files(&examples().join("events")) {
        let content = fs::read_to_string(&file).unwrap().replace("suppress_below: 5", "suppress_below: 1");
        fs::write(to.join(file.file_name().unwrap()), content).unwrap();
    }
    assert!(fs::read_to_string(to.join("profile.yaml")).unwrap().contains("suppress_below: 1"));
}

/// The application, compiled with the client that is made from the schemas.
fn application(to: &Path, schemas: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(examples().join("web")).unwrap() {
        let path = entry.unwrap().path();
        // What somebody made while trying it out is neither needed nor looked at.
        if path.is_file() && path.file_name().is_some_and(|name| name != "events.ts") {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
    let client = to.join("events.ts");
    let arguments = ["analytics", "client", text(schemas), "--language", "typescript", "--output", text(&client)];
    text_of(common::daybook().args(arguments).output().unwrap(), &arguments);
    let compiler = named_by("DAYBOOK_TYPESCRIPT", "typescript.sh");
    said_by(Command::new("node").arg(compiler).args(["--pretty", "false", "-p", text(to)]));
}

/// The application's server.
struct Site {
    child: Child,
    url: String,
}

impl Site {
    fn start(folder: &Path, address: &str, node: &Served) -> Self {
        let token = node.text(&["--as", "web", "--role", "service", "token", "--service"]);
        let mut child = Command::new("node")
            .arg(folder.join("serve.mjs"))
            .env("PORT", address.rsplit(':').next().unwrap())
            .env("DAYBOOK_URL", &node.address)
            .env("DAYBOOK_TOKEN", token.trim())
            .env("DAYBOOK_TENANT", "demo")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { child, url: url.trim().to_owned() }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn counts(of: &Value) -> Counts {
    let of = of.as_object().unwrap();
    of.iter().map(|(name, count)| (name.clone(), count.as_u64().unwrap())).collect()
}

fn number(of: &Value) -> u64 {
    of.as_str().unwrap_or_else(|| panic!("{of} is no number")).parse().unwrap()
}

/// Events and actors, by the names of events, as the node answers.
fn usage(node: &Served) -> (Counts, Counts) {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let (since, until) = (now.yesterday().unwrap().to_string(), now.tomorrow().unwrap().to_string());
    let range = ["--since", &since, "--until", &until];
    let question = ["analytics", "query", "usage", "--split", "event", "--top", "100"];
    let answer = node.json(&[&question[..], &range].concat());
    let columns = answer["columns"].as_array().unwrap();
    let at = |name: &str| columns.iter().position(|column| column["name"] == name).unwrap();
    let (name, events, actors) = (at("breakdown"), at("events"), at("actors"));
    let column = |of: usize| {
        let rows = answer["rows"].as_array().map_or(&[][..], Vec::as_slice);
        let cell = |row: &Value, of: usize, kind: &str| row["cells"][of][kind].clone();
        rows.iter()
            .map(|row| (cell(row, name, "text").as_str().unwrap().to_owned(), number(&cell(row, of, "integer"))))
            .collect()
    };
    (column(events), column(actors))
}

/// What was refused for lack of consent, by the names of events; nothing may have been refused for anything else.
fn refused(node: &Served) -> Counts {
    let answer = node.json(&["analytics", "refused"]);
    let refused = answer["refused"].as_array().unwrap();
    let other = refused.iter().find(|refused| refused["reason"] != "REFUSAL_NO_CONSENT");
    assert_eq!(other, None);
    refused.iter().map(|refused| (refused["name"].as_str().unwrap().to_owned(), number(&refused["count"]))).collect()
}

/// Which of some texts are in the node's log, in a file below its data folder, or in a row of a database there, as they
/// are or in another form.
fn found(texts: &[&str], data: &Path) -> Vec<String> {
    let forms: Vec<String> = texts
        .iter()
        .flat_map(|text| {
            // In base64, what begins at a multiple of three bytes looks the same wherever it stands.
            let encoded = STANDARD.encode(&text.as_bytes()[..text.len() / 3 * 3]);
            let escaped = text.replace('@', "%40").replace(' ', "%20");
            [(*text).to_owned(), text.to_lowercase(), escaped.to_lowercase(), escaped, encoded]
        })
        .collect();
    let on_disk = files(data).into_iter().chain([data.with_extension("log")]);
    let places = on_disk
        .map(|file| (file.display().to_string(), fs::read(&file).unwrap()))
        .chain(rows(data).into_iter().map(|(place, key, value)| (format!("a row of {place}"), [key, value].concat())));
    places
        .flat_map(|(place, bytes)| {
            let content = String::from_utf8_lossy(&bytes).into_owned();
            let hits = forms.iter().filter(move |form| content.contains(*form));
            hits.map(move |form| format!("{form:?} in {place}")).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn real_browser_counts_what_people_do_and_keeps_nothing_else() {
    let browser = named_by("DAYBOOK_BROWSER", "browser.sh");
    let folder = tempfile::tempdir().unwrap();
    let (events, web, data) = (folder.path().join("events"), folder.path().join("web"), folder.path().join("data"));
    schemas(&events);
    application(&web, &events);

    // The page is of another origin than the node.
    let address = free_address("127.0.0.1");
    let origins = format!("[\"http://{address}\"]");
    let node = Served::start_in(&data, &[("DAYBOOK_LISTEN__CORS_ORIGINS", &origins)], &[]);
    node.text(&["analytics", "register", text(&events)]);
    let site = Site::start(&web, &address, &node);
    assert_eq!(site.url, format!("http://{address}"));

    let said = said_by(Command::new("node").arg(web.join("drive.mjs")).arg(&site.url).env("DAYBOOK_BROWSER", &browser));
    let caused: Value = serde_json::from_str(&said).unwrap();
    let expected = (counts(&caused["counted"]), counts(&caused["actors"]));
    assert_eq!(expected.0.len(), 10, "every event of the application was caused: {:?}", expected.0);
    // Nobody waits for the answer to what a window sends as it is closed.
    let closed = Instant::now();
    while usage(&node) != expected && closed.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(usage(&node), expected);
    assert_eq!(refused(&node), counts(&caused["refused"]));

    node.stop();
    let secrets: Vec<&str> = caused["secrets"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    assert!(secrets.len() >= 10, "{secrets:?}");
    assert!(!found(&[COUNTED_CASE], &data).is_empty(), "the search finds what was kept");
    assert_eq!(found(&[&secrets[..], &[REFUSED_CASE]].concat(), &data), Vec::<String>::new());
}
