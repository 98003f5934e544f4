//! What is asked of the month: each metric once.

use daybook_proto::product_analytics::v1::metric_definition::Metric;
use daybook_proto::product_analytics::v1::{self, Breakdown, EventSelector, Granularity, MetricDefinition, breakdown};

/// Rows of an answer that are shown; its chart and the JSON have all of them.
pub(super) const ROWS_SHOWN: usize = 12;

/// A question.
pub(super) struct Question {
    /// What its chart is called.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) metric: MetricDefinition,
    pub(super) granularity: Granularity,
    pub(super) breakdown: Option<Breakdown>,
}

/// All of them.
pub(super) fn questions() -> Vec<Question> {
    let question = |name, title, metric, granularity| Question {
        name,
        title,
        metric: MetricDefinition { metric: Some(metric), ..Default::default() },
        granularity,
        breakdown: None,
    };
    let split = |question, by| Question { breakdown: Some(Breakdown { by: Some(by), limit: 0 }), ..question };
    let whole = Granularity::Unspecified;
    let usage = || Metric::Usage(v1::UsageMetric::default());
    let adoption = question("adoption", "Adoption of features", usage(), whole);
    let events = question("events", "Events and who caused them", usage(), whole);
    let copilot = question(
        "copilot",
        "What the copilot contributes, by model",
        Metric::Copilot(v1::CopilotMetric::default()),
        whole,
    );
    vec![
        question("weeks", "Active people by week", usage(), Granularity::Week),
        split(adoption, breakdown::By::Feature(true)),
        split(events, breakdown::By::Event(true)),
        question("funnel", "From a page to an accepted insight", Metric::Funnel(funnel()), whole),
        question("retention", "Who comes back, by week", Metric::Retention(retention()), Granularity::Week),
        question(
            "lifecycle",
            "New and returning people by week",
            Metric::Lifecycle(v1::LifecycleMetric::default()),
            Granularity::Week,
        ),
        question("sessions", "Sessions", Metric::Sessions(v1::SessionsMetric::default()), Granularity::Week),
        question(
            "paths",
            "Paths through the product",
            Metric::Paths(v1::PathsMetric { length: 4, limit: 10, ..Default::default() }),
            whole,
        ),
        question(
            "time-to-insight",
            "Time to the first accepted insight",
            Metric::TimeToInsight(v1::TimeToInsightMetric::default()),
            whole,
        ),
        split(copilot, breakdown::By::Property("model".to_owned())),
    ]
}

/// A metric that is defined under a name, and exported.
pub(super) fn defined() -> MetricDefinition {
    MetricDefinition {
        name: "case.active_people".to_owned(),
        description: "Who looks at cases.".to_owned(),
        metric: Some(Metric::Usage(v1::UsageMetric { events: Some(selector(&["page.viewed"])) })),
        ..Default::default()
    }
}

fn selector(names: &[&str]) -> EventSelector {
    EventSelector { names: names.iter().map(ToString::to_string).collect(), r#where: Vec::new() }
}

fn funnel() -> v1::FunnelMetric {
    let step = |names: &[&str], optional| v1::FunnelStep { events: Some(selector(names)), optional };
    v1::FunnelMetric {
        steps: vec![
            step(&["page.viewed"], false),
            step(&["filters.applied"], true),
            step(&["copilot.answer_shown"], false),
            step(&["copilot.answer_used", "copilot.answer_edited"], false),
            step(&["insight.accepted"], false),
        ],
        conversion_window: Some(prost_types::Duration { seconds: 3_600, nanos: 0 }),
        ..Default::default()
    }
}

fn retention() -> v1::RetentionMetric {
    v1::RetentionMetric { periods: 4, ..Default::default() }
}
