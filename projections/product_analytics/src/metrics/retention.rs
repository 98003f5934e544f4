//! Of those who began in a period, how many are active in the periods after it.

use roaring::RoaringBitmap;

/// When somebody counts as having come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Active in period `n` after the first.
    NthPeriod,
    /// Active in period `n` or in a later one, up to the last that is asked for.
    Rolling,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// When somebody counts as having come back.
    pub kind: Kind,
    /// How many periods after the first.
    pub periods: usize,
    /// How many of the periods, from the first, are over.
    pub over: usize,
}

/// One cell of the triangle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionRow {
    /// The period in which they began.
    pub cohort: usize,
    /// How many periods later; 0 is the one in which they began.
    pub n: usize,
    /// How many began.
    pub size: u64,
    /// How many of them came back.
    pub returned: u64,
    /// Whether period `cohort + n` is over. The number of one that is not can still grow; with [`Kind::Rolling`] that
    /// of one that is over can, too, until the last period that is looked at is.
    pub is_over: bool,
}

/// Of the actors of each period, those who are in none before it, nor in `seen_before`.
pub fn newcomers(active: &[RoaringBitmap], seen_before: &RoaringBitmap) -> Vec<RoaringBitmap> {
    let mut seen = seen_before.clone();
    let mut of = |active: &RoaringBitmap| {
        let new = active - &seen;
        seen |= active;
        new
    };
    active.iter().map(&mut of).collect()
}

/// The triangle by cohort and `n`; only periods that are given have cells. `first` holds the actors who begin in each
/// period, `returning` those who are active in it.
pub fn retention(asked: &Retention, first: &[RoaringBitmap], returning: &[RoaringBitmap]) -> Vec<RetentionRow> {
    let mut rows = Vec::new();
    for (cohort, began) in first.iter().enumerate() {
        let end = cohort.saturating_add(asked.periods).saturating_add(1).min(returning.len());
        let active = returning.get(cohort..end).unwrap_or_default();
        let returned: Vec<u64> = match asked.kind {
            Kind::NthPeriod => active.iter().map(|active| began.intersection_len(active)).collect(),
            Kind::Rolling => from_then_on(began, active),
        };
        rows.extend(returned.into_iter().enumerate().map(|(n, returned)| RetentionRow {
            cohort,
            n,
            size: began.len(),
            returned,
            is_over: cohort.saturating_add(n) < asked.over,
        }));
    }
    rows
}

/// For each period, how many are active in it or later.
fn from_then_on(began: &RoaringBitmap, active: &[RoaringBitmap]) -> Vec<u64> {
    let mut came = RoaringBitmap::new();
    let mut counts: Vec<u64> = active
        .iter()
        .rev()
        .map(|active| {
            came |= began & active;
            came.len()
        })
        .collect();
    counts.reverse();
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actors(of: &[&[u32]]) -> Vec<RoaringBitmap> {
        of.iter().map(|actors| actors.iter().collect()).collect()
    }

    fn cells(asked: Retention, first: &[RoaringBitmap]) -> Vec<(usize, usize, u64, u64, bool)> {
        let rows = retention(&asked, first, &active());
        rows.iter().map(|row| (row.cohort, row.n, row.size, row.returned, row.is_over)).collect()
    }

    fn active() -> Vec<RoaringBitmap> {
        actors(&[&[1, 2, 3], &[2, 4], &[1]])
    }

    #[test]
    fn a_later_period_counts_only_when_it_rolls() {
        let asked = Retention { kind: Kind::NthPeriod, periods: 2, over: 2 };
        let nth = cells(asked, &active());
        assert_eq!(nth[..3], [(0, 0, 3, 3, true), (0, 1, 3, 1, true), (0, 2, 3, 1, false)]);
        let rolling = cells(Retention { kind: Kind::Rolling, ..asked }, &active());
        assert_eq!(rolling[..3], [(0, 0, 3, 3, true), (0, 1, 3, 2, true), (0, 2, 3, 1, false)]);
    }

    #[test]
    fn who_was_seen_before_does_not_begin_again_when_only_the_first_time_counts() {
        let asked = Retention { kind: Kind::NthPeriod, periods: 1, over: 3 };
        let expected =
            [(0, 0, 2, 2, true), (0, 1, 2, 1, true), (1, 0, 1, 1, true), (1, 1, 1, 0, true), (2, 0, 0, 0, true)];
        assert_eq!(cells(asked, &newcomers(&active(), &[3].into())), expected);
    }
}
