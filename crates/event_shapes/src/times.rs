//! Times as SDKs send them.

use prost_types::Timestamp;

const NANOS_PER_SECOND: i128 = 1_000_000_000;
/// The years 1 to 9999, which are those of `google.protobuf.Timestamp`.
const SECONDS: std::ops::RangeInclusive<i128> = -62_135_596_800..=253_402_300_799;
/// Characters of a time with nanoseconds and an offset, and some to spare.
const CHARS_MAX: usize = 40;

/// A time in ISO 8601, as RFC 3339 narrows it. Without an offset it is UTC; a date alone is its midnight.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    // The parser takes years of any length; here they have four digits.
    let has_year = text.len() <= CHARS_MAX
        && text.bytes().take(4).all(|byte| byte.is_ascii_digit())
        && text.as_bytes().get(4) == Some(&b'-');
    if !has_year {
        return None;
    }
    from_nanos(nanos(text.parse().ok()?))
}

/// A time by nanoseconds since 1970. `None`: 0, which stands for none in OTLP.
pub(crate) fn from_unix_nanos(nanos: u64) -> Option<Timestamp> {
    if nanos == 0 { None } else { from_nanos(nanos.into()) }
}

/// When something happened of which the sender's clock said `original`, and `sent` when it sent it, and which was
/// received at `received` by the clock here. `None`: at no time that there is.
pub(crate) fn without_skew(original: Timestamp, sent: Timestamp, received: Timestamp) -> Option<Timestamp> {
    from_nanos(nanos(received) - (nanos(sent) - nanos(original)))
}

fn nanos(time: Timestamp) -> i128 {
    i128::from(time.seconds) * NANOS_PER_SECOND + i128::from(time.nanos)
}

fn from_nanos(nanos: i128) -> Option<Timestamp> {
    let seconds = nanos.div_euclid(NANOS_PER_SECOND);
    if !SECONDS.contains(&seconds) {
        return None;
    }
    let nanos = i32::try_from(nanos.rem_euclid(NANOS_PER_SECOND)).ok()?;
    Some(Timestamp { seconds: i64::try_from(seconds).ok()?, nanos })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time(text: &str) -> Timestamp {
        parse(text).expect("a time")
    }

    #[test]
    fn times_of_sdks_are_read() {
        let expected = Timestamp { seconds: 1_354_408_212, nanos: 984_000_000 };
        for text in ["2012-12-02T00:30:12.984Z", "2012-12-02T01:30:12.984000+01:00", "2012-12-02T00:30:12.984"] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        for text in ["", "yesterday", "1354408212984", "2015-2-02T00:30:08Z", "2012-13-02T00:30:12Z", "+99999-01-01"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("0000-01-01T00:00:00Z"), None, "there is no year 0");
    }

    #[test]
    fn the_skew_of_the_senders_clock_is_taken_away() {
        // Its clock is an hour ahead; the event waited ten seconds.
        let (original, sent) = (time("2026-01-01T13:00:00Z"), time("2026-01-01T13:00:10Z"));
        let received = time("2026-01-01T12:00:10.5Z");
        assert_eq!(without_skew(original, sent, received), Some(time("2026-01-01T12:00:00.5Z")));
        let far = Timestamp { seconds: i64::MAX, nanos: i32::MAX };
        assert_eq!(without_skew(original, sent, far), None);
    }

    proptest! {
        #[test]
        fn any_text_and_time_is_read_or_not(text in "\\PC{0,45}|[0-9]{4}-[0-9TZ:.+-]{0,36}", nanos in any::<u64>()) {
            for time in [parse(&text), from_unix_nanos(nanos)].into_iter().flatten() {
                prop_assert!(SECONDS.contains(&time.seconds.into()) && (0..1_000_000_000).contains(&time.nanos));
            }
        }
    }
}
