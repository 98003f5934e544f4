//! A month of a product's use, made up: people who come, look at cases, set filters, ask a copilot, and come back or do not.
//!
//! The same seed is the same month, but for the days that it ends with. Everything follows from the seed, the person and
//! the day, so nothing is kept of anybody, however many there are.

use daybook_proto::product_analytics::v1::Event;
use fastrand::Rng;
use prost_types::value::Kind;
use prost_types::{Struct, Timestamp, Value};

/// How many days.
pub(super) const DAYS: i64 = 30;
const DAY_SECONDS: i64 = 86_400;
/// One in so many has not agreed to be recorded.
const REFUSES: u32 = 32;

const FIRST_NAMES: [&str; 20] = [
    "amelie",
    "bruno",
    "chiara",
    "dmitri",
    "elena",
    "farid",
    "greta",
    "hassan",
    "ingrid",
    "jorge",
    "katarina",
    "leopold",
    "mireille",
    "nadia",
    "oskar",
    "priyanka",
    "quentin",
    "rosalind",
    "stanislav",
    "tamara",
];
const LAST_NAMES: [&str; 20] = [
    "abendroth",
    "bergstrom",
    "castellano",
    "dimitriou",
    "eisenhower",
    "fitzgerald",
    "grigorescu",
    "hutchinson",
    "ivanovic",
    "jankowski",
    "kowalczyk",
    "lindqvist",
    "montgomery",
    "nakamura",
    "oppenheimer",
    "papadakis",
    "quackenbush",
    "rosenthal",
    "schwarzkopf",
    "takahashi",
];
/// Where everybody has a mailbox.
const MAIL_DOMAIN: &str = "mail.example.net";

/// What must not be found anywhere afterwards: every person's address has all three.
pub(super) fn personal_values() -> Vec<String> {
    let names = FIRST_NAMES.iter().chain(&LAST_NAMES).map(ToString::to_string);
    names.chain([MAIL_DOMAIN.to_owned()]).collect()
}

/// A month that is being lived.
pub(super) struct Month {
    seed: u64,
    actors: u32,
    /// The first day, counted from 1970 (UTC).
    first_day: i64,
    day: i64,
    actor: u32,
}

impl Month {
    /// That ends with the day before this one (counted from 1970).
    pub(super) fn before(day: i64, actors: u32, seed: u64) -> Self {
        // Beside them are those who do not want to be recorded.
        let actors = actors.saturating_add(actors / REFUSES);
        Self { seed, actors, first_day: day - DAYS, day: 0, actor: 0 }
    }

    /// The next events, in the order of days; none at the end of the month.
    pub(super) fn next(&mut self, at_least: usize) -> Vec<Event> {
        let mut events = Vec::with_capacity(at_least + 32);
        while events.len() < at_least && self.day < DAYS {
            Person { seed: self.seed, number: self.actor }.live(self.first_day, self.day, &mut events);
            self.actor += 1;
            if self.actor == self.actors {
                (self.actor, self.day) = (0, self.day + 1);
            }
        }
        events
    }
}

/// Somebody.
#[derive(Clone, Copy)]
struct Person {
    seed: u64,
    number: u32,
}

impl Person {
    fn random(self, of: u64) -> Rng {
        Rng::with_seed(mixed(mixed(self.seed ^ mixed(u64::from(self.number))) ^ of))
    }

    fn address(self) -> String {
        let mut rng = self.random(u64::MAX);
        let (first, last) = (FIRST_NAMES[rng.usize(..FIRST_NAMES.len())], LAST_NAMES[rng.usize(..LAST_NAMES.len())]);
        format!("{first}.{last}.{}@{MAIL_DOMAIN}", self.number)
    }

    /// Everything that somebody does on a day.
    fn live(self, first_day: i64, day: i64, events: &mut Vec<Event>) {
        let mut habits = self.random(u64::MAX - 1);
        // More come in the first days; everybody comes once.
        let first_visit = (habits.f64().powi(2) * DAYS as f64) as i64;
        let keenness = 0.01 + 0.5 * habits.f64().powi(6);
        let mut rng = self.random(day.cast_unsigned());
        let since = day - first_visit;
        // 1970 began on a Thursday.
        let is_weekend = (first_day + day + 3).rem_euclid(7) >= 5;
        let comes_back = keenness * 0.985f64.powi(since as i32) * if is_weekend { 0.25 } else { 1.0 };
        if since < 0 || (since > 0 && rng.f64() >= comes_back) {
            return;
        }
        let hour = [8, 9, 9, 10, 10, 11, 13, 14, 14, 15, 16, 17, 20, 21][rng.usize(..14)];
        let start = (first_day + day) * DAY_SECONDS + hour * 3_600 + rng.i64(0..3_600);
        let refuses = self.number % (REFUSES + 1) == REFUSES;
        let consents = if refuses { Vec::new() } else { vec!["product_improvement".to_owned()] };
        let prefix = format!("{:016x}-{day}", mixed(self.seed ^ u64::from(self.number)));
        let begun = events.len();
        Visit { now: start, actor: self.address(), consents, prefix, begun, events }.happen(&mut rng);
    }
}

/// A visit to the product.
struct Visit<'a> {
    now: i64,
    actor: String,
    consents: Vec<String>,
    /// What ids of its events begin with.
    prefix: String,
    /// How many events there were before.
    begun: usize,
    events: &'a mut Vec<Event>,
}

impl Visit<'_> {
    fn happen(mut self, rng: &mut Rng) {
        let milliseconds = |rng: &mut Rng| number(rng.i64(80..2_500));
        self.event("page.viewed", &[("page", word("case_list")), ("load_time", milliseconds(rng))]);
        if rng.f64() < 0.45 {
            return;
        }
        let case_id = word(&format!("case-{}", rng.u32(..40_000)));
        self.pause(rng, 40);
        let page = [("page", word("case")), ("case_id", case_id.clone()), ("load_time", milliseconds(rng))];
        self.event("page.viewed", &page);
        while rng.f64() < 0.4 {
            self.pause(rng, 60);
            let kind = ["date_range", "custodian", "file_type", "tag", "full_text"][rng.usize(..5)];
            let filter = [
                ("pane", word("filters")),
                ("kind", word(kind)),
                ("filter_count", number(rng.i64(1..6))),
                ("result_count", number(rng.i64(0..5_000))),
                ("is_saved", yes(rng.f64() < 0.1)),
            ];
            self.event("filters.applied", &filter);
        }
        if rng.f64() < 0.35 {
            self.ask_copilot(rng, &case_id);
        }
        if rng.f64() < 0.1 {
            self.pause(rng, 120);
            let format = ["pdf", "pdf", "docx", "load_file", "native"][rng.usize(..5)];
            let export = [
                ("case_id", case_id),
                ("format", word(format)),
                ("document_count", number(rng.i64(1..2_000))),
                ("took", number(rng.i64(500..60_000))),
                ("with_redactions", yes(rng.bool())),
            ];
            self.event("case.exported", &export);
        }
    }

    fn ask_copilot(&mut self, rng: &mut Rng, case_id: &Value) {
        self.pause(rng, 90);
        let answer_id = word(&format!("answer-{:012x}", rng.u64(..) >> 16));
        let is_large = rng.f64() < 0.3;
        let task = ["summary", "question", "question", "timeline", "translation", "draft"][rng.usize(..6)];
        let shown = [
            ("answer_id", answer_id.clone()),
            ("task", word(task)),
            ("model", word(if is_large { "large" } else { "small" })),
            ("source_count", number(rng.i64(0..40))),
            ("latency", number(rng.i64(300..9_000))),
            ("cost", number(if is_large { 12 } else { 2 })),
        ];
        self.event("copilot.answer_shown", &shown);
        if rng.f64() < 0.01 {
            let signal = [
                ("signal", word("unsupported_answer")),
                ("severity", number(rng.i64(1..4))),
                ("was_blocked", yes(rng.bool())),
            ];
            self.event("safety.signal_raised", &signal);
        }
        self.pause(rng, 45);
        let choice = rng.f64() + if is_large { 0.1 } else { 0.0 };
        let is_of_use = choice >= 0.35;
        if choice < 0.35 {
            self.event("copilot.answer_ignored", &[("answer_id", answer_id.clone())]);
        } else if choice < 0.55 {
            let changed = number(rng.i64(1..60));
            self.event("copilot.answer_edited", &[("answer_id", answer_id.clone()), ("changed_percent", changed)]);
        } else {
            self.event("copilot.answer_used", &[("answer_id", answer_id.clone())]);
        }
        if rng.f64() < 0.2 {
            let score = if is_of_use { rng.i64(3..6) } else { rng.i64(1..4) };
            self.event("copilot.answer_rated", &[("answer_id", answer_id), ("score", number(score))]);
        }
        if is_of_use && rng.f64() < 0.4 {
            self.pause(rng, 240);
            self.event("insight.accepted", &[("case_id", case_id.clone()), ("origin", word("copilot"))]);
        }
    }

    fn pause(&mut self, rng: &mut Rng, seconds_max: i64) {
        self.now += rng.i64(2..=seconds_max);
    }

    fn event(&mut self, name: &str, properties: &[(&str, Value)]) {
        let fields = properties.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        self.events.push(Event {
            event_id: format!("{}-{}", self.prefix, self.events.len() - self.begun),
            name: name.to_owned(),
            actor: self.actor.clone(),
            time: Some(Timestamp { seconds: self.now, nanos: 0 }),
            consents: self.consents.clone(),
            properties: Some(Struct { fields: fields.collect() }),
            ..Default::default()
        });
    }
}

fn word(word: &str) -> Value {
    Value { kind: Some(Kind::StringValue(word.to_owned())) }
}

fn number(number: i64) -> Value {
    Value { kind: Some(Kind::NumberValue(number as f64)) }
}

fn yes(yes: bool) -> Value {
    Value { kind: Some(Kind::BoolValue(yes)) }
}

/// Numbers that look random and follow from one (SplitMix64, G. Steele et al., 2014).
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn all(actors: u32, seed: u64) -> Vec<Event> {
        let mut month = Month::before(20_000, actors, seed);
        std::iter::from_fn(|| Some(month.next(500)).filter(|events| !events.is_empty())).flatten().collect()
    }

    #[test]
    fn the_same_seed_is_the_same_month_whatever_the_batches() {
        let events = all(300, 7);
        assert_eq!(events, all(300, 7));
        assert_ne!(events, all(300, 8));
        let mut month = Month::before(20_000, 300, 7);
        let other: Vec<Event> =
            std::iter::from_fn(|| Some(month.next(1)).filter(|events| !events.is_empty())).flatten().collect();
        assert_eq!(events, other);
    }

    #[test]
    fn everybody_comes_within_the_month_and_every_event_has_an_id_of_its_own() {
        let events = all(330, 1);
        let actors: BTreeSet<_> = events.iter().map(|event| &event.actor).collect();
        assert_eq!(actors.len(), 340, "330 and those who do not agree");
        let ids: BTreeSet<_> = events.iter().map(|event| &event.event_id).collect();
        assert_eq!(ids.len(), events.len());
        let (first, end) = ((20_000 - DAYS) * DAY_SECONDS, 20_000 * DAY_SECONDS);
        assert!(events.iter().all(|event| (first..end).contains(&event.time.unwrap().seconds)));
        let refusing: BTreeSet<_> =
            events.iter().filter(|event| event.consents.is_empty()).map(|event| &event.actor).collect();
        assert_eq!(refusing.len(), 10);
    }
}
