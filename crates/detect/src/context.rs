//! Words nearby that say what a number is.

/// How far before a value a word may stand, in bytes.
const REACH: usize = 48;

/// What stands before a value: in the text, and in what introduces the text.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    /// For example the key of a JSON value.
    pub(super) before: &'a str,
    pub(super) text: &'a [u8],
}

impl Context<'_> {
    /// Whether one of the words, in lower case, stands before a place, and begins as a word does. Underscores and
    /// hyphens part words, and so does a change to upper case (`taxId`). A word with `$` behind it is a whole one.
    pub(super) fn says(&self, at: usize, words: &[&str]) -> bool {
        let near = &self.text[at.saturating_sub(REACH)..at];
        let before = self.before.as_bytes();
        has(near, words) || has(&before[before.len().saturating_sub(REACH)..], words)
    }
}

fn has(text: &[u8], words: &[&str]) -> bool {
    // Most words differ in the first letter already. Letters beyond a-z share the bits of others.
    let bit = |byte: u8| 1u32 << (byte.to_ascii_lowercase().wrapping_sub(b'a') & 31);
    let firsts = words.iter().fold(0, |firsts, word| firsts | word.as_bytes().first().map_or(0, |first| bit(*first)));
    let begins = |at: usize| match at.checked_sub(1).map(|before| text[before]) {
        Some(before) if before.is_ascii_alphabetic() => before.is_ascii_lowercase() && text[at].is_ascii_uppercase(),
        _ => true,
    };
    let stands_at = |at: usize, word: &[u8]| {
        let (word, is_whole) = word.strip_suffix(b"$").map_or((word, false), |word| (word, true));
        text[at..].get(..word.len()).is_some_and(|written| written.eq_ignore_ascii_case(word))
            && !(is_whole && text.get(at + word.len()).is_some_and(u8::is_ascii_lowercase))
    };
    (0..text.len())
        .any(|at| firsts & bit(text[at]) != 0 && begins(at) && words.iter().any(|word| stands_at(at, word.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(before: &str, text: &str, word: &str) -> bool {
        Context { before, text: text.as_bytes() }.says(text.len(), &[word])
    }

    #[test]
    fn a_word_nearby_says_what_a_number_is() {
        assert!(says("", "his BSN is ", "bsn") && says("taxId", "", "id") && says("user_bsn", "", "bsn"));
        assert!(!says("", "absn ", "bsn") && !says("valid", "", "id"), "a part of another word");
        assert!(says("tel", "", "tel$") && says("", "Tel. ", "tel$") && !says("", "telemetry ", "tel$"));
        let far = format!("bsn {}", "x".repeat(REACH));
        assert!(!says("", &far, "bsn"));
    }
}
