//! Text from outside, made fit to be written: without characters that XML forbids or that turn the text around them,
//! escaped, and cut to the room there is.

/// What stands for a number of fewer than `k` actors. The response does not say `k`; its notes do.
pub(crate) const SUPPRESSED: &str = "<k";

/// The longest text kept of any one value.
const CHARACTERS_MAX: usize = 200;

/// Without control characters, and without those that change the direction of what follows (Unicode's bidirectional
/// controls: they could make a label read as another).
pub(crate) fn plain(text: &str) -> String {
    let is_kept = |character: &char| !character.is_control() && !turns(*character) && is_xml(*character);
    text.chars().map(|character| if character.is_whitespace() { ' ' } else { character }).filter(is_kept).collect()
}

/// [`plain`], and not longer than anybody reads; nothing at all is said to be so. Text from the right stays apart from what
/// is written beside it.
pub(crate) fn clean(text: &str) -> String {
    let mut plain = plain(text);
    if let Some((at, _)) = plain.char_indices().nth(CHARACTERS_MAX) {
        plain.truncate(at);
        plain.push('…');
    }
    if plain.trim().is_empty() { "(empty)".to_owned() } else { isolated(plain) }
}

fn turns(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// XML 1.0, section 2.2.
fn is_xml(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// For text and for attributes in double quotes. Characters that XML forbids are left out.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars().filter(|character| is_xml(*character)) {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// Cuts a text to `width` pixels at a size of `size` pixels, with an ellipsis.
pub(crate) fn fit(text: &str, width: f64, size: f64) -> String {
    if self::width(text, size) <= width {
        return text.to_owned();
    }
    let mut room = width - self::width("…", size);
    let mut cut = String::new();
    for character in text.chars() {
        room -= advance(character) * size;
        if room < 0.0 {
            break;
        }
        cut.push(character);
    }
    cut.truncate(cut.trim_end().len());
    cut.push('…');
    cut
}

/// At most two lines, broken between words where it can be.
pub(crate) fn in_two(text: &str, width: f64, size: f64) -> Vec<String> {
    if self::width(text, size) <= width {
        return vec![text.to_owned()];
    }
    let mut first = String::new();
    for word in text.split_inclusive([' ', '_']) {
        if !first.is_empty() && self::width(&first, size) + self::width(word.trim_end(), size) > width {
            break;
        }
        first.push_str(word);
    }
    let rest = text.get(first.len()..).unwrap_or("").trim_start();
    let lines = [first.trim_end(), rest].map(|line| fit(line, width, size));
    lines.into_iter().filter(|line| !line.is_empty()).collect()
}

/// How wide a text is, at most, in the fonts that the charts ask for: whoever draws has no font to measure with.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(advance).sum::<f64>() * size
}

fn advance(character: char) -> f64 {
    match character {
        '\u{2068}' | '\u{2069}' => 0.0,
        'i' | 'l' | 'j' | '.' | ',' | ':' | ';' | '\'' | '|' | ' ' | '\u{202f}' => 0.36,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '—' | '…' => 0.98,
        'A'..='Z' => 0.72,
        '\0'..='\u{10ff}' => 0.62,
        // Wide scripts and pictures take a whole square.
        _ => 1.0,
    }
}

/// Right-to-left text between the marks of a Unicode isolate: numbers beside it stay where they are.
fn isolated(text: String) -> String {
    if text.chars().any(is_right_to_left) { format!("\u{2068}{text}\u{2069}") } else { text }
}

/// The blocks of Unicode whose scripts are written from the right.
fn is_right_to_left(character: char) -> bool {
    matches!(
        character,
        '\u{590}'..='\u{8ff}'
            | '\u{fb1d}'..='\u{fdff}'
            | '\u{fe70}'..='\u{fefe}'
            | '\u{10800}'..='\u{10fff}'
            | '\u{1e800}'..='\u{1efff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_turns_text_or_breaks_xml_is_left_out() {
        assert_eq!(clean("a\u{202e}b\u{0}c\u{ffff}\td"), "abc d");
        assert_eq!(clean(" \u{7}"), "(empty)");
        assert_eq!(clean(&"x".repeat(500)).chars().count(), CHARACTERS_MAX + 1);
        assert_eq!(escape(r#"<a href="x">'&\u{0}"#), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;\\u{0}");
    }

    #[test]
    fn text_is_cut_to_the_room_there_is() {
        assert_eq!(fit("short", 200.0, 12.0), "short");
        let cut = fit(&"word ".repeat(40), 100.0, 12.0);
        assert!(cut.ends_with('…') && width(&cut, 12.0) <= 100.0, "{cut}");
        assert_eq!(in_two("opened_a_dashboard_of_sales", 150.0, 12.0), ["opened_a_dashboard_", "of_sales"]);
        assert_eq!(in_two("one", 120.0, 12.0), ["one"]);
        assert!(in_two(&"x".repeat(90), 120.0, 12.0).iter().all(|line| width(line, 12.0) <= 120.0));
    }

    #[test]
    fn right_to_left_text_does_not_move_what_is_beside_it() {
        assert_eq!(clean("latin"), "latin");
        assert_eq!(clean("שלום"), "\u{2068}שלום\u{2069}");
    }
}
