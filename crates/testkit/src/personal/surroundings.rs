//! The text around a value: sentences, logs, documents, addresses of pages, keys, encodings.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::{Label, Labelled, Written, one_of};

/// `{}` is the value.
const PLAIN: &[&str] = &[
    "Please send the report to {} before Friday.",
    "{} is what she gave us, and nothing else.",
    "The customer ({}) asked twice.",
    "2024-11-24T15:04:05.123Z INFO request handled in 12.5 ms, by={} status=200",
    "WARN cannot reach {}; trying again in 30 s",
    "{\"event\":\"opened\",\"by\":\"{}\",\"ok\":true,\"count\":17}",
    "{\"case\":{\"notes\":[\"first\",\"{}\"]},\"at\":1700000000}",
    "17;open;{};2024-11-24;99.50",
    "name,value,unit\nx,{},m",
    "<td class=\"v\">{}</td>",
    "note: {}\nnext line",
    "was '{}', is 'unknown'",
    "{}",
];

/// Without a word that would say that a number is one of a person.
const FILLING: &[&str] = &[
    "On Tuesday the council approved the third revision of the schema.",
    "All consumers read it without a mistake; the change is additive.",
    "Jobs wait 4.5 minutes at the median and 31 at most.",
    "See section 5.2, table 3, and the appendix on costs.",
];

/// How a value is written.
pub(super) fn written(rng: &mut fastrand::Rng) -> Written {
    match rng.u8(0..10) {
        0 => Written::Percent,
        1 => Written::Base64,
        2 => Written::Key,
        _ => Written::Plain,
    }
}

/// A text with a value.
pub(super) fn around(kind: &'static str, value: &str, written: Written, rng: &mut fastrand::Rng) -> Labelled {
    let (template, shown) = match written {
        Written::Plain | Written::Separated => (one_of(PLAIN, rng), value.to_owned()),
        Written::Percent => {
            (one_of(&["https://example.org/find?q={}&page=2", "GET /u/{} HTTP/1.1"], rng), escaped(value))
        }
        Written::Base64 => (one_of(&["data={}", "{\"payload\":\"{}\"}", "blob: {} (end)"], rng), in_base64(value, rng)),
        Written::Key => ("{\"counts\":{\"{}\":3,\"other\":1}}", value.to_owned()),
    };
    let mut text = String::new();
    if rng.bool() {
        text.push_str(one_of(FILLING, rng));
        text.push(' ');
    }
    let (before, after) = template.split_once("{}").unwrap_or((template, ""));
    text.push_str(before);
    let start = text.len();
    text.push_str(&shown);
    let range = start..text.len();
    text.push_str(after);
    if rng.bool() {
        text.push(' ');
        text.push_str(one_of(FILLING, rng));
    }
    Labelled { text, values: vec![Label { kind, range, value: value.to_owned(), written }] }
}

/// A text with something that is no value.
pub(super) fn around_nothing(look_alike: &str, rng: &mut fastrand::Rng) -> Labelled {
    let (before, after) = one_of(PLAIN, rng).split_once("{}").unwrap_or_default();
    let text = format!("{} {before}{look_alike}{after}", one_of(FILLING, rng));
    Labelled { text, values: Vec::new() }
}

fn escaped(value: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    // All of it where nothing has to be: somebody may do so.
    let text: String = value.bytes().map(escape).collect();
    if text.contains('%') { text } else { value.bytes().map(|byte| format!("%{byte:02x}")).collect() }
}

fn in_base64(value: &str, rng: &mut fastrand::Rng) -> String {
    let text = if rng.bool() { value.to_owned() } else { format!("{{\"v\":\"{value}\",\"n\":1}}") };
    if rng.bool() { STANDARD.encode(text) } else { URL_SAFE_NO_PAD.encode(text) }
}
