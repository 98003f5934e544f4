//! What makes a number one of a country. Each takes letters and digits as characters.

use super::super::check_digits::{luhn, modulo_11_10, number, verhoeff, weighted};
use super::dates::{is_day, is_day_and_month, is_month_and_day, two};

/// Characters as digits; more than any number has are not taken.
fn digits(characters: &[u8]) -> [u8; 18] {
    let mut digits = [0; 18];
    for (digit, character) in digits.iter_mut().zip(characters) {
        *digit = character.wrapping_sub(b'0');
    }
    digits
}

fn of(characters: &[u8]) -> u64 {
    number(&digits(characters)[..characters.len().min(18)])
}

fn all_the_same(characters: &[u8]) -> bool {
    characters.iter().all(|character| Some(character) == characters.first())
}

/// Rijksregisternummer: date, serial number, 97 less the rest modulo 97; with a 2 before it for births from 2000 on.
pub(super) fn belgium(characters: &[u8]) -> bool {
    let (first, check) = (of(&characters[..9]), of(&characters[9..]));
    let (month, day) = (two(&characters[2..]), two(&characters[4..]));
    // Of some people the day, or the month too, is not known.
    let is_date = is_day(month, day) || month <= 12 && day == 0;
    let serial = of(&characters[6..9]);
    is_date && (1..=998).contains(&serial) && (97 - first % 97 == check || 97 - (2_000_000_000 + first) % 97 == check)
}

/// CPF: two check digits modulo 11.
pub(super) fn brazil(characters: &[u8]) -> bool {
    let digits = digits(characters);
    let check = |count: usize| {
        let sum: u32 = (0..count).map(|at| u32::from(digits[at]) * (count + 1 - at) as u32).sum();
        let rest = sum * 10 % 11 % 10;
        rest == u32::from(digits[count])
    };
    !all_the_same(characters) && check(9) && check(10)
}

/// Social Insurance Number: Luhn; none begins with 0 or 8.
pub(super) fn canada(characters: &[u8]) -> bool {
    !matches!(characters[0], b'0' | b'8') && !all_the_same(characters) && luhn(&digits(characters)[..9])
}

/// AHV number: the country's number 756, and the check digit of EAN-13.
pub(super) fn switzerland(characters: &[u8]) -> bool {
    let digits = digits(characters);
    characters.starts_with(b"756")
        && weighted(&digits[..13], &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10)
}

/// Resident identity number (GB 11643): place, date, serial number, ISO/IEC 7064 MOD 11-2.
pub(super) fn china(characters: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let rest = weighted(&digits(characters)[..17], &WEIGHTS) % 11;
    matches!(characters[0], b'1'..=b'8')
        && matches!(two(&characters[6..]), 19 | 20)
        && is_month_and_day(&characters[10..])
        && characters[17] == b"10X98765432"[rest as usize]
}

/// Identifikationsnummer: in the first ten digits exactly one occurs twice or three times; ISO/IEC 7064 MOD 11,10.
pub(super) fn germany(characters: &[u8]) -> bool {
    let digits = digits(characters);
    let mut counts = [0; 10];
    for digit in &digits[..10] {
        counts[usize::from(*digit)] += 1;
    }
    let of = |count: usize| counts.iter().filter(|times| **times == count).count();
    let repeats = (of(2), of(3)) == (1, 0) || (of(2), of(3)) == (0, 1);
    digits[0] != 0 && repeats && counts.iter().all(|times| *times <= 3) && modulo_11_10(&digits[..11])
}

/// DNI: a number, and a letter that is its rest modulo 23.
pub(super) fn spain(characters: &[u8]) -> bool {
    characters[8] == b"TRWAGMYFPDXBNJZSQVHLCKE"[(of(&characters[..8]) % 23) as usize]
}

/// NIE: X, Y or Z stands for 0, 1 or 2.
pub(super) fn spain_foreigner(characters: &[u8]) -> bool {
    let Some(first) = b"XYZ".iter().position(|letter| *letter == characters[0]) else { return false };
    let number = first as u64 * 10_000_000 + of(&characters[1..8]);
    characters[8] == b"TRWAGMYFPDXBNJZSQVHLCKE"[(number % 23) as usize]
}

/// Henkilötunnus: date, serial number, its rest modulo 31.
pub(super) fn finland(characters: &[u8]) -> bool {
    let (date, serial) = (&characters[..6], &characters[6..9]);
    let rest = (of(date) * 1_000 + of(serial)) % 31;
    is_day_and_month(date) && of(serial) >= 2 && characters[9] == b"0123456789ABCDEFHJKLMNPRSTUVWXY"[rest as usize]
}

/// With a letter for the century.
pub(super) fn finland_of_this_century(characters: &[u8]) -> bool {
    let without = [&characters[..6], &characters[7..]].concat();
    matches!(characters[6], b'A'..=b'F' | b'U'..=b'Y') && finland(&without)
}

/// Numéro d'inscription au répertoire: sex, year, month, department, and 97 less the rest modulo 97. In Corsica the
/// department has a letter: 2A counts as 19, 2B as 18.
pub(super) fn france(characters: &[u8]) -> bool {
    let mut plain = [0; 15];
    plain.copy_from_slice(&characters[..15]);
    match &characters[5..7] {
        b"2A" => plain[5..7].copy_from_slice(b"19"),
        b"2B" => plain[5..7].copy_from_slice(b"18"),
        _ => {}
    }
    plain.iter().all(u8::is_ascii_digit)
        && matches!(plain[0], b'1' | b'2')
        // Where the month is not known, another number stands in its place.
        && matches!(two(&plain[3..]), 1..=12 | 20 | 30..=42 | 50..=99)
        && 97 - of(&plain[..13]) % 97 == of(&plain[13..])
}

/// Without its check digits nothing but a word tells it from other numbers.
pub(super) fn france_without_key(characters: &[u8]) -> bool {
    matches!(characters[0], b'1' | b'2') && matches!(two(&characters[3..]), 1..=12) && of(&characters[5..7]) > 0
}

/// NHS number: weights from 10 to 2, modulo 11.
pub(super) fn health_service(characters: &[u8]) -> bool {
    let digits = digits(characters);
    let check = 11 - weighted(&digits[..9], &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    !all_the_same(characters) && check != 10 && check % 11 == u32::from(digits[9])
}

/// Aadhaar: Verhoeff; none begins with 0 or 1.
pub(super) fn india(characters: &[u8]) -> bool {
    !matches!(characters[0], b'0' | b'1') && verhoeff(&digits(characters)[..12])
}

/// Codice fiscale (D.M. 23 December 1976): month as a letter, day plus 40 for women, the last letter modulo 26. Where two
/// people would have the same, digits become letters.
pub(super) fn italy(characters: &[u8]) -> bool {
    const ODD: [u8; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let digit = |at: usize| match characters[at] {
        digit @ b'0'..=b'9' => Some(u32::from(digit - b'0')),
        letter => b"LMNPQRSTUV".iter().position(|other| *other == letter).map(|value| value as u32),
    };
    let (Some(tens), Some(ones)) = (digit(9), digit(10)) else { return false };
    let (day, are_digits) = (tens * 10 + ones, [6, 7, 12, 13, 14].iter().all(|at| digit(*at).is_some()));
    let sum: u32 = characters[..15]
        .iter()
        .enumerate()
        .map(|(at, character)| {
            let value = if character.is_ascii_digit() { character - b'0' } else { character - b'A' };
            u32::from(if at % 2 == 0 { ODD[usize::from(value)] } else { value })
        })
        .sum();
    are_digits
        && b"ABCDEHLMPRST".contains(&characters[8])
        && matches!(day, 1..=31 | 41..=71)
        && characters[15] == b'A' + (sum % 26) as u8
}

/// In groups it could be four words, but for its digits.
pub(super) fn italy_in_groups(characters: &[u8]) -> bool {
    characters.iter().any(u8::is_ascii_digit) && italy(characters)
}

/// Resident registration number: date, sex and century, modulo 11. Since October 2020 the last digit is arbitrary.
pub(super) fn korea(characters: &[u8]) -> bool {
    let digits = digits(characters);
    let sum = weighted(&digits[..12], &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
    let is_recent = two(characters) >= 20 && matches!(characters[6], b'3' | b'4' | b'7' | b'8');
    is_month_and_day(&characters[2..]) && (is_recent || (11 - sum % 11) % 10 == u32::from(digits[12]))
}

/// CURP: letters of the name, date, sex, state, one digit modulo 10 over all.
pub(super) fn mexico(characters: &[u8]) -> bool {
    const ORDER: &[u8] = b"0123456789ABCDEFGHIJKLMN\0OPQRSTUVWXYZ";
    let value = |character: u8| ORDER.iter().position(|other| *other == character).unwrap_or_default() as u32;
    let sum: u32 = characters[..17].iter().zip(2..=18).map(|(c, weight)| value(*c) * (20 - weight)).sum();
    is_month_and_day(&characters[6..])
        && matches!(characters[10], b'H' | b'M' | b'X')
        && (10 - sum % 10) % 10 == u32::from(characters[17] - b'0')
}

/// Burgerservicenummer: weights from 9 to 2 and -1, modulo 11.
pub(super) fn netherlands(characters: &[u8]) -> bool {
    let digits = digits(characters);
    let sum = weighted(&digits[..8], &[9, 8, 7, 6, 5, 4, 3, 2]);
    !all_the_same(characters) && of(characters) > 9_999_999 && sum % 11 == u32::from(digits[8])
}

/// Fødselsnummer: date (the day plus 40 for those without residence), serial number, two check digits modulo 11.
pub(super) fn norway(characters: &[u8]) -> bool {
    let digits = digits(characters);
    let day = two(characters);
    let is_date = is_day(two(&characters[2..]), if day > 40 { day - 40 } else { day });
    is_date
        && weighted(&digits[..10], &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]).is_multiple_of(11)
        && weighted(&digits[..11], &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11)
}

/// PESEL: date (the month says the century), serial number, modulo 10.
pub(super) fn poland(characters: &[u8]) -> bool {
    let sum = weighted(&digits(characters)[..11], &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]);
    is_day(two(&characters[2..]) % 20, two(&characters[4..])) && sum.is_multiple_of(10)
}

/// Cod numeric personal: sex and century, date, county, serial number, modulo 11.
pub(super) fn romania(characters: &[u8]) -> bool {
    let digits = digits(characters);
    let rest = weighted(&digits[..12], &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
    matches!(characters[0], b'1'..=b'9')
        && is_month_and_day(&characters[3..])
        && matches!(two(&characters[7..]), 1..=52 | 70)
        && (if rest == 10 { 1 } else { rest }) == u32::from(digits[12])
}

/// Personnummer: date (the day plus 60 in a coordination number), serial number, Luhn over ten digits.
pub(super) fn sweden(characters: &[u8]) -> bool {
    let is_century = characters.len() == 10 || matches!(two(characters), 18..=20);
    let ten = &characters[characters.len() - 10..];
    let day = two(&ten[4..]);
    // `20241124-1504` is when a file was written.
    let is_timestamp =
        characters.len() == 12 && of(&characters[..4]) >= 2015 && two(&ten[6..]) < 24 && two(&ten[8..]) < 60;
    is_century
        && !is_timestamp
        && is_day(two(&ten[2..]), if day > 60 { day - 60 } else { day })
        && luhn(&digits(ten)[..10])
}

/// T.C. kimlik numarası: two check digits.
pub(super) fn turkey(characters: &[u8]) -> bool {
    let digits = digits(characters).map(u32::from);
    let odd: u32 = digits[..9].iter().step_by(2).sum();
    let even: u32 = digits[1..8].iter().step_by(2).sum();
    let all: u32 = digits[..10].iter().sum();
    digits[0] != 0 && (odd * 7 + 100 - even) % 10 == digits[9] && all % 10 == digits[10]
}

/// Social Security Number: no check digit, but ranges that are not given out.
pub(super) fn united_states(characters: &[u8]) -> bool {
    let (area, group, serial) = (of(&characters[..3]), of(&characters[3..5]), of(&characters[5..]));
    !matches!(area, 0 | 666 | 900..) && group != 0 && serial != 0 && !all_the_same(characters)
        // Printed on cards and leaflets as an example.
        && of(characters) != 78_051_120
}

/// Identity number: date, serial number, citizenship, Luhn.
pub(super) fn south_africa(characters: &[u8]) -> bool {
    is_month_and_day(&characters[2..]) && matches!(characters[10], b'0'..=b'2') && luhn(&digits(characters)[..13])
}
