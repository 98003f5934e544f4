//! New, returning, resurrecting and dormant actors.
//!
//! What somebody is in a period depends on the periods of the calendar, whole ones, and not on where in its first period
//! a range begins. The range bounds who is counted: of its first period, those who are active in the part that lies
//! within it. Thus an answer that begins later says the same of everybody whom it still counts.

use roaring::RoaringBitmap;

/// The actors of one period. `new + returning + resurrecting` are those active in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LifecycleRow {
    /// Never active before the period.
    pub new: u64,
    /// Also active in the period before.
    pub returning: u64,
    /// Active before, but not in the period before.
    pub resurrecting: u64,
    /// Active in the period before, not in this one.
    pub dormant: u64,
}

/// Who was active before a range.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// Ever, before the first period. Whoever is in `last_period` counts as being here, too.
    pub ever: &'a RoaringBitmap,
    /// In the period before the first one.
    pub last_period: &'a RoaringBitmap,
    /// In the first period, in the part of it that lies before the range. Empty where the range begins with a period.
    pub cut_off: &'a RoaringBitmap,
}

/// One row for each period.
pub fn lifecycle(active: &[RoaringBitmap], before: &Before<'_>) -> Vec<LifecycleRow> {
    let mut seen = before.ever | before.last_period;
    let mut last = before.last_period.clone();
    let mut rows = Vec::with_capacity(active.len());
    for (period, counted) in active.iter().enumerate() {
        let whole = if period == 0 { counted | before.cut_off } else { counted.clone() };
        let known = counted.intersection_len(&seen);
        let returning = counted.intersection_len(&last);
        rows.push(LifecycleRow {
            new: counted.len().saturating_sub(known),
            returning,
            resurrecting: known.saturating_sub(returning),
            dormant: last.len().saturating_sub(last.intersection_len(&whole)),
        });
        seen |= &whole;
        last = whole;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(actors: &[u32]) -> RoaringBitmap {
        actors.iter().collect()
    }

    fn row(new: u64, returning: u64, resurrecting: u64, dormant: u64) -> LifecycleRow {
        LifecycleRow { new, returning, resurrecting, dormant }
    }

    #[test]
    fn everybody_active_is_one_of_three_and_who_stays_away_is_dormant_once() {
        let before = Before { ever: &of(&[2]), last_period: &of(&[1, 7]), cut_off: &of(&[]) };
        let rows = lifecycle(&[of(&[1, 2, 3]), of(&[]), of(&[1, 9])], &before);
        assert_eq!(rows, [row(1, 1, 1, 1), row(0, 0, 0, 3), row(1, 0, 1, 0)]);
    }

    #[test]
    fn who_was_active_in_the_part_of_the_first_period_that_is_cut_off_is_neither_dormant_nor_known_before_it() {
        // 1, 2 and 3 were active in the period before, 2 and 4 in the part that is cut off.
        let before = Before { ever: &of(&[]), last_period: &of(&[1, 2, 3]), cut_off: &of(&[2, 4]) };
        let rows = lifecycle(&[of(&[1, 4]), of(&[2])], &before);
        assert_eq!(rows, [row(1, 1, 0, 1), row(0, 1, 0, 2)]);
    }
}
