//! The one definition of a percentile.

/// The percentile of sorted values by nearest rank: the smallest value such that at least `percent` of 100 values are
/// not greater. It is always one of the values, so nothing is interpolated and the order of addition cannot matter.
/// Rank `ceil(percent / 100 * n)`, counted from 1 (NIST/SEMATECH e-Handbook of Statistical Methods, 7.2.6.2, names the
/// variants). 0 gives the smallest; above 100 is taken as 100. `None` without values.
pub fn percentile(sorted: &[u64], percent: u32) -> Option<u64> {
    let last = sorted.len().checked_sub(1)?;
    let rank = (sorted.len() as u128 * u128::from(percent.min(100))).div_ceil(100);
    let at = usize::try_from(rank).unwrap_or(usize::MAX).saturating_sub(1);
    sorted.get(at.min(last)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values = [15, 20, 35, 40, 50];
        let at = |percent| percentile(&values, percent);
        assert_eq!((at(0), at(5), at(20), at(21)), (Some(15), Some(15), Some(15), Some(20)));
        assert_eq!((at(30), at(40), at(50), at(100), at(900)), (Some(20), Some(20), Some(35), Some(50), Some(50)));
        assert_eq!(percentile(&[], 50), None);
    }
}
