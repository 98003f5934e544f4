//! Values in groups with the separators that programs and people put between them: `4539_1488_0343_6467`.

use std::sync::LazyLock;

use super::identities::identity;
use super::values::{KINDS, grouped, value};
use super::{digits, one_of};

/// Kinds of which there are such values.
pub static SEPARATED: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let is_in_groups =
        |kind: &str| ["phone number", "payment card", "IBAN"].contains(&kind) || kind.starts_with("national id");
    KINDS.iter().copied().filter(|kind| is_in_groups(kind)).collect()
});

const SEPARATORS: &[&str] = &["_", ":", ".", "-", "/", " "];

pub(super) fn separated(kind: &'static str, rng: &mut fastrand::Rng) -> String {
    let groups = match kind {
        "phone number" => phone(rng),
        "payment card" => {
            let card = plain(&value(kind, rng));
            let lengths: &[usize] = match card.len() {
                16 => &[4, 4, 4, 4],
                15 => &[4, 6, 5],
                _ => &[4, 6, 4],
            };
            groups_of(&card, lengths)
        }
        "IBAN" => {
            let iban = plain(&value(kind, rng));
            let mut lengths = vec![4; iban.len() / 4];
            lengths.extend(Some(iban.len() % 4).filter(|rest| *rest > 0));
            groups_of(&iban, &lengths)
        }
        id => national_id(&id["national id (".len()..id.len() - 1], rng),
    };
    join(&groups, rng)
}

/// Without what stands between letters and digits.
fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}

fn groups_of(text: &str, lengths: &[usize]) -> Vec<String> {
    grouped(text, lengths, "\n").split('\n').map(str::to_owned).collect()
}

fn join(groups: &[String], rng: &mut fastrand::Rng) -> String {
    let usual = one_of(SEPARATORS, rng);
    // Most write the same one everywhere; some two kinds, or one with spaces around it.
    let way = rng.u8(0..10);
    let mut text = String::new();
    for (at, group) in groups.iter().enumerate() {
        if at > 0 {
            match way {
                0 => text.push_str(one_of(SEPARATORS, rng)),
                1 => text.push_str(one_of(&[" - ", "__", "--", " / ", "\u{a0}", "\u{2013}"], rng)),
                _ => text.push_str(usual),
            }
        }
        text.push_str(group);
    }
    text
}

fn national_id(country: &str, rng: &mut fastrand::Rng) -> Vec<String> {
    loop {
        let id = identity(country, rng);
        // Some are written with a word in front.
        let id = plain(id.rsplit_once(|c: char| c == ' ' && country != "DE").map_or(id.as_str(), |(before, after)| {
            if before.chars().any(|c| c.is_ascii_digit()) { id.as_str() } else { after }
        }));
        let lengths: &[usize] = match (country, id.len()) {
            ("BE", 11) => &[2, 2, 2, 3, 2],
            ("BR", 11) => &[3, 3, 3, 2],
            ("CH", 13) => &[3, 4, 4, 2],
            ("CN", 18) => &[6, 8, 4],
            ("DE", 11) => &[2, 3, 3, 3],
            ("ES", 9) if id.starts_with(|c: char| c.is_ascii_digit()) => &[8, 1],
            ("ES", 9) => &[1, 7, 1],
            ("FI", 10) => &[6, 4],
            ("FR", 15) => &[1, 2, 2, 2, 3, 3, 2],
            ("GB", 10) => &[3, 3, 4],
            ("IN", 12) => &[4, 4, 4],
            ("IT", 16) => &[3, 3, 5, 5],
            ("NL", 9) => &[4, 2, 3],
            ("NO", 11) | ("PL", 11) => &[6, 5],
            ("RO", 13) => &[1, 6, 6],
            ("SE", 10) => &[6, 4],
            ("SE", 12) => &[8, 4],
            ("TR", 11) => &[3, 3, 3, 2],
            ("US", 9) => &[3, 2, 4],
            ("ZA", 13) => &[6, 4, 3],
            // With a letter for the century there is nothing to separate.
            _ => continue,
        };
        return groups_of(&id, lengths);
    }
}

/// Within a country, with the country's code and no plus sign, and with two zeros before it.
fn phone(rng: &mut fastrand::Rng) -> Vec<String> {
    let n = |count, rng: &mut fastrand::Rng| digits(count, rng);
    let three = |rng: &mut fastrand::Rng| format!("{}{}", rng.u8(2..=9), digits(2, rng));
    let two = |rng: &mut fastrand::Rng| digits(2, rng);
    match rng.u8(0..24) {
        // United States, Spain (twice), Italy, Poland, Czechia
        0 => vec![three(rng), three(rng), n(4, rng)],
        1 => vec![format!("6{}", two(rng)), n(3, rng), n(3, rng)],
        2 => vec![format!("7{}", two(rng)), two(rng), two(rng), two(rng)],
        3 => vec![format!("3{}", two(rng)), n(7, rng)],
        4 => vec![format!("5{}", two(rng)), n(3, rng), n(3, rng)],
        5 => vec![format!("60{}", rng.u8(1..=8)), n(3, rng), n(3, rng)],
        // Germany (twice), Great Britain, France, Netherlands, Sweden, Switzerland
        6 => vec![format!("0{}", two(rng)), n(7, rng)],
        7 => vec![format!("017{}", rng.u8(0..=9)), n(7, rng)],
        8 => vec!["020".to_owned(), n(4, rng), n(4, rng)],
        9 => vec![format!("0{}", rng.u8(1..=7)), two(rng), two(rng), two(rng), two(rng)],
        10 => vec!["06".to_owned(), n(8, rng)],
        11 => vec![format!("07{}", rng.u8(0..=9)), n(3, rng), two(rng), two(rng)],
        12 => vec![format!("07{}", rng.u8(6..=9)), n(3, rng), two(rng), two(rng)],
        // India, Brazil, China, Turkey, Norway, Mexico
        13 => vec![format!("9{}", n(4, rng)), n(5, rng)],
        14 => vec![two(rng), format!("9{}", n(4, rng)), n(4, rng)],
        15 => vec![format!("13{}", rng.u8(0..=9)), n(4, rng), n(4, rng)],
        16 => vec![format!("53{}", rng.u8(0..=9)), n(3, rng), two(rng), two(rng)],
        17 => vec![format!("4{}", two(rng)), two(rng), n(3, rng)],
        18 => vec!["55".to_owned(), n(4, rng), n(4, rng)],
        // With the code of the country.
        19 => vec!["00420".to_owned(), format!("60{}", rng.u8(1..=8)), n(3, rng), n(3, rng)],
        20 => vec!["49".to_owned(), format!("15{}", rng.u8(1..=9)), n(7, rng)],
        21 => vec!["34".to_owned(), format!("6{}", two(rng)), n(3, rng), n(3, rng)],
        22 => vec!["1".to_owned(), three(rng), three(rng), n(4, rng)],
        _ => vec![format!("420{}{}", rng.u32(601..=608), n(6, rng))],
    }
}
