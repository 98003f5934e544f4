//! The metrics of product analytics against the oracle that says the same in the plainest way, over small random logs
//! with many events of one instant; and laws that need no oracle.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use daybook_testkit::analytics::{self as oracle, Recorded};
use product_analytics_projection::metrics::Event;
use product_analytics_projection::metrics::copilot::{Copilot, CopilotMarks, CopilotRow};
use product_analytics_projection::metrics::funnel::{
    Attribution, Funnel, FunnelCount, FunnelResult, FunnelValue, Order, Step, StepCount,
};
use product_analytics_projection::metrics::lifecycle::lifecycle;
use product_analytics_projection::metrics::paths::{PathCount, Paths};
use product_analytics_projection::metrics::percentiles::percentile;
use product_analytics_projection::metrics::periods::{Granularity, Periods};
use product_analytics_projection::metrics::retention::{Kind, Retention, newcomers, retention};
use product_analytics_projection::metrics::sessions::{Sessions, SessionsResult};
use product_analytics_projection::metrics::time_to_insight::TimeToInsight;
use product_analytics_projection::metrics::usage::usage;
use proptest::prelude::*;
use roaring::RoaringBitmap;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// Up to 60 events of a few actors. Times are multiples of a step, so that many are of one instant and many lie exactly
/// at a bound.
fn log(marks: u32, instants: i64, step_ms: i64) -> impl Strategy<Value = Vec<Recorded>> {
    (1..5_u32).prop_flat_map(move |actors| log_of(actors, marks, instants, step_ms))
}

fn log_of(actors: u32, marks: u32, instants: i64, step_ms: i64) -> impl Strategy<Value = Vec<Recorded>> {
    let mask = || {
        let one = (0..marks).prop_map(|mark| 1_u64 << mark);
        prop_oneof![6 => one, 1 => Just(0), 2 => 0..1_u64 << marks]
    };
    let event = (0..actors, 0..instants, mask(), 0..3_u32, 0..3_u32, -3..4_i64);
    prop::collection::vec(event, 0..60).prop_map(move |events| {
        let recorded = |(seq, (actor, instant, marks, name, value, number))| Recorded {
            actor,
            time_ms: instant * step_ms,
            marks,
            name,
            value,
            number,
            seq,
        };
        (0..).zip(events).map(recorded).collect()
    })
}

fn engine_events(log: &[Recorded], actor: u32) -> Vec<Event> {
    let event = |event: &Recorded| Event {
        time_ms: event.time_ms,
        marks: event.marks,
        name: event.name,
        value: event.value,
        number: event.number,
    };
    oracle::events_of(log, actor).iter().map(event).collect()
}

/// A metric of a log. Actors are added to one of two accumulators each, as `split` says, and these are merged: if
/// merging were not the same as adding, no metric would agree with its oracle.
fn of<M>(
    log: &[Recorded],
    split: u32,
    new: impl Fn() -> M,
    add: impl Fn(&mut M, &[Event]),
    merge: impl Fn(&mut M, M),
) -> M {
    let (mut one, mut other) = (new(), new());
    for actor in oracle::actors(log) {
        let part = if split >> actor & 1 == 0 { &mut one } else { &mut other };
        add(part, &engine_events(log, actor));
    }
    merge(&mut one, other);
    one
}

fn funnel_of(asked: &Funnel, log: &[Recorded], split: u32) -> FunnelResult {
    of(log, split, || FunnelCount::new(asked.clone()).unwrap(), FunnelCount::add, FunnelCount::merge).finish()
}

/// A funnel as both understand it.
fn funnel() -> impl Strategy<Value = (Funnel, oracle::funnel::Funnel)> {
    let order = prop_oneof![
        Just((Order::AnythingBetween, oracle::funnel::Order::AnythingBetween)),
        Just((Order::Strict, oracle::funnel::Order::Strict)),
        Just((Order::Increasing, oracle::funnel::Order::Increasing)),
        Just((Order::Any, oracle::funnel::Order::Any)),
    ];
    let attribution = prop_oneof![
        Just((Attribution::First, oracle::funnel::Attribution::First)),
        Just((Attribution::Last, oracle::funnel::Attribution::Last)),
        (0..5_usize).prop_map(|step| (Attribution::Step(step), oracle::funnel::Attribution::Step(step))),
    ];
    // Steps in a row as a caller numbers them, or any, with one mark twice.
    let steps = prop_oneof![
        (1..5_u8).prop_flat_map(|count| prop::collection::vec(any::<bool>(), usize::from(count))
            .prop_map(|optional| (0..).zip(optional).collect::<Vec<(u8, bool)>>())),
        prop::collection::vec((0..4_u8, any::<bool>()), 1..5),
    ];
    let exclusions = prop_oneof![3 => Just(vec![]), 1 => Just(vec![4_u8])];
    (steps, order, 0..12_i64, exclusions, attribution, (-2..6_i64, 2..22_i64), 0..30_i64).prop_map(
        |(mut steps, order, window_ms, exclusions, attribution, (start_ms, end_ms), now_ms)| {
            steps[0].1 = false;
            let engine = Funnel {
                steps: steps.iter().map(|(mark, optional)| Step { mark: *mark, optional: *optional }).collect(),
                order: order.0,
                window_ms,
                exclusions: exclusions.iter().map(|mark| 1 << mark).sum(),
                attribution: attribution.0,
                start_ms,
                end_ms,
                now_ms,
            };
            let (order, attribution) = (order.1, attribution.1);
            let plain =
                oracle::funnel::Funnel { steps, order, window_ms, exclusions, attribution, start_ms, end_ms, now_ms };
            (engine, plain)
        },
    )
}

fn actors_of(log: &[Recorded], bounds: &[i64]) -> (Vec<BTreeSet<u32>>, Vec<RoaringBitmap>) {
    let mut active = vec![BTreeSet::new(); bounds.len() - 1];
    for event in log {
        if let Some(period) = oracle::period_of(bounds, event.time_ms) {
            active[period].insert(event.actor);
        }
    }
    let bitmaps = active.iter().map(|actors| actors.iter().collect()).collect();
    (active, bitmaps)
}

fn active(most: usize) -> impl Strategy<Value = Vec<BTreeSet<u32>>> {
    prop::collection::vec(prop::collection::btree_set(0..8_u32, 0..6), 0..most)
}

fn bitmaps(active: &[BTreeSet<u32>]) -> Vec<RoaringBitmap> {
    active.iter().map(|actors| actors.iter().collect()).collect()
}

fn days(count: i64) -> (Periods, Vec<i64>) {
    let bounds = (1..=count + 1).map(|day| day * DAY_MS).collect();
    (Periods::new(DAY_MS, (count + 1) * DAY_MS, "", Granularity::Day).unwrap(), bounds)
}

fn sessions_of(log: &[Recorded], periods: &Periods, split: u32) -> SessionsResult {
    of(log, split, || Sessions::new(periods.clone()), Sessions::add, Sessions::merge).finish()
}

const COPILOT: CopilotMarks = CopilotMarks { shown: 0, used: 1, ignored: 2, edited: 3, feedback: 4, outcome: 5 };

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_funnel_is_that_of_the_oracle((asked, plain) in funnel(), log in log(5, 24, 1), split in 0..16_u32) {
        let engine = funnel_of(&asked, &log, split);
        let step = |step: oracle::funnel::Step| {
            StepCount { reached: step.reached, open: step.open, times_ms: step.times_ms }
        };
        let values: BTreeMap<u32, Vec<StepCount>> = oracle::funnel::funnel(&plain, &log)
            .into_iter()
            .map(|(value, steps)| (value, steps.into_iter().map(step).collect()))
            .collect();
        for value in &engine.values {
            let first = value.steps[0].reached;
            let all_took_it = first == value.entered;
            prop_assert!(all_took_it || asked.order == Order::Any && first < value.entered);
        }
        let engine: BTreeMap<u32, Vec<StepCount>> =
            engine.values.into_iter().map(|FunnelValue { value, steps, .. }| (value, steps)).collect();
        prop_assert_eq!(engine, values);
    }

    #[test]
    fn an_event_that_no_selector_means_changes_no_funnel(
        (asked, _) in funnel(), log in log(5, 24, 1), others in log(1, 24, 1)
    ) {
        let others = others.into_iter().map(|event| Recorded { marks: 1 << 40, ..event });
        let with_others: Vec<Recorded> = log.iter().copied().chain(others).collect();
        prop_assert_eq!(funnel_of(&asked, &with_others, 0), funnel_of(&asked, &log, 0));
    }

    #[test]
    fn nobody_is_both_reached_and_open((asked, _) in funnel(), log in log(5, 24, 1)) {
        for value in funnel_of(&asked, &log, 0).values {
            for step in value.steps {
                prop_assert!(step.reached + step.open <= value.entered);
                prop_assert_eq!(step.times_ms.len() as u64, step.reached);
                prop_assert!(step.times_ms.iter().all(|time_ms| *time_ms <= asked.window_ms as u64));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn usage_is_that_of_the_oracle(active in active(6)) {
        let engine = usage(&bitmaps(&active), &bitmaps(&active));
        let (uniques, total, actor_days) = oracle::actors::usage(&active);
        prop_assert_eq!((engine.uniques, engine.uniques_total), (uniques, total));
        let mean = (!active.is_empty()).then(|| actor_days as f64 / active.len() as f64);
        prop_assert_eq!(engine.daily_mean, mean);
        prop_assert_eq!(engine.stickiness, mean.filter(|_| total > 0).map(|mean| mean / total as f64));
    }

    #[test]
    fn a_lifecycle_is_that_of_the_oracle(active in active(6), seen in active(2), before in active(2)) {
        let (seen, before) = (seen.into_iter().flatten().collect(), before.into_iter().flatten().collect());
        let engine = lifecycle(&bitmaps(&active), &RoaringBitmap::from_iter(&seen), &RoaringBitmap::from_iter(&before));
        let engine: Vec<[u64; 4]> =
            engine.iter().map(|row| [row.new, row.returning, row.resurrecting, row.dormant]).collect();
        for (row, actors) in engine.iter().zip(&active) {
            prop_assert_eq!(row[0] + row[1] + row[2], actors.len() as u64);
        }
        prop_assert_eq!(engine, oracle::actors::lifecycle(&active, &seen, &before));
    }

    #[test]
    fn retention_is_that_of_the_oracle(
        (first, returning) in (0..6_usize).prop_flat_map(|count| {
            let periods = || prop::collection::vec(prop::collection::btree_set(0..8_u32, 0..6), count);
            (periods(), periods())
        }),
        seen in prop::collection::btree_set(0..8_u32, 0..3),
        rolling: bool, first_time: bool, periods in 0..7_usize, over in 0..7_usize,
    ) {
        let kind = if rolling { Kind::Rolling } else { Kind::NthPeriod };
        let asked = Retention { kind, periods, over };
        let active = bitmaps(&first);
        let began = if first_time { newcomers(&active, &RoaringBitmap::from_iter(&seen)) } else { active };
        let rows = retention(&asked, &began, &bitmaps(&returning));
        prop_assert!(rows.iter().all(|row| row.is_over == (row.cohort + row.n < over) && row.returned <= row.size));
        let engine: Vec<_> = rows.iter().map(|row| (row.cohort, row.n, row.size, row.returned)).collect();
        let asked = oracle::actors::Retention { rolling, first_time, periods };
        prop_assert_eq!(engine, oracle::actors::retention(asked, &first, &returning, &seen));
    }

    #[test]
    fn sessions_are_those_of_the_oracle(
        log in prop_oneof![log(1, 4 * 96, 15 * MINUTE_MS), log(1, 12, 15 * MINUTE_MS)], split in 0..16_u32
    ) {
        let log: Vec<Recorded> =
            log.into_iter().map(|event| Recorded { time_ms: event.time_ms + 23 * 60 * MINUTE_MS, ..event }).collect();
        let (periods, bounds) = days(2);
        let engine = sessions_of(&log, &periods, split);
        let rows: Vec<_> = engine
            .periods
            .iter()
            .map(|row| (row.sessions, row.actors, row.events, row.durations_ms.clone()))
            .collect();
        prop_assert_eq!(rows, oracle::sessions::sessions(&bounds, &log));
        let whole = oracle::sessions::sessions(&[bounds[0], bounds[2]], &log);
        prop_assert_eq!(engine.actors, whole[0].1);
    }

    #[test]
    fn without_pauses_a_session_is_cut_after_a_day(count in 1..250_i64, step in 1..29_i64, split in 0..2_u32) {
        let event = |at: i64| {
            let time_ms = DAY_MS + at * step * MINUTE_MS;
            Recorded { time_ms, seq: at as u64, ..Recorded::default() }
        };
        let log: Vec<Recorded> = (0..count).map(event).collect();
        let (periods, bounds) = days(6);
        let engine = sessions_of(&log, &periods, split);
        let sessions: Vec<u64> = engine.periods.iter().map(|row| row.sessions).collect();
        let expected: Vec<u64> = oracle::sessions::sessions(&bounds, &log).iter().map(|row| row.0).collect();
        prop_assert_eq!(sessions, expected);
    }

    #[test]
    fn there_are_no_more_actors_than_sessions_and_no_more_sessions_than_events(log in log(1, 4 * 96, 15 * MINUTE_MS)) {
        let (periods, bounds) = days(3);
        let (_, active) = actors_of(&log, &bounds);
        let uniques = usage(&active, &active);
        for (row, uniques) in sessions_of(&log, &periods, 5).periods.iter().zip(uniques.uniques) {
            prop_assert!(row.actors <= row.sessions && row.sessions <= row.events);
            prop_assert!(row.actors <= uniques, "a session that starts in a period has an event in it");
        }
        prop_assert!(uniques.uniques_total <= log.len() as u64);
    }

    #[test]
    fn paths_are_those_of_the_oracle(
        log in log(1, 16, 15 * MINUTE_MS), starting_with in prop::collection::vec(0..3_u32, 0..3),
        length in 2..6_usize, limit in 1..6_usize, split in 0..16_u32,
    ) {
        let bounds = (30 * MINUTE_MS, 180 * MINUTE_MS);
        let asked = Paths { starting_with: starting_with.clone(), length, limit, start_ms: bounds.0, end_ms: bounds.1 };
        let engine = of(&log, split, || PathCount::new(asked.clone()), PathCount::add, PathCount::merge).finish();
        let rows: Vec<_> = engine.rows.iter().map(|row| (row.names.clone(), row.sessions, row.actors)).collect();
        let rest = (engine.rest_paths, engine.rest_sessions, engine.rest_actors);
        prop_assert_eq!((rows, rest), oracle::sessions::paths(&starting_with, length, limit, bounds, &log));
    }

    #[test]
    fn times_to_insight_are_those_of_the_oracle(
        log in log(6, 16, 15 * MINUTE_MS), now in 10..20_i64, split in 0..16_u32
    ) {
        let (bounds, now_ms) = ((30 * MINUTE_MS, 150 * MINUTE_MS), now * 15 * MINUTE_MS);
        let new = || TimeToInsight::new(2, bounds.0, bounds.1, now_ms);
        let engine = of(&log, split, new, TimeToInsight::add, TimeToInsight::merge).finish();
        let reached = engine.reached_ms.iter().map(|time_ms| (*time_ms, true));
        let mut times: Vec<_> = engine.censored_ms.iter().map(|time_ms| (*time_ms, false)).chain(reached).collect();
        times.sort();
        prop_assert_eq!(times, oracle::sessions::times_to_insight(2, bounds, now_ms, &log));
    }

    #[test]
    fn kaplan_meier_is_that_of_the_oracle(times in prop::collection::vec((0..8_u64, any::<bool>()), 0..14)) {
        let mut measured = TimeToInsight::new(0, 0, 100, 100);
        for (time, reached) in &times {
            // Whoever did not get there began as long before the end of the log.
            let start = if *reached { 50 } else { 100 - *time as i64 };
            let event = |time_ms, marks| Event { time_ms, marks, ..Event::default() };
            let insight = reached.then(|| event(start + *time as i64, 1));
            let events: Vec<Event> = [event(start.min(99), 0)].into_iter().chain(insight).collect();
            measured.add(&events);
        }
        let times: Vec<(u64, bool)> =
            times.into_iter().map(|(time, reached)| (if reached { time } else { time.max(1) }, reached)).collect();
        let result = measured.finish();
        for percent in [0, 1, 10, 25, 50, 75, 90, 99, 100] {
            prop_assert_eq!(result.percentile(percent), oracle::sessions::kaplan_meier(&times, percent.into()));
        }
    }

    #[test]
    fn copilot_is_that_of_the_oracle(log in log(7, 30, DAY_MS / 5), window in 0..8_i64, split in 0..16_u32) {
        let ((periods, bounds), window_ms) = (days(3), window * DAY_MS / 5);
        let new = || Copilot::new(COPILOT, periods.clone(), window_ms);
        let engine = of(&log, split, new, Copilot::add, Copilot::merge).finish();
        let row = |((period, value), row): ((usize, u32), oracle::copilot::Row)| CopilotRow {
            period,
            value,
            shown: row.counts[0],
            used: row.counts[1],
            ignored: row.counts[2],
            edited: row.counts[3],
            feedback: row.counts[4],
            feedback_sum: row.feedback_sum,
            outcomes: row.counts[5],
            outcomes_with_answer: row.outcomes_with_answer,
            actors: row.actors.len() as u64,
        };
        let rows = oracle::copilot::copilot(&bounds, window_ms, &log);
        prop_assert_eq!(engine, rows.into_iter().map(row).collect::<Vec<CopilotRow>>());
    }

    #[test]
    fn a_percentile_is_that_of_the_oracle(
        mut values in prop::collection::vec(0..20_u64, 0..30), percent in 0..=100_u32
    ) {
        values.sort();
        prop_assert_eq!(percentile(&values, percent), oracle::percentile(&values, percent.into()));
    }
}
