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
