//! Lifecycle: new, returning, resurrecting and dormant actors of each period.

use daybook_disclosure::{Counts, suppress};
use daybook_kernel::rejection::Refusal;
use daybook_proto::product_analytics::v1::{ColumnType, Granularity, LifecycleMetric};

use super::activity::{activity, seen_before};
use super::table::{Table, integer, nothing, shown, time};
use super::{Answer, Question, names};
use crate::DAY_MS;
use crate::metrics::lifecycle::lifecycle;

/// The clock of a zone may be set back by this much within a day.
const CLOCK_CHANGE_MS: i64 = 2 * 3_600_000;

pub(super) fn answer(question: &Question<'_>, metric: &LifecycleMetric) -> Result<Answer, Refusal> {
    question.no_breakdown("lifecycle")?;
    let granularity = question.granularity_or_day();
    let events = metric.events.clone().unwrap_or_default();
    let periods = question.periods(granularity)?;
    let mut pass = question.pass(&[&events])?;
    let active = activity(&mut pass, &periods)?;
    let names = names(&pass);

    let longest = match granularity {
        Granularity::Month => 31 * DAY_MS,
        Granularity::Week => 7 * DAY_MS,
        Granularity::Day | Granularity::Unspecified => DAY_MS,
    };
    let before_ms = question.start_ms.saturating_sub(longest).saturating_sub(CLOCK_CHANGE_MS);
    let before = question.periods_of(before_ms, question.start_ms, granularity)?;
    let last = before.as_slice().last().map_or(before_ms, |period| period.start_ms);
    let before = question.periods_of(last, question.start_ms, Granularity::Unspecified)?;
    (pass.from_ms, pass.to_ms) = (last, question.start_ms);
    let active_before = activity(&mut pass, &before)?;
    let (seen, read_before) = seen_before(&mut pass, question.start_ms)?;

    let active_before_actors = active_before.actors(0, 1).into_iter().next().unwrap_or_default();
    let rows = lifecycle(&active.actors(0, periods.len()), &seen, &active_before_actors);
    let mut table = Table::new(&[
        ("period_start", ColumnType::Time),
        ("new", ColumnType::Integer),
        ("returning", ColumnType::Integer),
        ("resurrecting", ColumnType::Integer),
        ("dormant", ColumnType::Integer),
    ]);
    for (period, row) in periods.as_slice().iter().zip(rows) {
        let active = [row.new, row.returning, row.resurrecting];
        let may_show = Counts::from_rows(&[&active]).map(|counts| suppress(&counts, question.suppress_below));
        let may_show = |place: usize| may_show.as_ref().is_some_and(|may_show| may_show.cell(0, place));
        // Dormant and returning actors are those of the period before: one gives the other.
        let few = (1..question.suppress_below).contains(&row.dormant);
        let returning = may_show(1) && !few;
        table.add(vec![
            if period.start_ms == i64::MIN { nothing() } else { time(period.start_ms) },
            shown(may_show(0), integer(row.new)),
            shown(returning, integer(row.returning)),
            shown(may_show(2), integer(row.resurrecting)),
            shown(returning, integer(row.dormant)),
        ]);
    }
    let events_read = active.events_read.saturating_add(active_before.events_read).saturating_add(read_before);
    Ok(Answer { table, events_read, names })
}
