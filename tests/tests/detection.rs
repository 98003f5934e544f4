//! How much the detectors of personal data find of the labelled set, and how often they are wrong: what docs/privacy.md
//! says. The set follows from a seed, so the figures are the same everywhere.
//!
//! After a change of detectors or set: `UPDATE=1 cargo test --workspace --test detection` writes them down.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use daybook_privacy::detect::{Detector, Finding, Sensitivity};
use daybook_testkit::personal::{Label, Labelled, Personal, Written};

const SEED: u64 = 2026;
const TEXTS: usize = 100_000;

const BEGIN: &str = "<!-- figures: begin -->\n";
const END: &str = "<!-- figures: end -->\n";

/// What became of values, and of findings.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    found: u64,
    missed: u64,
    wrong: u64,
}

impl Counts {
    fn recall(self) -> f64 {
        share(self.found, self.found + self.missed)
    }

    fn precision(self) -> f64 {
        share(self.found, self.found + self.wrong)
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

type ByKind = BTreeMap<String, Counts>;

/// Counts of one sensitivity.
#[derive(Default)]
struct Measured {
    /// Of values as those who give them out write them; and of what is wrong.
    by_kind: ByKind,
    by_written: BTreeMap<Written, Counts>,
    /// Of values in groups with other separators.
    separated: ByKind,
}

fn measure(sensitivity: Sensitivity) -> Measured {
    let detector = Detector::new(sensitivity);
    let mut measured = Measured::default();
    for Labelled { text, values } in Personal::new(SEED).take(TEXTS) {
        let mut found = detector.text(&text);
        for label in values {
            let at = found.iter().position(|finding| is_found(&label, finding));
            let by_kind = match label.written {
                Written::Separated => &mut measured.separated,
                _ => &mut measured.by_kind,
            };
            let counts = [
                by_kind.entry(label.kind.to_owned()).or_default(),
                measured.by_written.entry(label.written).or_default(),
            ];
            for counts in counts {
                match at {
                    Some(_) => counts.found += 1,
                    None => counts.missed += 1,
                }
            }
            if let Some(at) = at {
                found.remove(at);
            }
        }
        for finding in found {
            measured.by_kind.entry(finding.kind.to_string()).or_default().wrong += 1;
        }
    }
    measured
}

/// The right kind, where it stands. In other groups than usual a number may be that of another country as well: it counts
/// that it is seen.
fn is_found(label: &Label, finding: &Finding) -> bool {
    let overlaps = finding.range.start < label.range.end && label.range.start < finding.range.end;
    overlaps && (finding.kind.to_string() == label.kind || label.written == Written::Separated)
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

#[test]
fn the_page_says_how_much_is_found_and_how_often_that_is_wrong() {
    let Measured { by_kind: balanced, by_written, separated } = measure(Sensitivity::Balanced);
    let Measured { by_kind: strict, by_written: strict_by_written, separated: strict_separated } =
        measure(Sensitivity::Strict);
    let mut table = String::from(
        "| what | values | recall | precision | recall, strict | precision, strict |\n\
         | --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for (kind, counts) in &strict {
        let other = balanced.get(kind).copied().unwrap_or_default();
        let values = counts.found + counts.missed;
        let recall = |counts: Counts| if values == 0 { "-".to_owned() } else { percent(counts.recall()) };
        let precision = |counts: Counts| match counts.found + counts.wrong {
            0 => "-".to_owned(),
            _ if values == 0 => format!("{} wrong", counts.wrong),
            _ => percent(counts.precision()),
        };
        let cells = [recall(other), precision(other), recall(*counts), precision(*counts)].join(" | ");
        writeln!(table, "| {kind} | {values} | {cells} |").unwrap();
        if values > 0 {
            assert!(other.recall() > 0.97 && counts.recall() > 0.97, "{kind}: {other:?}, {counts:?}");
            assert!(other.precision() > 0.97 && counts.precision() > 0.95, "{kind}: {other:?}, {counts:?}");
        }
    }
    let sum = |of: &ByKind| {
        of.values().fold(Counts::default(), |all, counts| Counts {
            found: all.found + counts.found,
            missed: all.missed + counts.missed,
            wrong: all.wrong + counts.wrong,
        })
    };
    let (all, all_strict) = (sum(&balanced), sum(&strict));
    let cells = [all.recall(), all.precision(), all_strict.recall(), all_strict.precision()].map(percent).join(" | ");
    writeln!(table, "| **all** | {} | {cells} |", all.found + all.missed).unwrap();
    table += "\n| written | values | recall | recall, strict |\n| --- | ---: | ---: | ---: |\n";
    for (written, counts) in by_written {
        let name = match written {
            Written::Plain => "as it is",
            Written::Percent => "percent-encoded",
            Written::Base64 => "in base64",
            Written::Key => "as the key of an object",
            Written::Separated => "in groups with other separators",
        };
        let strict = strict_by_written.get(&written).copied().unwrap_or_default();
        let (values, recall) = (counts.found + counts.missed, [counts.recall(), strict.recall()].map(percent));
        writeln!(table, "| {name} | {values} | {} |", recall.join(" | ")).unwrap();
    }
    table += "\n| in groups with other separators | values | recall | recall, strict |\n| --- | ---: | ---: | ---: |\n";
    for (kind, strict) in &strict_separated {
        let counts = separated.get(kind).copied().unwrap_or_default();
        let (values, recall) = (strict.found + strict.missed, [counts.recall(), strict.recall()].map(percent));
        writeln!(table, "| {kind} | {values} | {} |", recall.join(" | ")).unwrap();
        // Three numbers with spaces between them are a citizen's of the United States only where a word says so.
        let least = if kind == "national id (US)" { 0.80 } else { 0.99 };
        assert!(strict.recall() > least, "{kind}: {strict:?}");
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/privacy.md");
    let text = fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the page has a place for the figures");
    let (written, after) = rest.split_once(END).expect("the place ends");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&page, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(written, table, "run it again with UPDATE=1, and look at what has changed");
}
