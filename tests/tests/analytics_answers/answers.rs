//! What is said of a copilot's answers, and what that has from the answers that it names, against the oracle.

use std::collections::BTreeMap;

use daybook_kernel::time::Timestamp;
use daybook_proto::product_analytics::v1::metric_definition::Metric;
use daybook_proto::product_analytics::v1::{self, Event, EventMeaning, EventSelector, PropertySchema, PropertyType};
use daybook_testkit::analytics::Recorded;
use daybook_testkit::analytics::copilot::{self as oracle, Said};
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::product::{DAY_MS, MINUTE_MS, Product, word};

/// By mark: shown, used, ignored, edited, rated, insight.
pub const EVENTS: [&str; 6] =
    ["answer.shown", "answer.used", "answer.ignored", "answer.edited", "answer.rated", "insight.accepted"];
const MODELS: [&str; 2] = ["small", "large"];

/// The events of a copilot. Only answers that are shown have a model; a task they all may have.
pub fn schemas() -> Vec<v1::EventSchema> {
    let property = |name: &str, of: PropertyType, values: &[&str]| PropertySchema {
        name: name.into(),
        r#type: of.into(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        maximum: if of == PropertyType::Integer { 5 } else { 0 },
        ..Default::default()
    };
    let id = property("answer_id", PropertyType::OpaqueId, &[]);
    // The same words at other places: what stands in the log is not the same number.
    let task = |values: &[&str]| property("task", PropertyType::Enum, values);
    let model = property("model", PropertyType::Enum, &MODELS);
    let score = property("score", PropertyType::Integer, &[]);
    let schema = |name: &str, meaning: EventMeaning, properties: Vec<PropertySchema>| v1::EventSchema {
        name: name.into(),
        meaning: meaning.into(),
        properties,
        ..Default::default()
    };
    vec![
        schema(EVENTS[0], EventMeaning::CopilotShown, vec![id.clone(), task(&["draft", "summary"]), model]),
        schema(EVENTS[1], EventMeaning::CopilotUsed, vec![id.clone(), task(&["summary", "draft"])]),
        schema(EVENTS[2], EventMeaning::CopilotIgnored, vec![id.clone()]),
        schema(EVENTS[3], EventMeaning::CopilotEdited, vec![id.clone(), task(&["summary", "draft"])]),
        schema(EVENTS[4], EventMeaning::Feedback, vec![id.clone(), score]),
        schema(EVENTS[5], EventMeaning::InsightAccepted, vec![id, task(&["summary", "draft"])]),
    ]
}

/// An event as the test makes it.
#[derive(Debug, Clone)]
pub struct Spoken {
    pub actor: u8,
    pub mark: usize,
    pub minutes_ago: i64,
    pub answer: Option<u8>,
    pub task: Option<&'static str>,
    pub model: Option<&'static str>,
    pub score: Option<i64>,
}

/// A product with a copilot, and all that was said of its answers, for the oracle.
pub struct Copilot {
    pub product: Product,
    pub said: Vec<Said>,
}

/// Whether an event passes, by the values of its properties.
type Filter<'a> = dyn Fn(&dyn Fn(&str) -> Option<String>) -> bool + 'a;

impl Copilot {
    pub fn new(suppress_below: u32) -> Self {
        let late_max = Some(prost_types::Duration { seconds: 90 * 86_400, nanos: 0 });
        let profile =
            v1::MinimisationProfile { late_max, pseudonym_epoch_days: 366, suppress_below, ..Default::default() };
        Self { product: Product::with(schemas(), profile), said: Vec::new() }
    }

    pub fn record(&mut self, spoken: &[Spoken]) {
        let now_ms = self.product.now_ms().div_euclid(MINUTE_MS) * MINUTE_MS;
        let mut events = Vec::new();
        for one in spoken {
            let time_ms = now_ms - one.minutes_ago * MINUTE_MS;
            let mut properties = BTreeMap::new();
            let mut put = |name: &str, value: &str| _ = properties.insert(name.to_owned(), value.to_owned());
            if let Some(answer) = one.answer {
                put("answer_id", &format!("answer-{answer}"));
            }
            if let Some(task) = one.task.filter(|_| [0, 1, 3, 5].contains(&one.mark)) {
                put("task", task);
            }
            if let Some(model) = one.model.filter(|_| one.mark == 0) {
                put("model", model);
            }
            let score = one.score.filter(|_| one.mark == 4);
            let mut fields: BTreeMap<String, prost_types::Value> =
                properties.iter().map(|(name, value)| (name.clone(), word(value))).collect();
            if let Some(score) = score {
                let kind = Some(prost_types::value::Kind::NumberValue(score as f64));
                fields.insert("score".to_owned(), prost_types::Value { kind });
            }
            events.push(Event {
                name: EVENTS[one.mark].to_owned(),
                actor: format!("user-{}@example.org", one.actor),
                time: Some(Timestamp::from_micros(time_ms * 1_000).to_proto()),
                properties: Some(prost_types::Struct { fields }),
                ..Default::default()
            });
            self.said.push(Said {
                recorded: Recorded {
                    actor: u32::from(one.actor),
                    time_ms,
                    marks: 1 << one.mark,
                    name: one.mark as u32,
                    value: 0,
                    number: score.unwrap_or_default(),
                    seq: self.said.len() as u64,
                },
                answer: properties.get("answer_id").cloned(),
                properties,
                counts: 0,
            });
        }
        self.product.send(&events);
    }

    /// Rows of the oracle: period, value, shown, used, edited, ignored, share used, feedback, outcomes, assisted, actors.
    fn expected(&self, bounds: &[i64], split: Option<&str>, passes: &Filter<'_>) -> Vec<Vec<String>> {
        let mut values: Vec<String> = vec!["(none)".to_owned()];
        let mut log = self.said.clone();
        for (event, said) in log.iter_mut().zip(&self.said) {
            let property = |name: &str| oracle::property(said, &self.said, name).map(str::to_owned);
            if let Some(value) = split.and_then(property) {
                let known = values.iter().position(|known| *known == value);
                event.recorded.value = known.unwrap_or_else(|| {
                    values.push(value);
                    values.len() - 1
                }) as u32;
            }
            event.counts = if passes(&property) { event.recorded.marks } else { 0 };
        }
        let share = |part: u64, whole: u64| match whole {
            0 => "-".to_owned(),
            whole => format!("{:.6}", part as f64 / whole as f64),
        };
        let row = |((period, value), row): (&(usize, u32), &oracle::Row)| {
            let [shown, used, ignored, edited, feedback, outcomes] = row.counts;
            let is_known = used + ignored + edited + row.taken > 0;
            let numbers = [shown, used, edited, ignored].map(|number| number.to_string());
            let mut cells = vec![bounds[*period].to_string()];
            cells.extend(split.map(|_| values[*value as usize].clone()));
            cells.extend(numbers);
            cells.push(if is_known { share(row.taken, shown) } else { "-".to_owned() });
            cells.push(feedback.to_string());
            cells.push(match feedback {
                0 => "-".to_owned(),
                _ => format!("{:.6}", row.feedback_sum as f64 / feedback as f64),
            });
            cells.extend([outcomes, row.outcomes_with_answer].map(|number| number.to_string()));
            cells.push(share(row.outcomes_with_answer, outcomes));
            cells.push(row.actors.len().to_string());
            cells
        };
        let mut rows: Vec<Vec<String>> = oracle::copilot(bounds, 60 * MINUTE_MS, &log).iter().map(row).collect();
        rows.sort();
        rows
    }
}

fn by_property(property: &str) -> Option<v1::Breakdown> {
    Some(v1::Breakdown { by: Some(v1::breakdown::By::Property(property.to_owned())), limit: 0 })
}

fn is(property: &str, words: &[&str], negated: bool) -> v1::PropertyFilter {
    let any_of = words.iter().map(|word| (*word).to_owned()).collect();
    v1::PropertyFilter { property: property.to_owned(), any_of, negated, ..Default::default() }
}

fn spoken(mark: usize, minutes_ago: i64, answer: u8, model: Option<&'static str>) -> Spoken {
    Spoken { actor: 1, mark, minutes_ago, answer: Some(answer), task: None, model, score: Some(4) }
}

#[test]
fn what_is_said_of_an_answer_counts_under_the_model_that_gave_it() {
    let mut copilot = Copilot::new(1);
    copilot.record(&[
        spoken(0, 100, 1, Some("small")),
        spoken(0, 90, 2, Some("large")),
        spoken(0, 80, 3, Some("large")),
        spoken(1, 70, 1, None),
        spoken(3, 60, 2, None),
        spoken(2, 50, 3, None),
        spoken(4, 40, 3, None),
        // Of an answer that nobody was shown.
        spoken(1, 30, 9, None),
    ]);
    let end_ms = copilot.product.now_ms() + MINUTE_MS;
    let ask = |filters: Vec<v1::PropertyFilter>, breakdown: Option<v1::Breakdown>| {
        let rows =
            copilot.product.ask(Metric::Copilot(v1::CopilotMetric::default()), end_ms - DAY_MS, end_ms, |request| {
                request.breakdown = breakdown;
                request.filters = filters;
            });
        rows.into_iter().map(|row| row.join(" ")).collect::<Vec<_>>()
    };
    let mut split = ask(vec![], by_property("model"));
    split.sort();
    let none = "(none) 0 1 0 0 - 0 - 0 0 - 1";
    let (large, small) = ("large 2 0 1 1 0.500000 1 4.000000 0 0 - 1", "small 1 1 0 0 1.000000 0 - 0 0 - 1");
    assert_eq!(split, [none, large, small]);
    assert_eq!(ask(vec![is("model", &["large"], false)], None), ["2 0 1 1 0.500000 1 4.000000 0 0 - 1"]);
    assert_eq!(ask(vec![is("model", &["large"], true)], None), ["1 2 0 0 1.000000 0 - 0 0 - 1"]);
}

#[test]
fn an_answer_may_have_been_shown_before_the_range() {
    let mut copilot = Copilot::new(1);
    let day = 24 * 60;
    copilot.record(&[
        spoken(0, 29 * day, 1, Some("large")),
        spoken(1, 10, 1, None),
        // Too long ago to be looked at.
        spoken(0, 40 * day, 2, Some("large")),
        spoken(1, 10, 2, None),
    ]);
    let end_ms = copilot.product.now_ms() + MINUTE_MS;
    let metric = Metric::Copilot(v1::CopilotMetric::default());
    let rows = copilot.product.ask(metric, end_ms - DAY_MS, end_ms, |request| request.breakdown = by_property("model"));
    let mut rows: Vec<_> = rows.iter().map(|row| [row[0].as_str(), row[2].as_str(), row[5].as_str()]).collect();
    rows.sort_unstable();
    assert_eq!(rows, [["(none)", "1", "-"], ["large", "1", "-"]]);
}

pub fn any_spoken(days: i64) -> impl Strategy<Value = Spoken> {
    let task = prop::option::of(prop_oneof![Just("draft"), Just("summary")]);
    let model = prop::option::of(prop_oneof![Just(MODELS[0]), Just(MODELS[1])]);
    // Answers are shown more often than anything else happens to them, and many things in one instant.
    let mark = prop_oneof![2 => Just(0), 3 => 0..EVENTS.len()];
    let minutes_ago = prop_oneof![3 => 0..12_i64, 2 => (0..days * 24).prop_map(|hour| hour * 60)];
    let answer = prop::option::weighted(0.8, 0..4_u8);
    (0..3_u8, mark, minutes_ago, answer, task, model, prop::option::weighted(0.9, 1..6_i64)).prop_map(
        |(actor, mark, minutes_ago, answer, task, model, score)| Spoken {
            actor,
            mark,
            minutes_ago,
            answer,
            task,
            model,
            // Feedback always has a score in what programs send; here it may not.
            score,
        },
    )
}

proptest! {
    #![proptest_config(Config { cases: 200, ..Config::default() })]
    #[test]
    fn copilot_is_that_of_the_oracle(
        batches in prop::collection::vec(prop::collection::vec(any_spoken(4), 1..30), 1..4),
        split in prop_oneof![Just(None), Just(Some("model")), Just(Some("task")), Just(Some("answer_id"))],
        filter in prop_oneof![Just(None), Just(Some(("model", "large"))), Just(Some(("task", "draft")))],
        negated: bool,
        of_outcomes: bool,
    ) {
        let mut copilot = Copilot::new(1);
        for batch in &batches {
            copilot.record(batch);
        }
        let today = copilot.product.now_ms().div_euclid(DAY_MS) * DAY_MS;
        // Answers were shown before the range, too.
        let bounds: Vec<i64> = (-1..=1).map(|day| today + day * DAY_MS).collect();
        let filters: Vec<_> = filter.iter().map(|(property, word)| is(property, &[word], negated)).collect();
        let (mut of_all, mut outcomes) = (filters.clone(), None);
        if of_outcomes {
            // A filter of the outcomes alone; the others count as they are.
            outcomes = Some(EventSelector { names: vec![EVENTS[5].into()], r#where: std::mem::take(&mut of_all) });
        }
        let metric = Metric::Copilot(v1::CopilotMetric { outcomes, ..Default::default() });
        let mut found = copilot.product.ask(metric, bounds[0], bounds[2], |request| {
            request.granularity = v1::Granularity::Day.into();
            request.breakdown = split.and_then(by_property);
            request.filters = of_all;
        });
        found.sort();
        let passes = |property: &dyn Fn(&str) -> Option<String>| {
            filter.is_none_or(|(name, word)| (property(name).as_deref() == Some(word)) != negated)
        };
        let expected = match of_outcomes {
            false => copilot.expected(&bounds, split, &passes),
            true => {
                let marked = |property: &dyn Fn(&str) -> Option<String>| property(MARK).is_none() || passes(property);
                copilot.mark_outcomes();
                copilot.expected(&bounds, split, &marked)
            }
        };
        prop_assert_eq!(found, expected);
    }
}

/// A property of the oracle's own, which outcomes have.
const MARK: &str = "is an outcome";

impl Copilot {
    fn mark_outcomes(&mut self) {
        for event in self.said.iter_mut().filter(|event| event.recorded.has(5)) {
            event.properties.insert(MARK.to_owned(), String::new());
        }
    }
}
