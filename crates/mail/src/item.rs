//! A message as a governed item.

use aws_lc_rs::digest;
use daybook_proto::legal_hold::v1::{Entity, EntityRole, Item, ItemKind};
use prost_types::Timestamp;

use super::Options;
use super::batch::{BYTES_MAX, sealed_bytes};
use super::fields::{Fields, without_blank_start};
use super::people::people;
use super::text::{cut, text};

/// Bytes of a header: several times what the people need that one item can name. The parser of addresses can take time
/// that grows with the square.
const HEADER_BYTES_MAX: usize = 128 << 10;
/// Bytes of a title; the rest is cut off.
const TITLE_BYTES_MAX: usize = 1_000;
/// Bytes of a body; the rest is cut off. The upstream copy has it all.
const BODY_BYTES_MAX: usize = 100_000;

/// The message as an item. `sent` is the time in the line that starts it in an mbox, for when its header has none.
///
/// # Errors
/// Why it cannot be one.
pub(crate) fn item(message: &[u8], sent: Option<i64>, reference: &str, options: &Options<'_>) -> Result<Item, String> {
    let fields = Fields::of(without_blank_start(message));
    if fields.is_empty() || fields.header.contains(&0) {
        return Err("has no header: it is not a message".to_owned());
    }
    if fields.header.len() > HEADER_BYTES_MAX {
        return Err(format!("has a header of more than {} KiB", HEADER_BYTES_MAX >> 10));
    }
    let entities = people(&fields, options.custodians)?;
    let Some(seconds) = fields.time("Date").or(sent) else {
        return Err("has no date between 1970 and 2100".to_owned());
    };
    let mut item = Item {
        item_id: item_id(message, seconds, reference, &entities),
        kind: ItemKind::Message.into(),
        data_category: options.data_category.to_owned(),
        case_ids: options.case_ids.to_vec(),
        entities,
        created_at: Some(Timestamp { seconds, nanos: 0 }),
        retention_class_id: options.retention_class.to_owned(),
        title: title(&fields),
        body: String::new(),
        content_hash: format!("sha256:{}", hex(digest::digest(&digest::SHA256, message).as_ref())),
        reference: reference.to_owned(),
        sealed: None,
    };
    // Many people leave less room: an item has to fit into a command.
    let room = BYTES_MAX.saturating_sub(sealed_bytes(&item) + 8);
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
    let mut hash = blake3::Hasher::new();
    let mut add = |part: &[u8]| {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part);
    };
    add(message);
    add(&seconds.to_be_bytes());
    add(reference.as_bytes());
    let mut custodians: Vec<_> = entities.iter().filter(|entity| entity.role() == EntityRole::Custodian).collect();
    custodians.sort_by(|a, b| a.id.cmp(&b.id));
    custodians.iter().for_each(|custodian| add(custodian.id.as_bytes()));
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

    fn reason(message: &[u8]) -> String {
        item(message, None, "eml:a", &OPTIONS).unwrap_err()
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
            sealed: None,
        };
        assert_eq!(item(MESSAGE.as_bytes(), Some(1), "eml:a", &options).unwrap(), expected);
    }

    #[test]
    fn copies_have_their_own_ids() {
        let id = |message: &str, reference: &str, custodians: &[String], case_ids: &[String]| {
            let options = Options { custodians, case_ids, ..OPTIONS };
            item(message.as_bytes(), None, reference, &options).unwrap().item_id
        };
        let known = id(MESSAGE, "eml:a", &[], &[]);
        // Part of what users rely on: importing again with the next release must find the same items.
        assert_eq!(known, "mail-aee69e130bed8e0c0bbf");
        assert_eq!(known, id(MESSAGE, "eml:a", &[], &["case".to_owned()]));
        assert_ne!(known, id(&MESSAGE.replace("Hello", "Hallo"), "eml:a", &[], &[]));
        assert_ne!(known, id(MESSAGE, "eml:b", &[], &[]));
        let [a, b] = ["a@example.com".to_owned(), "b@example.com".to_owned()];
        assert_ne!(known, id(MESSAGE, "eml:a", std::slice::from_ref(&a), &[]));
        assert_eq!(id(MESSAGE, "eml:a", &[a.clone(), b.clone()], &[]), id(MESSAGE, "eml:a", &[b, a], &[]));
    }

    #[test]
    fn the_line_in_front_helps_out_with_the_date() {
        let message = MESSAGE.replace("1 Jan 2024", "32 Jan 2024");
        let created =
            |sent| item(message.as_bytes(), sent, "mbox:a", &OPTIONS).map(|item| item.created_at.unwrap().seconds);
        assert_eq!(created(Some(7)), Ok(7));
        assert_eq!(created(None), Err("has no date between 1970 and 2100".to_owned()));
    }

    #[test]
    fn what_is_no_message() {
        for bytes in [&b""[..], b"\n\nbody", b"\xff\xfe\x00", b"no colon anywhere\n", b"From: a\0@example.com\n"] {
            assert_eq!(reason(bytes), "has no header: it is not a message", "{bytes:?}");
        }
        let long = format!("X: {}\n{MESSAGE}", "x".repeat(128 << 10));
        assert_eq!(reason(long.as_bytes()), "has a header of more than 128 KiB");
    }

    #[test]
    fn every_item_fits_into_a_command() {
        let address = |i: usize| format!("\"{}\" <{i:03}{}@example.com>", "n".repeat(250), "x".repeat(280));
        let to: Vec<_> = (0..199).map(address).collect();
        let header =
            format!("From: a@example.com\nDate: 1 Jan 2024\nSubject: {}\nTo: {}\n", "s".repeat(2_000), to.join(",\n "));
        let item = item(format!("{header}\n{}", "b".repeat(200_000)).as_bytes(), None, "eml:a", &OPTIONS).unwrap();
        assert_eq!((item.entities.len(), item.title.len()), (200, 1_000));
        assert!(sealed_bytes(&item) <= BYTES_MAX && item.body.len() > 10_000, "{}", item.body.len());
    }
}
