//! A labelled set of personal values and credentials, in the sort of text that they turn up in, and of values that look
//! like them and are not. Everything follows from a seed.
//!
//! The values are made after what authorities and standards publish, by code of their own: nothing here is shared with the
//! detectors that are measured with them. Names are drawn from lists; no value is meant to be anybody's.

mod identities;
mod look_alikes;
mod separated;
mod surroundings;
mod values;

pub use separated::SEPARATED;
pub use values::KINDS;

use std::ops::Range;

/// A text, and what is in it.
#[derive(Debug, Clone)]
pub struct Labelled {
    /// The text.
    pub text: String,
    /// Every value that should be found.
    pub values: Vec<Label>,
}

/// A value that should be found.
#[derive(Debug, Clone)]
pub struct Label {
    /// What it is, as `daybook_privacy::detect::Kind` says it.
    pub kind: &'static str,
    /// Where it stands in the text, in bytes; of an encoded value, where the encoded text stands.
    pub range: Range<usize>,
    /// As it is without encoding.
    pub value: String,
    /// How it is written.
    pub written: Written,
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Written {
    /// In a sentence, a line of a log, a document.
    Plain,
    /// Its bytes are escaped with `%`.
    Percent,
    /// In base64.
    Base64,
    /// As the key of an object.
    Key,
    /// In groups, with other separators between them than those who give out such numbers print.
    Separated,
}

/// Makes texts, for ever.
pub struct Personal {
    rng: fastrand::Rng,
}

impl Personal {
    /// The texts of a seed.
    pub fn new(seed: u64) -> Self {
        Self { rng: fastrand::Rng::with_seed(seed) }
    }

    /// A value of a kind, one of [`KINDS`], as somebody writes it.
    pub fn value(&mut self, kind: &'static str) -> String {
        values::value(kind, &mut self.rng)
    }

    /// A value of a kind, one of [`SEPARATED`], in groups with other separators than authorities and banks print.
    pub fn separated(&mut self, kind: &'static str) -> String {
        separated::separated(kind, &mut self.rng)
    }

    /// A text with one value of each kind in turn, or with something that looks like one and is not.
    pub fn text(&mut self) -> Labelled {
        if self.rng.u8(0..10) < 4 {
            let look_alike = look_alikes::look_alike(&mut self.rng);
            return surroundings::around_nothing(&look_alike, &mut self.rng);
        }
        if self.rng.u8(0..6) == 0 {
            let kind = one_of(&SEPARATED, &mut self.rng);
            let value = self.separated(kind);
            return surroundings::around(kind, &value, Written::Separated, &mut self.rng);
        }
        let kind = one_of(KINDS, &mut self.rng);
        let value = self.value(kind);
        let written = surroundings::written(&mut self.rng);
        surroundings::around(kind, &value, written, &mut self.rng)
    }
}

impl Iterator for Personal {
    type Item = Labelled;

    fn next(&mut self) -> Option<Labelled> {
        Some(self.text())
    }
}

/// One of a list.
fn one_of<'a>(list: &[&'a str], rng: &mut fastrand::Rng) -> &'a str {
    list[rng.usize(0..list.len())]
}

/// So many random digits, the first of them not 0.
fn digits(count: usize, rng: &mut fastrand::Rng) -> String {
    let digit = |at| char::from(rng.u8(if at == 0 { b'1' } else { b'0' }..=b'9'));
    (0..count).map(digit).collect()
}

/// So many random characters of an alphabet.
fn characters(alphabet: &[u8], count: usize, rng: &mut fastrand::Rng) -> String {
    (0..count).map(|_| char::from(alphabet[rng.usize(0..alphabet.len())])).collect()
}

const HEX: &[u8] = b"0123456789abcdef";
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
