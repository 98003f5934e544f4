//! Retention: of those who began in a period, how many are active in the periods after it. Split, somebody begins under each
//! value that their first events of the period have, and comes back under any.

use daybook_disclosure::{Counts, Shown, suppress};
use daybook_kernel::rejection::Refusal;
use daybook_proto::product_analytics::v1::{ColumnType, Granularity, RetentionKind, RetentionMetric};
use roaring::RoaringBitmap;

use super::activity::{Seen, activity, seen_before};
use super::ranked::Ranked;
use super::table::{Table, integer, may_show, nothing, share, shown, time};
use super::{Answer, Question, names, no_periods};
use crate::DAY_MS;
use crate::metrics::periods::{Periods, RANGE_DAYS_MAX};
use crate::metrics::retention::{Kind, Retention, RetentionRow, newcomers, retention};

pub(super) fn answer(question: &Question<'_>, metric: &RetentionMetric) -> Result<Answer, Refusal> {
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
        false => (Seen::new(), 0),
    };
    // Who comes back is looked for in whole periods, wherever the range begins and ends. One that would end too late is
    // left out: what it has so far says nothing.
    let calendar = question.calendar(granularity)?;
    let longest = DAY_MS
        * match granularity {
            Granularity::Month => 31,
            Granularity::Week => 7,
            Granularity::Day | Granularity::Unspecified => 1,
        };
    let more = longest.saturating_mul(i64::try_from(periods).unwrap_or(i64::MAX).saturating_add(1));
    let latest = question.start_ms.saturating_add(RANGE_DAYS_MAX.saturating_mul(DAY_MS));
    let end_ms = question.end_ms.saturating_add(more).min(latest).max(question.end_ms);
    let all = Periods::whole(question.start_ms, end_ms, &calendar).map_err(no_periods)?.until(latest, cohorts.len());
    let mut second = question.pass_of_all(&[&returning])?;
    (second.from_ms, second.to_ms) = (all.start_ms(), all.end_ms());
    let came_back = activity(&mut second, &all)?;
    names.extend(super::names(&second));

    let asked = Retention {
        kind: match metric.kind() {
            RetentionKind::Unspecified => Kind::NthPeriod,
            RetentionKind::Rolling => Kind::Rolling,
        },
        periods,
        over: all.over(question.now_ms),
    };
    let ranked = Ranked::of_actors(began.by_value(0), pass.split.limit);
    let mut first = began.actors_by_place(0, cohorts.len(), &ranked);
    if metric.first_time {
        // Whoever was seen under any value is no newcomer under another.
        let seen = seen.into_values().fold(RoaringBitmap::new(), |seen, actors| seen | actors);
        let newcomers = newcomers(&began.actors(0, cohorts.len()), &seen);
        first.iter_mut().for_each(|began| began.iter_mut().zip(&newcomers).for_each(|(began, new)| *began &= new));
    }
    let returning = came_back.actors(0, all.len());
    let rows: Vec<Vec<RetentionRow>> = first.iter().map(|first| retention(&asked, first, &returning)).collect();
    let told = Told::of_places(&rows, cohorts.len(), periods, question.suppress_below);
    let mut columns = vec![("period_start", ColumnType::Time)];
    columns.extend(pass.split.column());
    columns.extend([
        ("n", ColumnType::Integer),
        ("cohort", ColumnType::Integer),
        ("actors", ColumnType::Integer),
        ("share", ColumnType::Share),
        ("open", ColumnType::Integer),
    ]);
    let mut table = Table::new(&columns);
    // Periods that have not begun tell nothing.
    let has_begun = |row: &&RetentionRow| {
        all.as_slice().get(row.cohort.saturating_add(row.n)).is_some_and(|period| period.start_ms <= question.now_ms)
    };
    for (place, (rows, told)) in rows.iter().zip(&told).enumerate() {
        let mut add = |start: Option<i64>, counts: [u64; 3], size_shown: bool, is_shown: bool, is_over: bool| {
            let [n, size, returned] = counts;
            let mut cells = vec![start.map_or_else(nothing, time)];
            cells.extend(ranked.cell(place, &pass.split));
            cells.extend([
                integer(n),
                shown(size_shown, integer(size)),
                shown(is_shown, integer(returned)),
                shown(is_shown, share(returned, size)),
                integer(u64::from(!is_over)),
            ]);
            table.add(cells);
        };
        for row in rows.iter().filter(has_begun) {
            let start = cohorts.as_slice().get(row.cohort).map(|period| period.start_ms);
            let counts = [row.n as u64, row.size, row.returned];
            add(start, counts, told.size(row.cohort), told.returned(row), row.is_over);
        }
        // All cohorts whose period is over, together.
        for n in 0..=periods {
            let over = rows.iter().filter(|row| row.n == n && row.is_over);
            let (size, returned) = over.fold((0u64, 0u64), |(size, returned), row| {
                (size.saturating_add(row.size), returned.saturating_add(row.returned))
            });
            if size > 0 {
                add(None, [n as u64, size, returned], told.all_sizes(n), told.all_returned(n), true);
            }
        }
    }
    table.notes.extend(ranked.note());
    let events_read = began.events_read.saturating_add(read_before).saturating_add(came_back.events_read);
    Ok(Answer { table, events_read, names, looked_at: all.start_ms()..all.end_ms() })
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
    /// For each place; rows of places with the sizes of their cohorts are a table, too.
    fn of_places(places: &[Vec<RetentionRow>], cohorts: usize, periods: usize, suppress_below: u64) -> Vec<Self> {
        let size =
            |rows: &Vec<RetentionRow>, cohort| rows.iter().find(|row| row.cohort == cohort).map_or(0, |row| row.size);
        let of_cohort = |cohort: usize| places.iter().map(|rows| size(rows, cohort)).collect();
        let counts: Vec<Vec<u64>> = (0..cohorts).map(of_cohort).collect();
        let counts: Vec<&[u64]> = counts.iter().map(Vec::as_slice).collect();
        let may_show = Counts::from_rows(&counts).map(|counts| suppress(&counts, suppress_below));
        let is_shown = |cohort, place| may_show.as_ref().is_some_and(|may_show| may_show.cell(cohort, place));
        let of = |(place, rows): (usize, &Vec<RetentionRow>)| {
            let sizes = (0..cohorts).map(|cohort| is_shown(cohort, place)).collect();
            Self::new(rows, sizes, periods, suppress_below)
        };
        places.iter().enumerate().map(of).collect()
    }

    fn new(rows: &[RetentionRow], sizes: Vec<bool>, periods: usize, suppress_below: u64) -> Self {
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
