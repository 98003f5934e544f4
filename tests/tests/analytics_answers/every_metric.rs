//! Every metric, while events are late, out of order and sent twice, and move from recent batches into segments.

use std::collections::BTreeMap;
use std::time::Duration;

use daybook_kernel::key::All;
use daybook_kernel::state::Fault;
use daybook_proto::product_analytics::v1::metric_definition::Metric;
use daybook_proto::product_analytics::v1::{self, EventSelector};
use daybook_testkit::analytics::actors::{Asked, Retention as Wanted};
use daybook_testkit::analytics::calendar::{Calendar, Length};
use daybook_testkit::analytics::{self as oracle, Recorded};
use product_analytics_projection::Tables;
use product_analytics_projection::export::{Export, Holds};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRng, TestRunner};

use crate::product::{DAY_MS, KINDS, MINUTE_MS, Made, NAMES, Product};

impl Product {
    /// The events of an export are those that were recorded, each actor's in their order.
    fn check_export(&self) {
        let end_ms = self.now_ms() + DAY_MS;
        let start_ms = end_ms - 5 * DAY_MS - 12_345_678;
        let tables: Tables<'_> = self.solo.tables(&self.tenant);
        let export = Export::open(&tables, start_ms, end_ms).unwrap();
        let [kind] = export.properties() else { panic!("one property") };
        assert_eq!((kind.name.as_str(), kind.holds), ("kind", Holds::Words));
        let mut found: BTreeMap<u32, Vec<(i64, String, Option<String>)>> = BTreeMap::new();
        for day in export.days().unwrap() {
            let left_out = export.day(day, |events| {
                let order: Vec<_> = events.actors.iter().zip(&events.times_ms).collect();
                assert!(order.is_sorted() && events.times_ms.iter().all(|time| time.div_euclid(DAY_MS) == day));
                for (place, actor) in events.actors.iter().enumerate() {
                    let values = &events.properties[0];
                    let word = values.values[place].map(|word| values.words[word as usize].clone());
                    let name = export.names()[events.names[place] as usize].clone();
                    found.entry(*actor).or_default().push((events.times_ms[place], name, word));
                }
                Ok::<_, Fault>(())
            });
            assert_eq!(left_out, Ok(0));
        }
        let mut expected: BTreeMap<u32, Vec<&Recorded>> = BTreeMap::new();
        for event in self.recorded.iter().filter(|event| (start_ms..end_ms).contains(&event.time_ms)) {
            expected.entry(event.actor).or_default().push(event);
        }
        let told = |mut events: Vec<&Recorded>| {
            events.sort_by_key(|event| (event.time_ms, event.seq));
            let word = |value: u32| (value > 0).then(|| KINDS[value as usize - 1].to_owned());
            let told = |event: &&Recorded| (event.time_ms, NAMES[event.name as usize].to_owned(), word(event.value));
            events.iter().map(told).collect::<Vec<_>>()
        };
        // Numbers of actors are their own matter.
        let mut expected: Vec<_> = expected.into_values().map(told).collect();
        let mut found: Vec<_> = found.into_values().collect();
        expected.sort();
        found.sort();
        // There are thousands: the first difference says enough.
        let (found, expected) = (found.concat(), expected.concat());
        let differs = found.iter().zip(&expected).position(|(found, expected)| found != expected);
        let around = |events: &[(i64, String, Option<String>)]| differs.and_then(|at| events.get(at).cloned());
        assert_eq!((found.len(), around(&found)), (expected.len(), around(&expected)), "at {differs:?}");
    }

    /// Every metric over some days, from rollups and from events, is what the oracle says.
    fn check(&self) {
        let end_ms = self.now_ms().div_euclid(DAY_MS) * DAY_MS + DAY_MS;
        let start_ms = end_ms - 6 * DAY_MS;
        let bounds: Vec<i64> = (0..=6).map(|day| start_ms + day * DAY_MS).collect();
        self.check_usage(&bounds);
        self.check_actors(&bounds);
        self.check_funnel(start_ms, end_ms);
        self.check_sessions(&bounds);
        self.check_splits(&bounds);
        self.check_export();
    }

    /// Before segments are written anew, numbers of actors are right already.
    fn check_actors_of_last_days(&self) {
        let end_ms = self.now_ms().div_euclid(DAY_MS) * DAY_MS + DAY_MS;
        let bounds: Vec<i64> = (0..=6).map(|day| end_ms - (6 - day) * DAY_MS).collect();
        self.check_actors(&bounds);
        self.check_sessions(&bounds);
        self.check_export();
    }

    fn check_usage(&self, bounds: &[i64]) {
        let (start_ms, end_ms) = (bounds[0], bounds[bounds.len() - 1]);
        let by_day = |request: &mut v1::QueryMetricRequest| request.granularity = v1::Granularity::Day.into();
        let events = Some(EventSelector { names: vec![NAMES[0].into(), NAMES[2].into()], r#where: Vec::new() });
        let is_meant = |event: &Recorded| event.name == 0 || event.name == 2;
        let usage = || Metric::Usage(v1::UsageMetric { events: events.clone() });
        let rows = self.ask(usage(), start_ms, end_ms, by_day);
        let meant: Vec<Recorded> = self.recorded.iter().copied().filter(is_meant).collect();
        let count = |from: i64, to: i64| {
            self.recorded.iter().filter(|event| is_meant(event) && (from..to).contains(&event.time_ms)).count()
        };
        let expected = oracle::actors::usage(&self.asked(start_ms, end_ms), &meant);
        for (row, expected) in rows.iter().zip(&expected) {
            let start = expected.start_ms.map_or("-".to_owned(), |start| start.to_string());
            let daily = format!("{:.6}", expected.daily);
            assert_eq!(row[..4], [start, expected.events.to_string(), expected.actors.to_string(), daily]);
        }
        assert_eq!((rows.len(), expected.len()), (7, 7));
        // The same from the events themselves: a filter that lets everything through takes the other road.
        let all = v1::PropertyFilter { property: "kind".into(), any_of: vec!["red".into()], ..Default::default() };
        let none = v1::PropertyFilter { negated: true, ..all.clone() };
        let of = |filter: &v1::PropertyFilter| {
            self.ask(usage(), start_ms, end_ms, |request| request.filters = vec![filter.clone()])[0].clone()
        };
        let red =
            |event: &&Recorded| is_meant(event) && event.value == 1 && (start_ms..end_ms).contains(&event.time_ms);
        let reds = self.recorded.iter().filter(red).count();
        assert_eq!(of(&all)[0], reds.to_string());
        assert_eq!(of(&none)[0], (count(start_ms, end_ms) - reds).to_string());
        // Split by the property, the parts add up.
        let split = self.ask(usage(), start_ms, end_ms, |request| {
            let by = Some(v1::breakdown::By::Property("kind".into()));
            request.breakdown = Some(v1::Breakdown { by, limit: 0 });
        });
        let sum: usize = split.iter().map(|row| row[1].parse::<usize>().unwrap()).sum();
        assert_eq!(sum, count(start_ms, end_ms));
    }

    fn check_actors(&self, bounds: &[i64]) {
        let (start_ms, end_ms) = (bounds[0], bounds[bounds.len() - 1]);
        let asked = self.asked(start_ms, end_ms);
        let rows = self.ask(Metric::Lifecycle(v1::LifecycleMetric::default()), start_ms, end_ms, |_| {});
        for (row, (_, expected)) in rows.iter().zip(oracle::actors::lifecycle(&asked, &self.recorded)) {
            assert_eq!(row[1..], expected.map(|count| count.to_string()));
        }
        for first_time in [false, true] {
            for rolling in [false, true] {
                let kind = if rolling { v1::RetentionKind::Rolling } else { v1::RetentionKind::Unspecified };
                let metric = v1::RetentionMetric { first_time, kind: kind.into(), periods: 3, ..Default::default() };
                let rows = self.ask(Metric::Retention(metric), start_ms, end_ms, |_| {});
                // Days that have not begun have no rows; a rolling number looks at all that are asked for.
                let wanted = Wanted { rolling, first_time, periods: 3, latest_ms: i64::MAX };
                let expected = oracle::actors::retention(&asked, wanted, &self.recorded, |_| true, &self.recorded);
                let expected = expected.iter().map(|row| {
                    vec![row.start_ms.to_string(), row.n.to_string(), row.began.to_string(), row.came.to_string()]
                });
                let of_cohorts = rows.iter().filter(|row| row[0] != "-").map(|row| row[..4].to_vec());
                assert_eq!(of_cohorts.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
            }
        }
    }

    fn asked(&self, start_ms: i64, end_ms: i64) -> Asked {
        Asked { calendar: Calendar::new("UTC", Length::Day), range: (start_ms, end_ms), now_ms: self.now_ms() }
    }

    fn check_funnel(&self, start_ms: i64, end_ms: i64) {
        let orders = [
            (v1::FunnelOrder::Unspecified, oracle::funnel::Order::AnythingBetween),
            (v1::FunnelOrder::Strict, oracle::funnel::Order::Strict),
            (v1::FunnelOrder::Increasing, oracle::funnel::Order::Increasing),
            (v1::FunnelOrder::Any, oracle::funnel::Order::Any),
        ];
        let names = |name: usize| Some(EventSelector { names: vec![NAMES[name].into()], r#where: Vec::new() });
        for (order, of_oracle) in orders {
            let window_ms = 90 * MINUTE_MS;
            let metric = v1::FunnelMetric {
                steps: (0..3).map(|name| v1::FunnelStep { events: names(name), optional: false }).collect(),
                order: order.into(),
                conversion_window: Some(prost_types::Duration { seconds: window_ms / 1_000, nanos: 0 }),
                exclusions: names(3).into_iter().collect(),
                ..Default::default()
            };
            let rows = self.ask(Metric::Funnel(metric), start_ms, end_ms, |_| {});
            let asked = oracle::funnel::Funnel {
                steps: (0..3).map(|mark| (mark, false)).collect(),
                order: of_oracle,
                window_ms,
                exclusions: vec![3],
                attribution: oracle::funnel::Attribution::First,
                start_ms,
                end_ms,
                now_ms: self.now_ms(),
            };
            // Without a breakdown everybody counts under none.
            let unsplit: Vec<Recorded> = self.recorded.iter().map(|event| Recorded { value: 0, ..*event }).collect();
            let nobody = || vec![oracle::funnel::Step::default(); 3];
            let steps = oracle::funnel::funnel(&asked, &unsplit).remove(&0).unwrap_or_else(nobody);
            let expected = steps.iter().map(|step| {
                let median = oracle::percentile(&step.times_ms, 50).map_or("-".to_owned(), |ms| ms.to_string());
                [step.reached.to_string(), step.open.to_string(), median]
            });
            let found = rows.iter().map(|row| [row[2].clone(), row[5].clone(), row[6].clone()]);
            assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{order:?}");
        }
    }

    fn check_sessions(&self, bounds: &[i64]) {
        let (start_ms, end_ms) = (bounds[0], bounds[bounds.len() - 1]);
        let rows = self.ask(Metric::Sessions(v1::SessionsMetric::default()), start_ms, end_ms, |request| {
            request.granularity = v1::Granularity::Day.into();
        });
        for (row, (sessions, actors, events, durations)) in
            rows.iter().zip(oracle::sessions::sessions(bounds, &self.recorded))
        {
            let median = oracle::percentile(&durations, 50).map_or("-".to_owned(), |ms| ms.to_string());
            let expected = [sessions.to_string(), actors.to_string(), events.to_string()];
            assert_eq!((&row[1..4], &row[5]), (&expected[..], &median));
            // Nobody is more than his sessions, nor those more than their events.
            assert!(actors <= sessions && sessions <= events);
        }
        let metric = v1::PathsMetric { length: 3, limit: 100, ..Default::default() };
        let rows = self.ask(Metric::Paths(metric), start_ms, end_ms, |_| {});
        let (expected, _) = oracle::sessions::paths(&[], 3, 100, (start_ms, end_ms), &self.recorded);
        let named = |(names, sessions, actors): &(Vec<u32>, u64, u64)| {
            let names: Vec<_> = names.iter().map(|name| NAMES[*name as usize]).collect();
            vec![names.join(" > "), sessions.to_string(), actors.to_string()]
        };
        let mut expected: Vec<_> = expected.iter().map(named).collect();
        let mut found: Vec<_> = rows.iter().filter(|row| row[0] != "(others)").map(|row| row[..3].to_vec()).collect();
        // Paths that are as frequent stand in the order of the numbers of their names, which the oracle does not know.
        expected.sort();
        found.sort();
        assert_eq!(found, expected);
    }

    /// Each value of a breakdown has the numbers of the events that count under it.
    fn check_splits(&self, bounds: &[i64]) {
        let (start_ms, end_ms) = (bounds[0], bounds[bounds.len() - 1]);
        let split = |limit| {
            move |request: &mut v1::QueryMetricRequest| {
                request.breakdown = Some(v1::Breakdown { by: Some(v1::breakdown::By::Property("kind".into())), limit });
            }
        };
        let of_word = |rows: &[Vec<String>], at: usize, word: &str| -> Vec<Vec<String>> {
            rows.iter().filter(|row| row[at] == word && row[0] != "-").map(|row| row[at + 1..].to_vec()).collect()
        };
        let texts = |counts: &[u64]| counts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let lifecycle = self.ask(Metric::Lifecycle(v1::LifecycleMetric::default()), start_ms, end_ms, split(0));
        let retention = [false, true].map(|first_time| {
            let metric = v1::RetentionMetric { first_time, periods: 3, ..Default::default() };
            self.ask(Metric::Retention(metric), start_ms, end_ms, split(0))
        });
        let sessions = self.ask(Metric::Sessions(v1::SessionsMetric::default()), start_ms, end_ms, |request| {
            request.granularity = v1::Granularity::Day.into();
            split(0)(request);
        });
        let metric = v1::PathsMetric { length: 2, limit: 100, ..Default::default() };
        let paths = self.ask(Metric::Paths(metric), start_ms, end_ms, split(0));
        let insight = Some(EventSelector { names: vec![NAMES[3].into()], r#where: Vec::new() });
        let metric = Metric::TimeToInsight(v1::TimeToInsightMetric { insight });
        let times = self.ask(metric, start_ms, end_ms, split(0));

        let asked = self.asked(start_ms, end_ms);
        for (value, word) in (0..).zip(["(none)", "red", "green", "blue"]) {
            let has_value = |event: &Recorded| event.value == value;
            let of_value: Vec<Recorded> = self.recorded.iter().copied().filter(has_value).collect();
            let is_here = of_value.iter().any(|event| (start_ms - DAY_MS..end_ms).contains(&event.time_ms));
            let expected = oracle::actors::lifecycle(&asked, &of_value);
            let expected: Vec<_> = expected.iter().map(|(_, row)| texts(row)).collect();
            let found = of_word(&lifecycle, 1, word);
            assert!(found == expected || found.is_empty() && !is_here, "{word}: {found:?}, not {expected:?}");

            for (rows, first_time) in retention.iter().zip([false, true]) {
                let wanted = Wanted { rolling: false, first_time, periods: 3, latest_ms: i64::MAX };
                let expected = oracle::actors::retention(&asked, wanted, &self.recorded, has_value, &self.recorded);
                let expected: Vec<_> =
                    expected.iter().map(|row| texts(&[row.n.unsigned_abs(), row.began, row.came])).collect();
                let found: Vec<_> = of_word(rows, 1, word).iter().map(|row| row[..3].to_vec()).collect();
                assert!(found == expected || found.is_empty() && !is_here, "{word}: {found:?}, not {expected:?}");
            }

            let own = oracle::sessions::beginning_with(&[value], &self.recorded);
            let expected = oracle::sessions::sessions(bounds, &own);
            let expected: Vec<_> =
                expected.iter().map(|(sessions, actors, events, _)| texts(&[*sessions, *actors, *events])).collect();
            let found: Vec<_> = of_word(&sessions, 1, word).iter().map(|row| row[..3].to_vec()).collect();
            let is_nothing = expected.iter().all(|row| row[0] == "0");
            assert!(found == expected || found.is_empty() && is_nothing, "{word}: {found:?}, not {expected:?}");

            let (mut expected, _) = oracle::sessions::paths(&[], 2, 100, (start_ms, end_ms), &own);
            expected.sort();
            let named = |names: &[u32]| names.iter().map(|name| NAMES[*name as usize]).collect::<Vec<_>>().join(" > ");
            let mut expected: Vec<_> = expected
                .iter()
                .map(|(names, sessions, actors)| [vec![named(names)], texts(&[*sessions, *actors])].concat())
                .collect();
            expected.sort();
            let mut found: Vec<_> = of_word(&paths, 0, word).iter().map(|row| row[..3].to_vec()).collect();
            found.sort();
            assert_eq!(found, expected, "{word}");

            let own = oracle::sessions::first_beginning_with(value, (start_ms, end_ms), &self.recorded);
            let expected = oracle::sessions::times_to_insight(3, (start_ms, end_ms), self.now_ms(), &own);
            let reached = expected.iter().filter(|(_, reached)| *reached).count() as u64;
            let all = expected.len() as u64;
            let found = of_word(&times, 0, word);
            assert!(found.is_empty() && all == 0 || found[0][..3] == texts(&[all, reached, all - reached]), "{word}");
        }

        // Whoever begins sessions with several of the other values is one of the others once.
        let rows = self.ask(Metric::Sessions(v1::SessionsMetric::default()), start_ms, end_ms, split(1));
        if let [first, others] = &rows[..] {
            assert_eq!(others[0], "(others)");
            let words = ["(none)", "red", "green", "blue"];
            let others_of: Vec<u32> = (0..4).filter(|value| words[*value as usize] != first[0]).collect();
            let own = oracle::sessions::beginning_with(&others_of, &self.recorded);
            let (sessions, actors, events, _) = oracle::sessions::sessions(&[start_ms, end_ms], &own).remove(0);
            assert_eq!(others[1..4], texts(&[sessions, actors, events]));
        }
    }
}

fn made(actors: u8) -> impl Strategy<Value = Made> {
    (0..4_000u16, 0..actors, 0..NAMES.len(), 0..9_000i64, 0..MINUTE_MS, prop::option::of(0..3u8))
        .prop_map(|(id, actor, name, minutes_ago, ms, kind)| Made { id, actor, name, minutes_ago, ms, kind })
}

/// Near enough to each other in time that funnels convert and sessions last.
fn near(minutes: i64) -> impl Strategy<Value = Made> {
    (0..u16::MAX, 0..4u8, 0..NAMES.len(), 0..minutes, 0..MINUTE_MS, prop::option::of(0..3u8))
        .prop_map(|(id, actor, name, minutes_ago, ms, kind)| Made { id, actor, name, minutes_ago, ms, kind })
}

proptest! {
    #![proptest_config(Config { cases: 24, ..Config::default() })]
    #[test]
    fn whoever_is_erased_might_never_have_been(
        before in prop::collection::vec(prop::collection::vec(near(600), 1..20), 1..4),
        after in prop::collection::vec(prop::collection::vec(near(600), 1..20), 0..3),
        erased in 0..4u8,
    ) {
        let mut product = Product::new();
        for batch in &before {
            product.record(batch);
            product.solo.advance(Duration::from_secs(3_600));
        }
        product.erase(erased);
        product.check_actors_of_last_days();
        for batch in &after {
            product.record(batch);
        }
        product.solo.settle();
        product.check();
        product.check_rebuild();
    }
}

proptest! {
    #![proptest_config(Config { cases: 48, ..Config::default() })]
    #[test]
    fn recent_events_are_answered_for_at_once(
        batches in prop::collection::vec(prop::collection::vec(near(600), 1..20), 1..6)
    ) {
        let mut product = Product::new();
        for batch in &batches {
            product.record(batch);
            product.solo.advance(Duration::from_secs(3_600));
        }
        product.check();
    }
}

/// More than a thousand batches are laid into segments; several times that, and small segments become one.
#[test]
fn answers_do_not_depend_on_where_events_lie() {
    let mut runner =
        TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(Config::default().rng_algorithm));
    let mut product = Product::new();
    let strategy = prop_oneof![3 => prop::collection::vec(made(12), 1..3), 1 => prop::collection::vec(near(300), 1..4)];
    for batch in 1..=9_300 {
        let events = strategy.new_tree(&mut runner).unwrap().current();
        product.record(&events);
        if batch % 50 == 0 {
            product.solo.advance(Duration::from_secs(900));
        }
        if [1_000, 1_024, 1_100, 3_000, 9_300].contains(&batch) {
            product.check();
        }
        // One whose events are in segments and waiting, one in between, and one who was here before under the same name.
        if [1_050, 2_000, 5_000].contains(&batch) {
            let actor = [3, 4, 3][usize::from(batch > 1_050) + usize::from(batch > 2_000)];
            product.erase(actor);
            product.check_actors_of_last_days();
            product.solo.settle();
            product.check();
        }
    }
    let tables: Tables<'_> = product.solo.tables(&product.tenant);
    let segments = tables.segments().scan(All).count();
    assert!((2..60).contains(&segments), "{segments} segments: they are made, and small ones become one");
    product.check_rebuild();
}
