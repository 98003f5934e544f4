//! Messages that are made up, each with one field of a kind that is worth a look; the rest is plain. The same seed makes the
//! same messages.
#![allow(unreachable_pub, reason = "a module of a test")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fastrand::Rng;

/// Which part of a message is of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The field `To`.
    People,
    /// The field `Date`.
    Date,
    /// The field `Subject`.
    Subject,
    /// The body, with the fields that say how it is encoded.
    Body,
}

/// A message.
pub struct Case {
    /// The name of the kind.
    pub kind: &'static str,
    /// Which part is of that kind.
    pub part: Part,
    /// The value of the field, or the body.
    pub value: Vec<u8>,
    /// The whole message.
    pub message: Vec<u8>,
}

type Make = fn(&mut Rng) -> Vec<u8>;

/// So many messages of each kind.
pub fn cases(seed: u64, each: usize) -> Vec<Case> {
    let mut rng = Rng::with_seed(seed);
    let mut cases = Vec::new();
    for _ in 0..each {
        for (kind, make) in PEOPLE {
            cases.push(case(kind, Part::People, make(&mut rng)));
        }
        for (kind, make) in DATES {
            cases.push(case(kind, Part::Date, make(&mut rng)));
        }
        for (kind, make) in SUBJECTS {
            cases.push(case(kind, Part::Subject, make(&mut rng)));
        }
        for (kind, make) in BODIES {
            cases.push(case(kind, Part::Body, make(&mut rng)));
        }
    }
    cases
}

fn case(kind: &'static str, part: Part, value: Vec<u8>) -> Case {
    let field = |name: &str, wanted: Part, plain: &str| {
        let value = if part == wanted { value.as_slice() } else { plain.as_bytes() };
        [name.as_bytes(), b": ", value, b"\n"].concat()
    };
    let mut message = b"From: Ann Example <ann@example.com>\n".to_vec();
    message.extend(field("To", Part::People, "bob@example.com"));
    message.extend(field("Date", Part::Date, "Mon, 1 Jan 2024 10:00:00 +0000"));
    message.extend(field("Subject", Part::Subject, "plain"));
    if part == Part::Body {
        message.extend_from_slice(&value);
    } else {
        message.extend_from_slice(b"\nHello.\n");
    }
    Case { kind, part, value, message }
}

fn pick<'a>(rng: &mut Rng, words: &[&'a str]) -> &'a str {
    words[rng.usize(..words.len())]
}

fn word(rng: &mut Rng) -> String {
    (0..rng.usize(1..9)).map(|_| rng.lowercase()).collect()
}

fn name(rng: &mut Rng) -> String {
    let (first, last) = (word(rng), word(rng));
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    format!("{} {}", capital(&first), capital(&last))
}

fn address(rng: &mut Rng) -> String {
    let local = if rng.bool() { word(rng) } else { format!("{}.{}", word(rng), word(rng)) };
    format!("{local}@{}.example{}", word(rng), pick(rng, &["", ".com", ".org", ".co.uk"]))
}

fn accented(rng: &mut Rng) -> String {
    let words = ["Jörg", "Zoë", "Søren", "Łukasz", "Μαρία", "Анна", "田中", "Kranführer", "café", "Größe"];
    (0..rng.usize(1..4)).map(|_| pick(rng, &words)).collect::<Vec<_>>().join(" ")
}

/// An encoded word of UTF-8, whole characters.
fn encoded(rng: &mut Rng, text: &str) -> String {
    if rng.bool() {
        return format!("=?utf-8?b?{}?=", STANDARD.encode(text));
    }
    let hex = text.bytes().map(|byte| match byte {
        b' ' => "_".to_owned(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("={byte:02X}"),
    });
    format!("=?{}?q?{}?=", pick(rng, &["utf-8", "UTF-8"]), hex.collect::<String>())
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
}

fn list(rng: &mut Rng, mut one: impl FnMut(&mut Rng) -> String) -> Vec<u8> {
    let separator = pick(rng, &[", ", ",", ",\n ", " , ", ",\r\n\t"]);
    (0..rng.usize(1..5)).map(|_| one(rng)).collect::<Vec<_>>().join(separator).into_bytes()
}

const PEOPLE: &[(&str, Make)] = &[
    ("address", |rng| list(rng, address)),
    ("address in brackets", |rng| list(rng, |rng| format!("<{}>", address(rng)))),
    ("name of atoms", |rng| list(rng, |rng| format!("{} <{}>", name(rng), address(rng)))),
    ("quoted name", |rng| list(rng, |rng| format!("\"{}, {}\" <{}>", word(rng), name(rng), address(rng)))),
    ("quoted name with escapes", |rng| {
        list(rng, |rng| format!("\"a \\\"{}\\\" \\\\ b\" <{}>", word(rng), address(rng)))
    }),
    ("encoded name", |rng| {
        list(rng, |rng| {
            let name = accented(rng);
            format!("{} <{}>", encoded(rng, &name), address(rng))
        })
    }),
    ("encoded name of several words", |rng| {
        let (a, b) = (accented(rng), accented(rng));
        format!("{} {} <{}>", encoded(rng, &a), encoded(rng, &b), address(rng)).into_bytes()
    }),
    ("encoded name in quotes", |rng| {
        let name = accented(rng);
        format!("\"{}\" <{}>", encoded(rng, &name), address(rng)).into_bytes()
    }),
    ("name in UTF-8", |rng| format!("{} <{}>", accented(rng), address(rng)).into_bytes()),
    ("name in Latin-1", |rng| [latin1("J\u{f6}rg <"), address(rng).into_bytes(), b">".to_vec()].concat()),
    ("name with a dot", |rng| format!("{} {}. {} <{}>", word(rng), word(rng), word(rng), address(rng)).into_bytes()),
    ("name that is an address", |rng| {
        let address = address(rng);
        format!("{address} <{address}>").into_bytes()
    }),
    ("name in a comment", |rng| format!("{} ({})", address(rng), name(rng)).into_bytes()),
    ("name and comment", |rng| format!("{} (the boss) <{}>", name(rng), address(rng)).into_bytes()),
    ("nested comment", |rng| format!("<{}> (a (nested {}) one)", address(rng), word(rng)).into_bytes()),
    ("group", |rng| format!("{}: {}, {};", name(rng), address(rng), address(rng)).into_bytes()),
    ("groups", |rng| format!("a: {};, {}, b: {};", address(rng), address(rng), address(rng)).into_bytes()),
    ("empty group", |_| b"undisclosed-recipients:;".to_vec()),
    ("empty group and comment", |_| b"unlisted-recipients:; (no To-header on input)".to_vec()),
    ("group without end", |rng| format!("{}: {}", word(rng), address(rng)).into_bytes()),
    ("quoted local part", |rng| list(rng, |rng| format!("\"{} {}\"@example.com", word(rng), word(rng)))),
    ("quoted local part without need", |rng| format!("\"{}\"@example.com", word(rng)).into_bytes()),
    ("Lotus Notes name", |rng| format!("\"{}/HR/ACME\"@notes.example.com", name(rng)).into_bytes()),
    ("Lotus Notes name without quotes", |rng| format!("{}/HR/ACME@ACME", name(rng)).into_bytes()),
    ("spaces around the at", |rng| address(rng).replace('@', " @ ").into_bytes()),
    ("spaces around dots", |_| b"maria . keller @ example . com".to_vec()),
    ("comments inside the address", |rng| address(rng).replace('@', "(a)@(b)").into_bytes()),
    ("route", |rng| format!("<@relay.example,@other.example:{}>", address(rng)).into_bytes()),
    ("domain literal", |rng| format!("{}@[192.0.2.{}]", word(rng), rng.u8(..)).into_bytes()),
    ("UTF-8 local part", |rng| format!("jörg.{}@example.com", word(rng)).into_bytes()),
    ("UTF-8 domain", |rng| format!("{}@bücher.example", word(rng)).into_bytes()),
    ("A-label domain", |rng| format!("{}@xn--bcher-kva.example", word(rng)).into_bytes()),
    ("dots in the local part", |rng| format!("{}..{}.@docomo.example", word(rng), word(rng)).into_bytes()),
    ("dot after the domain", |rng| format!("{}.", address(rng)).into_bytes()),
    ("encoded local part", |rng| format!("=?utf-8?q?{}?=@example.com", word(rng)).into_bytes()),
    ("encoded address", |rng| {
        let address = address(rng);
        format!("=?utf-8?b?{}?=", STANDARD.encode(address)).into_bytes()
    }),
    ("address twice", |rng| {
        let address = address(rng);
        format!("{} <{address}> <{address}>", name(rng)).into_bytes()
    }),
    ("address in quotes", |rng| format!("\"{}\"", address(rng)).into_bytes()),
    ("address in apostrophes", |rng| format!("'{}'", address(rng)).into_bytes()),
    ("mailto in brackets", |rng| format!("<mailto:{}>", address(rng)).into_bytes()),
    ("mailto in square brackets", |rng| format!("{} [mailto:{}]", name(rng), address(rng)).into_bytes()),
    ("semicolons", |rng| format!("{}; {}", address(rng), address(rng)).into_bytes()),
    ("no comma between brackets", |rng| format!("<{}> <{}>", address(rng), address(rng)).into_bytes()),
    ("no comma", |rng| format!("{} {}", address(rng), address(rng)).into_bytes()),
    ("name without brackets", |rng| format!("{} {}", name(rng), address(rng)).into_bytes()),
    ("quoted name without brackets", |rng| format!("\"{}\" {}", name(rng), address(rng)).into_bytes()),
    ("comma in a name", |rng| format!("{}, {} <{}>", word(rng), word(rng), address(rng)).into_bytes()),
    ("name only", |rng| word(rng).into_bytes()),
    ("name only in brackets", |rng| format!("<{}>", word(rng)).into_bytes()),
    ("empty brackets", |_| b"<>".to_vec()),
    ("empty entries", |rng| format!(",, {} ,,", address(rng)).into_bytes()),
    ("no local part", |rng| format!("@example.com, {}", address(rng)).into_bytes()),
    ("no domain", |rng| format!("{}@, {}", word(rng), address(rng)).into_bytes()),
    ("two ats", |rng| format!("{}@{}, {}", word(rng), address(rng), address(rng)).into_bytes()),
    ("quote without end", |rng| format!("\"{} <{}>", word(rng), address(rng)).into_bytes()),
    ("comment without end", |rng| format!("{} ({}", address(rng), word(rng)).into_bytes()),
    ("bracket without end", |rng| format!("{} <{}", word(rng), address(rng)).into_bytes()),
    ("zero byte", |rng| format!("a\0b@example.com, {}", address(rng)).into_bytes()),
];

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A moment as its parts: day of the week, day, month, year, time.
struct Moment {
    weekday: &'static str,
    day: i8,
    month: &'static str,
    year: i16,
    time: String,
    hour: i8,
}

fn moment(rng: &mut Rng) -> Moment {
    let (year, month, day) = (rng.i16(1971..2099), rng.i8(1..13), rng.i8(1..29));
    let date = jiff::civil::Date::new(year, month, day).unwrap();
    let hour = rng.i8(0..24);
    Moment {
        weekday: DAYS[usize::try_from(date.weekday().to_monday_zero_offset()).unwrap()],
        day,
        month: MONTHS[usize::try_from(month - 1).unwrap()],
        year,
        time: format!("{hour:02}:{:02}:{:02}", rng.u8(..60), rng.u8(..60)),
        hour,
    }
}

fn zone(rng: &mut Rng) -> String {
    format!("{}{:02}{:02}", pick(rng, &["+", "-"]), rng.u8(..14), pick(rng, &["00", "30", "45"]))
}

const DATES: &[(&str, Make)] = &[
    ("RFC 5322", |rng| {
        let Moment { weekday, day, month, year, time, .. } = moment(rng);
        format!("{weekday}, {day:02} {month} {year} {time} {}", zone(rng)).into_bytes()
    }),
    ("without a weekday", |rng| {
        let Moment { day, month, year, time, .. } = moment(rng);
        format!("{day} {month} {year} {time} {}", zone(rng)).into_bytes()
    }),
    ("without seconds", |rng| {
        let Moment { weekday, day, month, year, time, .. } = moment(rng);
        format!("{weekday}, {day} {month} {year} {} {}", &time[..5], zone(rng)).into_bytes()
    }),
    ("comments", |rng| {
        let Moment { weekday, day, month, year, time, .. } = moment(rng);
        format!("{weekday}, {day} {month} {year} {time} {} (a comment)", zone(rng)).into_bytes()
    }),
    ("comments everywhere", |rng| {
        let Moment { weekday, day, month, year, time, .. } = moment(rng);
        format!("{weekday}, (a) {day} (b) {month} {year} (c (d)) {time} {}", zone(rng)).into_bytes()
    }),
    ("folded", |rng| {
        let Moment { weekday, day, month, year, time, .. } = moment(rng);
        format!("{weekday}, {day} {month} {year}\n {time} {}", zone(rng)).into_bytes()
    }),
    ("zone by name", |rng| {
        let Moment { weekday, day, month, year, time, .. } = moment(rng);
        let zone = pick(rng, &["UT", "GMT", "UTC", "EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT", "Z"]);
        format!("{weekday}, {day} {month} {year} {time} {zone}").into_bytes()
    }),
    ("zone by name in small letters", |rng| {
        let Moment { weekday, day, month, year, time, .. } = moment(rng);
        format!("{weekday}, {day} {month} {year} {time} {}", pick(rng, &["est", "cst", "gmt", "pdt"])).into_bytes()
    }),
    ("zone that RFC 5322 does not know", |rng| {
        let Moment { weekday, day, month, year, time, .. } = moment(rng);
        format!("{weekday}, {day} {month} {year} {time} {}", pick(rng, &["CEST", "MEZ", "JST", "BST", "IST"]))
            .into_bytes()
    }),
    ("zone of the Atlantic", |rng| {
        let Moment { weekday, day, month, year, time, .. } = moment(rng);
        format!("{weekday}, {day} {month} {year} {time} {}", pick(rng, &["AST", "ADT"])).into_bytes()
    }),
    ("military zone", |rng| {
        let Moment { weekday, day, month, year, time, .. } = moment(rng);
        format!("{weekday}, {day} {month} {year} {time} {}", pick(rng, &["A", "M", "N", "Y"])).into_bytes()
    }),
    ("no zone", |rng| {
        let Moment { weekday, day, month, year, time, .. } = moment(rng);
        format!("{weekday}, {day} {month} {year} {time}").into_bytes()
    }),
    ("zone of GMT and a number", |rng| {
        let Moment { weekday, day, month, year, time, .. } = moment(rng);
        format!("{weekday}, {day} {month} {year} {time} GMT{}", zone(rng)).into_bytes()
    }),
    ("zone with a colon", |rng| {
        let Moment { weekday, day, month, year, time, .. } = moment(rng);
        format!("{weekday}, {day} {month} {year} {time} +{:02}:30", rng.u8(..12)).into_bytes()
    }),
    ("zone further than any", |rng| {
        let Moment { weekday, day, month, year, time, .. } = moment(rng);
        format!("{weekday}, {day} {month} {year} {time} +{}00", rng.u8(20..99)).into_bytes()
    }),
    ("year of two digits", |rng| {
        let Moment { day, month, time, .. } = moment(rng);
        format!("{day} {month} {:02} {time} +0000", rng.u8(..50)).into_bytes()
    }),
    ("year of two digits, fifty to sixty-eight", |rng| {
        let Moment { day, month, time, .. } = moment(rng);
        format!("{day} {month} {:02} {time} +0000", rng.u8(50..69)).into_bytes()
    }),
    ("year of two digits, seventy and more", |rng| {
        let Moment { day, month, time, .. } = moment(rng);
        format!("{day} {month} {:02} {time} +0000", rng.u8(70..100)).into_bytes()
    }),
    ("year of three digits", |rng| {
        let Moment { day, month, time, .. } = moment(rng);
        format!("{day} {month} {} {time} +0000", rng.u8(100..140)).into_bytes()
    }),
    ("year of five digits", |rng| {
        let Moment { day, month, time, .. } = moment(rng);
        format!("{day} {month} 2{}0 {time} +0000", rng.u16(100..999)).into_bytes()
    }),
    ("asctime", |rng| {
        let Moment { weekday, day, month, year, time, .. } = moment(rng);
        format!("{weekday} {month} {day:2} {time} {year}").into_bytes()
    }),
    ("asctime with a zone before the year", |rng| {
        let Moment { weekday, day, month, year, time, .. } = moment(rng);
        format!("{weekday} {month} {day:2} {time} {} {year}", pick(rng, &["EDT", "GMT", "PST"])).into_bytes()
    }),
    ("asctime with a zone after the year", |rng| {
        let Moment { weekday, day, month, year, time, .. } = moment(rng);
        format!("{weekday} {month} {day:2} {time} {year} {}", zone(rng)).into_bytes()
    }),
    ("JavaScript", |rng| {
        let Moment { weekday, day, month, year, time, .. } = moment(rng);
        format!("{weekday} {month} {day:02} {year} {time} GMT{} (XST)", zone(rng)).into_bytes()
    }),
    ("ISO 8601", |rng| {
        let Moment { day, year, time, .. } = moment(rng);
        format!("{year}-{:02}-{day:02}T{time}Z", rng.u8(1..13)).into_bytes()
    }),
    ("ISO 8601 with a space", |rng| {
        let Moment { day, year, time, .. } = moment(rng);
        format!("{year}-{:02}-{day:02} {time} {}", rng.u8(1..13), zone(rng)).into_bytes()
    }),
    ("twelve hours", |rng| {
        let Moment { weekday, day, month, year, hour, .. } = moment(rng);
        let (hour, half) = (hour % 12, if hour < 12 { "AM" } else { "PM" });
        let hour = if hour == 0 { 12 } else { hour };
        format!("{weekday}, {day} {month} {year} {hour:02}:30:00 {half} +0000").into_bytes()
    }),
    ("dashes", |rng| {
        let Moment { day, month, year, time, .. } = moment(rng);
        format!("{day:02}-{month}-{year} {time} {}", zone(rng)).into_bytes()
    }),
    ("dots in the time", |rng| {
        let Moment { weekday, day, month, year, time, .. } = moment(rng);
        format!("{weekday}, {day} {month} {year} {} {}", time.replace(':', "."), zone(rng)).into_bytes()
    }),
    ("month by its whole name", |rng| {
        let Moment { day, year, time, .. } = moment(rng);
        format!("{day} {} {year} {time} +0000", pick(rng, &["January", "September", "December"])).into_bytes()
    }),
    ("another weekday", |rng| {
        let Moment { weekday, day, month, year, time, .. } = moment(rng);
        let other = DAYS.iter().find(|day| **day != weekday).unwrap();
        format!("{other}, {day} {month} {year} {time} +0000").into_bytes()
    }),
    ("weekday in another language", |rng| {
        let Moment { day, month, year, time, .. } = moment(rng);
        format!("{}, {day} {month} {year} {time} +0000", pick(rng, &["Mo", "Di", "lun", "mar"])).into_bytes()
    }),
    ("month in another language", |rng| {
        let Moment { day, year, time, .. } = moment(rng);
        format!("{day} {} {year} {time} +0000", pick(rng, &["Okt", "Dez", "Avr", "Ene"])).into_bytes()
    }),
    ("without a time", |rng| {
        let Moment { weekday, day, month, year, .. } = moment(rng);
        format!("{weekday}, {day} {month} {year}").into_bytes()
    }),
    ("in numbers", |rng| {
        format!("{:02}/{:02}/{} 10:00:00", rng.u8(1..13), rng.u8(1..29), rng.u16(1980..2030)).into_bytes()
    }),
    ("a day that does not exist", |rng| format!("{} Feb 2023 10:00:00 +0000", rng.u8(30..32)).into_bytes()),
    ("an hour that does not exist", |rng| format!("3 Feb 2023 {}:00:00 +0000", rng.u8(24..60)).into_bytes()),
    ("a leap second", |_| b"Sat, 31 Dec 2016 23:59:60 +0000".to_vec()),
    ("before 1970", |rng| format!("1 Jan {} 10:00:00 +0000", rng.u16(1900..1969)).into_bytes()),
    ("no date", |rng| word(rng).into_bytes()),
];

const SUBJECTS: &[(&str, Make)] = &[
    ("plain subject", |rng| format!("{} {}", word(rng), name(rng)).into_bytes()),
    ("folded subject", |rng| format!("{} {}\n {}", word(rng), word(rng), word(rng)).into_bytes()),
    ("subject folded with tabs", |rng| format!("{}\n\t\t{}", word(rng), word(rng)).into_bytes()),
    ("encoded subject", |rng| {
        let text = accented(rng);
        encoded(rng, &text).into_bytes()
    }),
    ("encoded subject of several words", |rng| {
        let (a, b) = (accented(rng), accented(rng));
        format!("{}\n {}", encoded(rng, &a), encoded(rng, &b)).into_bytes()
    }),
    ("encoded word between plain ones", |rng| {
        let text = accented(rng);
        format!("Re: {} {}", encoded(rng, &text), word(rng)).into_bytes()
    }),
    ("encoded word without a space before it", |rng| {
        let text = accented(rng);
        format!("Re:{}", encoded(rng, &text)).into_bytes()
    }),
    ("subject in Latin-1", |_| b"=?iso-8859-1?q?Kranf=FChrer?= =?iso-8859-1?q?_Gr=F6=DFe?=".to_vec()),
    ("subject in ISO 2022-JP", |_| b"=?iso-2022-jp?B?GyRCJCIbKEI=?=".to_vec()),
    ("subject in GB 2312", |_| b"=?gb2312?B?xOO6ww==?=".to_vec()),
    ("character cut by base64 words", |rng| {
        let text = accented(rng) + "é";
        let bytes = text.as_bytes();
        let at = bytes.len() - 1;
        format!("=?utf-8?b?{}?= =?utf-8?b?{}?=", STANDARD.encode(&bytes[..at]), STANDARD.encode(&bytes[at..]))
            .into_bytes()
    }),
    ("character cut by quoted words", |_| b"=?utf-8?q?Kranf=C3?= =?utf-8?q?=BChrer?=".to_vec()),
    ("base64 cut without padding", |_| b"=?utf-8?b?S3JhbmbDv?= =?utf-8?b?Gh?=".to_vec()),
    ("language in an encoded word", |_| b"=?utf-8*de?q?Stra=C3=9Fe?=".to_vec()),
    ("unknown character set", |_| b"=?x-nonsense?q?abc?=".to_vec()),
    ("broken encoded word", |_| b"=?utf-8?b?!!!?= and =?utf-8?q?a b?=".to_vec()),
    ("subject in plain UTF-8", |rng| accented(rng).into_bytes()),
    ("subject in plain Latin-1", |_| b"Gr\xf6\xdfe".to_vec()),
    ("empty subject", |_| Vec::new()),
];

/// Body and fields.
fn content(kind: &str, encoding: &str, body: &[u8]) -> Vec<u8> {
    let encoding = if encoding.is_empty() { String::new() } else { format!("Content-Transfer-Encoding: {encoding}\n") };
    [format!("MIME-Version: 1.0\nContent-Type: {kind}\n{encoding}\n").as_bytes(), body, b"\n"].concat()
}

fn quoted_printable(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b" \n".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("={byte:02X}")
            }
        })
        .collect()
}

const BODIES: &[(&str, Make)] = &[
    ("plain body", |rng| format!("\n{}\n{}\n", name(rng), word(rng)).into_bytes()),
    ("body in UTF-8", |rng| content("text/plain; charset=utf-8", "8bit", accented(rng).as_bytes())),
    ("body in base64", |rng| {
        let text = accented(rng) + "\n";
        content("text/plain; charset=utf-8", "base64", STANDARD.encode(text).as_bytes())
    }),
    ("body in quoted-printable", |rng| {
        let text = accented(rng);
        content("text/plain; charset=utf-8", "quoted-printable", quoted_printable(&text).as_bytes())
    }),
    ("body in Latin-1", |_| content("text/plain; charset=iso-8859-1", "8bit", &latin1("Gr\u{f6}\u{df}e"))),
    ("alternative forms", |rng| {
        let text = word(rng);
        let parts =
            format!("--b\nContent-Type: text/html\n\n<p>{text}</p>\n--b\nContent-Type: text/plain\n\n{text}\n--b--");
        content("multipart/alternative; boundary=b", "", parts.as_bytes())
    }),
    ("attachment beside the text", |rng| {
        let text = word(rng);
        let parts = format!(
            "--b\nContent-Type: text/plain\n\n{text}\n--b\nContent-Type: text/plain\n\
             Content-Disposition: attachment; filename=a.txt\n\nattached\n--b--"
        );
        content("multipart/mixed; boundary=b", "", parts.as_bytes())
    }),
    ("text in two parts", |rng| {
        let parts = format!(
            "--b\nContent-Type: text/plain\n\n{}\n--b\nContent-Type: text/plain\n\n{}\n--b--",
            word(rng),
            word(rng)
        );
        content("multipart/mixed; boundary=b", "", parts.as_bytes())
    }),
    ("HTML only", |rng| content("text/html", "", format!("<p>{}</p>", word(rng)).as_bytes())),
    ("body of an unknown character set", |_| content("text/plain; charset=x-nonsense", "8bit", b"abc")),
    ("no text at all", |_| content("image/png", "base64", b"iVBORw0K")),
];

/// A mailbox.
pub struct Mailbox {
    /// The name of the kind.
    pub kind: &'static str,
    /// The file.
    pub content: Vec<u8>,
    /// How many messages were put into it.
    pub messages: usize,
}

/// So many mailboxes of each kind.
pub fn mailboxes(seed: u64, each: usize) -> Vec<Mailbox> {
    let mut rng = Rng::with_seed(seed);
    let mut mailboxes = Vec::new();
    for _ in 0..each {
        for (kind, make) in MAILBOXES {
            let messages: Vec<String> = (0..rng.usize(1..6)).map(|_| make(&mut rng)).collect();
            mailboxes.push(Mailbox { kind, content: messages.concat().into_bytes(), messages: messages.len() });
        }
    }
    mailboxes
}

const SEPARATOR: &str = "From x@example.com Mon Jan  1 10:00:00 2024\n";

fn header(rng: &mut Rng) -> String {
    format!("From: {}\nTo: {}\nDate: Mon, 1 Jan 2024 10:00:00 +0000\n", address(rng), address(rng))
}

fn text(rng: &mut Rng) -> String {
    (0..rng.usize(1..5)).map(|_| if rng.u8(..4) == 0 { "\n".to_owned() } else { word(rng) + "\n" }).collect()
}

type Write = fn(&mut Rng) -> String;

/// A message of a mailbox, with what separates it from its neighbours.
const MAILBOXES: &[(&str, Write)] = &[
    ("dated lines", |rng| format!("{SEPARATOR}{}\n{}\n", header(rng), text(rng))),
    ("dated lines with a zone", |rng| {
        let zone = pick(rng, &["+0100 2024", "CET 2024", "2024 -0500"]);
        format!("From x@example.com Mon Jan  1 10:00:00 {zone}\n{}\n{}\n", header(rng), text(rng))
    }),
    ("lines without a date", |rng| format!("From {}\n{}\n{}\n", address(rng), header(rng), text(rng))),
    ("no empty line before the separator", |rng| format!("{SEPARATOR}{}\n{}end\n", header(rng), text(rng))),
    ("two empty lines before the separator", |rng| format!("{SEPARATOR}{}\n{}\n\n", header(rng), text(rng))),
    ("no body", |rng| format!("{SEPARATOR}{}\n", header(rng))),
    ("quoted lines", |rng| format!("{SEPARATOR}{}\n>From {}>>From {}\n", header(rng), text(rng), text(rng))),
    ("prose that begins with From", |rng| {
        format!(
            "{SEPARATOR}{}\n{}From Rotterdam to Hamburg by barge.\nETA: Tuesday\n{}\n",
            header(rng),
            text(rng),
            text(rng)
        )
    }),
    ("prose that begins with From after an empty line", |rng| {
        format!("{SEPARATOR}{}\n{}\nFrom here on\nit rained.\n{}\n", header(rng), text(rng), text(rng))
    }),
    ("a separator in the middle of prose", |rng| {
        format!("{SEPARATOR}{}\n{}he wrote:\n{SEPARATOR}and no more.\n\n", header(rng), text(rng))
    }),
    ("lengths and unquoted lines", |rng| {
        let body = format!("{}\n{SEPARATOR}Subject: inside\nDate: x\n\n{}", text(rng), text(rng));
        format!("{SEPARATOR}{}Content-Length: {}\n\n{body}\n", header(rng), body.len())
    }),
    ("lengths that do not fit", |rng| {
        format!("{SEPARATOR}{}Content-Length: {}\n\n{}\n", header(rng), rng.u16(500..), text(rng))
    }),
    ("CR and LF", |rng| format!("{SEPARATOR}{}\n{}end\n\n", header(rng), text(rng)).replace('\n', "\r\n")),
];
