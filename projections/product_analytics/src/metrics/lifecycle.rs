//! New, returning, resurrecting and dormant actors.

use roaring::RoaringBitmap;

/// The actors of one period. `new + returning + resurrecting` are those active in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LifecycleRow {
    /// Never active before.
    pub new: u64,
    /// Also active in the period before.
    pub returning: u64,
    /// Active before, but not in the period before.
    pub resurrecting: u64,
    /// Active in the period before, not in this one.
    pub dormant: u64,
}

/// One row for each period. `seen_before` are the actors that were ever active before the first, `active_before` those
/// of the period before it; whoever is in the second counts as being in the first, too.
pub fn lifecycle(
    active: &[RoaringBitmap],
    seen_before: &RoaringBitmap,
    active_before: &RoaringBitmap,
) -> Vec<LifecycleRow> {
    let mut seen = seen_before | active_before;
    let mut before = active_before;
    let mut rows = Vec::with_capacity(active.len());
    for now in active {
        let known = now.intersection_len(&seen);
        let returning = now.intersection_len(before);
        rows.push(LifecycleRow {
            new: now.len().saturating_sub(known),
            returning,
            resurrecting: known.saturating_sub(returning),
            dormant: before.len().saturating_sub(returning),
        });
        seen |= now;
        before = now;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_active_is_one_of_three_and_who_stays_away_is_dormant_once() {
        let of = |actors: &[u32]| actors.iter().collect::<RoaringBitmap>();
        let rows = lifecycle(&[of(&[1, 2, 3]), of(&[]), of(&[1, 9])], &of(&[2]), &of(&[1, 7]));
        let row = |new, returning, resurrecting, dormant| LifecycleRow { new, returning, resurrecting, dormant };
        assert_eq!(rows, [row(1, 1, 1, 1), row(0, 0, 0, 3), row(1, 0, 1, 0)]);
    }
}
