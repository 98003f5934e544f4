//! What looks like a personal value and is not.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{ALPHANUMERIC, HEX, characters, digits, one_of};

pub(super) fn look_alike(rng: &mut fastrand::Rng) -> String {
    let hex = |count, rng: &mut fastrand::Rng| characters(HEX, count, rng);
    match rng.u8(0..39) {
        0 => [8, 4, 4, 4, 12].map(|count| hex(count, rng)).join("-"),
        1 => format!("commit {}", hex(40, rng)),
        2 => format!("sha256:{}", hex(64, rng)),
        3 => format!("order {}", digits(rng.usize(6..13), rng)),
        4 => format!("{}", rng.u64(1_600_000_000_000..1_800_000_000_000)),
        5 => format!("{}", rng.u64(1_600_000_000_000_000..1_800_000_000_000_000)),
        6 => format!(
            "2024-{:02}-{:02} {:02}:{:02}:{:02}",
            rng.u8(1..13),
            rng.u8(1..29),
            rng.u8(0..24),
            rng.u8(0..60),
            rng.u8(0..60)
        ),
        7 => format!("{:02}/{:02}/20{:02}", rng.u8(1..29), rng.u8(1..13), rng.u8(0..30)),
        8 => format!("version {}.{}.{}.{}", rng.u8(0..20), rng.u8(0..100), rng.u8(0..100), rng.u8(0..100)),
        9 => format!("v{}.{}.{}-rc.{}", rng.u8(0..20), rng.u8(0..100), rng.u8(0..100), rng.u8(0..9)),
        10 => format!("{}.{} %", rng.u8(0..100), digits(6, rng)),
        11 => format!("-{}.{}, {}.{}", rng.u8(0..90), digits(6, rng), rng.u8(0..180), digits(6, rng)),
        12 => format!("@{}", one_of(&["everyone", "types/node", "media print", "Override"], rng)),
        13 => format!("{}@v{}", one_of(&["actions/checkout", "docker/login"], rng), rng.u8(1..9)),
        14 => format!("{}:{}@{}", rng.u8(0..9), rng.u16(..), rng.u16(..)),
        15 => STANDARD.encode((0..rng.usize(12..60)).map(|_| rng.u8(..)).collect::<Vec<_>>()),
        16 => characters(ALPHANUMERIC, rng.usize(12..40), rng),
        17 => format!("std::{}::{}", one_of(&["fmt", "ops", "sync"], rng), one_of(&["Display", "Range", "Arc"], rng)),
        18 => format!("https://example.org:{}/a/b?c=d%20e&f={}", rng.u16(1024..), digits(5, rng)),
        19 => format!("ISBN 978-{}-{}-{}-{}", rng.u8(0..9), digits(2, rng), digits(6, rng), rng.u8(0..9)),
        20 => format!("{},{},{} rows", rng.u8(1..99), digits(3, rng), digits(3, rng)),
        21 => format!("offset {} of partition {}", digits(rng.usize(5..19), rng), rng.u8(0..64)),
        // A number with one check digit that is as good as random.
        22 => format!("part {}", digits(16, rng)),
        // What programs number things with.
        23 => format!("INV-20{:02}-{}", rng.u8(10..30), digits(6, rng)),
        24 => format!("case_20{:02}_{}", rng.u8(10..30), digits(6, rng)),
        25 => format!("ORD/20{:02}/{:02}/{}", rng.u8(10..30), rng.u8(1..13), digits(6, rng)),
        26 => format!("20{:02}{:02}{:02}-{}", rng.u8(10..30), rng.u8(1..13), rng.u8(1..29), digits(6, rng)),
        27 => format!("topic-{}:{}", rng.u8(0..9), digits(rng.usize(5..12), rng)),
        28 => format!("{}", rng.u64(1 << 60..1 << 61)),
        29 => format!("EAN {}", digits(13, rng)),
        30 => format!("PROJ-{}", digits(rng.usize(3..7), rng)),
        // Times and dates, as logs and files have them.
        31 => format!("{:02}:{:02}:{:02}.{:06}", rng.u8(0..24), rng.u8(0..60), rng.u8(0..60), rng.u32(0..1_000_000)),
        32 => format!("{:02}:{:02}:{:02},{:03}", rng.u8(0..24), rng.u8(0..60), rng.u8(0..60), rng.u32(0..1_000)),
        33 => format!(
            "20{:02}.{:02}.{:02}_{:02}.{:02}.{:02}",
            rng.u8(10..30),
            rng.u8(1..13),
            rng.u8(1..29),
            rng.u8(0..24),
            rng.u8(0..60),
            rng.u8(0..60)
        ),
        34 => format!(
            "{:02}.{:02}.20{:02} {:02}:{:02}",
            rng.u8(1..29),
            rng.u8(1..13),
            rng.u8(10..30),
            rng.u8(0..24),
            rng.u8(0..60)
        ),
        // Thousands, as languages and programming languages write them.
        35 => thousands(rng),
        36 => format!(
            "{}.{}.{}-rc.{}+build.{}",
            rng.u8(0..9),
            rng.u8(0..99),
            rng.u16(0..999),
            rng.u8(0..9),
            digits(8, rng)
        ),
        37 => format!(
            "image:20{:02}{:02}{:02}.{}.{}",
            rng.u8(10..30),
            rng.u8(1..13),
            rng.u8(1..29),
            digits(4, rng),
            digits(2, rng)
        ),
        _ => format!(
            "{} {} {}",
            digits(rng.usize(1..5), rng),
            digits(rng.usize(1..5), rng),
            digits(rng.usize(1..5), rng)
        ),
    }
}

fn thousands(rng: &mut fastrand::Rng) -> String {
    let separator = one_of(&[".", "_", " "], rng);
    // Small digits lead more often (Benford's law).
    let mut number = (10f64.powf(rng.f64() * 3.0) as u16).to_string();
    for _ in 0..rng.usize(1..4) {
        number.push_str(separator);
        number.push_str(&format!("{:03}", rng.u16(0..1_000)));
    }
    number
}
