//! The line that starts a message in an mbox: `From address date`.

use jiff::civil::DateTime;

use super::fields::usable;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// The date in such a line, in seconds since 1970, if it is one that a message can have. The form is that of `asctime`,
/// `Sat Jan  3 01:05:34 1996`, in UTC; an offset such as `+0100` may stand before or after the year, other names of
/// zones are passed over.
pub(crate) fn date(line: &[u8]) -> Option<i64> {
    let text = String::from_utf8_lossy(line);
    let words: Vec<&str> = text.split_ascii_whitespace().skip(1).collect();
    let (i, month) = words.iter().enumerate().find_map(|(i, word)| {
        let month = MONTHS.iter().position(|name| word.eq_ignore_ascii_case(name))?;
        number(words.get(i + 1)?).filter(|day| (1..=31).contains(day))?;
        Some((i, i8::try_from(month + 1).ok()?))
    })?;
    let after = &words[i + 2..];
    let mut clock = after.iter().find(|word| word.contains(':'))?.split(':').map(number);
    let year = after.iter().find(|word| word.len() == 4 && !word.contains(':')).and_then(|word| number(word))?;
    let offset = after.iter().find_map(|word| offset_seconds(word)).unwrap_or(0);
    let mut next = || clock.next().flatten().and_then(|number| i8::try_from(number).ok());
    let (hour, minute, second) = (next()?, next()?, next().unwrap_or(0).min(59));
    let day = i8::try_from(number(words[i + 1])?).ok()?;
    let civil = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    usable(civil, offset)
}

/// A number without a sign.
fn number(word: &str) -> Option<i16> {
    word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok())?
}

/// Seconds east of UTC.
fn offset_seconds(word: &str) -> Option<i64> {
    let (sign, digits) = match word.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits = if digits.len() == 4 { i64::from(number(digits)?) } else { return None };
    Some(sign * (digits / 100 * 3_600 + digits % 100 * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (line, seconds) in [
            ("From god@heaven.af.mil Sat Jan  3 01:05:34 1996\n", 820_631_134),
            ("From a@example.com Sat Jan 3 01:05 1996\r\n", 820_631_100),
            ("From - Sat Jan 3 01:05:34 EST 1996", 820_631_134),
            ("From 17@xxx Sat Jan 03 01:05:34 +0000 1996", 820_631_134),
            ("From x Sat Jan 3 02:05:34 1996 +0100", 820_631_134),
            ("From x Fri Jan 2 20:05:34 1996 -0500", 820_631_134),
            ("From mar Sat Jan 3 01:05:34 1996", 820_631_134),
            ("From MAILER-DAEMON Sat Jan 3 01:05:60 1996", 820_631_159),
        ] {
            assert_eq!(date(line.as_bytes()), Some(seconds), "{line}");
        }
    }

    #[test]
    fn lines_without_a_date() {
        for line in [
            "From ",
            "From the harbour",
            "From Jan",
            "From Jan 3 to Feb 5 it rained",
            "From x Sat Jan 3 01:05:34",
            "From x Sat Feb 30 01:05:34 1996",
            "From x Sat Jan 3 25:05:34 1996",
            "From x Sat Jan 3 01:05:34 1969",
            "From x Sat Jan 3 01:05:34 2100",
            "From x Sat Jan 3 é:05:34 199é",
        ] {
            assert_eq!(date(line.as_bytes()), None, "{line}");
        }
        assert_eq!(date(b"From \xff\xff Sat Jan 3 \xff:\xff 1996"), None);
    }
}
