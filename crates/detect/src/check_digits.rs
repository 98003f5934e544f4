//! Check digits, as the standards and authorities define them. Digits are values from 0 to 9, not characters.

/// Luhn (ISO/IEC 7812-1, annex B): from the right every second digit counts double, the sum of digits is a multiple of 10.
pub(super) fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let counted = u32::from(*digit) << (at % 2);
            if counted > 9 { counted - 9 } else { counted }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// ISO/IEC 7064, MOD 97-10, over letters and digits as in ISO 13616: `A` is 10 and `Z` is 35.
pub(super) fn is_one_modulo_97(characters: impl Iterator<Item = u8>) -> bool {
    let remainder = characters.fold(0u32, |remainder, character| match character {
        b'0'..=b'9' => (remainder * 10 + u32::from(character - b'0')) % 97,
        _ => (remainder * 100 + u32::from(character.to_ascii_uppercase() - b'A') + 10) % 97,
    });
    remainder == 1
}

/// ISO/IEC 7064, MOD 11,10: a hybrid system with one digit at the end.
pub(super) fn modulo_11_10(digits: &[u8]) -> bool {
    let Some((check, digits)) = digits.split_last() else { return false };
    let product = digits.iter().fold(10u32, |product, digit| {
        let sum = (product + u32::from(*digit)) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == u32::from(*check)
}

/// Verhoeff's scheme over the dihedral group D5 (J. Verhoeff, Error Detecting Decimal Codes, 1969).
pub(super) fn verhoeff(digits: &[u8]) -> bool {
    const PERMUTED: [[u8; 10]; 8] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
        [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
        [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
        [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
        [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
        [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
        [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
    ];
    /// The product of two elements: below 5 they are rotations, from 5 on reflections.
    fn product(a: u8, b: u8) -> u8 {
        match (a < 5, b < 5) {
            (true, true) => (a + b) % 5,
            (true, false) => (a + (b - 5)) % 5 + 5,
            (false, true) => (a - 5 + 5 - b) % 5 + 5,
            (false, false) => (a + 5 - b) % 5,
        }
    }
    let product = digits
        .iter()
        .rev()
        .enumerate()
        .fold(0, |so_far, (at, digit)| product(so_far, PERMUTED[at % 8][usize::from(*digit)]));
    product == 0
}

/// The sum of digits, each counted as often as its weight says. Digits without a weight do not count.
pub(super) fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| u32::from(*digit) * weight).sum()
}

/// The number that digits are.
pub(super) fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |number, digit| number.wrapping_mul(10).wrapping_add(u64::from(*digit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> Vec<u8> {
        text.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect()
    }

    /// Whether exactly one of the ten last digits fits, and this is it.
    fn only(text: &str, check: fn(&[u8]) -> bool) {
        let (right, mut tried) = (digits(text), digits(text));
        for last in 0..10 {
            *tried.last_mut().unwrap() = last;
            assert_eq!(check(&tried), tried == right, "{tried:?} of {text}");
        }
    }

    /// Examples of the standards, and of those who give out such numbers.
    #[test]
    fn one_last_digit_fits() {
        only("4111 1111 1111 1111", luhn);
        only("7992 7398 713", luhn);
        only("86 095 742 719", modulo_11_10);
        only("2363", verhoeff);
        only("2341 2341 2346", verhoeff);
    }

    #[test]
    fn verhoeff_notices_every_neighbours_exchange() {
        let right = digits("234123412346");
        for at in 0..right.len() - 1 {
            let mut exchanged = right.clone();
            exchanged.swap(at, at + 1);
            assert_eq!(verhoeff(&exchanged), exchanged == right, "{exchanged:?}");
        }
    }

    #[test]
    fn account_numbers_leave_one() {
        let leaves_one = |iban: &str| is_one_modulo_97(iban[4..].bytes().chain(iban[..4].bytes()));
        assert!(leaves_one("GB82WEST12345698765432") && leaves_one("DE89370400440532013000"));
        assert!(!leaves_one("GB82WEST12345698765433") && !leaves_one("DE98370400440532013000"));
    }
}
