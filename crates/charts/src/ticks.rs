//! Round numbers along an axis.

/// Steps between ticks of lengths of time that people count in, in milliseconds, up to a day.
const DURATION_STEPS: [f64; 27] = [
    1.0,
    2.0,
    5.0,
    10.0,
    20.0,
    50.0,
    100.0,
    200.0,
    500.0,
    1_000.0,
    2_000.0,
    5_000.0,
    10_000.0,
    15_000.0,
    30_000.0,
    60_000.0,
    120_000.0,
    300_000.0,
    600_000.0,
    900_000.0,
    1_800_000.0,
    3_600_000.0,
    7_200_000.0,
    10_800_000.0,
    21_600_000.0,
    43_200_000.0,
    DAY,
];
const DAY: f64 = 86_400_000.0;

/// More ticks than these are no help to anybody, however odd the numbers are.
const TICKS_MAX: usize = 64;

/// An axis from `low` (0 or less) to `high`, both on a tick.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    pub(crate) ticks: Vec<f64>,
}

impl Axis {
    /// Of whole numbers, in steps of 1, 2 or 5 times a power of ten.
    pub(crate) fn of_counts(low: f64, high: f64, about: usize) -> Self {
        let (low, high) = ordered(low, high);
        let step = round((high - low) / about.max(1) as f64).max(1.0);
        Self::in_steps(low, high, step)
    }

    /// Of shares, from nothing to all of it or to the next tick above `high`.
    pub(crate) fn of_shares(high: f64) -> Self {
        let high = ordered(0.0, high).1.min(1.0);
        let step = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1].into_iter().find(|step| high / step <= 5.0).unwrap_or(0.25);
        Self::in_steps(0.0, high, step)
    }

    /// Of lengths of time, in milliseconds.
    pub(crate) fn of_durations(high: f64, about: usize) -> Self {
        let high = ordered(0.0, high).1;
        let least = high / about.max(1) as f64;
        let found = DURATION_STEPS.into_iter().find(|step| *step >= least);
        Self::in_steps(0.0, high, found.unwrap_or_else(|| round(least / DAY) * DAY))
    }

    fn in_steps(low: f64, high: f64, step: f64) -> Self {
        // By index, so that no error adds up. A part of a step too small to matter takes no tick of its own.
        let (first, last) = ((low / step + 1e-9).floor(), (high / step - 1e-9).ceil().max(1.0));
        let ticks =
            (0..TICKS_MAX).map(|at| (first + at as f64) * step).take_while(|tick| *tick <= last * step + step / 2.0);
        Self { ticks: ticks.collect() }
    }

    pub(crate) fn low(&self) -> f64 {
        self.ticks.first().copied().unwrap_or(0.0)
    }

    pub(crate) fn high(&self) -> f64 {
        self.ticks.last().copied().unwrap_or(1.0)
    }

    /// Where a value lies, from 0 at the low end to 1 at the high one; never outside.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let at = (value - self.low()) / (self.high() - self.low());
        if at.is_finite() { at.clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// Both bounds finite, zero between them, and something in between.
fn ordered(low: f64, high: f64) -> (f64, f64) {
    // Far above any count; sums and differences of these are finite.
    let tame = |value: f64| if value.is_finite() { value.clamp(-1e30, 1e30) } else { 0.0 };
    let (low, high) = (tame(low).min(0.0), tame(high).max(0.0));
    if high - low > 1e-12 { (low, high) } else { (0.0, 1.0) }
}

/// The next of 1, 2 and 5 times a power of ten that is no smaller.
fn round(step: f64) -> f64 {
    let power = 10f64.powf(step.max(1e-30).log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|round| *round >= step * (1.0 - 1e-9))
        .unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ticks_are_round() {
        assert_eq!(Axis::of_counts(0.0, 1234.0, 5).ticks, [0.0, 500.0, 1000.0, 1500.0]);
        assert_eq!(Axis::of_counts(-12.0, 31.0, 5).ticks, [-20.0, -10.0, 0.0, 10.0, 20.0, 30.0, 40.0]);
        assert_eq!(Axis::of_counts(0.0, 2.0, 5).ticks, [0.0, 1.0, 2.0]);
        assert_eq!(Axis::of_counts(0.0, 0.0, 5).ticks, [0.0, 1.0]);
        assert_eq!(Axis::of_durations(5_400_000.0, 4).ticks, [0.0, 1_800_000.0, 3_600_000.0, 5_400_000.0]);
        assert_eq!(Axis::of_shares(1.0).ticks, [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(Axis::of_shares(0.09).ticks.len(), 6);
    }

    proptest! {
        #[test]
        fn every_value_lies_on_its_axis(low in any::<f64>(), high in any::<f64>(), value in any::<f64>()) {
            for axis in [Axis::of_counts(low, high, 6), Axis::of_durations(high, 6), Axis::of_shares(high)] {
                prop_assert!((2..=TICKS_MAX).contains(&axis.ticks.len()));
                prop_assert!((0.0..=1.0).contains(&axis.at(value)));
            }
        }
    }
}
