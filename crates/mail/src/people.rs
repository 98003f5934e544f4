//! Who a message concerns.

use std::collections::{BTreeMap, BTreeSet};

use daybook_mail_address::{Entry, Identity, Mailbox, Problem, compared, mailboxes};
use daybook_proto::legal_hold::v1::{Entity, EntityRole, ItemRemark};

use super::encoded_word::decode;
use super::fields::Fields;
use super::text::cut;

/// People that one item can name, in all roles. One whose address has other spellings counts for each of them.
const PEOPLE_MAX: usize = 500;
/// Bytes of a name; the rest is cut off.
const NAME_BYTES_MAX: usize = 300;
/// Bytes of what stands for a missing address.
const ID_BYTES_MAX: usize = daybook_mail_address::ADDRESS_BYTES_MAX;

/// The fields that name people (RFC 5322, sections 3.6.2, 3.6.3 and 3.6.6).
const FIELDS: [(&str, EntityRole); 10] = [
    ("From", EntityRole::Sender),
    ("Sender", EntityRole::Sender),
    ("To", EntityRole::Recipient),
    ("Cc", EntityRole::Recipient),
    ("Bcc", EntityRole::Recipient),
    ("Resent-From", EntityRole::Sender),
    ("Resent-Sender", EntityRole::Sender),
    ("Resent-To", EntityRole::Recipient),
    ("Resent-Cc", EntityRole::Recipient),
    ("Resent-Bcc", EntityRole::Recipient),
];

/// Who a message concerns.
#[derive(Debug, Default)]
pub(crate) struct People {
    /// Each address once in each role.
    pub(crate) entities: Vec<Entity>,
    /// What was not plain.
    pub(crate) remarks: BTreeSet<ItemRemark>,
    /// Where each of them is, by role and by the form in which identifiers are compared.
    places: BTreeMap<(EntityRole, String), usize>,
    /// Pseudonyms that they will have.
    count: usize,
}

/// The people in the header, and the custodians. An address has no upper case; where there is only a name, as in mail that
/// never left a machine, it stands for the address.
///
/// # Errors
/// There is nobody, or there are more than an item can name: an item that left some of them out would escape their holds.
pub(crate) fn people(fields: &Fields<'_>, custodians: &[String]) -> Result<People, String> {
    let mut people = People::default();
    for (field, role) in FIELDS {
        for value in fields.whole_values(field) {
            for entry in mailboxes(&value, &decode) {
                match entry {
                    Entry::Mailbox(Mailbox { name, identity }) => {
                        let id = match identity {
                            Identity::Address(address) => address.to_string(),
                            Identity::Name(name) => name,
                        };
                        people.add(&id, &name, role)?;
                    }
                    Entry::Problem(Problem::Unreadable(_)) => {
                        people.remarks.insert(ItemRemark::AddressUnreadable);
                    }
                    Entry::Problem(Problem::Ambiguous) => {
                        people.remarks.insert(ItemRemark::AddressAmbiguous);
                    }
                }
            }
        }
    }
    for custodian in custodians {
        people.add(custodian, "", EntityRole::Custodian)?;
    }
    if people.entities.is_empty() {
        return Err(if people.remarks.is_empty() {
            "names neither a sender nor a recipient".to_owned()
        } else {
            "names no sender and no recipient that can be read".to_owned()
        });
    }
    Ok(people)
}

impl People {
    fn add(&mut self, id: &str, name: &str, role: EntityRole) -> Result<(), String> {
        let id = id.trim().to_lowercase();
        let name = cut(name.trim(), NAME_BYTES_MAX);
        if id.is_empty() {
            return Ok(());
        }
        if id.len() > ID_BYTES_MAX || id.contains(char::is_control) {
            self.remarks.insert(ItemRemark::AddressUnreadable);
            return Ok(());
        }
        let compared = compared(&id);
        let key = (role, compared.form);
        if let Some(known) = self.places.get(&key).and_then(|&place| self.entities.get_mut(place)) {
            if known.display_name.is_empty() {
                known.display_name = name.to_owned();
            }
            return Ok(());
        }
        self.count += 1 + compared.former.len();
        if self.count > PEOPLE_MAX {
            return Err(format!("concerns more than {PEOPLE_MAX} people, the most that an item can name"));
        }
        self.places.insert(key, self.entities.len());
        self.entities.push(Entity { id, display_name: name.to_owned(), role: role.into(), sealed: None });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type One = (String, String, EntityRole);

    fn of(header: &str) -> Result<Vec<One>, String> {
        let people = people(&Fields::of(header.as_bytes()), &["Keeper@Example.com ".to_owned()])?;
        Ok(people
            .entities
            .into_iter()
            .map(|one| (one.role(), one))
            .map(|(role, one)| (one.id, one.display_name, role))
            .collect())
    }

    fn one(id: &str, name: &str, role: EntityRole) -> One {
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
    fn every_spelling_of_an_address_is_the_same_person() {
        let header =
            "From: eva@bücher.example\nSender: EVA@XN--BCHER-KVA.example\nTo: \"ann\"@example.com, ann@example.com\n";
        let expected = [
            one("eva@bücher.example", "", EntityRole::Sender),
            one("ann@example.com", "", EntityRole::Recipient),
            one(KEEPER, "", EntityRole::Custodian),
        ];
        assert_eq!(of(header).unwrap(), expected);
    }

    #[test]
    fn quoted_local_parts_and_notes_names_keep_people_apart() {
        let header = "From: \"john doe\"@example.com\nTo: \"Maria Keller/HR/ACME\"@notes.example.com,\n \
                      \"Hans Keller/HR/ACME\"@notes.example.com, <@relay:bob@example.com>\n\
                      Cc: unlisted-recipients:; (no To-header on input)\nResent-To: eve@example.com\n";
        let ids: Vec<_> = of(header).unwrap().into_iter().map(|(id, ..)| id).collect();
        let expected = [
            "\"john doe\"@example.com",
            "\"maria keller/hr/acme\"@notes.example.com",
            "\"hans keller/hr/acme\"@notes.example.com",
            "bob@example.com",
            "eve@example.com",
            KEEPER,
        ];
        assert_eq!(ids, expected);
    }

    #[test]
    fn a_name_stands_for_a_missing_address() {
        let expected = [one("root", "root", EntityRole::Sender), one(KEEPER, "", EntityRole::Custodian)];
        assert_eq!(of("From: root\nTo: undisclosed-recipients:;\n").unwrap(), expected);
        // Bytes that are no text are shown, not fatal, and not the same for everybody.
        let people = people(&Fields::of(b"From: J\xf6rg <j@example.com>\nTo: j\xf6@x, j\xe4@x\n"), &[]).unwrap();
        assert_eq!(people.entities[0].display_name, "Jörg");
        assert_eq!(people.entities.len(), 3);
    }

    #[test]
    fn nobody() {
        for header in ["", "Subject: x\n", "From:\nTo: <>\nCc: ,,;\n", "From: \"\" <>\n"] {
            let reason = people(&Fields::of(header.as_bytes()), &[]).unwrap_err();
            assert_eq!(reason, "names neither a sender nor a recipient", "{header:?}");
            // Whose mailbox it is can be held.
            assert_eq!(of(header).unwrap(), [one(KEEPER, "", EntityRole::Custodian)], "{header:?}");
        }
        let reason = people(&Fields::of(b"From: @example.com\nTo: a@b@c\n"), &[]).unwrap_err();
        assert_eq!(reason, "names no sender and no recipient that can be read");
    }

    #[test]
    fn what_was_not_plain_is_remarked() {
        let remarks =
            |header: &str| people(&Fields::of(header.as_bytes()), &[]).unwrap().remarks.into_iter().collect::<Vec<_>>();
        assert_eq!(remarks("From: a@b\n"), []);
        assert_eq!(remarks("From: a@b\nTo: @c\n"), [ItemRemark::AddressUnreadable]);
        assert_eq!(remarks("From: Maria Keller maria@b\n"), [ItemRemark::AddressAmbiguous]);
        assert_eq!(remarks(&format!("From: a@b\nTo: {}\n", "x".repeat(2_000))), [ItemRemark::AddressUnreadable]);
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
        let twice = (0..250).map(|i| format!("p{i}@bücher.example")).collect::<Vec<_>>().join(", ");
        assert!(of(&format!("To: {twice}\n")).is_err(), "each has two spellings");
        let long = format!("To: \"{}\" <a@example.com>\n", "é".repeat(200));
        assert_eq!(of(&long).unwrap()[0].1, "é".repeat(150));
    }

    #[test]
    fn long_lists_take_time_in_proportion() {
        let read = |count: usize| {
            let list: String = (0..count).map(|i| format!("p{}@example.com,", i % 450)).collect();
            assert_eq!(of(&format!("To: {list}\n")).unwrap().len(), 451);
        };
        // Were it the square, it would not come to an end.
        read(160_000);
    }
}
