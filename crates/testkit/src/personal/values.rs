//! Values by kind.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{ALPHANUMERIC, HEX, UPPER, characters, digits, identities, one_of};

/// Every kind that values are made of.
pub const KINDS: &[&str] = &[
    "e-mail address",
    "phone number",
    "payment card",
    "IBAN",
    "IP address",
    "MAC address",
    "credentials in a URL",
    "JSON Web Token",
    "API key",
    "national id (BE)",
    "national id (BR)",
    "national id (CH)",
    "national id (CN)",
    "national id (DE)",
    "national id (ES)",
    "national id (FI)",
    "national id (FR)",
    "national id (GB)",
    "national id (IN)",
    "national id (IT)",
    "national id (NL)",
    "national id (NO)",
    "national id (PL)",
    "national id (RO)",
    "national id (SE)",
    "national id (TR)",
    "national id (US)",
    "national id (ZA)",
];

pub(super) fn value(kind: &'static str, rng: &mut fastrand::Rng) -> String {
    match kind {
        "e-mail address" => email(rng),
        "phone number" => phone(rng),
        "payment card" => card(rng),
        "IBAN" => iban(rng),
        "IP address" => ip(rng),
        "MAC address" => mac(rng),
        "credentials in a URL" => url(rng),
        "JSON Web Token" => jwt(rng),
        "API key" => api_key(rng),
        id => identities::identity(&id["national id (".len()..id.len() - 1], rng),
    }
}

const FIRST: &[&str] = &["ada", "grace", "alan", "edsger", "barbara", "donald", "frances", "tony", "radia", "zoë"];
const LAST: &[&str] = &["lovelace", "hopper", "turing", "dijkstra", "liskov", "knuth", "allen", "hoare", "perlman"];
const DOMAINS: &[&str] = &[
    "example.org",
    "example.com",
    "mail.example.net",
    "example.co.uk",
    "example.de",
    "uni.example.edu",
    "example.museum",
];

fn email(rng: &mut fastrand::Rng) -> String {
    let (first, last, domain) = (one_of(FIRST, rng), one_of(LAST, rng), one_of(DOMAINS, rng));
    match rng.u8(0..6) {
        0 => format!("{first}.{last}@{domain}"),
        1 => format!("{}{last}{}@{domain}", &last[..1], rng.u8(1..99)),
        2 => format!("{last}+{}@{domain}", one_of(&["news", "shop", "case-17"], rng)),
        3 => format!("{}_{last}@{domain}", last.len()),
        4 => format!("{last}-{first}@{domain}").to_uppercase(),
        _ => format!("{last}@{domain}"),
    }
}

fn phone(rng: &mut fastrand::Rng) -> String {
    let n = |count, rng: &mut fastrand::Rng| digits(count, rng);
    // North American exchanges begin with 2 to 9.
    let three = |rng: &mut fastrand::Rng| format!("{}{}", rng.u8(2..=9), digits(2, rng));
    match rng.u8(0..12) {
        0 => format!("+49 {} {}", n(3, rng), n(7, rng)),
        1 => format!("+1-{}-{}-{}", three(rng), three(rng), n(4, rng)),
        2 => format!("+1 ({}) {}-{}", three(rng), three(rng), n(4, rng)),
        3 => format!("+44 20 {} {}", n(4, rng), n(4, rng)),
        4 => format!("+33{}", n(9, rng)),
        5 => format!("+420 {} {} {}", n(3, rng), n(3, rng), n(3, rng)),
        6 => format!("({}) {}-{}", three(rng), three(rng), n(4, rng)),
        7 => format!("{}-{}-{}", three(rng), three(rng), n(4, rng)),
        8 => format!("0{} {} {} {} {}", rng.u8(1..=9), n(2, rng), n(2, rng), n(2, rng), n(2, rng)),
        9 => format!("0{}/{}", n(2, rng), n(7, rng)),
        10 => format!("0049 {} {}", n(3, rng), n(7, rng)),
        _ => format!("+91 {} {}", n(5, rng), n(5, rng)),
    }
}

/// The digit that makes a number's doubled digits come to a multiple of ten.
pub(super) fn luhn_digit(number: &str) -> char {
    let mut sum = 0;
    for (at, digit) in number.chars().rev().enumerate() {
        let digit = digit.to_digit(10).unwrap_or_default();
        let doubled = [0, 2, 4, 6, 8, 1, 3, 5, 7, 9][digit as usize];
        sum += if at % 2 == 0 { doubled } else { digit };
    }
    char::from_digit((10 - sum % 10) % 10, 10).unwrap_or('0')
}

fn card(rng: &mut fastrand::Rng) -> String {
    let (prefix, length) = [
        ("4", 16),
        ("51", 16),
        ("55", 16),
        ("2221", 16),
        ("2720", 16),
        ("6011", 16),
        ("3528", 16),
        ("62", 16),
        ("34", 15),
        ("37", 15),
        ("305", 14),
        ("36", 14),
    ][rng.usize(0..12)];
    let mut number = format!("{prefix}{}", digits(length - 1 - prefix.len(), rng));
    number.push(luhn_digit(&number));
    let groups: &[usize] = match length {
        16 => &[4, 4, 4, 4],
        15 => &[4, 6, 5],
        _ => &[4, 6, 4],
    };
    grouped(&number, groups, one_of(&["", " ", "-"], rng))
}

pub(super) fn grouped(text: &str, groups: &[usize], separator: &str) -> String {
    let mut at = 0;
    let parts: Vec<_> = groups
        .iter()
        .map(|length| {
            at += length;
            &text[at - length..at]
        })
        .collect();
    parts.join(separator)
}

fn iban(rng: &mut fastrand::Rng) -> String {
    let (country, account) = match rng.u8(0..8) {
        0 => ("DE", digits(18, rng)),
        1 => ("FR", digits(23, rng)),
        2 => ("GB", characters(UPPER, 4, rng) + &digits(14, rng)),
        3 => ("NL", characters(UPPER, 4, rng) + &digits(10, rng)),
        4 => ("ES", digits(20, rng)),
        5 => ("IT", characters(UPPER, 1, rng) + &digits(22, rng)),
        6 => ("CH", digits(17, rng)),
        _ => ("NO", digits(11, rng)),
    };
    let as_digits =
        |text: &str| text.chars().map(|c| c.to_digit(36).unwrap_or_default().to_string()).collect::<String>();
    let rest = as_digits(&format!("{account}{country}00"))
        .bytes()
        .fold(0, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97);
    let number = format!("{country}{:02}{account}", 98 - rest);
    match rng.u8(0..3) {
        0 => number,
        1 => number.to_lowercase(),
        _ => {
            let fours: Vec<_> = number.as_bytes().chunks(4).map(|four| String::from_utf8_lossy(four)).collect();
            fours.join(" ")
        }
    }
}

fn ip(rng: &mut fastrand::Rng) -> String {
    let hex = |rng: &mut fastrand::Rng| format!("{:x}", rng.u16(1..));
    match rng.u8(0..4) {
        0 => format!("2001:db8:{}:{}::{}", hex(rng), hex(rng), hex(rng)),
        1 => (0..8).map(|_| format!("{:04x}", rng.u16(1..))).collect::<Vec<_>>().join(":"),
        _ => format!("{}.{}.{}.{}", rng.u8(1..224), rng.u8(..), rng.u8(..), rng.u8(1..)),
    }
}

fn mac(rng: &mut fastrand::Rng) -> String {
    let separator = one_of(&[":", "-"], rng);
    // Only digits with hyphens between them could be anything.
    let first = characters(b"abcdef", 1, rng) + &characters(HEX, 1, rng);
    let others = (0..5).map(|_| characters(HEX, 2, rng));
    let mac = [first].into_iter().chain(others).collect::<Vec<_>>().join(separator);
    if rng.bool() { mac.to_uppercase() } else { mac }
}

fn url(rng: &mut fastrand::Rng) -> String {
    let (scheme, user) = (one_of(&["https", "postgres", "redis", "ftp", "amqp"], rng), one_of(LAST, rng));
    let password = characters(ALPHANUMERIC, rng.usize(6..16), rng);
    format!("{scheme}://{user}:{password}@db.example.net/x")
}

fn jwt(rng: &mut fastrand::Rng) -> String {
    let header = format!("{{\"alg\":\"{}\",\"typ\":\"JWT\"}}", one_of(&["RS256", "ES256", "HS256"], rng));
    let payload = format!("{{\"sub\":\"{}\",\"exp\":{}}}", one_of(LAST, rng), rng.u32(1_500_000_000..2_000_000_000));
    let signature: Vec<u8> = (0..64).map(|_| rng.u8(..)).collect();
    [header.as_bytes(), payload.as_bytes(), &signature].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
}

fn api_key(rng: &mut fastrand::Rng) -> String {
    match rng.u8(0..8) {
        0 => format!("AKIA{}", characters(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16, rng)),
        1 => format!("ghp_{}", characters(ALPHANUMERIC, 36, rng)),
        2 => format!("AIza{}", characters(ALPHANUMERIC, 35, rng)),
        3 => format!("sk_live_{}", characters(ALPHANUMERIC, 24, rng)),
        4 => format!("xoxb-{}-{}", digits(12, rng), characters(ALPHANUMERIC, 24, rng)),
        5 => format!("glpat-{}", characters(ALPHANUMERIC, 20, rng)),
        6 => format!("npm_{}", characters(ALPHANUMERIC, 36, rng)),
        _ => format!("SG.{}.{}", characters(ALPHANUMERIC, 22, rng), characters(ALPHANUMERIC, 43, rng)),
    }
}
