//! Time as the log knows it.

use std::fmt;
use std::time::Duration;

/// A point in time, in microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// A protobuf time that is outside years 1 to 9999 or has nanoseconds out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a time between 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999999Z")]
pub struct InvalidTime;

impl Timestamp {
    /// The first instant of year 1: the smallest time that protobuf's Timestamp allows.
    pub const MIN: Self = Self(-62_135_596_800_000_000);
    /// The last microsecond of year 9999: the largest.
    pub const MAX: Self = Self(253_402_300_799_999_999);

    /// From microseconds since 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since 1970; 0 for times before.
    pub fn as_unix_millis(self) -> u64 {
        u64::try_from(self.0 / 1_000).unwrap_or(0)
    }

    /// The time `by` later, at most [`Timestamp::MAX`].
    pub fn saturating_add(self, by: Duration) -> Self {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(by).min(Self::MAX.0))
    }

    /// How long after `earlier` this is; zero if it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads protobuf's form; what is finer than a microsecond is cut off.
    pub fn from_proto(time: &prost_types::Timestamp) -> Result<Self, InvalidTime> {
        if !(0..1_000_000_000).contains(&time.nanos) {
            return Err(InvalidTime);
        }
        let micros = time.seconds.checked_mul(1_000_000).ok_or(InvalidTime)?;
        let time = Self(micros.checked_add(i64::from(time.nanos) / 1_000).ok_or(InvalidTime)?);
        if time < Self::MIN || time > Self::MAX { Err(InvalidTime) } else { Ok(time) }
    }

    /// Protobuf's form.
    pub fn to_proto(self) -> prost_types::Timestamp {
        let nanos = self.0.rem_euclid(1_000_000) * 1_000;
        prost_types::Timestamp {
            seconds: self.0.div_euclid(1_000_000),
            nanos: i32::try_from(nanos).unwrap_or_default(),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_proto().fmt(f)
    }
}

/// A protobuf duration that is negative, not normalised or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a duration of zero or more, with nanoseconds below one second")]
pub struct InvalidDuration;

/// Reads protobuf's form of a duration that cannot be negative.
pub fn duration_from_proto(duration: &prost_types::Duration) -> Result<Duration, InvalidDuration> {
    let seconds = u64::try_from(duration.seconds).map_err(|_| InvalidDuration)?;
    let nanos = u32::try_from(duration.nanos).map_err(|_| InvalidDuration)?;
    if nanos >= 1_000_000_000 {
        return Err(InvalidDuration);
    }
    Ok(Duration::new(seconds, nanos))
}

/// Protobuf's form of a duration.
pub fn duration_to_proto(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn protobuf_and_back(micros in Timestamp::MIN.0..=Timestamp::MAX.0) {
            let time = Timestamp::from_micros(micros);
            prop_assert_eq!(Timestamp::from_proto(&time.to_proto()), Ok(time));
        }
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        let time = |seconds, nanos| Timestamp::from_proto(&prost_types::Timestamp { seconds, nanos });
        assert_eq!(time(0, -1), Err(InvalidTime));
        assert_eq!(time(0, 1_000_000_000), Err(InvalidTime));
        assert_eq!(time(i64::MAX, 0), Err(InvalidTime));
        assert_eq!(time(253_402_300_800, 0), Err(InvalidTime), "year 10000");
        assert_eq!(duration_from_proto(&prost_types::Duration { seconds: -1, nanos: 0 }), Err(InvalidDuration));
        assert_eq!(Timestamp::MAX.saturating_add(Duration::MAX), Timestamp::MAX);
    }
}
