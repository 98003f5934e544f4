//! Funnels: how many actors take one step after the other.

use daybook_disclosure::{Counts, suppress};
use daybook_kernel::rejection::{Refusal, Violations};
use daybook_proto::product_analytics::v1::{self, Attribution, ColumnType, FunnelMetric, FunnelOrder};

use super::split::OTHERS;
use super::table::{Table, integer, may_show, maybe, share, shown, text};
use super::{Answer, Question, duration_ms, names};
use crate::DAY_MS;
use crate::metrics::funnel::{self, Funnel, FunnelCount, FunnelValue, Step, StepCount};
use crate::metrics::percentiles::percentile;

pub(super) fn answer(question: &Question<'_>, metric: &FunnelMetric) -> Result<Answer, Refusal> {
    let window_ms = duration_ms(&metric.conversion_window, 14 * DAY_MS);
    let everything = v1::EventSelector::default();
    let steps = metric.steps.iter().map(|step| step.events.as_ref().unwrap_or(&everything));
    let selectors: Vec<_> = steps.chain(&metric.exclusions).collect();
    let mut pass = question.pass(&selectors)?;
    pass.to_ms = question.end_ms.saturating_add(window_ms).saturating_add(1);
    let mark = |at: usize| u8::try_from(at).unwrap_or(u8::MAX);
    let exclusions =
        (metric.steps.len()..selectors.len()).fold(0u64, |mask, at| mask | 1u64.checked_shl(at as u32).unwrap_or(0));
    let step = |(at, step): (usize, &v1::FunnelStep)| Step { mark: mark(at), optional: step.optional };
    let asked = Funnel {
        steps: metric.steps.iter().enumerate().map(step).collect(),
        order: match metric.order() {
            FunnelOrder::Unspecified => funnel::Order::AnythingBetween,
            FunnelOrder::Strict => funnel::Order::Strict,
            FunnelOrder::Increasing => funnel::Order::Increasing,
            FunnelOrder::Any => funnel::Order::Any,
        },
        window_ms,
        exclusions,
        attribution: match metric.attribution() {
            Attribution::Unspecified => funnel::Attribution::First,
            Attribution::Last => funnel::Attribution::Last,
            Attribution::Step => funnel::Attribution::Step(metric.attribution_step as usize),
        },
        start_ms: question.start_ms,
        end_ms: question.end_ms,
        now_ms: question.now_ms,
    };
    let counted = FunnelCount::new(asked.clone());
    let mut counted = counted.map_err(|error| Violations::one("metric.funnel", error.to_string()))?;
    let events_read = pass.run(|actor, events| {
        if actor != 0 {
            counted.add(events);
        }
    })?;
    let mut values = counted.finish().values;
    if values.is_empty() {
        // Nobody entered: that is an answer, too.
        let steps = metric.steps.iter().map(|_| StepCount::default()).collect();
        values.push(FunnelValue { value: 0, entered: 0, steps });
    }
    values.sort_by_key(|value| (std::cmp::Reverse(value.entered), value.value));
    let others = values.split_off(pass.split.limit.min(values.len()));
    let has_others = !others.is_empty();
    let others = others.into_iter().reduce(together);

    let has_breakdown = pass.split.is_asked();
    let mut columns = Vec::new();
    columns.extend(pass.split.column());
    columns.extend([
        ("step", ColumnType::Integer),
        ("events", ColumnType::Text),
        ("actors", ColumnType::Integer),
        ("share_of_entry", ColumnType::Share),
        ("share_of_previous", ColumnType::Share),
        ("open", ColumnType::Integer),
        ("median_ms", ColumnType::Milliseconds),
        ("p90_ms", ColumnType::Milliseconds),
    ]);
    let mut table = Table::new(&columns);
    let k = question.suppress_below;
    let all: Vec<&FunnelValue> = values.iter().chain(&others).collect();
    let entered: Vec<u64> = all.iter().map(|value| value.entered).collect();
    let may_enter = Counts::from_rows(&[&entered]).map(|counts| suppress(&counts, k));
    for (place, value) in all.into_iter().enumerate() {
        let label = if place < values.len() { pass.split.labels.text(value.value) } else { OTHERS };
        let mut is_shown = may_enter.as_ref().is_some_and(|may_enter| may_enter.cell(0, place));
        let mut last_shown = value.entered;
        for (at, step) in value.steps.iter().enumerate() {
            let previous = asked.previous(at).and_then(|at| value.steps.get(at));
            let previous = previous.map_or(value.entered, |step| step.reached);
            // What is shown tells of those who entered, who took the step before, who took this one and who took both,
            // each with what is left of the larger one; and how many fewer it are than at the step shown last.
            let step_shown = is_shown
                && [value.entered, last_shown].into_iter().all(|whole| may_show(step.reached, whole, k))
                && [previous, step.reached].into_iter().all(|whole| may_show(step.with_previous, whole, k));
            let open_shown = step_shown && may_show(step.open, step.open, k);
            let mut cells = Vec::new();
            if has_breakdown {
                cells.push(text(label));
            }
            let events = metric.steps.get(at).and_then(|step| step.events.as_ref());
            cells.extend([
                integer(at as u64 + 1),
                text(&events.map_or_else(|| "any event".to_owned(), described)),
                shown(step_shown, integer(step.reached)),
                shown(step_shown, share(step.reached, value.entered)),
                shown(step_shown, share(step.with_previous, previous)),
                shown(open_shown, integer(step.open)),
                shown(step_shown, maybe(percentile(&step.times_ms, 50))),
                shown(step_shown, maybe(percentile(&step.times_ms, 90))),
            ]);
            table.add(cells);
            if step_shown {
                last_shown = step.reached;
            } else {
                is_shown = false;
            }
        }
    }
    if has_others {
        table.notes.push(format!("{OTHERS} are all values beyond the {} most frequent", values.len()));
    }
    Ok(Answer { table, events_read, names: names(&pass), looked_at: pass.from_ms..pass.to_ms })
}

/// The names of a selector, for people.
fn described(selector: &v1::EventSelector) -> String {
    match (selector.names.as_slice(), selector.r#where.is_empty()) {
        ([], _) => "any event".to_owned(),
        (names, true) => names.join(" | "),
        (names, false) => format!("{} (filtered)", names.join(" | ")),
    }
}

fn together(mut a: FunnelValue, b: FunnelValue) -> FunnelValue {
    a.entered = a.entered.saturating_add(b.entered);
    for (a, b) in a.steps.iter_mut().zip(b.steps) {
        a.reached = a.reached.saturating_add(b.reached);
        a.with_previous = a.with_previous.saturating_add(b.with_previous);
        a.open = a.open.saturating_add(b.open);
        a.times_ms.extend(b.times_ms);
        a.times_ms.sort_unstable();
    }
    a
}
