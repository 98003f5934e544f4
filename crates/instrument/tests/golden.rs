//! The clients of the examples, as files: what changes in a generator is seen in them. Apart from the tests that
//! compile them, so that `UPDATE=1 cargo test -p daybook-instrument --test golden` works whatever is in them.

mod common;

use common::golden;
use daybook_instrument::client::{Language, generate};

#[test]
fn the_clients_are_as_they_were() {
    for language in Language::ALL {
        golden(language);
    }
}

#[test]
fn the_order_of_schemas_does_not_matter() {
    let mut schemas = common::examples();
    let before = Language::ALL.map(|language| generate(language, &schemas));
    schemas.reverse();
    assert_eq!(Language::ALL.map(|language| generate(language, &schemas)), before);
}

#[test]
fn a_language_has_a_name_and_an_ending() {
    for language in Language::ALL {
        assert_eq!((language.extension().parse(), language.to_string().parse()), (Ok(language), Ok(language)));
    }
    let unknown = "go".parse::<Language>().unwrap_err().to_string();
    assert_eq!(unknown, "no clients are made for \"go\"; name one of typescript (ts), python (py), rust (rs)");
}
