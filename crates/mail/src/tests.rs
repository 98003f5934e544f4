//! Importing as a whole: files and folders, and the demo mailbox.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use daybook_proto::legal_hold::v1::EntityRole;

use super::*;

const OPTIONS: Options<'static> =
    Options { retention_class: "mail-7y", data_category: "email", case_ids: &[], custodians: &[] };
const MESSAGE: &str = "From: a@example.com\nDate: Mon, 1 Jan 2024 10:00:00 +0000\nSubject: s\n\nHello\n";
const SEPARATOR: &str = "From a@example.com Mon Jan  1 10:00:00 2024\n";

fn all(path: &Path) -> Vec<Result<Mail, Malformed>> {
    read(&[path.to_owned()], &OPTIONS).unwrap().collect()
}

/// The references of the items, and the files and reasons of what is none.
fn summary(mail: &[Result<Mail, Malformed>]) -> Vec<String> {
    let one = |mail: &Result<Mail, Malformed>| match mail {
        Ok(mail) => mail.item.reference.clone(),
        Err(Malformed { place, reason }) => {
            let place = place.to_string();
            format!("{}: {reason}", place.rsplit_once('/').map_or(place.as_str(), |(_, name)| name))
        }
    };
    mail.iter().map(one).collect()
}

#[test]
fn files_of_a_folder_in_the_order_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("b")).unwrap();
    fs::create_dir(at("empty")).unwrap();
    fs::write(at("a"), format!("\u{feff}\r\n{SEPARATOR}{MESSAGE}\n{SEPARATOR}x\n\n{SEPARATOR}{MESSAGE}")).unwrap();
    fs::write(at("b/two of two.eml"), MESSAGE).unwrap();
    fs::write(at("b/one of two.eml"), format!("\u{feff}{MESSAGE}")).unwrap();
    fs::write(at("c#1"), "From nobody\nSubject: x\n\n").unwrap();
    fs::write(at("d.mbox"), "Not an mbox\n").unwrap();
    fs::write(at("e"), "").unwrap();
    let expected = [
        "mbox:a",
        "a#2: has no header: it is not a message",
        "mbox:a",
        "eml:one%20of%20two.eml",
        "eml:two%20of%20two.eml",
        "c#1#1: names neither a sender nor a recipient",
        "d.mbox: has no header: it is not a message",
        "e: has no header: it is not a message",
    ];
    let mail = all(folder.path());
    assert_eq!(summary(&mail), expected);
    let place = |mail: &Result<Mail, Malformed>| mail.as_ref().err().map(|malformed| malformed.place.clone());
    assert_eq!(place(&mail[1]), Some(Place { file: at("a").display().to_string(), position: Some(2) }));
    assert_eq!(place(&mail[6]), Some(Place { file: at("d.mbox").display().to_string(), position: None }));
    // The same message twice in a mailbox is the same item, and so it is when it is imported again.
    let item = |mail: &Result<Mail, Malformed>| mail.as_ref().unwrap().item.clone();
    assert_eq!(item(&mail[0]), item(&mail[2]));
    assert_eq!(mail, all(folder.path()));
}

fn ids(mail: impl Iterator<Item = Result<Mail, Malformed>>) -> Vec<String> {
    mail.map(|mail| mail.unwrap().item.item_id).collect()
}

#[test]
fn mailboxes_of_one_name_in_several_folders_stay_apart() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for person in ["maria.keller", "jonas.brandt"] {
        fs::create_dir(at(person)).unwrap();
        fs::write(at(person).join("inbox"), format!("{SEPARATOR}{MESSAGE}")).unwrap();
    }
    fs::write(at("inbox"), format!("{SEPARATOR}{MESSAGE}")).unwrap();
    let whole: Vec<_> = all(folder.path()).into_iter().map(|mail| mail.unwrap().item).collect();
    let facts: Vec<_> = whole.iter().map(|item| (item.reference.as_str(), item.location.as_str())).collect();
    // The names of folders are content: they are sealed.
    assert_eq!(facts, [("mbox:inbox", ""), ("mbox:inbox", "jonas.brandt/inbox"), ("mbox:inbox", "maria.keller/inbox")]);
    assert_eq!(whole.iter().map(|item| &item.item_id).collect::<BTreeSet<_>>().len(), 3);

    // By a pattern of the shell, or folder by folder: named together they stay apart as well.
    let of = |names: &[&str]| {
        let paths: Vec<_> = names.iter().map(|name| at(name)).collect();
        ids(read(&paths, &OPTIONS).unwrap())
    };
    let files = of(&["maria.keller/inbox", "jonas.brandt/inbox"]);
    assert_ne!(files[0], files[1]);
    let folders = of(&["maria.keller", "jonas.brandt"]);
    assert_eq!(folders, files, "whether the folder is named or the file in it");
    // One that is named twice is one.
    assert_eq!(of(&["inbox", "./inbox"]), vec![whole[0].item_id.clone(); 2]);
    // Alone each has the id that it always had, and so has a file at the top of a folder.
    let alone = [of(&["maria.keller/inbox"]), of(&["maria.keller"]), of(&["inbox"])].concat();
    assert_eq!(alone, vec![whole[0].item_id.clone(); 3]);
}

#[cfg(unix)]
#[test]
fn links_and_pipes_are_told_and_left_alone() {
    use std::os::unix::{fs::symlink, net::UnixListener};
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    symlink(folder.path(), at("circle")).unwrap();
    symlink(at("nowhere"), at("dangling")).unwrap();
    fs::write(at("mail\u{1b}[2J"), "no").unwrap();
    let _socket = UnixListener::bind(at("socket")).unwrap();
    let link = "is a symbolic link, and links are not followed; name what it leads to";
    let expected = [
        format!("circle: {link}"),
        format!("dangling: {link}"),
        // What a terminal would obey is not printed.
        "mail\u{fffd}[2J: has no header: it is not a message".to_owned(),
        "socket: is not a regular file".to_owned(),
    ];
    assert_eq!(summary(&all(folder.path())), expected);
    // Somebody who names a link means what it leads to.
    assert_eq!(summary(&all(&at("circle"))), expected);
    assert_eq!(summary(&all(&at("socket"))), ["socket: is not a regular file"]);
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = ["a", "b", "c", "d"].map(|name| folder.path().join(name)).to_vec();
    for path in [&paths[0], &paths[2]] {
        fs::write(path, MESSAGE).unwrap();
    }
    fs::write(&paths[1], format!("{SEPARATOR}{MESSAGE}")).unwrap();
    fs::create_dir(&paths[3]).unwrap();
    let mut mail = read(&paths, &OPTIONS).unwrap();
    let mut found = vec![mail.next().unwrap()];
    fs::remove_file(&paths[1]).unwrap();
    fs::remove_dir(&paths[3]).unwrap();
    found.extend(mail);
    let found = summary(&found);
    assert_eq!((found.len(), found[0].as_str(), found[2].as_str()), (4, "eml:a", "eml:c"));
    assert!(found[1].starts_with("b: cannot be read: ") && found[3].starts_with("d: cannot be read: "), "{found:?}");
    // Opened, but not readable.
    let file = File::open(folder.path()).unwrap();
    let mut folder_as_file = Messages {
        path: folder.path().to_owned(),
        below: PathBuf::new(),
        options: &OPTIONS,
        content: Content::Mbox(Mbox::new(BufReader::new(file))),
    };
    assert!(folder_as_file.next().unwrap().unwrap_err().reason.starts_with("cannot be read: "));
    assert!(folder_as_file.next().is_none());
}

#[test]
fn a_path_that_does_not_exist_stops_the_import_before_it_begins() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), MESSAGE).unwrap();
    let paths = ["a", "b"].map(|name| folder.path().join(name));
    let Err(malformed) = read(&paths, &OPTIONS) else { panic!("there is no b") };
    assert!(malformed.place.file.ends_with("/b") && malformed.reason.starts_with("cannot be read: "), "{malformed:?}");
}

#[test]
fn what_is_too_large_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let content = format!("{MESSAGE}{}", "x".repeat(MESSAGE_BYTES_MAX));
    fs::write(folder.path().join("a.eml"), &content).unwrap();
    fs::write(folder.path().join("b.mbox"), format!("{SEPARATOR}{content}\n\n{SEPARATOR}{MESSAGE}")).unwrap();
    fs::write(folder.path().join("c.eml"), &content[..MESSAGE_BYTES_MAX]).unwrap();
    let expected = ["a.eml: has more than 25 MiB", "b.mbox#1: has more than 25 MiB", "mbox:b.mbox", "eml:c.eml"];
    assert_eq!(summary(&all(folder.path())), expected);
}

fn demo_mailbox() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../cli/demo/mailbox"))
}

#[test]
fn the_demo_mailbox() {
    let mail = all(demo_mailbox());
    let items: Vec<_> = mail.iter().filter_map(|mail| mail.as_ref().ok()).map(|mail| &mail.item).collect();
    let malformed: Vec<_> = summary(&mail).into_iter().filter(|summary| summary.contains(": ")).collect();
    let expected = [
        "broken-date.eml: has a date that cannot be read beyond doubt (\"the 32nd of Octember\"), and no Received field or mbox line that has one",
        "broken-empty.eml: has no header: it is not a message",
        "broken-scan.eml: has no header: it is not a message",
        "finance.mbox#18: names neither a sender nor a recipient",
        "terminal.mbox#28: names neither a sender nor a recipient",
    ];
    assert_eq!(malformed, expected);
    assert_eq!((items.len(), items.iter().map(|item| &item.item_id).collect::<BTreeSet<_>>().len()), (64, 64));

    let mut of_person = BTreeMap::new();
    for entity in items.iter().flat_map(|item| &item.entities) {
        *of_person.entry(entity.id.as_str()).or_insert(0) += 1;
    }
    let expected = [
        ("aylin.demir@example.com", 28),
        ("fax@example.com", 1),
        ("ines.duarte@example.org", 15),
        ("jonas.brandt@example.com", 27),
        ("maria.keller@example.com", 20),
        ("news@example.com", 1),
        ("piet.vanaalst@example.com", 29),
        ("soren.falk@example.org", 17),
    ];
    assert_eq!(of_person.into_iter().collect::<Vec<_>>(), expected);

    let created = |item: &&Item| item.created_at.map(|time| time.seconds).unwrap();
    let (first, last) = (items.iter().map(created).min(), items.iter().map(created).max());
    assert_eq!((first, last), (Some(1_551_687_120), Some(1_741_763_700)));
    let titled = |title: &str| items.iter().find(|item| item.title.starts_with(title)).unwrap();
    assert!(titled("Prüfbericht Kranbahn").body.contains("Schweißnaht ohne Vorwärmen"));
    assert_eq!(
        titled("Port news").body,
        "The café at gate 2 opens again on Monday.\nBerth\u{a0}4: expect noise & slow trolleys.\n"
    );
    assert!(titled("Re: Advance payment").body.contains("\nFrom our side nothing is missing."));
    let sender = &titled("Offer for").entities[0];
    assert_eq!((sender.display_name.as_str(), sender.role()), ("Søren Falk", EntityRole::Sender));
}

#[test]
fn batches_of_a_mailbox() {
    let batches: Vec<_> = batches(read(&[demo_mailbox().to_owned()], &OPTIONS).unwrap()).collect();
    assert_eq!(batches.len(), 1);
    assert_eq!((batches[0].mail.len(), batches[0].malformed.len(), batches[0].copies), (64, 5, 0));
}
