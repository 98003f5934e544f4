//! The metrics of product analytics against the oracle that says the same in the plainest way, over small random logs
//! with many events of one instant; and laws that need no oracle.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use daybook_testkit::analytics::actors::Asked;
use daybook_testkit::analytics::calendar::{Calendar, Length};
use daybook_testkit::analytics::copilot::Said;
use daybook_testkit::analytics::{self as oracle, Recorded};
use product_analytics_projection::metrics::Event;
use product_analytics_projection::metrics::copilot::{Copilot, CopilotEvent, CopilotMarks, CopilotRow};
use product_analytics_projection::metrics::funnel::{
    Attribution, Funnel, FunnelCount, FunnelResult, FunnelValue, Order, Step, StepCount,
};
use product_analytics_projection::metrics::lifecycle::{Before, lifecycle};
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

fn engine_event(event: &Recorded) -> Event {
    Event { time_ms: event.time_ms, marks: event.marks, name: event.name, value: event.value, number: event.number }
}

fn engine_events(log: &[Recorded], actor: u32) -> Vec<Event> {
    oracle::events_of(log, actor).iter().map(engine_event).collect()
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

/// What is asked of a log of days in UTC that is known until its end.
fn of_days(range: (i64, i64)) -> Asked {
    Asked { calendar: Calendar::new("UTC", Length::Day), range, now_ms: i64::MAX }
}

fn actors_between(log: &[Recorded], from_ms: i64, to_ms: i64) -> RoaringBitmap {
    log.iter().filter(|event| (from_ms..to_ms).contains(&event.time_ms)).map(|event| event.actor).collect()
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
            let oracle::funnel::Step { reached, with_previous, open, times_ms } = step;
            StepCount { reached, with_previous, open, times_ms }
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
    fn a_step_and_the_one_before_it_are_taken_by_no_more_than_took_either((asked, _) in funnel(), log in log(5, 24, 1)) {
        for value in funnel_of(&asked, &log, 0).values {
            for (at, step) in value.steps.iter().enumerate() {
                let before = asked.previous(at).map_or(value.entered, |before| value.steps[before].reached);
                prop_assert!(step.with_previous <= before.min(step.reached) && step.reached <= value.entered);
                prop_assert!(asked.order == Order::Any || step.with_previous == step.reached);
            }
        }
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
    fn usage_is_that_of_the_oracle(log in log(1, 15, DAY_MS / 3)) {
        let (_, bounds) = days(3);
        let (_, active) = actors_of(&log, &bounds);
        let engine = usage(&active, &active);
        let mut expected = oracle::actors::usage(&of_days((bounds[0], bounds[3])), &log);
        let whole = expected.pop().unwrap();
        let uniques: Vec<u64> = expected.iter().map(|row| row.actors).collect();
        prop_assert_eq!((engine.uniques, engine.uniques_total), (uniques, whole.actors));
        prop_assert_eq!(engine.daily_mean, Some(whole.daily));
        let stickiness = Some(whole.daily).filter(|_| whole.actors > 0).map(|mean| mean / whole.actors as f64);
        prop_assert!(stickiness.is_none_or(|share| (0.0..=1.0).contains(&share)));
        prop_assert_eq!(engine.stickiness, stickiness);
    }

    #[test]
    fn a_lifecycle_is_that_of_the_oracle(log in log(1, 18, DAY_MS / 3), cut in 0..3_i64) {
        let (day, end_ms) = (2 * DAY_MS, 5 * DAY_MS);
        let start_ms = day + cut * DAY_MS / 3;
        let active: Vec<RoaringBitmap> =
            (2..5).map(|day| actors_between(&log, start_ms.max(day * DAY_MS), (day + 1) * DAY_MS)).collect();
        let [ever, last_period, cut_off] =
            [(0, day), (day - DAY_MS, day), (day, start_ms)].map(|(from, to)| actors_between(&log, from, to));
        let before = Before { ever: &ever, last_period: &last_period, cut_off: &cut_off };
        let engine: Vec<[u64; 4]> = lifecycle(&active, &before)
            .iter()
            .map(|row| [row.new, row.returning, row.resurrecting, row.dormant])
            .collect();
        for (row, actors) in engine.iter().zip(&active) {
            prop_assert_eq!(row[0] + row[1] + row[2], actors.len());
        }
        let expected = oracle::actors::lifecycle(&of_days((start_ms, end_ms)), &log);
        prop_assert_eq!(engine, expected.into_iter().map(|(_, row)| row).collect::<Vec<_>>());
    }

    #[test]
    fn retention_is_that_of_the_oracle(
        log in log(2, 27, DAY_MS / 3), rolling: bool, first_time: bool, periods in 0..7_usize, over in 2..9_i64,
    ) {
        let of = |mark: u8| log.iter().copied().filter(|event| event.has(mark)).collect::<Vec<_>>();
        let (first, returning) = (of(0), of(1));
        let by_day = |log: &[Recorded], days: std::ops::Range<i64>| -> Vec<RoaringBitmap> {
            days.map(|day| actors_between(log, day * DAY_MS, (day + 1) * DAY_MS)).collect()
        };
        // Somebody begins on the days 2 to 4; until day 8 is looked at.
        let active = by_day(&first, 2..5);
        let seen = actors_between(&first, 0, 2 * DAY_MS);
        let began = if first_time { newcomers(&active, &seen) } else { active };
        let kind = if rolling { Kind::Rolling } else { Kind::NthPeriod };
        let asked = Retention { kind, periods, over: usize::try_from(over - 2).unwrap() };
        let rows = retention(&asked, &began, &by_day(&returning, 2..9));
        prop_assert!(rows.iter().all(|row| row.returned <= row.size));
        let engine: Vec<_> = rows
            .iter()
            .filter(|row| row.cohort as i64 + row.n as i64 + 2 <= over)
            .map(|row| (row.cohort as i64, row.n as i64, row.size, row.returned, row.is_over))
            .collect();
        let wanted =
            oracle::actors::Retention { rolling, first_time, periods: periods as i64, latest_ms: 9 * DAY_MS };
        // The log is known until the beginning of the day that is not over.
        let asked = Asked { now_ms: over * DAY_MS, ..of_days((2 * DAY_MS, 5 * DAY_MS)) };
        let expected = oracle::actors::retention(&asked, wanted, &first, |_| true, &returning);
        let expected: Vec<_> = expected
            .iter()
            .map(|row| (row.start_ms / DAY_MS - 2, row.n, row.began, row.came, row.is_over))
            .collect();
        prop_assert_eq!(engine, expected);
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
    fn copilot_is_that_of_the_oracle(
        log in log(7, 30, DAY_MS / 5),
        // Of each event the answer that it names, if any, and whether it passes the filters.
        more in prop::collection::vec((prop::option::weighted(0.7, 1..4_u32), prop::bool::weighted(0.8)), 60),
        window in 0..8_i64,
        split in 0..16_u32,
    ) {
        let ((periods, bounds), window_ms) = (days(3), window * DAY_MS / 5);
        let said = |(recorded, (answer, counts)): (&Recorded, &(Option<u32>, bool))| Said {
            recorded: *recorded,
            answer: answer.map(|answer| answer.to_string()),
            properties: BTreeMap::new(),
            counts: if *counts { recorded.marks } else { 0 },
        };
        let log: Vec<Said> = log.iter().zip(&more).map(said).collect();
        let (mut engine, mut other) =
            (Copilot::new(COPILOT, periods.clone(), window_ms), Copilot::new(COPILOT, periods, window_ms));
        let recorded: Vec<Recorded> = log.iter().map(|said| said.recorded).collect();
        for actor in oracle::actors(&recorded) {
            let event = |event: &Recorded| {
                let said = log.iter().find(|said| said.recorded.seq == event.seq).unwrap();
                let answer = said.answer.as_ref().map_or(0, |answer| answer.parse().unwrap());
                CopilotEvent { event: engine_event(event), counts: said.counts, answer }
            };
            let events: Vec<_> = oracle::events_of(&recorded, actor).iter().map(event).collect();
            let part = if split >> actor & 1 == 0 { &mut engine } else { &mut other };
            part.add(&events);
        }
        engine.merge(other);
        let row = |((period, value), row): ((usize, u32), oracle::copilot::Row)| CopilotRow {
            period,
            value,
            shown: row.counts[0],
            taken: row.taken,
            used: row.counts[1],
            ignored: row.counts[2],
            edited: row.counts[3],
            feedback: row.counts[4],
            feedback_sum: row.feedback_sum,
            outcomes: row.counts[5],
            outcomes_with_answer: row.outcomes_with_answer,
            actors: row.actors.len() as u64,
        };
        let rows: Vec<CopilotRow> = oracle::copilot::copilot(&bounds, window_ms, &log).into_iter().map(row).collect();
        for row in &rows {
            prop_assert!(row.taken <= row.shown && row.outcomes_with_answer <= row.outcomes);
        }
        prop_assert_eq!(engine.finish(), rows);
    }

    #[test]
    fn a_percentile_is_that_of_the_oracle(
        mut values in prop::collection::vec(0..20_u64, 0..30), percent in 0..=100_u32
    ) {
        values.sort();
        prop_assert_eq!(percentile(&values, percent), oracle::percentile(&values, percent.into()));
    }
}
