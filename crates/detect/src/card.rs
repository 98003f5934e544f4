//! Payment cards: 13 to 19 digits, of a network that there is, with Luhn's check digit.

use super::Sensitivity;
use super::check_digits::luhn;
use super::number::Number;

/// How cards are written: in one piece, or in the groups that are embossed, whatever stands between these.
const GROUPS: [&[usize]; 5] = [&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 4, 3], &[4, 4, 4, 1]];

pub(super) fn is_card(number: &Number, sensitivity: Sensitivity) -> bool {
    let is_written_so = number.is_one_group()
        || GROUPS.iter().any(|groups| number.has_groups(groups))
        || sensitivity == Sensitivity::Strict && number.is_cut_evenly();
    is_written_so && network_has(number.digits()) && luhn(number.digits())
}

/// Whether a network gives out such numbers: by the first digits and the length, as the networks publish them.
fn network_has(digits: &[u8]) -> bool {
    let first = |count: usize| digits.iter().take(count).fold(0u32, |so_far, digit| so_far * 10 + u32::from(*digit));
    let all_the_same = digits.iter().all(|digit| Some(digit) == digits.first());
    !all_the_same
        && match digits.len() {
            // Diners Club
            14 => matches!(first(3), 300..=305 | 309) || matches!(first(2), 36 | 38 | 39),
            // American Express
            15 => matches!(first(2), 34 | 37),
            16 => {
                // Visa; Mastercard; Discover; JCB; UnionPay, RuPay; Mir; Maestro
                first(1) == 4
                    || matches!(first(2), 51..=55 | 65)
                    || matches!(first(4), 2221..=2720 | 6011 | 3528..=3589 | 2200..=2204)
                    || matches!(first(3), 644..=649)
                    || matches!(first(2), 62 | 81)
                    || matches!(first(4), 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763)
            }
            // Visa, rarely; UnionPay and Maestro
            13 => first(1) == 4,
            17 | 18 => matches!(first(2), 62) || matches!(first(4), 5018 | 5020 | 5038 | 6304 | 6759 | 6761..=6763),
            19 => first(1) == 4 || first(2) == 62 || matches!(first(4), 6011 | 5018 | 6304 | 6759),
            _ => false,
        }
}
