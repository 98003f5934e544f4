//! Numbers by which countries know people, made by what they publish about them.

use super::values::{grouped, luhn_digit};
use super::{UPPER, characters, digits};

/// The number of somebody in a country.
pub(super) fn identity(country: &str, rng: &mut fastrand::Rng) -> String {
    // Not every draw can be completed: some have no check digit.
    loop {
        if let Some(id) = draw(country, rng) {
            return id;
        }
    }
}

fn draw(country: &str, rng: &mut fastrand::Rng) -> Option<String> {
    let (year, month, day) = (rng.u32(1940..2010), rng.u32(1..=12), rng.u32(1..=28));
    let yymmdd = format!("{:02}{month:02}{day:02}", year % 100);
    let ddmmyy = format!("{day:02}{month:02}{:02}", year % 100);
    let id = match country {
        "BE" => {
            let number = format!("{yymmdd}{:03}", rng.u32(1..=998));
            let born = if year < 2000 { number.parse::<u64>() } else { format!("2{number}").parse() };
            let all = format!("{number}{:02}", 97 - born.ok()? % 97);
            if rng.bool() { dotted(&all) } else { all }
        }
        "BR" => {
            let mut number = digits(9, rng);
            for weight in [10, 11] {
                let rest = sum(&number, (2..=weight).rev()) % 11;
                number.push(digit(if rest < 2 { 0 } else { 11 - rest })?);
            }
            format!("{}.{}.{}-{}", &number[..3], &number[3..6], &number[6..9], &number[9..])
        }
        "CH" => {
            let number = format!("756{}", digits(9, rng));
            let sum = sum(&number, [1, 3].into_iter().cycle());
            let all = format!("{number}{}", (10 - sum % 10) % 10);
            if rng.bool() { grouped(&all, &[3, 4, 4, 2], ".") } else { all }
        }
        "CN" => {
            let number = format!("{}{year}{month:02}{day:02}{:03}", rng.u32(110_000..660_000), rng.u32(1..999));
            // The weights are powers of two modulo 11.
            let sum: u32 = number.chars().enumerate().map(|(at, c)| value(c) * (1 << (17 - at)) % 11).sum();
            format!("{number}{}", char::from(b"10X98765432"[(sum % 11) as usize]))
        }
        "DE" => {
            // Ten digits of which one occurs twice, and one not at all.
            let mut ten: Vec<u8> = (0..10).collect();
            rng.shuffle(&mut ten);
            let (from, to) = (rng.usize(0..10), rng.usize(0..10));
            if from == to || ten[0] == 0 || to == 0 {
                return None;
            }
            ten[to] = ten[from];
            if ten[0] == 0 {
                return None;
            }
            let mut product = 10;
            for digit in &ten {
                let sum = match (u32::from(*digit) + product) % 10 {
                    0 => 10,
                    sum => sum,
                };
                product = sum * 2 % 11;
            }
            let check = if product == 1 { 0 } else { 11 - product };
            let number: String = ten.iter().map(|digit| char::from(b'0' + digit)).collect();
            grouped(&format!("{number}{check}"), &[2, 3, 3, 3], " ")
        }
        "ES" => {
            let number = rng.u32(10_000_000..99_999_999);
            let letter = |number: u32| char::from(b"TRWAGMYFPDXBNJZSQVHLCKE"[(number % 23) as usize]);
            match rng.u8(0..3) {
                0 => format!("{number}{}", letter(number)),
                1 => format!("{number}-{}", letter(number)),
                _ => {
                    let (first, rest) = (rng.u32(0..3), number / 10);
                    format!("{}{rest:07}{}", char::from(b"XYZ"[first as usize]), letter(first * 10_000_000 + rest))
                }
            }
        }
        "FI" => {
            let serial = rng.u32(2..900);
            let number = format!("{ddmmyy}{serial:03}").parse::<u32>().ok()?;
            let check = char::from(b"0123456789ABCDEFHJKLMNPRSTUVWXY"[(number % 31) as usize]);
            format!("{ddmmyy}{}{serial:03}{check}", if year < 2000 { '-' } else { 'A' })
        }
        "FR" => {
            let number = format!(
                "{}{:02}{month:02}{:02}{:03}{:03}",
                rng.u32(1..=2),
                year % 100,
                rng.u32(1..=95),
                rng.u32(1..=990),
                rng.u32(1..=999)
            );
            let all = format!("{number}{:02}", 97 - number.parse::<u64>().ok()? % 97);
            if rng.bool() { grouped(&all, &[1, 2, 2, 2, 3, 3, 2], " ") } else { all }
        }
        "GB" => {
            let number = format!("{}{}", rng.u32(4..=7), digits(8, rng));
            let all = format!(
                "{number}{}",
                digit(match 11 - sum(&number, (2..=10).rev()) % 11 {
                    11 => 0,
                    check => check,
                })?
            );
            grouped(&all, &[3, 3, 4], " ")
        }
        "IN" => {
            let number = format!("{}{}", rng.u32(2..=9), digits(10, rng));
            grouped(&format!("{number}{}", verhoeff_digit(&number)), &[4, 4, 4], " ")
        }
        "IT" => {
            let consonants = |rng: &mut fastrand::Rng| characters(b"BCDFGLMNPRST", 3, rng);
            let day = if rng.bool() { day } else { day + 40 };
            let month = char::from(b"ABCDEHLMPRST"[month as usize - 1]);
            let place = characters(b"ABCDEFGHIL", 1, rng) + &digits(3, rng);
            let number = format!("{}{}{:02}{month}{day:02}{place}", consonants(rng), consonants(rng), year % 100);
            format!("{number}{}", italian_letter(&number)?)
        }
        "NL" => {
            let number = digits(8, rng);
            let all = format!("{number}{}", digit(sum(&number, (2..=9).rev()) % 11)?);
            format!("{}.{}.{}", &all[..4], &all[4..6], &all[6..])
        }
        "NO" => {
            let mut number = format!("{ddmmyy}{:03}", rng.u32(0..750));
            for weights in [&[3, 7, 6, 1, 8, 9, 4, 5, 2][..], &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]] {
                number.push(digit((11 - sum(&number, weights.iter().copied()) % 11) % 11)?);
            }
            number
        }
        "PL" => {
            let month = if year < 2000 { month } else { month + 20 };
            let number = format!("{:02}{month:02}{day:02}{:04}", year % 100, rng.u32(0..9_999));
            let sum = sum(&number, [1, 3, 7, 9].into_iter().cycle());
            format!("PESEL {number}{}", (10 - sum % 10) % 10)
        }
        "RO" => {
            let sex = if year < 2000 { rng.u32(1..=2) } else { rng.u32(5..=6) };
            let number = format!("{sex}{yymmdd}{:02}{:03}", rng.u32(1..=46), rng.u32(1..=999));
            let rest = sum(&number, [2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9].into_iter()) % 11;
            format!("CNP: {number}{}", if rest == 10 { 1 } else { rest })
        }
        "SE" => {
            let number = format!("{yymmdd}{:03}", rng.u32(1..=999));
            let all = format!("{number}{}", luhn_digit(&number));
            let century = if rng.bool() { (year / 100).to_string() } else { String::new() };
            format!("{century}{}-{}", &all[..6], &all[6..])
        }
        "TR" => {
            let number = digits(9, rng);
            let at = |step: usize| number.chars().skip(step).step_by(2).map(value).sum::<u32>();
            let tenth = (at(0) * 7 + 1_000 - at(1)) % 10;
            let eleventh = (at(0) + at(1) + tenth) % 10;
            format!("TC Kimlik {number}{tenth}{eleventh}")
        }
        "US" => {
            let area = rng.u32(1..=899);
            if area == 666 {
                return None;
            }
            format!("{area:03}-{:02}-{:04}", rng.u32(1..=99), rng.u32(1..=9_999))
        }
        "ZA" => {
            let number = format!("{yymmdd}{:04}08", rng.u32(0..9_999));
            grouped(&format!("{number}{}", luhn_digit(&number)), &[6, 4, 3], " ")
        }
        other => panic!("no numbers of {other} are made here"),
    };
    Some(id)
}

fn value(character: char) -> u32 {
    character.to_digit(10).unwrap_or_default()
}

fn digit(value: u32) -> Option<char> {
    (value < 10).then(|| char::from_digit(value, 10)).flatten()
}

fn sum(number: &str, weights: impl Iterator<Item = u32>) -> u32 {
    number.chars().zip(weights).map(|(character, weight)| value(character) * weight).sum()
}

fn dotted(number: &str) -> String {
    format!("{}.{}.{}-{}.{}", &number[..2], &number[2..4], &number[4..6], &number[6..9], &number[9..])
}

/// Tried out: the digit under which the permuted digits multiply to the neutral element, by the published table.
fn verhoeff_digit(number: &str) -> char {
    const PRODUCTS: [&[u8; 10]; 10] = [
        b"0123456789",
        b"1234067895",
        b"2340178956",
        b"3401289567",
        b"4012395678",
        b"5987604321",
        b"6598710432",
        b"7659821043",
        b"8765932104",
        b"9876543210",
    ];
    const PERMUTATIONS: [&[u8; 10]; 8] = [
        b"0123456789",
        b"1576283094",
        b"5803796142",
        b"8916043527",
        b"9453126870",
        b"4286573901",
        b"2793806415",
        b"7046913258",
    ];
    let is_right = |all: &str| {
        let product = all.bytes().rev().enumerate().fold(0, |product, (at, character)| {
            let permuted = PERMUTATIONS[at % 8][usize::from(character - b'0')] - b'0';
            usize::from(PRODUCTS[product][usize::from(permuted)] - b'0')
        });
        product == 0
    };
    ('0'..='9').find(|last| is_right(&format!("{number}{last}"))).unwrap_or('0')
}

/// By the table of the decree: what a character at an odd place counts. At an even place it counts its place in its
/// alphabet.
fn italian_letter(number: &str) -> Option<char> {
    let odd = |c: char| -> Option<u32> {
        let counts = [
            ("A0", 1),
            ("B1", 0),
            ("C2", 5),
            ("D3", 7),
            ("E4", 9),
            ("F5", 13),
            ("G6", 15),
            ("H7", 17),
            ("I8", 19),
            ("J9", 21),
            ("K", 2),
            ("L", 4),
            ("M", 18),
            ("N", 20),
            ("O", 11),
            ("P", 3),
            ("Q", 6),
            ("R", 8),
            ("S", 12),
            ("T", 14),
            ("U", 16),
            ("V", 10),
            ("W", 22),
            ("X", 25),
            ("Y", 24),
            ("Z", 23),
        ];
        counts.iter().find(|(of, _)| of.contains(c)).map(|(_, count)| *count)
    };
    let even = |c: char| {
        c.to_digit(10).or_else(|| UPPER.iter().position(|letter| char::from(*letter) == c).map(|at| at as u32))
    };
    let counts = number.chars().enumerate().map(|(at, c)| if at % 2 == 0 { odd(c) } else { even(c) });
    let sum: u32 = counts.sum::<Option<u32>>()?;
    Some(char::from(UPPER[(sum % 26) as usize]))
}
