//! What holds for every address.

use proptest::prelude::*;

use crate::{Address, Entry, Identity, Mailbox, mailboxes};

/// Characters of which addresses are made, special ones often.
fn text(max: usize) -> impl Strategy<Value = String> {
    let character = prop_oneof![
        4 => prop::sample::select(vec!['a', 'B', '.', ' ', '"', '\\', '@', '(', ')', '<', '>', ',', ';', ':', '/', '=', '?']),
        1 => prop::sample::select(vec!['é', 'É', 'ß', '\u{308}', '\u{ff20}', '\u{ff02}', 'ﬁ', '\u{3002}', '例']),
        1 => any::<char>(),
    ];
    prop::collection::vec(character, 0..max).prop_map(|chars| chars.into_iter().collect())
}

/// A local part, without quotes and escapes.
fn local() -> impl Strategy<Value = String> {
    text(12).prop_filter("no local part is blank or has control characters", |text| {
        !text.trim().is_empty() && !text.chars().any(char::is_control)
    })
}

fn domain() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["example.com", "bücher.example", "xn--bcher-kva.example", "[192.0.2.1]", "Other.Example"])
        .prop_map(str::to_owned)
}

/// A local part as a program may quote it.
fn quoted(local: &str) -> String {
    format!("\"{}\"", local.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Whether two local parts belong to one mailbox, as addresses are compared: decided here in another way.
fn same_local(a: &str, b: &str) -> bool {
    use unicode_normalization::UnicodeNormalization;
    let specials = |text: &str| text.chars().filter(|c| "\"\\@()<>,;:[] ".contains(*c)).collect::<String>();
    let folded = |text: &str| text.nfkc().collect::<String>().to_lowercase().nfkc().collect::<String>();
    folded(a) == folded(b) && specials(a) == specials(b)
}

fn same_domain(a: &str, b: &str) -> bool {
    let name = |text: &str| text.to_lowercase().replace("xn--bcher-kva", "bücher");
    name(a) == name(b)
}

proptest! {
    #[test]
    fn different_mailboxes_never_have_one_canonical_form(a in local(), b in local(), at in domain(), other in domain()) {
        let canonical = |local: &str, domain: &str| {
            Address::parse(&format!("{}@{domain}", quoted(local))).unwrap().canonical()
        };
        if canonical(&a, &at) == canonical(&b, &other) {
            prop_assert!(same_local(&a, &b) && same_domain(&at, &other), "{a:?}@{at}, {b:?}@{other}");
        }
    }

    #[test]
    fn an_address_in_any_letters_and_quotes_is_the_same(local in local(), domain in domain()) {
        let address = Address::parse(&format!("{}@{domain}", quoted(&local))).unwrap();
        let same = |text: &str| Address::parse_lenient(text).map(|address| address.canonical()) == Ok(address.canonical());
        prop_assert!(same(&address.to_string()), "{address}");
        prop_assert!(same(&address.canonical()), "{}", address.canonical());
        prop_assert!(same(&address.canonical_unicode()), "{}", address.canonical_unicode());
        prop_assert!(!address.canonical().starts_with('@') && !address.canonical().starts_with("\"\"@"));
    }

    #[test]
    fn any_text_is_read_and_never_gives_an_address_without_a_local_part(text in text(60)) {
        for entry in mailboxes(&text, &|text| Some(text.to_owned())) {
            if let Entry::Mailbox(mailbox) = entry {
                match mailbox.identity {
                    Identity::Address(address) => prop_assert!(!address.local_part().trim().is_empty()),
                    Identity::Name(name) => prop_assert!(!name.trim().is_empty()),
                }
            }
        }
        let _ = crate::one_address(&text);
    }

    #[test]
    fn an_address_in_a_list_is_found_whole(local in local(), domain in domain(), name in "[A-Za-z ]{0,9}") {
        let address = Address::parse(&format!("{}@{domain}", quoted(&local))).unwrap();
        let field = format!("Ann <ann@example.com>, {name} <{}>; group: {}, bob@example.com;", address, address);
        let found: Vec<_> = mailboxes(&field, &|_| None)
            .map(|entry| match entry {
                Entry::Mailbox(Mailbox { identity: Identity::Address(address), .. }) => address.canonical(),
                entry => panic!("{entry:?} in {field}"),
            })
            .collect();
        let own = address.canonical();
        prop_assert_eq!(found, ["ann@example.com", own.as_str(), own.as_str(), "bob@example.com"]);
    }
}
