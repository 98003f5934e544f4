//! Whatever the bytes are: reading them ends, nothing panics, and what comes out keeps what was promised.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use daybook_kernel::fields::identifier_problem;
use proptest::prelude::*;
use proptest::sample::Index;

use super::batch::{BYTES_MAX, sealed_bytes};
use super::{Options, read_from};

const OPTIONS: Options<'static> =
    Options { retention_class: "mail-7y", data_category: "email", case_ids: &[], custodians: &[] };
const SEPARATOR: &str = "From a@example.com Mon Jan  1 10:00:00 2024\n";

/// Reads bytes as if they were a file, and checks what every node takes for granted.
fn check(bytes: &[u8]) {
    let read = || read_from(Cursor::new(bytes), Path::new("x"), &OPTIONS).unwrap();
    let lines = bytes.iter().filter(|&&byte| byte == b'\n').count() + 1;
    // An iterator that never ended would not get past this.
    let mail: Vec<_> = read().take(lines + 1).collect();
    assert!(mail.len() <= lines, "{} messages in {lines} lines", mail.len());
    assert!(read().eq(mail.iter().cloned()));
    for item in mail.iter().filter_map(|mail| mail.as_ref().ok()).map(|mail| &mail.item) {
        assert!(identifier_problem(&item.item_id).is_none());
        assert!(identifier_problem(&item.content_hash).is_none());
        assert!((1..=500).contains(&item.entities.len()));
        for entity in &item.entities {
            assert!(!entity.id.trim().is_empty() && entity.id.len() <= 1_000 && !entity.id.contains(char::is_control));
            assert!(!entity.id.starts_with('@') && !entity.id.starts_with("\"\"@"), "{}", entity.id);
        }
        assert!(item.created_at.is_some_and(|time| time.seconds >= 0));
        assert!(item.title.len() <= 1_000 && !item.title.contains(char::is_control));
        assert!(item.body.len() <= 100_000 && sealed_bytes(item) <= BYTES_MAX);
    }
}

/// Pieces of mail, from which something that is nearly mail is made.
const PIECES: &[&str] = &[
    "From ",
    ">From ",
    SEPARATOR,
    "From nobody\n",
    "\n",
    "\r\n",
    "\n\n",
    "\n ",
    "\n\t",
    "\0",
    "\u{feff}",
    ": ",
    "From: ",
    "To: ",
    "Bcc: a@example.com, \"b\\\" <c@example.com>, (d) e@example.com\n",
    "Cc: group: f@example.com, g@example.com;\n",
    "a@example.com",
    "@",
    "@relay:",
    "\"john doe\"@example.com",
    "Maria Keller/HR@ACME",
    "@b\u{fc}cher.example",
    "[192.0.2.1]",
    "<",
    ">",
    "\"",
    "(",
    ")",
    "\\",
    ",",
    ";",
    "Date: Mon, 1 Jan 2024 10:00:00 +0000\n",
    "Date: ",
    "Date: Sat Sep 21 08:18:08 2002\n",
    "Received: by a; Sat, 21 Sep 2002 08:18:08 +0000\n",
    "09/21/2002",
    "EDT",
    "02",
    "Content-Length: 3\n",
    "Content-Length: ",
    "31 Dec 9999 23:59:60 -9999",
    "Z\n",
    "Subject: ",
    "=?utf-8?q?",
    "=?gb2312?b?",
    "=?iso-2022-jp?B?GyRC",
    "=?utf-7?q?+AGE",
    "?=",
    "=",
    "==",
    "=C3",
    "Content-Type: multipart/mixed; boundary=a\n",
    "Content-Type: multipart/alternative; boundary=\"a\"\n",
    "Content-Type: message/rfc822\n",
    "Content-Type: text/html; charset=utf-16\n",
    "Content-Type: text/plain; charset*0*=utf-8''x; charset*1=y; name*=\n",
    "Content-Disposition: attachment\n",
    "Content-Transfer-Encoding: base64\n",
    "Content-Transfer-Encoding: quoted-printable\n",
    "--a\n",
    "--a--\n",
    "<style>",
    "<!--",
    "&#x110000;",
    "&nbsp;",
    "</p>",
    "Y2Fmw6k=",
];

fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec());
    prop_oneof![4 => known, 1 => prop::collection::vec(any::<u8>(), 0..20)]
}

/// A file of the demo mailbox.
fn real_file() -> impl Strategy<Value = Vec<u8>> {
    let mut paths: Vec<_> = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/demo/mailbox"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    prop::sample::select(paths).prop_map(|path| fs::read(path).unwrap())
}

/// Something that is done to a file: a piece takes the place of a range, or of a copy of the range elsewhere.
type Edit = (Index, Index, Vec<u8>, Option<Index>);

fn edited(mut bytes: Vec<u8>, edits: Vec<Edit>) -> Vec<u8> {
    for (from, length, piece, copy_to) in edits {
        let from = from.index(bytes.len() + 1);
        let to = from + length.index((bytes.len() - from).min(200) + 1);
        match copy_to {
            None => drop(bytes.splice(from..to, piece)),
            Some(at) => {
                let copy = bytes[from..to].to_vec();
                let at = at.index(bytes.len() + 1);
                drop(bytes.splice(at..at, copy));
            }
        }
    }
    bytes
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..3_000)) {
        check(&bytes);
    }

    #[test]
    fn any_pieces_of_mail(pieces in prop::collection::vec(piece(), 0..120)) {
        check(&pieces.concat());
    }

    #[test]
    fn any_header_of_a_message(pieces in prop::collection::vec(piece(), 0..40)) {
        check(&[b"From: a@example.com\nDate: Mon, 1 Jan 2024 10:00:00 +0000\n", pieces.concat().as_slice()].concat());
    }

    #[test]
    fn real_mail_that_was_damaged(
        bytes in real_file(),
        edits in prop::collection::vec((any::<Index>(), any::<Index>(), piece(), any::<Option<Index>>()), 1..30),
    ) {
        check(&edited(bytes, edits));
    }
}
