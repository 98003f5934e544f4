//! Values that authorities, networks and standards publish as examples, and what looks like them and is not.

use serde_json::json;

use super::*;

/// What is found in a text, as written.
fn found(text: &str) -> Vec<(Kind, &str)> {
    Detector::default().text(text).into_iter().map(|finding| (finding.kind, &text[finding.range])).collect()
}

fn only(text: &str, kind: Kind, value: &str) {
    assert_eq!(found(text), [(kind, value)], "in {text:?}");
}

fn nothing(text: &str) {
    assert_eq!(found(text), [], "in {text:?}");
}

#[test]
fn e_mail_addresses() {
    for (text, address) in [
        ("write to ada.lovelace+case@example.co.uk.", "ada.lovelace+case@example.co.uk"),
        ("<ada@example.org>", "ada@example.org"),
        ("mailto:ada@example.org?subject=x", "ada@example.org"),
        ("user=ada@example.org&x=1", "ada@example.org"),
        ("zoë@exämple.de", "zoë@exämple.de"),
        ("o'hara@example.ie", "o'hara@example.ie"),
        ("ada@xn--exmple-cua.xn--p1ai", "ada@xn--exmple-cua.xn--p1ai"),
    ] {
        only(text, Kind::Email, address);
    }
    for text in ["@ada", "ada@", "ada@localhost", "ada@example.o", "a @ b.de", "ada@-x.de", "npm i @types/node@20.1.2"]
    {
        nothing(text);
    }
}

#[test]
fn phone_numbers() {
    for (text, number) in [
        ("+49 30 901820", "+49 30 901820"),
        ("+1 (415) 555-0132 ext", "+1 (415) 555-0132"),
        ("+442079460958", "+442079460958"),
        ("(415) 555-0132", "(415) 555-0132"),
        ("415-555-0132", "415-555-0132"),
        ("(030) 901820", "(030) 901820"),
        ("06 12 34 56 78", "06 12 34 56 78"),
        ("020 7946 0958", "020 7946 0958"),
        ("0049 30 901820", "0049 30 901820"),
        ("mobile: 01711234567", "01711234567"),
        ("call 415 555 0132", "415 555 0132"),
    ] {
        only(text, Kind::Phone, number);
    }
    for text in
        ["01711234567", "415 555 0132", "2024-01-02 03:04:05", "+1.5", "1+2345", "01-02-2024", "+999 123 456 789"]
    {
        nothing(text);
    }
}

#[test]
fn payment_cards() {
    for card in [
        "4111111111111111",
        "4111 1111 1111 1111",
        "5555-5555-5555-4444",
        "378282246310005",
        "3782 822463 10005",
        "6011000990139424",
        "30569309025904",
        "3530111333300000",
        "2223003122003222",
    ] {
        only(&format!("paid with {card}, thanks"), Kind::PaymentCard, card);
    }
    only("order 12 4111 1111 1111 1111 7", Kind::PaymentCard, "4111 1111 1111 1111");
    for text in ["4111111111111112", "1111111111111117", "4111 11111111 1111", "41111111111111110000000000"] {
        nothing(text);
    }
}

#[test]
fn account_numbers() {
    for iban in
        ["DE89370400440532013000", "GB29 NWBK 6016 1331 9268 19", "fr1420041010050500013m02606", "NO9386011117947"]
    {
        only(&format!("to {iban}."), Kind::Iban, iban);
    }
    for text in ["DE89370400440532013001", "XX89370400440532013000", "DE8937040044053201300", "GB29 NWBK"] {
        assert!(found(text).iter().all(|(kind, _)| *kind != Kind::Iban), "{text}");
    }
}

#[test]
fn addresses_of_machines() {
    for address in ["192.0.2.17", "2001:db8::8a2e:370:7334", "::ffff:192.0.2.1", "fe80::1ff:fe23:4567:890a"] {
        only(&format!("from {address}, twice"), Kind::IpAddress, address);
        only(&format!("[{address}]"), Kind::IpAddress, address);
    }
    for address in ["00:1B:44:11:3a:b7", "00-1B-44-11-3A-B7", "001b.4411.3ab7"] {
        only(&format!("eth0 {address}."), Kind::MacAddress, address);
    }
    for text in
        ["version 1.2.3.4", "1.2.3.4.5", "256.1.1.1", "12:34:56", "::1", "::", "a::b", "std::fmt", "01.02.2024.1"]
    {
        nothing(text);
    }
}

#[test]
fn national_ids_by_themselves() {
    use Country::{Be, Br, Ca, Ch, Cn, De, Es, Fi, Fr, Gb, In, It, Kr, Mx, Nl, No, Se, Us, Za};
    for (country, number) in [
        (Be, "85.07.30-033.28"),
        (Be, "85073003328"),
        (Br, "529.982.247-25"),
        (Ca, "130-692-544"),
        (Ch, "756.9217.0769.85"),
        (Cn, "11010519491231002X"),
        (De, "86 095 742 719"),
        (Es, "12345678Z"),
        (Es, "X1234567L"),
        (Fi, "131052-308T"),
        (Fr, "2 55 08 14 168 025 38"),
        (Fr, "255081416802538"),
        (Gb, "943 476 5919"),
        (In, "2341 2341 2346"),
        (It, "RSSMRA85T10A562S"),
        (Kr, "971013-9019902"),
        (Mx, "HEGG560427MVZRRL04"),
        (Nl, "1112.22.333"),
        (No, "29029600013"),
        (Se, "811228-9874"),
        (Us, "536-90-4399"),
        (Za, "800101 5009 087"),
    ] {
        only(&format!("it is {number}."), Kind::NationalId(country), number);
    }
}

#[test]
fn national_ids_that_a_word_gives_away() {
    use Country::{Br, Ca, De, Gb, In, Nl, Pl, Ro, Tr, Us};
    for (country, word, number) in [
        (Br, "CPF", "52998224725"),
        (Ca, "SIN", "130692544"),
        (De, "Steuer-ID", "86095742719"),
        (Gb, "NHS number", "9434765919"),
        (In, "Aadhaar", "234123412346"),
        (Nl, "BSN", "111222333"),
        (Pl, "PESEL", "44051401359"),
        (Ro, "CNP", "1800101221144"),
        (Tr, "TC Kimlik", "10000000146"),
        (Us, "SSN", "536904399"),
    ] {
        only(&format!("{word}: {number}"), Kind::NationalId(country), number);
        nothing(&format!("order {number}"));
        let strict = Detector::new(Sensitivity::Strict).text(number);
        let is_one = matches!(strict[..], [Finding { kind: Kind::NationalId(_), .. }]);
        assert_eq!(is_one, country != Us, "{number} has check digits, but for that of the United States: {strict:?}");
    }
}

#[test]
fn credentials() {
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";
    only(&format!("Authorization: Bearer {jwt}"), Kind::Jwt, jwt);
    only("see https://ada:secret@example.org/x", Kind::UrlCredentials, "https://ada:secret@");
    only("postgres://u:p%40ss@db.internal:5432/x", Kind::UrlCredentials, "postgres://u:p%40ss@");
    let of = |length: usize| "a1B2".repeat(length / 4 + 1)[..length].to_owned();
    for key in [
        "AKIAIOSFODNN7EXAMPLE".to_owned(),
        format!("ghp_{}", of(36)),
        format!("AIza{}", of(35)),
        format!("sk_live_{}", of(24)),
        format!("xoxb-{}", of(24)),
        format!("glpat-{}", of(20)),
        format!("SG.{}.{}", of(22), of(43)),
    ] {
        only(&format!("key={key} "), Kind::ApiKey, &key);
    }
    only("api_key: 9f8e7d6c5b4a39281706", Kind::ApiKey, "9f8e7d6c5b4a39281706");
    nothing("commit 9f8e7d6c5b4a39281706 was good");
    nothing("https://example.org:8080/a@b");
    nothing("eyJhbGciOiJIUzI1NiJ9.notjson.x");
    let block = "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----";
    only(block, Kind::ApiKey, block);
}

#[test]
fn what_is_encoded_is_looked_into() {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    let encoding = |text: &str| {
        let found = Detector::default().text(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        (found[0].kind, found[0].encoding, text[found[0].range.clone()].to_owned())
    };
    let expected = (Kind::Email, Some(Encoding::Percent), "ada%40example.org".to_owned());
    assert_eq!(encoding("/search?q=ada%40example.org&x=1"), expected);
    for text in [STANDARD.encode("ada@example.org"), URL_SAFE_NO_PAD.encode("to: ada@example.org?>>")] {
        assert_eq!(encoding(&format!("x {text} y")), (Kind::Email, Some(Encoding::Base64), text.clone()));
    }
    let twice = STANDARD.encode(STANDARD.encode("ada@example.org"));
    assert_eq!(encoding(&twice).0, Kind::Email);
    let in_a_path = format!("https://example.org/u/{}/x", STANDARD.encode("+ada@example.org+"));
    assert_eq!(encoding(&in_a_path).0, Kind::Email);
    only("%ffada@example.org", Kind::Email, "ffada@example.org");
    nothing("internationalisation Supercalifragilistic deadbeefdeadbeef");
}

#[test]
fn documents_are_looked_through_with_their_keys() {
    let document = json!({
        "ada@example.org": 1,
        "a/b": [{"bsn": "111222333"}, {"n": 4111111111111111u64}],
        "inner": "{\"mail\": \"bob@example.org\"}",
        "fine": ["x", true, null, 12],
    });
    let found = Detector::default().json(&document);
    let at: Vec<_> = found.iter().map(|found| (&found.pointer[..], found.in_key, found.finding.kind)).collect();
    let expected = [
        ("/a~1b/0/bsn", false, Kind::NationalId(Country::Nl)),
        ("/a~1b/1/n", false, Kind::PaymentCard),
        ("/ada@example.org", true, Kind::Email),
        ("/inner/mail", false, Kind::Email),
    ];
    for (pointer, in_key, kind) in expected {
        assert!(at.contains(&(pointer, in_key, kind)), "{pointer}: {at:?}");
    }
    assert_eq!(at.len(), expected.len(), "{at:?}");
}

#[test]
fn ordinary_text_has_none() {
    for text in [
        "On 2024-11-24T15:04:05.123Z 17 of 1,234,567 records were read in 3.14159 s (99.9 %).",
        "id 550e8400-e29b-41d4-a716-446655440000, sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "at offset 18446744073709551615, 1700000000000 ms, 0x7fff5fbff8c0, 127 * 3 = 381",
        "fn main() { let x: u64 = 1_000_000; assert!(x >= 10..20); } // a::b::C",
        "Article 5(1)(e), §§ 12-15, pp. 100-120, ISBN 978-3-16-148410-0",
        "",
    ] {
        nothing(text);
    }
}

/// The kinds that the detectors of a door see in a text.
fn strict(text: &str) -> Vec<Kind> {
    Detector::new(Sensitivity::Strict).text(text).into_iter().map(|finding| finding.kind).collect()
}

/// A value in groups, with everything between these that programs and people write.
fn separated(groups: &[&str]) -> Vec<String> {
    let mut written: Vec<String> = ["_", ":", ".", "-", "/", " ", "__", " - ", "\u{a0}", "\u{2013}"]
        .iter()
        .map(|between| groups.join(between))
        .collect();
    // A mixture.
    let separators = ["-", " ", "_", "."];
    let mixed = groups.iter().enumerate().map(|(at, group)| match at {
        0 => (*group).to_owned(),
        at => format!("{}{group}", separators[at % separators.len()]),
    });
    written.push(mixed.collect());
    written
}

#[test]
fn numbers_are_seen_whatever_separates_their_groups() {
    use Country::{Be, Br, Ca, Ch, Cn, De, Es, Fi, Fr, Gb, In, It, Kr, Mx, Nl, No, Pl, Ro, Se, Tr, Us, Za};
    let cases: &[(Kind, &[&str])] = &[
        (Kind::PaymentCard, &["4539", "1488", "0343", "6467"]),
        (Kind::PaymentCard, &["45", "39", "14", "88", "03", "43", "64", "67"]),
        (Kind::PaymentCard, &["3782", "822463", "10005"]),
        (Kind::Iban, &["FR14", "2004", "1010", "0505", "0001", "3M02", "606"]),
        (Kind::Iban, &["FR14", "20041", "01005", "0500013M026", "06"]),
        (Kind::Iban, &["DE", "89", "37040044", "0532013000"]),
        (Kind::NationalId(Fr), &["2", "55", "08", "14", "168", "025", "38"]),
        (Kind::NationalId(Fr), &["25508", "14168", "02538"]),
        (Kind::NationalId(Be), &["85", "07", "30", "033", "28"]),
        (Kind::NationalId(Br), &["529", "982", "247", "25"]),
        (Kind::NationalId(Ca), &["130", "692", "544"]),
        (Kind::NationalId(Ch), &["756", "9217", "0769", "85"]),
        (Kind::NationalId(Cn), &["110105", "19491231", "002X"]),
        (Kind::NationalId(De), &["86", "095", "742", "719"]),
        (Kind::NationalId(Es), &["12345678", "Z"]),
        (Kind::NationalId(Es), &["X", "1234567", "L"]),
        (Kind::NationalId(Fi), &["131052", "308T"]),
        (Kind::NationalId(In), &["2341", "2341", "2346"]),
        (Kind::NationalId(It), &["RSS", "MRA", "85T10", "A562S"]),
        (Kind::NationalId(Kr), &["971013", "9019902"]),
        (Kind::NationalId(Mx), &["HEGG", "560427", "MVZRRL", "04"]),
        (Kind::NationalId(Nl), &["1112", "22", "333"]),
        (Kind::NationalId(No), &["290296", "00013"]),
        (Kind::NationalId(Pl), &["440514", "01359"]),
        (Kind::NationalId(Ro), &["1", "800101", "221144"]),
        (Kind::NationalId(Se), &["811228", "9874"]),
        (Kind::NationalId(Tr), &["100", "000", "001", "46"]),
        (Kind::NationalId(Za), &["800101", "5009", "087"]),
    ];
    for (kind, groups) in cases {
        for text in separated(groups) {
            // Names and ids are words among others.
            for text in [text.clone(), format!("paid_{text}"), format!("of {text}, twice")] {
                assert!(strict(&text).contains(kind), "{kind} in {text:?}: {:?}", strict(&text));
            }
        }
    }
    // What else such groups can be is personal as well.
    for (groups, otherwise) in
        [(&["943", "476", "5919"], Kind::NationalId(Gb)), (&["536", "90", "4399"], Kind::NationalId(Us))]
    {
        for text in separated(groups).iter().filter(|text| !(otherwise == Kind::NationalId(Us) && text.contains(' '))) {
            assert_eq!(strict(text).len(), 1, "{text:?}");
        }
    }
}

#[test]
fn telephone_numbers_are_seen_as_countries_write_them() {
    let cases: &[&[&str]] = &[
        // Within a country: US, ES (twice), IT, PL (twice), CZ, PT, IN, BR (twice), CN, MX, TR, NO, DK
        &["415", "555", "0132"],
        &["612", "345", "678"],
        &["612", "34", "56", "78"],
        &["347", "1234567"],
        &["512", "345", "679"],
        &["22", "123", "45", "67"],
        &["601", "123", "456"],
        &["912", "345", "678"],
        &["98765", "43210"],
        &["11", "91234", "5678"],
        &["11", "3123", "4567"],
        &["138", "0013", "8000"],
        &["55", "1234", "5678"],
        &["532", "123", "45", "67"],
        &["412", "34", "567"],
        &["22", "33", "44", "55"],
        // With a zero: DE (twice), GB (twice), FR, NL, CH, SE, JP
        &["030", "901820"],
        &["0171", "2345678"],
        &["020", "7946", "0958"],
        &["07700", "900123"],
        &["06", "12", "34", "56", "78"],
        &["06", "12345678"],
        &["079", "123", "45", "67"],
        &["070", "123", "45", "67"],
        &["090", "1234", "5678"],
        // From another country: with zeros, with the code alone
        &["0049", "30", "901820"],
        &["00", "420", "601", "123", "456"],
        &["49", "171", "2345678"],
        &["420", "601", "123", "456"],
        &["44", "20", "7946", "0958"],
        &["1", "415", "555", "0132"],
        &["91", "98765", "43210"],
        &["55", "11", "91234", "5678"],
        // Of mobile telephones also without groups
        &["4917123456789"],
        &["420601123456"],
        &["447700900123"],
        &["33612345678"],
        &["919876543210"],
        &["8613800138000"],
        &["01711234567"],
        &["00420601123456"],
    ];
    for groups in cases {
        for text in separated(groups) {
            for text in [text.clone(), format!("call_{text}"), format!("of {text}, twice")] {
                assert!(!strict(&text).is_empty(), "{text:?}");
            }
        }
    }
    // Without groups others are like any number, unless something says what they are.
    for number in ["612345678", "9876543210", "13800138000", "4155550132", "14155550132", "41234567"] {
        assert_eq!(strict(&format!("{number}1"))[..], [], "{number}");
        assert!(Detector::default().sees("phone_number", number), "{number}");
        assert!(Detector::default().sees("", &format!("Tel. {number}")), "{number}");
    }
}

#[test]
fn what_programs_number_things_with_is_nobodys_number() {
    for text in [
        "case-2024-000123",
        "INV-2024-000124",
        "ORD/2024/11/000123",
        "20241124-150405",
        "20241124_1504",
        "2024-11-24 15:04:05.123456",
        "24.11.2024 15:04",
        "2011.06.15.07.42.02",
        "15:04:05.123456",
        "00:12:34.567890",
        "topic-3:1234567",
        "1_000_000",
        "86_400_000_000",
        "1_600_000_000_000",
        "9_007_199_254_740_991",
        "1.2.3-rc.4+build.20241124",
        "v2.10.345",
        "1700000000",
        "1700000000123",
        "1700000000123456",
        "550e8400-e29b-41d4-a716-446655440000",
        "018f4e7c-8b1a-7d2e-9f3a-012345678901",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "0af7651916cd43dd8448eb211c80319c",
        "now + 10_000_000",
        "PROJ-12345",
        "image:20241124.1504.33",
        "part 12 of 34, page 56-78",
        "6.0.4-2",
    ] {
        assert_eq!(strict(text), [], "{text:?}");
    }
}

#[test]
fn a_card_that_a_word_runs_into_is_a_card() {
    for text in ["card4539148803436467", "paidWith4539-1488-0343-6467"] {
        assert_eq!(strict(text), [Kind::PaymentCard], "{text}");
        nothing(text);
    }
    assert_eq!(strict("fa4539148803436467"), [], "of a hash");
}

/// The time that it takes grows with the text, and no faster: were it otherwise, this would not come to its end.
#[test]
fn a_large_text_of_one_kind_is_no_trap() {
    for piece in [
        "a@b.de ",
        "+49 30 901820 ",
        "(030) 1",
        "1 ",
        "1",
        "1-",
        "1.",
        "a",
        "a-",
        "a:",
        "::1:",
        "%41",
        "%ff",
        "YWRhQGIuZGU/",
        "eyJ",
        "eyJ.",
        "eyJ-",
        "sk-",
        "://u:p@",
        "-----BEGIN ",
        "id ",
        "password a1",
        "@",
        "é",
    ] {
        let text = piece.repeat((1 << 20) / piece.len());
        Detector::new(Sensitivity::Strict).text(&text);
    }
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    /// Text that has in it what values are made of.
    fn text() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            "ada@example.org",
            "+49 30 901820",
            "(",
            ")",
            "4111",
            " ",
            "-",
            ".",
            "1111",
            "DE89",
            "3704",
            "::",
            "ffff",
            ":",
            "%40",
            "%",
            "%4",
            "eyJ",
            "https://",
            "u:p@",
            "@",
            "é",
            "漢",
            "\u{301}",
            "756.",
            "AKIA",
            "=",
            "Zm9v",
            "-----BEGIN ",
            "PRIVATE KEY-----",
            "\0",
            "\n",
            "12.12.",
            "00",
            "X",
            "id ",
        ]);
        prop_oneof![".{0,60}", prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat()),]
    }

    proptest! {
        #[test]
        fn whatever_the_text_findings_are_pieces_of_it_in_order(text in text(), is_strict: bool) {
            let detector = Detector::new(if is_strict { Sensitivity::Strict } else { Sensitivity::Balanced });
            let found = detector.text(&text);
            for finding in &found {
                prop_assert!(text.get(finding.range.clone()).is_some_and(|piece| !piece.is_empty()), "{:?}", finding);
            }
            for two in found.windows(2) {
                prop_assert!(two[0].range.end <= two[1].range.start, "{:?}", two);
            }
        }

        #[test]
        fn what_stands_around_an_address_does_not_hide_it(before in "[ -~]{0,30}", after in "[ -~]{0,30}") {
            let text = format!("{before} <ada.lovelace@example.org> {after}");
            let at = before.len() + 2;
            // Encoded text may hold it, and a key or a password may be all around it.
            let covers = |finding: &Finding| finding.range.start <= at && at < finding.range.end;
            prop_assert!(Detector::default().text(&text).iter().any(covers), "{text:?}");
        }
    }
}
