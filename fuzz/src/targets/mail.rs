//! A mailbox or a message.

use std::io::Cursor;
use std::path::Path;

use daybook_kernel::fields::identifier_problem;
use daybook_mail::address::Address;
use daybook_mail::{Batch, Options, batches, read_from};

const OPTIONS: Options<'static> =
    Options { retention_class: "mail-7y", data_category: "email", case_ids: &[], custodians: &[] };

pub(super) fn run(bytes: &[u8]) {
    let read = || read_from(Cursor::new(bytes), Path::new("x"), &OPTIONS).expect("bytes in memory can be read");
    let lines = bytes.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let mail: Vec<_> = read().take(lines + 1).collect();
    assert!(mail.len() <= lines, "{} messages in {lines} lines", mail.len());
    assert!(read().eq(mail.iter().cloned()), "it is read the same again");
    for item in mail.iter().filter_map(|mail| mail.as_ref().ok()).map(|mail| &mail.item) {
        assert!(identifier_problem(&item.item_id).is_none());
        assert!((1..=500).contains(&item.entities.len()));
        for entity in &item.entities {
            assert!(!entity.id.trim().is_empty() && entity.id.len() <= 1_000 && !entity.id.contains(char::is_control));
            assert!(!entity.id.starts_with('@') && !entity.id.starts_with("\"\"@"), "no address without a local part");
            if let Ok(address) = Address::parse_lenient(&entity.id) {
                let canonical = address.canonical();
                assert_eq!(Address::parse_lenient(&canonical).map(|same| same.canonical()), Ok(canonical));
            }
        }
        assert!(item.created_at.is_some_and(|time| time.seconds >= 0));
        assert!(item.title.len() <= 1_000 && !item.title.contains(char::is_control));
        assert!(item.body.len() <= 100_000);
    }
    let count = |batch: Batch| batch.mail.len() + batch.malformed.len() + usize::try_from(batch.copies).unwrap_or(0);
    let batched: usize = batches(mail.iter().cloned()).map(count).sum();
    assert_eq!(batched, mail.len(), "nothing is lost on the way into commands");
}
