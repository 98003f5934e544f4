//! Retention: of those who began in a period, how many are active in the periods after it.

use daybook_disclosure::{Counts, Shown, suppress};
use daybook_kernel::rejection::Refusal;
use daybook_proto::product_analytics::v1::{ColumnType, Granularity, RetentionKind, RetentionMetric};
use roaring::RoaringBitmap;

use super::activity::{activity, seen_before};
use super::table::{Table, integer, may_show, nothing, share, shown, time};
use super::{Answer, Question, names};
use crate::DAY_MS;
use crate::metrics::periods::RANGE_DAYS_MAX;
use crate::metrics::retention::{Kind, Retention, RetentionRow, retention};

pub(super) fn answer(question: &Question<'_>, metric: &RetentionMetric) -> Result<Answer, Refusal> {
    question.no_breakdown("retention")?;
    let granularity = question.granularity_or_day();
    let first = metric.first.clone().unwrap_or_default();
    let returning = metric.returning.clone().unwrap_or_else(|| first.clone());
    let periods = if metric.periods == 0 { 30 } else { metric.periods as usize };

    let cohorts = question.periods(granularity)?;
    let mut pass = question.pass(&[&first])?;
    let began = activity(&mut pass, &cohorts)?;
    let mut names = names(&pass);
    let (seen, read_before) = match metric.first_time {
        true => seen_before(&mut pass, question.start_ms)?,
        false => (RoaringBitmap::new(), 0),
    };
    // One period more than is asked for: the last of a range may be cut off at its end.
    let longest = DAY_MS
        * match granularity {
            Granularity::Month => 31,
            Granularity::Week => 7,
            Granularity::Day | Granularity::Unspecified => 1,
        };
    let more = longest.saturating_mul(i64::try_from(periods).unwrap_or(i64::MAX).saturating_add(1));
    let latest = question.start_ms.saturating_add(RANGE_DAYS_MAX.saturating_mul(DAY_MS));
    let end_ms = question.end_ms.saturating_add(more).min(latest).max(question.end_ms);
    let all = question.periods_of(question.start_ms, end_ms, granularity)?;
    let mut pass = question.pass(&[&returning])?;
    pass.to_ms = end_ms;
    let came_back = activity(&mut pass, &all)?;
    names.extend(super::names(&pass));

    let asked = Retention {
        kind: match metric.kind() {
            RetentionKind::Unspecified => Kind::NthPeriod,
            RetentionKind::Rolling => Kind::Rolling,
        },
        first_time: metric.first_time,
        periods,
        over: all.over(question.now_ms),
    };
    let rows = retention(&asked, &began.actors(0, cohorts.len()), &came_back.actors(0, all.len()), &seen);
    let told = Told::new(&rows, periods, question.suppress_below);
    let mut table = Table::new(&[
        ("period_start", ColumnType::Time),
        ("n", ColumnType::Integer),
        ("cohort", ColumnType::Integer),
        ("actors", ColumnType::Integer),
        ("share", ColumnType::Share),
        ("open", ColumnType::Integer),
    ]);
    let starts = |row: &RetentionRow| all.as_slice().get(row.cohort).map(|period| period.start_ms);
    // Periods that have not begun tell nothing.
    let has_begun = |row: &&RetentionRow| {
        all.as_slice().get(row.cohort.saturating_add(row.n)).is_some_and(|period| period.start_ms <= question.now_ms)
    };
    for row in rows.iter().filter(has_begun) {
        let (size_shown, is_shown) = (told.size(row.cohort), told.returned(row));
        table.add(vec![
            starts(row).map_or_else(nothing, time),
            integer(row.n as u64),
            shown(size_shown, integer(row.size)),
            shown(is_shown, integer(row.returned)),
            shown(is_shown, share(row.returned, row.size)),
            integer(u64::from(!row.is_over)),
        ]);
    }
    // All cohorts whose period is over, together.
    for n in 0..=periods {
        let over = rows.iter().filter(|row| row.n == n && row.is_over);
        let (size, returned) = over.fold((0u64, 0u64), |(size, returned), row| {
            (size.saturating_add(row.size), returned.saturating_add(row.returned))
        });
        if size == 0 {
            continue;
        }
        let (size_shown, is_shown) = (told.all_sizes(n), told.all_returned(n));
        table.add(vec![
            nothing(),
            integer(n as u64),
            shown(size_shown, integer(size)),
            shown(is_shown, integer(returned)),
            shown(is_shown, share(returned, size)),
            integer(0),
        ]);
    }
    let events_read = began.events_read.saturating_add(read_before).saturating_add(came_back.events_read);
    Ok(Answer { table, events_read, names })
}

/// What may be shown of a triangle. For each `n`, who came back and who did not are a table of two columns, whose rows are
/// the cohorts and whose totals are the row over all of them.
struct Told {
    sizes: Vec<bool>,
    by_n: Vec<(Vec<usize>, Option<Shown>)>,
    rows: Vec<RetentionRow>,
    suppress_below: u64,
}

impl Told {
    fn new(rows: &[RetentionRow], periods: usize, suppress_below: u64) -> Self {
        let cohorts = rows.iter().map(|row| row.cohort + 1).max().unwrap_or_default();
        let mut sizes = vec![0u64; cohorts];
        for row in rows {
            if let Some(size) = sizes.get_mut(row.cohort) {
                *size = row.size;
            }
        }
        let counts: Vec<&[u64]> = sizes.chunks(1).collect();
        let may_show = Counts::from_rows(&counts).map(|counts| suppress(&counts, suppress_below));
        let sizes = (0..cohorts).map(|at| may_show.as_ref().is_some_and(|shown| shown.cell(at, 0))).collect();
        let of_n = |n: usize| {
            let over: Vec<_> = rows.iter().filter(|row| row.n == n && row.is_over).collect();
            let counts: Vec<[u64; 2]> =
                over.iter().map(|row| [row.returned, row.size.saturating_sub(row.returned)]).collect();
            let counts: Vec<&[u64]> = counts.iter().map(<[u64; 2]>::as_slice).collect();
            let shown = Counts::from_rows(&counts).map(|counts| suppress(&counts, suppress_below));
            (over.iter().map(|row| row.cohort).collect(), shown)
        };
        Self { sizes, by_n: (0..=periods).map(of_n).collect(), rows: rows.to_vec(), suppress_below }
    }

    fn size(&self, cohort: usize) -> bool {
        self.sizes.get(cohort).copied().unwrap_or_default()
    }

    fn returned(&self, row: &RetentionRow) -> bool {
        if !row.is_over {
            return self.size(row.cohort) && may_show(row.returned, row.size, self.suppress_below);
        }
        let of_n = self.by_n.get(row.n).and_then(|(cohorts, shown)| {
            let at = cohorts.iter().position(|cohort| *cohort == row.cohort)?;
            shown.as_ref().map(|shown| shown.cell(at, 0) && shown.cell(at, 1))
        });
        self.size(row.cohort) && of_n.unwrap_or_default()
    }

    /// The cohorts of one `n` more than of the next are one cohort more: where one is hidden, so are the sums.
    fn all_sizes(&self, n: usize) -> bool {
        let all_shown = self.sizes.iter().all(|shown| *shown);
        let size = self.rows.iter().filter(|row| row.n == n && row.is_over).map(|row| row.size).sum();
        all_shown && may_show(size, size, self.suppress_below)
    }

    fn all_returned(&self, n: usize) -> bool {
        let shown = self.by_n.get(n).and_then(|(_, shown)| shown.as_ref());
        self.all_sizes(n) && shown.is_some_and(|shown| shown.column_total(0) && shown.column_total(1))
    }
}
