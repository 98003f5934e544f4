//! A message as a governed item.

use std::collections::BTreeSet;

use aws_lc_rs::digest;
use daybook_mail_address::compared;
use daybook_proto::legal_hold::v1::{Entity, EntityRole, Item, ItemKind, ItemRemark};
use prost::Message as _;
use prost_types::Timestamp;

use super::Options;
use super::batch::{BYTES_MAX, sealed_bytes};
use super::created::created;
use super::date::Reading;
use super::fields::{Fields, without_blank_start};
use super::people::people;
use super::source::Source;
use super::text::{cut, text};

/// Bytes of a title; the rest is cut off.
const TITLE_BYTES_MAX: usize = 1_000;
/// Bytes of a body; the rest is cut off. The upstream copy has it all.
const BODY_BYTES_MAX: usize = 100_000;

/// What an mbox says of a message.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct InMbox {
    /// The date in the line that starts it, for when its header has none.
    pub(crate) sent: Option<Reading>,
    /// Its body has what looks like another message.
    pub(crate) has_mailbox_inside: bool,
}

/// The message as an item.
///
/// # Errors
/// Why it cannot be one.
pub(crate) fn item(message: &[u8], mbox: InMbox, source: &Source, options: &Options<'_>) -> Result<Item, String> {
    let fields = Fields::of(without_blank_start(message));
    // Other files may have lines with colons. Those with zero bytes are messages only if they name people as messages do.
    let is_message = !fields.is_empty() && (!fields.header.contains(&0) || people(&fields, &[]).is_ok());
    if !is_message {
        return Err("has no header: it is not a message".to_owned());
    }
    let people = people(&fields, options.custodians)?;
    let created = created(&fields, mbox.sent)?;
    let inside = mbox.has_mailbox_inside.then_some(ItemRemark::ContainsMailbox);
    let remarks: BTreeSet<_> = people.remarks.into_iter().chain(created.remarks).chain(inside).collect();
    let mut item = Item {
        item_id: item_id(message, created.seconds, &source.id_reference, &people.entities),
        kind: ItemKind::Message.into(),
        data_category: options.data_category.to_owned(),
        case_ids: options.case_ids.to_vec(),
        entities: people.entities,
        created_at: Some(Timestamp { seconds: created.seconds, nanos: 0 }),
        retention_class_id: options.retention_class.to_owned(),
        title: title(&fields),
        body: String::new(),
        content_hash: format!("sha256:{}", hex(digest::digest(&digest::SHA256, message).as_ref())),
        reference: source.reference.clone(),
        remarks: remarks.into_iter().map(i32::from).collect(),
        location: source.location.clone(),
        sealed: None,
    };
    // Many people leave less room: an item has to fit into a command.
    let Some(room) = BYTES_MAX.checked_sub(sealed_bytes(&item) + 8) else {
        return Err("names people at such length that it does not fit into a command".to_owned());
    };
    item.body = text(&fields, BODY_BYTES_MAX.min(room));
    Ok(item)
}

/// The subject on one line.
fn title(fields: &Fields<'_>) -> String {
    let subject = fields.text("Subject").unwrap_or_default();
    let subject: String = subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    cut(subject.trim(), TITLE_BYTES_MAX).to_owned()
}

/// The same for the same copy of a message, whenever it is imported; another one for a copy that lies elsewhere or that
/// somebody else keeps, because each copy has a life of its own.
fn item_id(message: &[u8], seconds: i64, reference: &str, entities: &[Entity]) -> String {
    let custodians = entities.iter().filter(|entity| entity.role() == EntityRole::Custodian);
    let mut custodians: Vec<_> = custodians.map(|entity| compared(&entity.id).form).collect();
    custodians.sort();
    let mut parts = vec![message.to_vec(), seconds.to_be_bytes().to_vec(), reference.as_bytes().to_vec()];
    parts.extend(custodians.into_iter().map(String::into_bytes));
    id_of(&parts)
}

/// The id of an item whose message is registered under its own id as an earlier release read it: with other people, or
/// another title or text. The same whenever it is read so.
pub fn id_of_reading(item: &Item) -> String {
    let reading = Item {
        entities: item.entities.clone(),
        title: item.title.clone(),
        body: item.body.clone(),
        ..Default::default()
    };
    id_of(&[b"reading".to_vec(), item.item_id.clone().into_bytes(), reading.encode_to_vec()])
}

fn id_of(parts: &[Vec<u8>]) -> String {
    let mut hash = blake3::Hasher::new();
    for part in parts {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    format!("mail-{}", hex(&hash.finalize().as_bytes()[..10]))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: Options<'_> =
        Options { retention_class: "mail-7y", data_category: "email", case_ids: &[], custodians: &[] };
    const MESSAGE: &str = "Date: Mon, 1 Jan 2024 10:00:00 +0000\nFrom: Ann <ann@example.com>\nTo: bob@example.com\n\
        Subject: =?utf-8?q?Caf=C3=A9?=\n and\x07 more\n\nHello\n";

    fn of(message: &str, options: &Options<'_>) -> Result<Item, String> {
        item(message.as_bytes(), InMbox::default(), &Source::named("eml", "a"), options)
    }

    fn reason(message: &[u8]) -> String {
        item(message, InMbox::default(), &Source::named("eml", "a"), &OPTIONS).unwrap_err()
    }

    #[test]
    fn every_field() {
        let (cases, custodians) = (["case-1".to_owned()], ["Keeper@example.com".to_owned()]);
        let options = Options { case_ids: &cases, custodians: &custodians, ..OPTIONS };
        let entity = |id: &str, display_name: &str, role: EntityRole| Entity {
            id: id.to_owned(),
            display_name: display_name.to_owned(),
            role: role.into(),
            sealed: None,
        };
        let expected = Item {
            item_id: "mail-f86f400f4bde2bd7c5fe".to_owned(),
            kind: ItemKind::Message.into(),
            data_category: "email".to_owned(),
            case_ids: cases.to_vec(),
            entities: vec![
                entity("ann@example.com", "Ann", EntityRole::Sender),
                entity("bob@example.com", "", EntityRole::Recipient),
                entity("keeper@example.com", "", EntityRole::Custodian),
            ],
            created_at: Some(Timestamp { seconds: 1_704_103_200, nanos: 0 }),
            retention_class_id: "mail-7y".to_owned(),
            title: "Café and  more".to_owned(),
            body: "Hello\n".to_owned(),
            content_hash: "sha256:b29470ad1a2d81c17ea04ed9736ff88c18f743ba785be7ffd2cf35f51a9260be".to_owned(),
            reference: "eml:a".to_owned(),
            remarks: Vec::new(),
            location: String::new(),
            sealed: None,
        };
        assert_eq!(of(MESSAGE, &options).unwrap(), expected);
    }

    #[test]
    fn copies_have_their_own_ids() {
        let id = |message: &str, name: &str, custodians: &[String], case_ids: &[String]| {
            let options = Options { custodians, case_ids, ..OPTIONS };
            item(message.as_bytes(), InMbox::default(), &Source::named("eml", name), &options).unwrap().item_id
        };
        let known = id(MESSAGE, "a", &[], &[]);
        // Part of what users rely on: importing again with the next release must find the same items.
        assert_eq!(known, "mail-aee69e130bed8e0c0bbf");
        assert_eq!(known, id(MESSAGE, "a", &[], &["case".to_owned()]));
        assert_ne!(known, id(&MESSAGE.replace("Hello", "Hallo"), "a", &[], &[]));
        assert_ne!(known, id(MESSAGE, "b", &[], &[]));
        let [a, b] = ["a@example.com".to_owned(), "b@example.com".to_owned()];
        assert_ne!(known, id(MESSAGE, "a", std::slice::from_ref(&a), &[]));
        assert_eq!(id(MESSAGE, "a", &[a.clone(), b.clone()], &[]), id(MESSAGE, "a", &[b, a], &[]));
        let [u, a] = ["eva@bücher.example".to_owned(), "eva@xn--bcher-kva.example".to_owned()];
        assert_eq!(id(MESSAGE, "a", &[u], &[]), id(MESSAGE, "a", &[a], &[]));
    }

    #[test]
    fn another_reading_of_a_message_has_an_id_of_its_own() {
        let item = of(MESSAGE, &OPTIONS).unwrap();
        let id = id_of_reading(&item);
        assert_ne!(id, item.item_id);
        assert_eq!(id, id_of_reading(&Item { remarks: vec![1], ..item.clone() }));
        assert_ne!(id, id_of_reading(&Item { title: "other".to_owned(), ..item.clone() }));
        assert_ne!(id, id_of_reading(&Item { entities: Vec::new(), ..item }));
    }

    #[test]
    fn what_was_not_plain_is_remarked_on_the_item() {
        let message = MESSAGE.replace("1 Jan 2024", "32 Jan 2024").replace("bob@example.com", "@example.com");
        let sent = super::super::date::read("Mon Jan  1 10:00:00 2024");
        let mbox = InMbox { sent, has_mailbox_inside: true };
        let item = item(message.as_bytes(), mbox, &Source::named("mbox", "a"), &OPTIONS).unwrap();
        let expected = [
            ItemRemark::CreatedAtFromMbox,
            ItemRemark::CreatedAtZoneAssumed,
            ItemRemark::AddressUnreadable,
            ItemRemark::ContainsMailbox,
        ];
        assert_eq!(item.remarks().collect::<Vec<_>>(), expected);
        assert_eq!(item.created_at.unwrap().seconds, 1_704_103_200);
    }

    #[test]
    fn what_is_no_message() {
        for bytes in
            [&b""[..], b"\n\nbody", b"\xff\xfe\x00", b"no colon anywhere\n", b"From: a\0@example.com\n", b"x:\0"]
        {
            assert_eq!(reason(bytes), "has no header: it is not a message", "{bytes:?}");
        }
        let keeper = ["keeper@example.com".to_owned()];
        let options = Options { custodians: &keeper, ..OPTIONS };
        assert!(of("x:\0\n", &options).is_err(), "no custodian makes a message of it");
        // One that has zero bytes somewhere is a message all the same.
        assert!(of(&MESSAGE.replace("Subject: ", "Subject: a\0"), &OPTIONS).is_ok());
    }

    #[test]
    fn a_header_of_ten_megabytes_is_read() {
        let long = format!("X: {}\n{MESSAGE}", "(\"<@,\n ".repeat(10 << 17));
        assert_eq!(of(&long, &OPTIONS).unwrap().title, "Café and  more");
        let people = format!("Bcc: {}\n{MESSAGE}", "<@a,(\"".repeat(10 << 17));
        assert_eq!(of(&people, &OPTIONS).unwrap().remarks, [i32::from(ItemRemark::AddressUnreadable)]);
    }

    #[test]
    fn every_item_fits_into_a_command() {
        let of = |count: usize, name: usize, local: usize| {
            let address = |i: usize| format!("\"{}\" <{i:03}{}@example.com>", "n".repeat(name), "x".repeat(local));
            let to: Vec<_> = (0..count).map(address).collect();
            let date = "Mon, 1 Jan 2024 10:00:00 +0000";
            let header =
                format!("From: a@example.com\nDate: {date}\nSubject: {}\nTo: {}\n", "s".repeat(2_000), to.join(",\n "));
            of(&format!("{header}\n{}", "b".repeat(200_000)), &OPTIONS)
        };
        let item = of(199, 250, 280).unwrap();
        assert_eq!((item.entities.len(), item.title.len()), (200, 1_000));
        assert!(sealed_bytes(&item) <= BYTES_MAX && item.body.len() > 10_000, "{}", item.body.len());
        assert!(of(450, 0, 20).is_ok());
        assert_eq!(of(450, 290, 700).unwrap_err(), "names people at such length that it does not fit into a command");
    }
}
