//! The form in which identifiers of people are compared, and those in which releases before this one compared them.

use unicode_normalization::UnicodeNormalization;

use crate::Address;

/// How an identifier is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The form of it: the same for every way to write the same mailbox.
    pub form: String,
    /// Other forms under which earlier releases may have kept the same mailbox. Empty for nearly every identifier: those
    /// releases compared domains as they were written, and quotes as if they were part of the name.
    pub former: Vec<String>,
}

/// How an identifier is compared: an address as [`Address::canonical`] says, anything else as it is written, but for case,
/// surrounding space and compatible forms of characters.
pub fn compared(id: &str) -> Compared {
    let as_written = as_written(id);
    let Ok(address) = Address::parse_lenient(id) else { return Compared { form: as_written, former: Vec::new() } };
    let form = address.canonical();
    let mut former = vec![as_written, self::as_written(&address.canonical_unicode())];
    former.dedup();
    former.retain(|other| *other != form);
    Compared { form, former }
}

/// How every release before this one compared an identifier. Frozen: what is on a log was made with it.
pub fn as_written(id: &str) -> String {
    let id = id.trim();
    if id.is_ascii() { id.to_ascii_lowercase() } else { id.nfkc().collect::<String>().to_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearly_every_identifier_has_one_form() {
        for (id, form) in [
            (" Ada@Example.ORG", "ada@example.org"),
            ("employee-17", "employee-17"),
            ("Maria Keller", "maria keller"),
            ("jo\u{308}rg@example.org", "jörg@example.org"),
            ("a..b@docomo.example", "a..b@docomo.example"),
            ("@example.org", "@example.org"),
            ("ada@example.org, bob@example.org", "ada@example.org, bob@example.org"),
        ] {
            assert_eq!(compared(id), Compared { form: form.to_owned(), former: Vec::new() }, "{id}");
        }
    }

    #[test]
    fn the_former_forms_of_one_mailbox() {
        let domain = "xn--bcher-kva.example";
        for (id, form, former) in [
            ("Eva@BÜCHER.example", format!("eva@{domain}"), vec!["eva@bücher.example"]),
            ("eva@xn--bcher-kva.example", format!("eva@{domain}"), vec!["eva@bücher.example"]),
            ("\"eva\"@bücher.example", format!("eva@{domain}"), vec!["\"eva\"@bücher.example", "eva@bücher.example"]),
            ("\"john.doe\"@example.com", "john.doe@example.com".to_owned(), vec!["\"john.doe\"@example.com"]),
            ("john @ example.com", "john@example.com".to_owned(), vec!["john @ example.com"]),
        ] {
            let former = former.into_iter().map(str::to_owned).collect();
            assert_eq!(compared(id), Compared { form, former }, "{id}");
        }
    }
}
