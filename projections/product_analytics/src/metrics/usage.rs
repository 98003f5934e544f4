//! Active actors, and how often they are active.

use roaring::RoaringBitmap;

/// Active actors.
#[derive(Debug, Clone, PartialEq)]
pub struct UsageResult {
    /// Of each period.
    pub uniques: Vec<u64>,
    /// Of the whole range. Whoever is active in several periods counts once, so this is not their sum.
    pub uniques_total: u64,
    /// On a day, on average over all days given, those without anybody included. `None` without days.
    pub daily_mean: Option<f64>,
    /// `daily_mean / uniques_total`: 1 when everybody is active every day. `None` without days or actors.
    pub stickiness: Option<f64>,
}

/// From the actors of each period, and of each day of the range (whole days only, or the mean is too low).
pub fn usage(periods: &[RoaringBitmap], days: &[RoaringBitmap]) -> UsageResult {
    let mut all = RoaringBitmap::new();
    for actors in periods {
        all |= actors;
    }
    let daily: u64 = days.iter().fold(0, |sum, actors| sum.saturating_add(actors.len()));
    let daily_mean = (!days.is_empty()).then(|| daily as f64 / days.len() as f64);
    let stickiness = daily_mean.filter(|_| !all.is_empty()).map(|mean| mean / all.len() as f64);
    UsageResult {
        uniques: periods.iter().map(RoaringBitmap::len).collect(),
        uniques_total: all.len(),
        daily_mean,
        stickiness,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uniques_of_a_month_are_not_the_sum_of_its_days() {
        let days: Vec<RoaringBitmap> = (0..30).map(|day| [1, 2, 10 + day % 3].into_iter().collect()).collect();
        let month = days.iter().fold(RoaringBitmap::new(), |all, day| all | day);
        let result = usage(std::slice::from_ref(&month), &days);
        assert_eq!((result.uniques, result.uniques_total), (vec![5], 5));
        assert_eq!((result.daily_mean, result.stickiness), (Some(3.0), Some(0.6)));
        let by_day = usage(&days, &days);
        assert_eq!((by_day.uniques.iter().sum::<u64>(), by_day.uniques_total), (90, 5));
    }

    #[test]
    fn nobody_has_no_stickiness() {
        let result = usage(&[RoaringBitmap::new()], &[RoaringBitmap::new()]);
        assert_eq!((result.daily_mean, result.stickiness), (Some(0.0), None));
        assert_eq!(usage(&[], &[]).daily_mean, None);
    }
}
