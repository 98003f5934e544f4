//! Names as SDKs have them, made names as Daybook has them: words of a-z 0-9 _ that begin with a-z; those of events are
//! words joined by dots (`daybook_event_rules::schema_rules`).
//!
//! A name is data of the caller like any other. A password in a URL, lowercased and without its separators, becomes five
//! words that no detector recognises. So the detectors check the name as it was sent. They also check the converted name,
//! because the door checks it and would refuse the event. Every [`Name`] has passed both checks.

use daybook_detect::{Detector, Sensitivity};

/// Characters of a word.
const WORD_CHARS_MAX: usize = 64;
/// Characters of the name of an event.
const EVENT_NAME_CHARS_MAX: usize = 100;

/// Why a text cannot become a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    /// It has no letter, or one beyond a-z, or begins with a digit.
    Letters,
    /// The name would be too long.
    TooLong,
    /// It holds personal data or a credential.
    Personal,
}

/// A name as Daybook has it. The detectors found nothing in it or in its original.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(String);

impl Name {
    /// One that this crate gives.
    pub(crate) fn fixed(name: &'static str) -> Self {
        Self(name.to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

fn look_at(text: &str) -> Result<(), Problem> {
    if Detector::new(Sensitivity::Strict).sees("", text) { Err(Problem::Personal) } else { Ok(()) }
}

/// The name of an event.
pub(crate) fn event_name(text: &str) -> Result<Name, Problem> {
    look_at(text)?;
    let mut name = String::new();
    for part in text.split('.') {
        // Of "Answer Shown..." nothing stands behind the dots.
        if !part.chars().any(char::is_alphanumeric) {
            continue;
        }
        if !name.is_empty() {
            name.push('.');
        }
        name.push_str(&one_word(part)?);
        if name.len() > EVENT_NAME_CHARS_MAX {
            return Err(Problem::TooLong);
        }
    }
    if name.is_empty() { Err(Problem::Letters) } else { checked(text, name) }
}

/// A name that is one word.
pub(crate) fn word(text: &str) -> Result<Name, Problem> {
    look_at(text)?;
    checked(text, one_word(text)?)
}

fn checked(sent: &str, name: String) -> Result<Name, Problem> {
    if name != sent {
        look_at(&name)?;
    }
    Ok(Name(name))
}

fn one_word(text: &str) -> Result<String, Problem> {
    let word = if is_word(text) { text.to_owned() } else { snake_case(text)? };
    if word.len() > WORD_CHARS_MAX { Err(Problem::TooLong) } else { Ok(word) }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn snake_case(text: &str) -> Result<String, Problem> {
    let mut word = String::new();
    let mut before = ' ';
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let is_beyond = !char.is_ascii() && char.is_alphanumeric();
        // An accent of its own is part of the letter before it.
        if is_beyond || ('\u{300}'..='\u{36f}').contains(&char) {
            return Err(Problem::Letters);
        }
        if char.is_ascii_alphanumeric() {
            // "answerShown" and "step2Done"; of "PDFExport", the E: a small letter follows it.
            let is_begin = char.is_ascii_uppercase()
                && (before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || before.is_ascii_uppercase() && chars.peek().is_some_and(char::is_ascii_lowercase));
            if !word.is_empty() && (is_begin || !before.is_ascii_alphanumeric()) {
                word.push('_');
            }
            word.push(char.to_ascii_lowercase());
            if word.len() > WORD_CHARS_MAX {
                return Err(Problem::TooLong);
            }
        }
        before = char;
    }
    if word.starts_with(|first: char| first.is_ascii_lowercase()) { Ok(word) } else { Err(Problem::Letters) }
}

#[cfg(test)]
mod tests {
    use daybook_event_rules::schema_rules::{event_name_problem, name_problem};
    use proptest::prelude::*;

    use super::*;

    fn word(text: &str) -> Result<String, Problem> {
        super::word(text).map(Name::into_string)
    }

    fn event_name(text: &str) -> Result<String, Problem> {
        super::event_name(text).map(Name::into_string)
    }

    #[test]
    fn names_are_looked_at_as_they_were_sent() {
        for text in [
            "https://jana:tajneheslo@db.firma-praha.cz/x",
            "jana.novak@firma-praha.cz",
            "Opened by jana.novak@firma-praha.cz",
            "AKIAIOSFODNN7EXAMPLE",
            "card4539148803436467",
            "paid 4539-1488-0343-6467",
            "paid_4539_1488_0343_6467",
            "iban FR14.2004.1010.0505.0001.3M02.606",
            "call +420 601 123 456",
            "amFuYS5ub3Zha0BmaXJtYS1wcmFoYS5jeg==",
            "a%40example.org by mail: jana%40example.org",
        ] {
            assert_eq!((word(text), event_name(text)), (Err(Problem::Personal), Err(Problem::Personal)), "{text}");
        }
    }

    /// The separators that a name gets can make something that a detector sees.
    #[test]
    fn names_are_looked_at_as_they_become() {
        let text = "AHfAa_0aaa_0Aa00AaA_A-A-AA0AAaA";
        assert_eq!((word(text), event_name(text)), (Err(Problem::Personal), Err(Problem::Personal)));
    }

    #[test]
    fn words_are_found_at_capitals_and_between_letters() {
        for (text, name) in [
            ("Case Exported", "case_exported"),
            ("caseExported", "case_exported"),
            ("case-exported!", "case_exported"),
            ("  Case   /  exported ", "case_exported"),
            ("case_exported", "case_exported"),
            ("userID", "user_id"),
            ("HTTPServer", "http_server"),
            ("PDFExport2Done", "pdf_export2_done"),
            ("$revenue", "revenue"),
            ("Case – Exported 🎉", "case_exported"),
            ("a.b", "a_b"),
            ("trailing_", "trailing_"),
        ] {
            assert_eq!(word(text).as_deref(), Ok(name), "{text}");
        }
    }

    #[test]
    fn dots_stay_in_names_of_events() {
        for (text, name) in [
            ("copilot.answerShown", "copilot.answer_shown"),
            ("copilot.answer_shown", "copilot.answer_shown"),
            ("Copilot Answer Shown", "copilot_answer_shown"),
            ("browser.mouse.click", "browser.mouse.click"),
            ("Loading...", "loading"),
        ] {
            assert_eq!(event_name(text).as_deref(), Ok(name), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_told_apart_is_no_name() {
        for text in ["", "...", "42", "2nd Step", "v1.2", "Fall geöffnet", "cafe\u{301}", "ΑΒΓ", "_1"] {
            assert_eq!(event_name(text), Err(Problem::Letters), "{text}");
        }
        assert_eq!(word(&"a".repeat(64)).map(|word| word.len()), Ok(64));
        assert_eq!(word(&"a".repeat(65)), Err(Problem::TooLong));
        assert_eq!(word(&"A".repeat(65)), Err(Problem::TooLong));
        assert_eq!(event_name(&["a".repeat(60), "b".repeat(60)].join(".")), Err(Problem::TooLong));
    }

    proptest! {
        #[test]
        fn a_name_is_one_that_daybook_takes_and_stays(text in "\\PC{0,40}|[a-zA-Z0-9_. -]{0,80}") {
            if let Ok(name) = word(&text) {
                prop_assert_eq!(name_problem(&name), None);
                prop_assert_eq!(word(&name), Ok(name));
            }
            if let Ok(name) = event_name(&text) {
                prop_assert_eq!(event_name_problem(&name), None);
                prop_assert_eq!(event_name(&name), Ok(name));
            }
        }

        #[test]
        fn a_name_that_daybook_takes_stays(name in "[a-z][a-z0-9_]{0,20}(\\.[a-z][a-z0-9_]{0,20}){0,3}") {
            // Letters and digits by chance can be a key or a number of somebody.
            let expected = look_at(&name).map(|()| name.clone());
            prop_assert_eq!(event_name(&name), expected);
        }
    }
}
