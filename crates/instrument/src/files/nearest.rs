//! The word that somebody may have meant.

/// The one of `known` that takes the fewest changed letters to get from `word`, if they are few.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let (changes, found) = known.iter().map(|known| (changes(word, known), *known)).min()?;
    (changes <= 1 + found.len() / 4).then_some(found)
}

/// The Levenshtein distance: letters put in, taken out or replaced (V. Levenshtein, 1966).
fn changes(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, letter) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        assert_eq!(changes("kitten", "sitting"), 3);
        let known = ["name", "version", "properties", "purpose"];
        assert_eq!(nearest("propertys", &known), Some("properties"));
        assert_eq!(nearest("naem", &known), Some("name"));
        assert_eq!(nearest("colour", &known), None);
        assert_eq!(nearest("x", &[]), None);
    }
}
