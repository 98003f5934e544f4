//! What is wrong with a definition, as far as it can be said without the registered events.

use std::time::Duration;

use daybook_event_rules::schema_rules::{event_name_problem, name_problem};
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::Violations;
use daybook_proto::product_analytics::v1::metric_definition::Metric;
use daybook_proto::product_analytics::v1::{
    Attribution, EventSelector, FunnelMetric, FunnelOrder, MetricDefinition, PropertyFilter, RetentionKind,
};

const DAY: Duration = Duration::from_secs(86_400);
/// Names in a selector.
const NAMES_MAX: usize = 100;
/// Filters in a selector or a question.
const FILTERS_MAX: usize = 10;
/// Words in a filter.
const WORDS_MAX: usize = 1_000;

/// What is wrong with a definition, if anything.
///
/// # Errors
/// Every field that is wrong.
pub fn check_definition(definition: &MetricDefinition) -> Result<(), Violations> {
    let mut fields = Fields::new();
    match &definition.metric {
        None => fields.wrong(
            "metric",
            "must be set: usage, funnel, retention, lifecycle, paths, sessions, \
                                        time_to_insight or copilot",
        ),
        Some(Metric::Usage(usage)) => optional(&mut fields, "usage.events", &usage.events),
        Some(Metric::Funnel(funnel)) => check_funnel(&mut fields, funnel),
        Some(Metric::Retention(retention)) => {
            optional(&mut fields, "retention.first", &retention.first);
            optional(&mut fields, "retention.returning", &retention.returning);
            let is_known = RetentionKind::try_from(retention.kind).is_ok();
            fields.check("retention.kind", is_known, "is not a value of this enumeration");
            fields.check("retention.periods", retention.periods <= 60, "must be at most 60");
        }
        Some(Metric::Lifecycle(lifecycle)) => optional(&mut fields, "lifecycle.events", &lifecycle.events),
        Some(Metric::Paths(paths)) => {
            optional(&mut fields, "paths.events", &paths.events);
            check_names(&mut fields, "paths.starting_with", &paths.starting_with);
            fields.check("paths.length", matches!(paths.length, 0 | 2..=10), "must be 2 to 10");
            fields.check("paths.limit", paths.limit <= 100, "must be at most 100");
        }
        Some(Metric::Sessions(sessions)) => optional(&mut fields, "sessions.events", &sessions.events),
        Some(Metric::TimeToInsight(metric)) => optional(&mut fields, "time_to_insight.insight", &metric.insight),
        Some(Metric::Copilot(copilot)) => {
            optional(&mut fields, "copilot.outcomes", &copilot.outcomes);
            fields.duration("copilot.attribution_window", copilot.attribution_window, 30 * DAY);
        }
    }
    fields.finish(())
}

fn check_funnel(fields: &mut Fields, funnel: &FunnelMetric) {
    fields.check("funnel.steps", (2..=20).contains(&funnel.steps.len()), "must have 2 to 20 entries");
    for (i, step) in funnel.steps.iter().enumerate() {
        let field = format!("funnel.steps[{i}].events");
        fields.check(&field, step.events.is_some(), "must be set");
        optional(fields, &field, &step.events);
    }
    let begins_with_optional = funnel.steps.first().is_some_and(|step| step.optional);
    fields.check("funnel.steps[0].optional", !begins_with_optional, "must be false: the first step is the entry");
    let is_known = FunnelOrder::try_from(funnel.order).is_ok();
    fields.check("funnel.order", is_known, "is not a value of this enumeration");
    let has_optional = funnel.steps.iter().any(|step| step.optional);
    let is_any = funnel.order == i32::from(FunnelOrder::Any);
    fields.check("funnel.order", !(is_any && has_optional), "must not be ANY with optional steps");
    fields.duration("funnel.conversion_window", funnel.conversion_window, 366 * DAY);
    fields.check("funnel.exclusions", funnel.exclusions.len() <= 20, "must have at most 20 entries");
    for (i, exclusion) in funnel.exclusions.iter().enumerate() {
        check_selector(fields, &format!("funnel.exclusions[{i}]"), exclusion);
    }
    let is_known = Attribution::try_from(funnel.attribution).is_ok();
    fields.check("funnel.attribution", is_known, "is not a value of this enumeration");
    let step_exists = (funnel.attribution_step as usize) < funnel.steps.len().max(1);
    fields.check("funnel.attribution_step", step_exists, "must be one of the steps, counted from 0");
}

fn optional(fields: &mut Fields, field: &str, selector: &Option<EventSelector>) {
    if let Some(selector) = selector {
        check_selector(fields, field, selector);
    }
}

fn check_selector(fields: &mut Fields, field: &str, selector: &EventSelector) {
    check_names(fields, &format!("{field}.names"), &selector.names);
    check_filters(fields, &format!("{field}.where"), &selector.r#where);
}

fn check_names(fields: &mut Fields, field: &str, names: &[String]) {
    fields.check(field, names.len() <= NAMES_MAX, "must have at most 100 entries");
    for (i, name) in names.iter().enumerate().take(NAMES_MAX) {
        if let Some(problem) = event_name_problem(name) {
            fields.wrong(&format!("{field}[{i}]"), problem);
        }
    }
}

pub(super) fn check_filters(fields: &mut Fields, field: &str, filters: &[PropertyFilter]) {
    fields.check(field, filters.len() <= FILTERS_MAX, "must have at most 10 entries");
    for (i, filter) in filters.iter().enumerate().take(FILTERS_MAX) {
        if let Some(problem) = name_problem(&filter.property) {
            fields.wrong(&format!("{field}[{i}].property"), problem);
        }
        fields.check(
            &format!("{field}[{i}].any_of"),
            filter.any_of.len() <= WORDS_MAX,
            "must have at most 1000 entries",
        );
        let has_room = filter.minimum.unwrap_or(i64::MIN) <= filter.maximum.unwrap_or(i64::MAX);
        fields.check(&format!("{field}[{i}].minimum"), has_room, "must be at most the maximum");
    }
}
