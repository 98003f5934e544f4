//! Everything in a document.

use serde_json::Value;

use super::{Detector, Finding};

/// Deeper than any document that the doors take.
const DEPTH_MAX: usize = 128;

/// A value that was found in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// Where: a JSON Pointer (RFC 6901) to the value, or to the value whose key it is in.
    pub pointer: String,
    /// It is in the key.
    pub in_key: bool,
    /// What it is, and where in that text.
    pub finding: Finding,
}

pub(super) fn look(detector: Detector, document: &Value) -> Vec<Located> {
    let mut walk = Walk { detector, pointer: String::new(), found: Vec::new() };
    walk.value(document, "", 0);
    walk.found
}

struct Walk {
    detector: Detector,
    pointer: String,
    found: Vec<Located>,
}

impl Walk {
    /// Looks through a value under a key.
    fn value(&mut self, value: &Value, key: &str, depth: usize) {
        match value {
            Value::Null | Value::Bool(_) => {}
            // A number is somebody's as often as a text.
            Value::Number(number) => self.text(&number.to_string(), key, false),
            Value::String(text) => self.string(text, key, depth),
            Value::Array(values) if depth < DEPTH_MAX => {
                for (at, value) in values.iter().enumerate() {
                    self.at(&at.to_string(), |walk| walk.value(value, key, depth + 1));
                }
            }
            Value::Object(fields) if depth < DEPTH_MAX => {
                for (key, value) in fields {
                    self.at(key, |walk| {
                        walk.text(key, "", true);
                        walk.value(value, key, depth + 1);
                    });
                }
            }
            // What is nested deeper is looked through as text.
            Value::Array(_) | Value::Object(_) => self.text(&value.to_string(), key, false),
        }
    }

    /// A string may be a document itself.
    fn string(&mut self, text: &str, key: &str, depth: usize) {
        let may_be_document = text.trim_start().starts_with(['{', '[']) && depth < DEPTH_MAX;
        match may_be_document.then(|| serde_json::from_str::<Value>(text)) {
            Some(Ok(document)) => self.value(&document, key, depth + 1),
            _ => self.text(text, key, false),
        }
    }

    fn text(&mut self, text: &str, key: &str, in_key: bool) {
        let found = self.detector.text_after(key, text);
        let pointer = &self.pointer;
        self.found.extend(found.into_iter().map(|finding| Located { pointer: pointer.clone(), in_key, finding }));
    }

    fn at(&mut self, token: &str, look: impl FnOnce(&mut Self)) {
        let outer = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
        look(self);
        self.pointer.truncate(outer);
    }
}
