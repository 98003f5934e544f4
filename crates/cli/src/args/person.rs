//! A person on the command line.

use daybook_mail::address::one_address;

/// An address, alone or as mail writes it (`Maria Keller <maria@example.com>`), or any other identifier of a person.
///
/// # Errors
/// It is meant as an address and is not one: nothing could ever match it.
pub(crate) fn person(text: &str) -> Result<String, String> {
    if !text.contains(['@', '<']) {
        return Ok(text.trim().to_owned());
    }
    one_address(text)
        .map(|address| address.to_string())
        .map_err(|reason| format!("{reason}: nothing can match it; give one address, for example maria@example.com"))
}

/// The same for a question: what is not an address is looked for as it is. Earlier releases registered some people so.
///
/// # Errors
/// None.
pub(crate) fn person_or_text(text: &str) -> Result<String, String> {
    Ok(one_address(text).map_or_else(|_| text.trim().to_owned(), |address| address.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_other_identifiers() {
        for (text, person_meant) in [
            ("Maria Keller <maria@example.com>", "maria@example.com"),
            ("mailto:maria@example.com", "maria@example.com"),
            ("\"john doe\"@example.com", "\"john doe\"@example.com"),
            ("eva@bücher.example", "eva@bücher.example"),
            (" employee-17 ", "employee-17"),
            ("psn_bulyyfndmtj7ou2o62ca2m5h6qa2zgby", "psn_bulyyfndmtj7ou2o62ca2m5h6qa2zgby"),
        ] {
            assert_eq!(person(text).as_deref(), Ok(person_meant), "{text}");
        }
        for text in ["@example.com", "maria@example,com", "a@b.c, d@e.f", "Maria <maria"] {
            assert!(person(text).is_err(), "{text}");
            assert_eq!(person_or_text(text).as_deref(), Ok(text));
        }
        assert_eq!(person_or_text("Maria <maria@example.com>").as_deref(), Ok("maria@example.com"));
    }
}
