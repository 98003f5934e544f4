//! Thousands of messages, read by this crate and by Python's `email` and `mailbox`. Every kind of field on which they differ
//! is listed here with its reason, and in docs/mail.md; on every other kind they must agree.
//!
//! Python is the one that `tests/setup/python.sh` prints, in the environment variable DAYBOOK_PYTHON.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Case, Part, cases, mailboxes};
use daybook_mail::{Options, read};
use daybook_proto::legal_hold::v1::ItemRemark;
use serde_json::{Value, json};

const OPTIONS: Options<'static> =
    Options { retention_class: "mail-7y", data_category: "email", case_ids: &[], custodians: &[] };
const SEED: u64 = 0x0da1_1b00;
/// Messages of each kind.
const EACH: usize = 60;

/// What Python makes of the messages of mbox files, and whether it is the version that the lists are of.
fn python(paths: &[PathBuf]) -> (Vec<Value>, bool) {
    let python = std::env::var_os("DAYBOOK_PYTHON")
        .expect("DAYBOOK_PYTHON must name what tests/setup/python.sh prints: run it and set it");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python_email.py");
    let output = Command::new(python).arg(script).args(paths).output().expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let mut lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let is_known = lines.next().unwrap()["version"] == json!([3, 11]);
    (lines.collect(), is_known)
}

/// What this crate makes of them; a reason where a message is no item.
fn daybook(path: &Path) -> Vec<Result<Value, String>> {
    let role = |role: i32| match role {
        3 => "sender",
        4 => "recipient",
        other => panic!("role {other}"),
    };
    let one = |mail: Result<daybook_mail::Mail, daybook_mail::Malformed>| {
        let item = mail.map_err(|malformed| malformed.reason)?.item;
        let people: Vec<_> =
            item.entities.iter().map(|one| json!([role(one.role), one.id, one.display_name])).collect();
        // A date that is read from elsewhere was not read.
        let is_own = !item.remarks().any(|remark| remark == ItemRemark::CreatedAtFromMbox);
        let date = item.created_at.map(|time| time.seconds).filter(|_| is_own);
        Ok(json!({
            "sha256": item.content_hash.strip_prefix("sha256:").unwrap(),
            "people": people,
            "date": date,
            "subject": item.title,
            "body": item.body,
        }))
    };
    read(&[path.to_owned()], &OPTIONS).unwrap().map(one).collect()
}

/// Writes a mailbox. No line of these messages needs quoting.
fn write(path: &Path, cases: &[Case]) {
    let message =
        |case: &Case| [b"From x@example.com Mon Jan  1 10:00:00 2024\n", case.message.as_slice(), b"\n"].concat();
    fs::write(path, cases.iter().flat_map(message).collect::<Vec<_>>()).unwrap();
}

/// What differs, by kind, against what is listed.
#[track_caller]
fn check(differing: &BTreeMap<&str, Vec<String>>, listed: &[(&str, &str)], is_known: bool) {
    let is_listed = |kind: &str| listed.iter().any(|(listed, _)| *listed == kind);
    let unlisted: Vec<_> = differing.iter().filter(|(kind, _)| !is_listed(kind)).collect();
    let some: Vec<_> = unlisted.iter().flat_map(|(_, shown)| shown.iter().take(3)).cloned().collect();
    assert!(unlisted.is_empty(), "{} kinds differ and are not listed:\n{}", unlisted.len(), some.join("\n"));
    // What is listed is still so, unless another version of Python has been mended, and stands in the documentation.
    let unseen: Vec<_> = listed.iter().filter(|(kind, _)| is_known && !differing.contains_key(kind)).collect();
    assert!(unseen.is_empty(), "listed, and the same: {unseen:?}");
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/mail.md")).unwrap();
    let missing: Vec<_> = listed.iter().map(|(kind, reason)| format!("| {kind} | {reason} |")).collect();
    let missing: Vec<_> = missing.into_iter().filter(|row| !page.contains(row)).collect();
    assert!(missing.is_empty(), "not in docs/mail.md:\n{}", missing.join("\n"));
}

#[test]
fn python_email_reads_the_same_fields_but_for_what_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mbox");
    let cases = cases(SEED, EACH);
    assert!(cases.len() > 4_000, "{}", cases.len());
    write(&path, &cases);
    let (theirs, is_known) = python(std::slice::from_ref(&path));
    let ours = daybook(&path);
    assert_eq!((ours.len(), theirs.len()), (cases.len(), cases.len()));

    let mut differing = BTreeMap::new();
    for ((case, ours), theirs) in cases.iter().zip(&ours).zip(&theirs) {
        let part = match case.part {
            Part::People => "people",
            Part::Date => "date",
            Part::Subject => "subject",
            Part::Body => "body",
        };
        let ours = ours.as_ref().map_or(&Value::Null, |read| &read[part]);
        if *ours == theirs[part] {
            continue;
        }
        let shown = format!(
            "{}: {:?}\n  Daybook {ours}\n  Python  {}",
            case.kind,
            String::from_utf8_lossy(&case.value),
            theirs[part]
        );
        differing.entry(case.kind).or_insert_with(Vec::new).push(shown);
    }
    check(&differing, FIELDS, is_known);
}

#[test]
fn python_email_takes_mailboxes_apart_in_the_same_way_but_for_what_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let boxes = mailboxes(SEED, 40);
    let paths: Vec<_> = (0..boxes.len()).map(|i| folder.path().join(format!("{i:05}"))).collect();
    for (path, mailbox) in paths.iter().zip(&boxes) {
        fs::write(path, &mailbox.content).unwrap();
    }
    let (theirs, is_known) = python(&paths);
    let mut differing = BTreeMap::new();
    for (path, mailbox) in paths.iter().zip(&boxes) {
        let ours: Vec<_> = daybook(path).iter().map(|read| read.as_ref().unwrap()["sha256"].clone()).collect();
        let theirs = theirs.iter().filter(|read| read["path"] == path.to_str().unwrap());
        let theirs: Vec<_> = theirs.map(|read| read["sha256"].clone()).collect();
        assert_eq!(ours.len(), mailbox.messages, "{}:\n{}", mailbox.kind, String::from_utf8_lossy(&mailbox.content));
        if ours != theirs {
            let content = String::from_utf8_lossy(&mailbox.content);
            let shown = format!("{}: {} and {} messages:\n{content:?}", mailbox.kind, ours.len(), theirs.len());
            differing.entry(mailbox.kind).or_insert_with(Vec::new).push(shown);
        }
    }
    check(&differing, MAILBOXES, is_known);
}

/// Kinds of mailboxes that are taken apart in different ways, and why.
const MAILBOXES: &[(&str, &str)] = &[
    ("CR and LF", "the empty line before a separator belongs to the mailbox; Python knows it only with LF"),
    ("a separator in the middle of prose", "no header follows, so it separates nothing; Python cuts there"),
    ("lengths and unquoted lines", "a length that fits is believed; Python does not look at it, and cuts"),
    ("prose that begins with From", "no date and no address, so it separates nothing; Python cuts there"),
    (
        "prose that begins with From after an empty line",
        "no date and no address, so it separates nothing; Python cuts there",
    ),
    ("quoted lines", "one mark is taken off, so that the message is as it was sent; Python leaves it"),
];

/// Kinds of fields on which the two differ, and why.
const FIELDS: &[(&str, &str)] = &[
    ("address in apostrophes", "apostrophes around a whole address are quotes: no domain has one"),
    ("address in quotes", "the address is inside the quotes; Python takes it for a local part without a domain"),
    ("comma in a name", "the same people; Python gives the word before the comma no name"),
    ("comments inside the address", "the same address; a comment is the name where there is no other"),
    ("name in a comment", "the same address; a comment is the name where there is no other"),
    ("nested comment", "the same address; a comment is the name where there is no other"),
    ("name and comment", "the same address; Python leaves the comment out of the name"),
    ("dot after the domain", "the dot says that the domain is complete; Python finds no address"),
    ("empty brackets", "nobody; Python lists somebody without an address"),
    ("empty group and comment", "nobody; Python 3.11 fails at a comment behind a group"),
    ("encoded address", "the address is inside the encoded word; Python takes it for a local part without a domain"),
    (
        "encoded name of several words",
        "white space between encoded words belongs to neither (RFC 2047); Python keeps it",
    ),
    ("mailto in brackets", "the address follows the scheme; Python takes the scheme for the address"),
    (
        "mailto in square brackets",
        "the address is inside the brackets, as some mail programs forward it; Python takes the name",
    ),
    ("name in Latin-1", "bytes that are not UTF-8 are Latin-1; Python leaves them undecoded"),
    ("name in UTF-8", "UTF-8 in headers is read (RFC 6532); Python leaves it undecoded"),
    ("UTF-8 local part", "UTF-8 in headers is read (RFC 6532); Python leaves it undecoded"),
    ("UTF-8 domain", "UTF-8 in headers is read (RFC 6532); Python leaves it undecoded"),
    ("name only", "the same; the name is also the display name"),
    ("name that is an address", "the same address; Python drops a name that has an at"),
    ("name without brackets", "either of two addresses: both are taken, and remarked; Python takes the longer one"),
    ("quoted name without brackets", "the quoted words are the name; Python takes them for a part of the address"),
    ("no comma", "both addresses; Python leaves the second out"),
    ("no comma between brackets", "both addresses; Python leaves the second out"),
    ("semicolons", "both addresses; Python leaves out what follows a semicolon"),
    ("no domain", "not an address, and remarked; Python lists somebody without an address"),
    ("no local part", "not an address, and remarked; Python lists somebody without an address"),
    ("two ats", "not an address, and remarked; Python lists somebody without an address"),
    ("quote without end", "the address is read; Python takes all of it for a local part"),
    ("zero byte", "a control character makes an address unreadable, and is remarked; Python keeps it"),
    ("a leap second", "read as the second before it; Python fails"),
    ("before 1970", "there was no mail: the clock was not set, and the date is taken from elsewhere"),
    (
        "year of two digits, fifty to sixty-eight",
        "RFC 5322 says 19xx, when there was no mail; Python says 20xx, as POSIX does",
    ),
    ("year of three digits", "RFC 5322 says from 1900 on; Python takes the year as it stands"),
    ("comments everywhere", "RFC 5322 permits comments anywhere; Python only reads them at the end"),
    ("ISO 8601", "read; Python only reads dates of mail"),
    ("ISO 8601 with a space", "read; Python only reads dates of mail"),
    ("JavaScript", "the zone is read; Python leaves it out"),
    ("zone of GMT and a number", "the zone is read; Python leaves it out"),
    ("zone with a colon", "the zone is read; Python leaves it out"),
    ("zone further than any", "no zone is further from UTC than 15 hours: the date is taken from elsewhere"),
    ("zone of the Atlantic", "not in RFC 5322, and used for Arabia as well: read as UTC, and remarked"),
    ("twelve hours", "PM is read; Python leaves it out"),
    (
        "base64 cut without padding",
        "words cut inside a group of four characters are put together; Python decodes each for itself",
    ),
    ("broken encoded word", "what cannot be decoded is shown as it is; Python drops it"),
    ("subject folded with tabs", "a fold is one space; Python keeps the tabs"),
    ("subject in plain Latin-1", "bytes that are not UTF-8 are Latin-1; Python leaves them undecoded"),
    ("HTML only", "the text is shown without markup; Python gives the markup"),
    ("body of an unknown character set", "read as UTF-8; Python fails"),
    ("no text at all", "an item without a text; Python fails"),
    ("text in two parts", "the text of all parts; Python gives the first"),
];
