//! A share is a part of a whole: in every metric, under every breakdown, it lies between 0 and 1 or is empty.

use daybook_proto::product_analytics::v1::cell::Value;
use daybook_proto::product_analytics::v1::metric_definition::Metric;
use daybook_proto::product_analytics::v1::{self, ColumnType, EventSelector, FunnelOrder, Granularity, breakdown};
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::answers::{Copilot, EVENTS, any_spoken};
use crate::product::{DAY_MS, MINUTE_MS};

fn names(names: &[usize]) -> EventSelector {
    EventSelector { names: names.iter().map(|name| EVENTS[*name].to_owned()).collect(), r#where: Vec::new() }
}

fn any_names() -> impl Strategy<Value = EventSelector> {
    prop::collection::vec(0..EVENTS.len(), 0..3).prop_map(|of| names(&of))
}

fn funnel() -> impl Strategy<Value = Metric> {
    let order = prop_oneof![
        Just(FunnelOrder::Unspecified),
        Just(FunnelOrder::Strict),
        Just(FunnelOrder::Increasing),
        Just(FunnelOrder::Any),
    ];
    let steps = prop::collection::vec((any_names(), any::<bool>()), 2..5);
    let exclusions = prop_oneof![2 => Just(vec![]), 1 => any_names().prop_map(|names| vec![names])];
    (steps, order, exclusions, 0..3_i32, 0..2_u32, prop_oneof![Just(300), Just(7_200), Just(10 * 86_400)]).prop_map(
        |(steps, order, exclusions, attribution, attribution_step, window)| {
            let step = |(at, (events, optional)): (usize, (EventSelector, bool))| v1::FunnelStep {
                events: Some(events),
                optional: optional && at > 0 && order != FunnelOrder::Any,
            };
            Metric::Funnel(v1::FunnelMetric {
                steps: steps.into_iter().enumerate().map(step).collect(),
                order: order.into(),
                conversion_window: Some(prost_types::Duration { seconds: window, nanos: 0 }),
                exclusions,
                attribution,
                attribution_step,
            })
        },
    )
}

fn metric() -> impl Strategy<Value = Metric> {
    let retention = (any_names(), prop::option::of(any_names()), any::<bool>(), any::<bool>(), 1..6_u32).prop_map(
        |(first, returning, rolling, first_time, periods)| {
            let kind = if rolling { v1::RetentionKind::Rolling } else { v1::RetentionKind::Unspecified };
            let first = Some(first);
            Metric::Retention(v1::RetentionMetric { first, returning, kind: kind.into(), first_time, periods })
        },
    );
    let copilot = (prop::option::of(any_names()), prop::option::of(0..100_000_i64)).prop_map(|(outcomes, window)| {
        let attribution_window = window.map(|seconds| prost_types::Duration { seconds, nanos: 0 });
        Metric::Copilot(v1::CopilotMetric { outcomes, attribution_window })
    });
    prop_oneof![
        4 => funnel(),
        2 => copilot,
        2 => retention,
        1 => any_names().prop_map(|events| Metric::Usage(v1::UsageMetric { events: Some(events) })),
        1 => any_names().prop_map(|events| Metric::Lifecycle(v1::LifecycleMetric { events: Some(events) })),
        1 => any_names().prop_map(|events| Metric::Sessions(v1::SessionsMetric { events: Some(events) })),
        1 => any_names().prop_map(|events| Metric::TimeToInsight(v1::TimeToInsightMetric { insight: Some(events) })),
        1 => (any_names(), 2..5_u32, 1..4_u32).prop_map(|(events, length, limit)| {
            let events = Some(events);
            Metric::Paths(v1::PathsMetric { events, starting_with: Vec::new(), length, limit })
        }),
    ]
}

fn split() -> impl Strategy<Value = Option<v1::Breakdown>> {
    let by = prop_oneof![
        Just(breakdown::By::Event(true)),
        Just(breakdown::By::Feature(true)),
        prop_oneof![Just("model"), Just("task"), Just("answer_id"), Just("score")]
            .prop_map(|property| breakdown::By::Property(property.to_owned())),
    ];
    prop::option::of((by, 0..3_u32).prop_map(|(by, limit)| v1::Breakdown { by: Some(by), limit }))
}

fn filter() -> impl Strategy<Value = Vec<v1::PropertyFilter>> {
    let filter = (prop_oneof![Just(("model", "large")), Just(("task", "draft"))], any::<bool>()).prop_map(
        |((property, word), negated)| v1::PropertyFilter {
            property: property.to_owned(),
            any_of: vec![word.to_owned()],
            negated,
            ..Default::default()
        },
    );
    prop::collection::vec(filter, 0..2)
}

proptest! {
    #![proptest_config(Config { cases: 150, ..Config::default() })]
    #[test]
    fn a_share_lies_between_0_and_1_or_is_empty(
        batches in prop::collection::vec(prop::collection::vec(any_spoken(6), 1..40), 1..4),
        suppress_below in prop_oneof![Just(1_u32), Just(3)],
        // Minutes before now that the range begins, and how long it is; it may end when nothing has happened yet.
        questions in prop::collection::vec(
            (metric(), split(), filter(), 0..4_i32, 1..8_000_i64, 1..12_000_i64, any::<bool>()), 1..12),
    ) {
        let mut copilot = Copilot::new(suppress_below);
        for batch in &batches {
            copilot.record(batch);
        }
        let now_ms = copilot.product.now_ms();
        for (metric, breakdown, filters, granularity, ago, minutes, is_whole_days) in questions {
            let mut range = (now_ms - ago * MINUTE_MS, now_ms - ago * MINUTE_MS + minutes * MINUTE_MS);
            if is_whole_days {
                range = (range.0.div_euclid(DAY_MS) * DAY_MS, range.1.div_euclid(DAY_MS) * DAY_MS + DAY_MS);
            }
            let answer = copilot.product.answer(metric.clone(), range.0, range.1, |request| {
                request.breakdown.clone_from(&breakdown);
                request.filters = filters;
                request.granularity = Granularity::try_from(granularity).unwrap().into();
            });
            let shares: Vec<usize> =
                (0..).zip(&answer.columns).filter(|(_, column)| column.r#type() == ColumnType::Share).map(|(at, _)| at).collect();
            for (row, at) in answer.rows.iter().flat_map(|row| shares.iter().map(move |at| (row, *at))) {
                let is_share = match row.cells[at].value {
                    None | Some(Value::Suppressed(_)) => true,
                    Some(Value::Number(share)) => (0.0..=1.0).contains(&share),
                    _ => false,
                };
                prop_assert!(is_share, "{} of {metric:?} split by {breakdown:?}: {row:?}", answer.columns[at].name);
            }
        }
    }
}
