//! Time cut into pieces, so that a range is found by a point without looking at other ranges.
//!
//! Days from year 1 on are the leaves of a binary tree; its nodes are numbered as in a heap, the root is 1. A range is
//! the fewest nodes that together cover its days; a point is in the range only if one of its leaf's ancestors is among
//! them. (Covering whole days, the nodes are a first sieve; the exact range is checked afterwards. The structure is
//! the segment tree of Bentley, 1977.)

use daybook_kernel::time::Timestamp;

/// Height of the tree: 2^22 days are 11,000 years.
const LEVELS: u32 = 22;
const DAY_MICROS: i64 = 24 * 60 * 60 * 1_000_000;
/// The root: covers all time.
pub const ROOT: u32 = 1;

fn day(time_us: i64) -> u32 {
    let since_first = time_us.saturating_sub(Timestamp::MIN.as_micros()).max(0) / DAY_MICROS;
    u32::try_from(since_first).unwrap_or(u32::MAX).min((1 << LEVELS) - 1)
}

/// The fewest nodes that cover a range: from `start_us` (included) to `end_us` (excluded), in microseconds since 1970;
/// open where a bound is missing. At most 42.
pub fn cover(start_us: Option<i64>, end_us: Option<i64>) -> Vec<u32> {
    if start_us.is_none() && end_us.is_none() {
        return vec![ROOT];
    }
    let last_day = end_us.map_or((1 << LEVELS) - 1, |end| day(end.saturating_sub(1)));
    let (mut low, mut high) = ((1 << LEVELS) + start_us.map_or(0, day), (1 << LEVELS) + last_day + 1);
    let mut nodes = Vec::new();
    while low < high {
        if low & 1 == 1 {
            nodes.push(low);
            low += 1;
        }
        if high & 1 == 1 {
            high -= 1;
            nodes.push(high);
        }
        low >>= 1;
        high >>= 1;
    }
    nodes.sort_unstable();
    nodes
}

/// The nodes that hold a point: its day and all that contain it, up to the root.
pub fn ancestors(time_us: i64) -> impl Iterator<Item = u32> {
    let leaf = (1 << LEVELS) + day(time_us);
    (0..=LEVELS).map(move |level| leaf >> level)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_point_in_a_range_is_found_exactly_once(
            start in -2_000_000_i64..2_000_000, length in 1_i64..900_000, point in -2_000_000_i64..2_000_000,
        ) {
            // In units of about a minute, so that ranges start and end within days.
            let unit = 61_000_000;
            let (start, end, point) = (start * unit, (start + length) * unit, point * unit);
            let nodes = cover(Some(start), Some(end));
            prop_assert!(nodes.len() <= 42);
            let found = ancestors(point).filter(|node| nodes.contains(node)).count();
            let days_apart = |a: i64, b: i64| (day(a), day(b));
            let (from, to) = days_apart(start, end - 1);
            let inside = (from..=to).contains(&day(point));
            prop_assert_eq!(found, usize::from(inside));
            if (start..end).contains(&point) {
                prop_assert_eq!(found, 1, "what is in the range is never missed");
            }
        }

        #[test]
        fn open_bounds_cover_everything_on_that_side(bound in any::<i64>(), point in any::<i64>()) {
            let after = cover(Some(bound), None);
            let before = cover(None, Some(bound));
            let holds = |nodes: &[u32]| ancestors(point).any(|node| nodes.contains(&node));
            prop_assert!(point < bound || holds(&after));
            prop_assert!(point >= bound || holds(&before));
        }
    }

    #[test]
    fn all_time_is_the_root() {
        assert_eq!(cover(None, None), [ROOT]);
        assert_eq!(ancestors(0).last(), Some(ROOT));
    }
}
