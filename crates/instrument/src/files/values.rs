//! Words of schema files that stand for values: numbers, lengths of time, points in time, types.

use daybook_proto::product_analytics::v1::{EventMeaning, PropertyType};

/// The types of properties, as files name them.
pub(super) const TYPES: &[(&str, PropertyType)] = &[
    ("enum", PropertyType::Enum),
    ("integer", PropertyType::Integer),
    ("boolean", PropertyType::Boolean),
    ("duration", PropertyType::Duration),
    ("opaque_id", PropertyType::OpaqueId),
    ("money", PropertyType::Money),
];

/// The meanings of events, as files name them.
pub(super) const MEANINGS: &[(&str, EventMeaning)] = &[
    ("insight_accepted", EventMeaning::InsightAccepted),
    ("copilot_shown", EventMeaning::CopilotShown),
    ("copilot_used", EventMeaning::CopilotUsed),
    ("copilot_ignored", EventMeaning::CopilotIgnored),
    ("copilot_edited", EventMeaning::CopilotEdited),
    ("feedback", EventMeaning::Feedback),
    ("safety_signal", EventMeaning::SafetySignal),
];

/// A whole number; `_` may part its digits.
pub(super) fn integer(text: &str) -> Option<i64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || b"_-+".contains(&byte));
    if is_number { text.replace('_', "").parse().ok() } else { None }
}

/// A length of time in milliseconds: a whole number and its unit, for example `500ms`, `1s`, `5m`, `24h`, `7d`.
pub(super) fn milliseconds(text: &str) -> Option<i64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let unit_ms = match unit.trim_start() {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(unit_ms)
}

/// A length of time.
pub(super) fn duration(text: &str) -> Option<prost_types::Duration> {
    let milliseconds = milliseconds(text)?;
    let nanos = i32::try_from(milliseconds % 1_000).ok()? * 1_000_000;
    Some(prost_types::Duration { seconds: milliseconds / 1_000, nanos })
}

/// A point in time: a day, which begins at midnight UTC, or a time with its offset as RFC 3339 has it.
pub(super) fn time(text: &str) -> Option<prost_types::Timestamp> {
    let bytes = text.as_bytes();
    // The parser takes more than these two forms, a time without an offset among them.
    let is_day = bytes.len() == 10;
    let has_offset = bytes.get(10).is_some_and(|byte| matches!(byte, b'T' | b't' | b' '))
        && (text.ends_with(['Z', 'z']) || bytes.iter().rev().nth(5).is_some_and(|sign| matches!(sign, b'+' | b'-')));
    if is_day || has_offset { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_for_values() {
        assert_eq!([integer("-5"), integer("1_000"), integer("1.5"), integer("")], [Some(-5), Some(1_000), None, None]);
        let lengths = ["500ms", "1s", "5m", "24h", "7d", "7 d"].map(milliseconds);
        assert_eq!(lengths, [500, 1_000, 300_000, 86_400_000, 604_800_000, 604_800_000].map(Some));
        let wrong = ["7", "d", "-1s", "1.5s", "9223372036854775807d", "1w", ""];
        assert_eq!(wrong.map(milliseconds), [None; 7]);
        assert_eq!(duration("1500ms"), Some(prost_types::Duration { seconds: 1, nanos: 500_000_000 }));
        let seconds = |text| time(text).map(|time| time.seconds);
        assert_eq!(seconds("2026-12-01"), Some(1_796_083_200));
        assert_eq!(seconds("2026-12-01T01:00:00+01:00"), Some(1_796_083_200));
        assert_eq!(seconds("2026-12-01T00:00:00Z"), Some(1_796_083_200));
        for wrong in ["2026-12-01T00:00:00", "2026-13-01", "tomorrow", "", "2026-12", "２０２６-12-01"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
