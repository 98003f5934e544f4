//! Usage, lifecycle and retention over ranges that begin and end within days, weeks and months, in zones whose clocks
//! change, against the oracle: where a range begins and ends says who is counted, never as what.

use daybook_kernel::time::Timestamp;
use daybook_proto::product_analytics::v1::metric_definition::Metric;
use daybook_proto::product_analytics::v1::{self, Granularity};
use daybook_testkit::analytics::Recorded;
use daybook_testkit::analytics::actors::{self as oracle, Asked, Retention};
use daybook_testkit::analytics::calendar::{Calendar, Length};
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::product::{DAY_MS, MINUTE_MS, Made, Product};

/// Their clocks change on days of their own, two of them at midnight; the last never do.
const ZONES: [&str; 6] =
    ["UTC", "Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Asia/Beirut", "Asia/Kathmandu"];
const LENGTHS: [(Granularity, Length); 3] =
    [(Granularity::Day, Length::Day), (Granularity::Week, Length::Week), (Granularity::Month, Length::Month)];

/// A product whose pseudonyms have not changed for 330 days.
fn product() -> Product {
    let late_max = Some(prost_types::Duration { seconds: 366 * 86_400, nanos: 0 });
    Product::with_kinds(v1::MinimisationProfile { late_max, pseudonym_epoch_days: 366, ..Default::default() })
}

fn ms(text: &str) -> i64 {
    let time: prost_types::Timestamp = text.parse().unwrap();
    Timestamp::from_proto(&time).unwrap().as_micros() / 1_000
}

/// Records what some actors did, at these times.
fn record(product: &mut Product, did: &[(u8, &str)]) {
    let now_ms = product.now_ms();
    let made = |(id, (actor, time)): (u16, &(u8, &str))| {
        let minutes_ago = (now_ms - ms(time)) / MINUTE_MS;
        Made { id, actor: *actor, name: 0, minutes_ago, ms: 0, kind: None }
    };
    let made: Vec<Made> = (0..).zip(did).map(made).collect();
    product.record(&made);
}

fn lifecycle(product: &Product, (start, end): (&str, &str), zone: &str, of: Granularity) -> Vec<Vec<String>> {
    let rows = product.ask(Metric::Lifecycle(v1::LifecycleMetric::default()), ms(start), ms(end), |request| {
        request.time_zone = zone.to_owned();
        request.granularity = of.into();
    });
    rows.into_iter().map(|row| row[1..].to_vec()).collect()
}

#[test]
fn who_was_active_last_month_returns_also_where_the_range_begins_within_a_month() {
    let mut product = product();
    record(&mut product, &[(1, "2026-10-20T12:00:00Z"), (1, "2026-11-15T12:00:00Z")]);
    let of = |start| lifecycle(&product, (start, "2026-12-01T00:00:00Z"), "UTC", Granularity::Month);
    for start in ["2026-11-01T00:00:00Z", "2026-11-10T00:00:00Z", "2026-11-10T13:14:00Z"] {
        assert_eq!(of(start), [["0", "1", "0", "0"]], "{start}");
    }
}

#[test]
fn the_part_of_a_period_before_the_range_makes_nobody_dormant_known_or_counted() {
    let mut product = product();
    record(
        &mut product,
        &[
            // Active last month, and in this one only before the range: neither counted nor dormant.
            (1, "2026-10-20T12:00:00Z"),
            (1, "2026-11-05T12:00:00Z"),
            // New in this month, before the range and in it.
            (2, "2026-11-05T12:00:00Z"),
            (2, "2026-11-15T12:00:00Z"),
            // Away for a month.
            (3, "2026-09-20T12:00:00Z"),
            (3, "2026-11-15T12:00:00Z"),
            // Gone.
            (4, "2026-10-20T12:00:00Z"),
            // In December both who were there in November return, and nobody else is dormant.
            (1, "2026-12-05T12:00:00Z"),
            (2, "2026-12-05T12:00:00Z"),
        ],
    );
    let rows = lifecycle(&product, ("2026-11-10T00:00:00Z", "2026-12-31T00:00:00Z"), "UTC", Granularity::Month);
    assert_eq!(rows, [["1", "0", "1", "1"], ["0", "2", "0", "1"]]);
}

#[test]
fn a_day_before_the_clocks_change_is_the_day_before() {
    let mut product = product();
    // 23 hours of Sunday; Saturday in Berlin, which is Friday nowhere.
    record(&mut product, &[(1, "2026-03-28T22:30:00Z"), (1, "2026-03-29T21:30:00Z"), (2, "2026-03-27T22:59:00Z")]);
    let rows = lifecycle(&product, ("2026-03-29T05:00:00Z", "2026-03-29T22:00:00Z"), "Europe/Berlin", Granularity::Day);
    assert_eq!(rows, [["0", "1", "0", "0"]]);
    let rows = lifecycle(&product, ("2026-03-28T01:00:00Z", "2026-03-29T22:00:00Z"), "europe/berlin", Granularity::Day);
    assert_eq!(rows, [["1", "0", "0", "1"], ["0", "1", "0", "0"]]);
}

#[test]
fn days_that_have_not_begun_make_nobody_less_sticky() {
    let mut product = product();
    // Now is 2027-01-15 08:00.
    record(&mut product, &[(1, "2027-01-14T12:00:00Z"), (1, "2027-01-15T07:00:00Z")]);
    let of = |end| {
        let usage = Metric::Usage(v1::UsageMetric::default());
        product.ask(usage, ms("2027-01-14T00:00:00Z"), ms(end), |_| {}).remove(0)
    };
    assert_eq!(of("2027-01-16T00:00:00Z"), ["2", "1", "1.000000", "1.000000"]);
    assert_eq!(of("2027-02-01T00:00:00Z"), of("2027-01-16T00:00:00Z"));
}

#[test]
fn a_period_that_the_longest_look_ahead_would_cut_is_left_out() {
    let mut product = product();
    record(&mut product, &[(1, "2026-03-15T12:00:00Z"), (1, "2026-11-20T12:00:00Z"), (1, "2026-12-20T12:00:00Z")]);
    // 400 days later is the 15th of December: what it has by then says nothing of December.
    let metric = Metric::Retention(v1::RetentionMetric { periods: 60, ..Default::default() });
    let rows = product.ask(metric, ms("2025-11-10T00:00:00Z"), ms("2026-03-20T00:00:00Z"), |request| {
        request.granularity = Granularity::Month.into();
    });
    let march = ms("2026-03-01T00:00:00Z").to_string();
    let of_march: Vec<_> = rows.iter().filter(|row| row[0] == march).map(|row| row[3].as_str()).collect();
    assert_eq!(of_march, ["1", "0", "0", "0", "0", "0", "0", "0", "1"]);
}

#[derive(Debug, Clone)]
struct Question {
    zone: &'static str,
    length: usize,
    /// Days before the day of now.
    start: (i64, i64),
    days: i64,
    end_minutes: i64,
    is_filtered: bool,
    periods: u32,
}

/// Near the bounds of days, or anywhere.
fn minute() -> impl Strategy<Value = i64> {
    prop_oneof![2 => Just(0), 1 => -2..3_i64, 1 => Just(720), 1 => 0..1_440_i64]
}

fn question() -> impl Strategy<Value = Question> {
    let start = (0..100_i64, minute());
    (0..ZONES.len(), 0..LENGTHS.len(), start, 1..70_i64, minute(), any::<bool>(), 1..5_u32).prop_map(
        |(zone, length, start, days, end_minutes, is_filtered, periods)| Question {
            zone: ZONES[zone],
            length,
            start,
            days,
            end_minutes,
            is_filtered,
            periods,
        },
    )
}

proptest! {
    #![proptest_config(Config { cases: 160, ..Config::default() })]
    #[test]
    fn usage_lifecycle_and_retention_are_those_of_the_oracle(
        did in prop::collection::vec((0..6_u8, 0..130_i64, minute(), 0..2_usize, prop::option::of(0..3_u8)), 1..60),
        questions in prop::collection::vec(question(), 1..6),
        // The year has changes of the clocks in March and April, and in September and October.
        until in prop_oneof![Just("2026-06-25T00:00:00Z"), Just("2026-10-31T00:00:00Z"), Just("2027-01-15T00:00:00Z")],
    ) {
        let mut product = product();
        let now_ms = product.now_ms();
        for question in &questions {
            // Events at bounds of the first zone, so that some lie just before and just after them.
            if product.recorded.is_empty() {
                let days = Calendar::new(question.zone, Length::Day);
                let last = days.period_of(ms(until));
                let made: Vec<Made> = (0..).zip(&did).map(|(id, (actor, day, minutes, name, kind))| {
                    let time_ms = (days.start_of(last - day) + minutes * MINUTE_MS).min(now_ms);
                    Made { id, actor: *actor, name: *name, minutes_ago: (now_ms - time_ms) / MINUTE_MS, ms: 0, kind: *kind }
                }).collect();
                product.record(&made);
            }
            check(&product, question, ms(until));
        }
    }
}

fn check(product: &Product, question: &Question, until_ms: i64) {
    let (granularity, length) = LENGTHS[question.length];
    let calendar = Calendar::new(question.zone, length);
    let days = calendar.days();
    let first = days.period_of(until_ms) - question.start.0;
    let start_ms = days.start_of(first) + question.start.1 * MINUTE_MS;
    let end_ms = (days.start_of(first + question.days) + question.end_minutes * MINUTE_MS).max(start_ms + 1);
    let asked = Asked { calendar, range: (start_ms, end_ms), now_ms: product.now_ms() };
    let red =
        v1::PropertyFilter { property: "kind".into(), any_of: vec!["red".into()], negated: true, ..Default::default() };
    let filters = if question.is_filtered { vec![red] } else { vec![] };
    let recorded: Vec<Recorded> =
        product.recorded.iter().copied().filter(|event| !question.is_filtered || event.value != 1).collect();
    let ask = |metric| {
        product.ask(metric, start_ms, end_ms, |request| {
            request.time_zone = question.zone.to_owned();
            request.granularity = granularity.into();
            request.filters.clone_from(&filters);
        })
    };
    let text = |number: u64| number.to_string();

    let expected = oracle::lifecycle(&asked, &recorded);
    let expected: Vec<Vec<String>> =
        expected.iter().map(|(start, row)| [vec![start.to_string()], row.map(text).to_vec()].concat()).collect();
    assert_eq!(ask(Metric::Lifecycle(v1::LifecycleMetric::default())), expected, "{question:?}");

    let expected: Vec<Vec<String>> = oracle::usage(&asked, &recorded)
        .iter()
        .map(|row| {
            let start = row.start_ms.map_or("-".to_owned(), |start| start.to_string());
            let stickiness = match row.actors {
                0 => "-".to_owned(),
                actors => format!("{:.6}", row.daily / actors as f64),
            };
            vec![start, text(row.events), text(row.actors), format!("{:.6}", row.daily), stickiness]
        })
        .collect();
    assert_eq!(ask(Metric::Usage(v1::UsageMetric::default())), expected, "{question:?}");

    let names =
        |name: usize| Some(v1::EventSelector { names: vec![crate::product::NAMES[name].into()], r#where: vec![] });
    let of_name = |name: u32| recorded.iter().copied().filter(|event| event.name == name).collect::<Vec<_>>();
    for (rolling, first_time) in [(false, false), (false, true), (true, false), (true, true)] {
        let kind = if rolling { v1::RetentionKind::Rolling } else { v1::RetentionKind::Unspecified };
        let rows = ask(Metric::Retention(v1::RetentionMetric {
            first: names(0),
            returning: names(1),
            first_time,
            kind: kind.into(),
            periods: question.periods,
        }));
        let latest_ms = start_ms + 400 * DAY_MS;
        let wanted = Retention { rolling, first_time, periods: question.periods.into(), latest_ms };
        let expected = oracle::retention(&asked, wanted, &of_name(0), |_| true, &of_name(1));
        let expected: Vec<Vec<String>> = expected
            .iter()
            .map(|row| {
                let is_open = u64::from(!row.is_over);
                vec![row.start_ms.to_string(), row.n.to_string(), text(row.began), text(row.came), text(is_open)]
            })
            .collect();
        let cells = |row: &Vec<String>| [&row[0], &row[1], &row[2], &row[3], &row[5]].map(String::clone).to_vec();
        let found: Vec<Vec<String>> = rows.iter().filter(|row| row[0] != "-").map(cells).collect();
        assert_eq!(found, expected, "{question:?}, rolling {rolling}, first time {first_time}");
    }
}
