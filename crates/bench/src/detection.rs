//! Finding personal data: how much text a second, beside regular expressions that only look for the forms.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context, Result};
use daybook_privacy::detect::{Detector, Sensitivity};
use daybook_testkit::personal::Personal;
use regex::RegexSet;
use serde_json::{Value, json};

use crate::load::median;
use crate::report::{Report, Table, count};
use crate::{Part, Scale};

/// Ordinary text with nothing in it.
const PROSE: &str = include_str!("../../../docs/architecture.md");
/// How much of each text is looked through in a round.
const BYTES: usize = 8 << 20;
const MIB: f64 = 1_048_576.0;

/// What is looked for, as expressions that are passed around: forms, and no check digits.
const EXPRESSIONS: [&str; 8] = [
    r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}",
    r"\+\d{1,3}[ -.]?\(?\d{1,4}\)?(?:[ -.]?\d{2,4}){2,4}",
    r"\b(?:\d[ -]?){13,16}\b",
    r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}\b",
    r"\b(?:\d{1,3}\.){3}\d{1,3}\b",
    r"\b(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}\b",
    r"\b\d{3}-\d{2}-\d{4}\b",
    r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+",
];

/// Pieces of text, looked through one by one as they would arrive.
struct Texts {
    name: &'static str,
    pieces: Vec<String>,
    bytes: usize,
    documents: Vec<Value>,
}

impl Texts {
    fn new(name: &'static str, pieces: impl Iterator<Item = String>) -> Self {
        let mut bytes = 0;
        let taken = pieces.take_while(|piece| {
            bytes += piece.len();
            bytes < BYTES
        });
        let pieces: Vec<_> = taken.collect();
        let bytes = pieces.iter().map(String::len).sum();
        Self { name, pieces, bytes, documents: Vec::new() }
    }

    fn mib_per_second(&self, look: impl Fn(&Self) -> usize) -> f64 {
        let started = Instant::now();
        black_box(look(self));
        self.bytes as f64 / MIB / started.elapsed().as_secs_f64()
    }
}

/// An event as programs report it, without anything personal.
fn event(number: usize) -> Value {
    json!({
        "event": "case_exported", "tenant": "acme", "role": "analyst", "feature": "export", "format": "pdf",
        "rows": number % 5_000, "took_ms": number % 900, "case": format!("case-{:06}", number % 100_000),
        "session": format!("{:032x}", (number as u128).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)),
    })
}

/// Looks through prose, events, and a set in which most lines hold something.
pub(crate) fn measure(scale: &Scale, report: &mut Report) -> Result<()> {
    let set = RegexSet::new(EXPRESSIONS)?;
    let mut events = Texts::new("events: JSON with 9 properties", (0..).map(|number| event(number).to_string()));
    events.documents = events.pieces.iter().map(|piece| serde_json::from_str(piece)).collect::<Result<_, _>>()?;
    let texts = [
        Texts::new("prose", std::iter::repeat(PROSE.to_owned())),
        events,
        Texts::new("the labelled set: three in five hold something", Personal::new(1).map(|labelled| labelled.text)),
    ];
    let header = ["text", "balanced, MiB/s", "strict, MiB/s", "as documents, MiB/s", "8 regular expressions, MiB/s"];
    let mut table = Table::new(header);
    for texts in &texts {
        let mut rounds: [Vec<f64>; 4] = Default::default();
        for _ in 0..scale.rounds {
            for (sensitivity, rounds) in [Sensitivity::Balanced, Sensitivity::Strict].into_iter().zip(&mut rounds) {
                let detector = Detector::new(sensitivity);
                let look = |texts: &Texts| texts.pieces.iter().map(|piece| detector.text(piece).len()).sum();
                rounds.push(texts.mib_per_second(look));
            }
            let detector = Detector::default();
            let look = |texts: &Texts| texts.documents.iter().map(|document| detector.json(document).len()).sum();
            rounds[2].push(texts.mib_per_second(look));
            let look = |texts: &Texts| texts.pieces.iter().filter(|piece| set.is_match(piece)).count();
            rounds[3].push(texts.mib_per_second(look));
        }
        let [balanced, strict, documents, expressions] =
            rounds.map(|rounds| median(rounds).context("nothing was measured"));
        let (balanced, has_documents) = (balanced?, !texts.documents.is_empty());
        table.row([
            texts.name.to_owned(),
            count(balanced),
            count(strict?),
            if has_documents { count(documents?) } else { "-".to_owned() },
            count(expressions?),
        ]);
        let megabytes = balanced * MIB / 1e6;
        report.aim(
            &format!("detection of personal data, one core: {}", texts.name),
            "100 MB/s",
            format!("{} MB/s", count(megabytes)),
            megabytes >= 100.0,
        );
    }
    report.table(Part::Detection, &table);
    Ok(())
}
