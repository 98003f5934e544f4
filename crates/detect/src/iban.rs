//! International bank account numbers.

use super::check_digits::is_one_modulo_97;
use super::number;

/// The length of the numbers of each country (SWIFT, IBAN registry).
const LENGTHS: &[(&[u8; 2], usize)] = &[
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BI", 27),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DJ", 27),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FK", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MN", 20),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NI", 28),
    (b"NL", 18),
    (b"NO", 15),
    (b"OM", 23),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"RU", 33),
    (b"SA", 24),
    (b"SC", 31),
    (b"SD", 18),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"SO", 23),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
    (b"YE", 30),
];

/// Letters that an account number may have when it is not in groups of four: those of a bank's code, and one more.
const LETTERS_MAX: usize = 5;
/// More characters than any number has.
const LENGTH_MAX: usize = 34;

/// Whether a word without digits can be the country of a number whose check digits are the next word: `DE 89 ...`.
#[inline]
pub(super) fn begins(word: &[u8], rest: &[u8]) -> bool {
    word.len() == 2
        && number::separator(rest, 0) > 0
        && rest.get(number::between(rest, 0)).is_some_and(u8::is_ascii_digit)
}

/// Where the number that begins at a place ends: in one piece, or in groups with any separators between them. Groups are of
/// four, as the standard prints them. Other groups count where nearly all is digits: words have letters.
pub(super) fn from(text: &[u8], start: usize) -> Option<usize> {
    let country = [text.get(start)?.to_ascii_uppercase(), text.get(start + 1)?.to_ascii_uppercase()];
    if !country.iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    let (_, length) = LENGTHS.iter().find(|(code, _)| **code == country)?;
    let (mut characters, mut count, mut end) = ([0; LENGTH_MAX], 0, start);
    let mut is_in_fours = true;
    while count < *length {
        let byte = *text.get(end)?;
        if byte.is_ascii_alphanumeric() {
            // Behind the country two check digits.
            if (2..4).contains(&count) && !byte.is_ascii_digit() {
                return None;
            }
            characters[count] = byte;
            count += 1;
            end += 1;
        } else {
            let between = number::between(text, end);
            if between == 0 {
                return None;
            }
            is_in_fours &= count.is_multiple_of(4);
            end += between;
        }
    }
    let characters = &characters[..count];
    let letters = characters[4..].iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let ends = text.get(end).is_none_or(|byte| !byte.is_ascii_alphanumeric());
    let rotated = characters[4..].iter().chain(&characters[..4]).copied();
    (ends && (is_in_fours || letters <= LETTERS_MAX) && is_one_modulo_97(rotated)).then_some(end)
}
