//! The definition of a metric in words: what is counted, and how.

use daybook_proto::product_analytics::v1::metric_definition::Metric;
use daybook_proto::product_analytics::v1::{
    Attribution, EventSelector, FunnelMetric, FunnelOrder, MetricDefinition, PropertyFilter, RetentionKind,
};
use prost_types::Duration;

use crate::text::clean;
use crate::words;

/// Sentences, not yet escaped.
pub(crate) fn sentences(definition: &MetricDefinition) -> Vec<String> {
    match &definition.metric {
        None => Vec::new(),
        Some(Metric::Usage(usage)) => vec![
            format!("Usage: how often there was {}, and by how many actors.", events(usage.events.as_ref())),
            "Stickiness is the mean number of actors of a day over those of the period.".to_owned(),
        ],
        Some(Metric::Funnel(funnel)) => self::funnel(funnel),
        Some(Metric::Retention(retention)) => {
            let first = events(retention.first.as_ref());
            let again = retention.returning.as_ref().map_or(first.clone(), |returning| events(Some(returning)));
            let when = match retention.kind() {
                RetentionKind::Rolling => "in a period or any later one",
                RetentionKind::Unspecified => "in exactly that period",
            };
            let who = if retention.first_time {
                "Only actors whose first such event ever lies in the period are counted."
            } else {
                "Everybody who is active in a period begins in it."
            };
            let what = format!("Retention: of those who began with {first}, who came back with {again}, {when}.");
            vec![what, who.to_owned()]
        }
        Some(Metric::Lifecycle(lifecycle)) => vec![
            format!("Lifecycle of actors; {} shows that somebody is active.", events(lifecycle.events.as_ref())),
            "New: never before. Returning: in the period before, too. Resurrecting: before, but not in the period \
             before. Dormant: in the period before, and no longer."
                .to_owned(),
        ],
        Some(Metric::Paths(paths)) => {
            let start = match any(&paths.starting_with) {
                Some(names) => format!("They begin with {names}."),
                None => "They begin with the first event of a session.".to_owned(),
            };
            let length = if paths.length == 0 { 5 } else { paths.length };
            vec![
                format!("Paths of at most {length} events within a session, of {}.", events(paths.events.as_ref())),
                start,
            ]
        }
        Some(Metric::Sessions(sessions)) => vec![
            format!("Sessions of {}.", events(sessions.events.as_ref())),
            "Less than 30 minutes lie between one event of a session and the next; 24 hours is the longest.".to_owned(),
        ],
        Some(Metric::TimeToInsight(time)) => vec![
            format!(
                "Time from the start of an actor's first session in the period to {}.",
                time.insight.as_ref().map_or("an accepted insight".to_owned(), |insight| events(Some(insight)))
            ),
            "Percentiles are those of the Kaplan-Meier estimate: who is not there yet counts as such.".to_owned(),
        ],
        Some(Metric::Copilot(copilot)) => vec![
            "Copilot: what became of the answers that were shown.".to_owned(),
            format!(
                "An outcome ({}) is assisted if the same actor used or edited an answer in the {} before it.",
                copilot.outcomes.as_ref().map_or("an accepted insight".to_owned(), |outcomes| events(Some(outcomes))),
                length(copilot.attribution_window.as_ref(), "1 h")
            ),
        ],
    }
}

fn funnel(funnel: &FunnelMetric) -> Vec<String> {
    let step = |(at, step): (usize, &daybook_proto::product_analytics::v1::FunnelStep)| {
        let optional = if step.optional { " (may be left out)" } else { "" };
        format!("{}.\u{a0}{}{optional}", at + 1, events(step.events.as_ref()))
    };
    let steps: Vec<String> = funnel.steps.iter().enumerate().map(step).collect();
    let order = match funnel.order() {
        FunnelOrder::Unspecified => "one after the other, anything in between",
        FunnelOrder::Strict => "one after the other; another step in between ends the attempt",
        FunnelOrder::Increasing => "one after the other, each later than the one before",
        FunnelOrder::Any => "in any order",
    };
    let window = length(funnel.conversion_window.as_ref(), "14 d");
    let mut said =
        vec![format!("Funnel: {}.", steps.join("; ")), format!("Taken {order}, within {window} of the entry.")];
    if !funnel.exclusions.is_empty() {
        let ends: Vec<String> = funnel.exclusions.iter().map(|exclusion| events(Some(exclusion))).collect();
        said.push(format!("Ended by {}.", ends.join(" or ")));
    }
    match funnel.attribution() {
        Attribution::Unspecified => {}
        Attribution::Last => said.push("Broken down by the value at the last step that was reached.".to_owned()),
        Attribution::Step => {
            said.push(format!("Broken down by the value at step {}.", u64::from(funnel.attribution_step) + 1));
        }
    }
    said
}

fn length(length: Option<&Duration>, otherwise: &str) -> String {
    length.map_or(otherwise.to_owned(), |length| words::duration(length.seconds as f64 * 1000.0))
}

/// "a, b or c".
fn any(names: &[String]) -> Option<String> {
    let names: Vec<String> = names.iter().map(|name| clean(name)).collect();
    let (last, before) = names.split_last()?;
    Some(if before.is_empty() { last.clone() } else { format!("{} or {last}", before.join(", ")) })
}

fn events(selector: Option<&EventSelector>) -> String {
    let Some(selector) = selector else { return "any event".to_owned() };
    let names = any(&selector.names).unwrap_or("any event".to_owned());
    let conditions: Vec<String> = selector.r#where.iter().map(condition).collect();
    if conditions.is_empty() { names } else { format!("{names} where {}", conditions.join(" and ")) }
}

fn condition(filter: &PropertyFilter) -> String {
    let property = clean(&filter.property);
    let mut holds = Vec::new();
    if let Some(values) = any(&filter.any_of) {
        holds.push(format!("is {values}"));
    }
    if let Some(minimum) = filter.minimum {
        holds.push(format!("is at least {}", words::number(minimum as f64)));
    }
    if let Some(maximum) = filter.maximum {
        holds.push(format!("is at most {}", words::number(maximum as f64)));
    }
    if holds.is_empty() {
        holds.push("is there".to_owned());
    }
    let holds = format!("{property} {}", holds.join(" and "));
    if filter.negated { format!("not ({holds})") } else { holds }
}
