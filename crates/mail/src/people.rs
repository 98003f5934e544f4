//! Who a message concerns.

use daybook_proto::legal_hold::v1::{Entity, EntityRole};
use mail_parser::Addr;

use super::fields::Fields;
use super::text::cut;

/// People that one item can name, in all roles.
const PEOPLE_MAX: usize = 500;
/// Bytes of an address. RFC 5321 allows 64 before the `@` and 255 after it.
const ADDRESS_BYTES_MAX: usize = 320;
/// Bytes of a name; the rest is cut off.
const NAME_BYTES_MAX: usize = 300;

const FIELDS: [(&str, EntityRole); 5] = [
    ("From", EntityRole::Sender),
    ("Sender", EntityRole::Sender),
    ("To", EntityRole::Recipient),
    ("Cc", EntityRole::Recipient),
    ("Bcc", EntityRole::Recipient),
];

/// The people in the header, and the custodians: each address once in each role. An address has no upper case and no
/// space around it; where there is only a name, as in mail that never left a machine, it stands for the address.
///
/// # Errors
/// The header names nobody, or more than an item can name: an item that left some of them out would escape their holds.
pub(crate) fn people(fields: &Fields<'_>, custodians: &[String]) -> Result<Vec<Entity>, String> {
    let mut people = Vec::new();
    for (field, role) in FIELDS {
        for Addr { name, address } in fields.addresses(field) {
            let id = address.as_deref().filter(|address| !address.trim().is_empty()).or(name.as_deref());
            add(&mut people, id.unwrap_or_default(), name.as_deref().unwrap_or_default(), role)?;
        }
    }
    if people.is_empty() {
        return Err("names neither a sender nor a recipient".to_owned());
    }
    for custodian in custodians {
        add(&mut people, custodian, "", EntityRole::Custodian)?;
    }
    Ok(people)
}

fn add(people: &mut Vec<Entity>, id: &str, name: &str, role: EntityRole) -> Result<(), String> {
    let id = id.trim().to_lowercase();
    let name = cut(name.trim(), NAME_BYTES_MAX);
    if id.is_empty() {
        return Ok(());
    }
    if id.len() > ADDRESS_BYTES_MAX {
        return Err(format!("has an address of more than {ADDRESS_BYTES_MAX} bytes"));
    }
    if let Some(known) = people.iter_mut().find(|known| known.role() == role && known.id == id) {
        if known.display_name.is_empty() {
            known.display_name = name.to_owned();
        }
        return Ok(());
    }
    if people.len() == PEOPLE_MAX {
        return Err(format!("concerns more than {PEOPLE_MAX} people, the most that an item can name"));
    }
    people.push(Entity { id, display_name: name.to_owned(), role: role.into(), sealed: None });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: &str) -> Result<Vec<(String, String, EntityRole)>, String> {
        let people = people(&Fields::of(header.as_bytes()), &["Keeper@Example.com ".to_owned()])?;
        Ok(people
            .into_iter()
            .map(|one| (one.role(), one))
            .map(|(role, one)| (one.id, one.display_name, role))
            .collect())
    }

    fn one(id: &str, name: &str, role: EntityRole) -> (String, String, EntityRole) {
        (id.to_owned(), name.to_owned(), role)
    }

    const KEEPER: &str = "keeper@example.com";

    #[test]
    fn each_address_once_in_each_role() {
        let header = "From: Ann <ANN@Example.com>\nSender: ann@example.com\nTo: bob@example.com, ann@example.com\n\
                      Cc: =?utf-8?q?B=C3=B8b?= <Bob@example.com>\nBcc: keeper@example.com\n";
        let expected = [
            one("ann@example.com", "Ann", EntityRole::Sender),
            one("bob@example.com", "Bøb", EntityRole::Recipient),
            one("ann@example.com", "", EntityRole::Recipient),
            one(KEEPER, "", EntityRole::Recipient),
            one(KEEPER, "", EntityRole::Custodian),
        ];
        assert_eq!(of(header).unwrap(), expected);
    }

    #[test]
    fn a_name_stands_for_a_missing_address() {
        let expected = [one("root", "root", EntityRole::Sender), one(KEEPER, "", EntityRole::Custodian)];
        assert_eq!(of("From: root\nTo: undisclosed-recipients:;\n").unwrap(), expected);
        // Bytes that are no text are shown, not fatal.
        assert_eq!(of_bytes(b"From: J\xf6rg <j@example.com>\n")[0].display_name, "J\u{fffd}rg");
    }

    fn of_bytes(header: &[u8]) -> Vec<Entity> {
        people(&Fields::of(header), &[]).unwrap()
    }

    #[test]
    fn nobody() {
        for header in ["", "Subject: x\n", "From:\nTo: <>\nCc: ,,;\n", "From: \"\" <>\n"] {
            assert_eq!(of(header), Err("names neither a sender nor a recipient".to_owned()), "{header:?}");
        }
    }

    #[test]
    fn nobody_is_left_out_for_want_of_room() {
        let list = |count: usize| (0..count).map(|i| format!("p{i}@example.com")).collect::<Vec<_>>().join(", ");
        // The custodian is one of them.
        assert_eq!(of(&format!("To: {}\n", list(499))).unwrap().len(), 500);
        assert_eq!(
            of(&format!("To: {}\n", list(500))).unwrap_err(),
            "concerns more than 500 people, the most that an item can name"
        );
        let long = format!("To: {}@example.com\n", "x".repeat(320));
        assert_eq!(of(&long).unwrap_err(), "has an address of more than 320 bytes");
        let long = format!("To: \"{}\" <a@example.com>\n", "é".repeat(200));
        assert_eq!(of(&long).unwrap()[0].1, "é".repeat(150));
    }
}
