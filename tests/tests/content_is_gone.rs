//! What was disposed is gone: no file holds its content, in no encoding, nor the key that would open what is left.
//!
//! Every file below the data folder is searched as it is, and every row of every database in it is read and searched as
//! well, because a table file may hold rows in compressed blocks. That the search can find something is shown by a
//! marker that is stored in clear, by the sealed content, and by the wrapped key while it is still there.

use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use daybook_kernel::decide::Decider;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_log::{EmbeddedLog, Log, Topic};
use daybook_policy::Cedar;
use daybook_proto::legal_hold::v1::*;
use daybook_proto::log::v1::CommandRecord;
use daybook_rocks::rocksdb::{BottommostLevelCompaction, CompactOptions};
use daybook_rocks::{Family, Memory, Spec, Wal, families_on_disk, family};
use daybook_tests::disk::{contains, databases, files, rows};
use daybook_tests::node::{Home, Node};
use daybook_tests::people::{LEA, RITA};
use daybook_tests::requests::*;
use daybook_tests::story::{purged, release_by_two, state};
use prost::Message;
use std::sync::Arc;

const TITLE: &str = "Grüne Tinte für Zündhölzer №7741";
const BODY: &str = "The quick mauve axolotl signs für fünfzig Zloty at Çatalhöyük.";
const NAME: &str = "Wilhelmina Quarzfeld-Ōtsuka";
const ADDRESS: &str = "w.quarzfeld@axolotl.example";
/// Stored in clear: an identifier.
const MARKER: &str = "urn:planted:5b1c9c1e-marker-of-this-test";

/// Something to look for, in every form in which it might lie around.
struct Wanted {
    what: String,
    forms: Vec<(&'static str, Vec<u8>)>,
}

fn text(what: &str, text: &str) -> Wanted {
    let utf16 = text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let utf16_be = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let escaped: String = text
        .encode_utf16()
        .map(|unit| match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
            _ => format!("\\u{unit:04x}"),
        })
        .collect();
    let mut wanted = bytes(what, text.as_bytes());
    wanted.forms.extend([
        ("UTF-16", utf16),
        ("UTF-16, big-endian", utf16_be),
        ("JSON with escapes", escaped.into_bytes()),
    ]);
    wanted
}

fn bytes(what: &str, bytes: &[u8]) -> Wanted {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![("as it is", bytes.to_vec()), ("upper-case hex", hex.to_uppercase().into_bytes())];
    forms.push(("hex", hex.into_bytes()));
    // In base64 it looks different at each of three places; the first and last characters depend on the neighbours.
    for skipped in 0..3 {
        let shifted = [&vec![0; skipped][..], bytes].concat();
        for encoded in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
            forms.push(("base64", encoded.as_bytes()[4..encoded.len() - 2].to_vec()));
        }
    }
    Wanted { what: what.to_owned(), forms }
}

/// The content of the item, in whole and in words that occur nowhere else.
fn content() -> Vec<Wanted> {
    let words = ["Zündhölzer", "№7741", "axolotl", "fünfzig", "Çatalhöyük", "Quarzfeld", "Ōtsuka"];
    let whole = [("the title", TITLE), ("the body", BODY), ("the name", NAME), ("the address", ADDRESS)];
    whole.into_iter().map(|(what, it)| text(what, it)).chain(words.map(|word| text(word, word))).collect()
}

/// Where something is found below a folder: in files as they are, and in rows of databases.
fn find(folder: &Path, wanted: &[Wanted]) -> Vec<String> {
    let mut found = Vec::new();
    let mut look = |place: &str, haystack: &[u8]| {
        for Wanted { what, forms } in wanted {
            for (form, needle) in forms {
                if contains(haystack, needle) {
                    found.push(format!("{what} ({form}) in {place}"));
                }
            }
        }
    };
    for file in files(folder) {
        // A file may vanish while a node runs.
        if let Ok(bytes) = std::fs::read(&file) {
            look(&file.display().to_string(), &bytes);
        }
    }
    for (place, key, value) in rows(folder) {
        look(&place, &key);
        look(&place, &value);
    }
    found
}

/// The wrapped key of an item as it lies in the key ring, and the key itself.
fn key_of(home: &Home, item: &str) -> (Vec<u8>, Vec<u8>) {
    let row_key = format!("key/demo/item/{item}");
    let found = rows(&home.data().join("keys")).into_iter().find(|(_, key, _)| key == row_key.as_bytes());
    let (_, _, row) = found.expect("the item has a key");
    let master = std::fs::read_to_string(home.data().join("development/master-key")).unwrap();
    let master: Vec<_> = (0..32).map(|i| u8::from_str_radix(&master.trim()[2 * i..2 * i + 2], 16).unwrap()).collect();
    let nonce = Nonce::try_assume_unique_for_key(&row[1..13]).unwrap();
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &master).unwrap());
    let mut key = row[13..].to_vec();
    let key = cipher.open_in_place(nonce, Aad::from(row_key.as_bytes()), &mut key).unwrap().to_vec();
    assert_eq!(key.len(), 32);
    (row[13..].to_vec(), key)
}

/// The sealed content of an item, from the command that registered it.
async fn ciphertext(home: &Home, item_id: &str) -> Vec<u8> {
    let scratch = tempfile::tempdir().unwrap();
    let log = read_log(home, scratch.path());
    for partition in (0..log.partitions()).map(PartitionId) {
        let end = log.bounds(Topic::Commands, partition).await.unwrap().next;
        let mut reader = log.reader(Topic::Commands, partition, Offset(0)).unwrap();
        let mut next = Offset(0);
        while next < end {
            for record in reader.next().await.unwrap() {
                next = record.offset.next();
                let command = CommandRecord::decode(record.bytes).unwrap();
                if command.kind != "RegisterItem" {
                    continue;
                }
                let item = RegisterItemRequest::decode(command.payload).unwrap().item.unwrap();
                if item.item_id == item_id {
                    assert!(item.title.is_empty() && item.body.is_empty());
                    return item.sealed.unwrap().ciphertext.to_vec();
                }
            }
        }
    }
    panic!("no command registers {item_id}");
}

fn read_log(home: &Home, scratch: &Path) -> EmbeddedLog {
    EmbeddedLog::open_to_read(home.data().join("log"), scratch.to_owned(), &Memory::default()).unwrap()
}

/// Rewrites every file of every database: what only old files held is gone then.
fn compact(folder: &Path) {
    for database in databases(folder) {
        let append_only = ["commands", "decisions"].map(Family::append_only);
        let spec = append_only.into_iter().fold(Spec::new(&database, Wal::Kept), Spec::family);
        let is_log = database.ends_with("log");
        let db = if is_log { spec } else { Spec::new(&database, Wal::Kept) }.open(&Memory::default()).unwrap();
        for name in families_on_disk(&db).unwrap() {
            let family = family(&db, &name).unwrap();
            db.flush_cf(&family).unwrap();
            let mut options = CompactOptions::default();
            options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
            db.compact_range_cf_opt(&family, None::<&[u8]>, None::<&[u8]>, &options);
        }
    }
}

fn secret(id: &str) -> Item {
    let person = Entity {
        id: ADDRESS.into(),
        display_name: NAME.into(),
        role: EntityRole::Custodian.into(),
        ..Default::default()
    };
    Item {
        title: TITLE.into(),
        body: BODY.into(),
        entities: vec![person],
        reference: MARKER.into(),
        ..item(id, "century", ADDRESS)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_holds_what_was_disposed_nor_the_key_to_it() {
    let node = Node::start().await;
    let data = node.home.data();
    let _: SetRetentionClassResponse = node.ask(&RITA, &class("century", 36_500)).await;
    let secret_request = register(secret("secret"));
    let _: RegisterItemResponse = node.ask(&RITA, &secret_request).await;
    let _: RegisterItemResponse = node.ask(&RITA, &register(item("other", "century", "bob@example.org"))).await;
    // A stop writes what the store has in memory into files.
    let node = node.restart().await;

    // Before: sealed from the first moment on. The search finds what lies in clear, and the key.
    assert_eq!(find(&data, &content()), [""; 0]);
    assert!(!find(&data, &[text("the marker", MARKER)]).is_empty(), "the search can find something");
    let (wrapped, key) = key_of(&node.home, "secret");
    let wrapped = [bytes("the wrapped key", &wrapped)];
    let key = [bytes("the key", &key)];
    let in_the_ring = |found: &[String]| !found.is_empty() && found.iter().all(|place| place.contains("/keys"));
    let found = find(&data, &wrapped);
    assert!(in_the_ring(&found), "{found:?}");
    assert!(
        found.iter().any(|place| place.contains(".log") || place.contains(".sst")),
        "in a file as it is: {found:?}"
    );
    assert_eq!(find(&data, &key), [""; 0], "the key itself is on no disk");
    let sealed = ciphertext(&node.home, "secret").await;
    let sealed = [bytes("the sealed content", &sealed)];
    let found = find(&data, &sealed);
    assert!(found.iter().any(|place| place.contains("/store")) && found.iter().any(|place| place.contains("/log")));
    let revealed: RevealItemResponse = node.ask(&LEA, &reveal("secret")).await;
    let revealed = revealed.item.unwrap();
    assert_eq!((revealed.title.as_str(), revealed.body.as_str()), (TITLE, BODY));
    assert_eq!((revealed.entities[0].id.as_str(), revealed.entities[0].display_name.as_str()), (ADDRESS, NAME));
    assert_eq!(find(&data, &content()), [""; 0], "revealing leaves nothing behind");

    // While a hold matches, the key stays.
    let _: PlaceHoldResponse = node.ask(&LEA, &place("h", on(ADDRESS))).await;
    let _: DisposeItemsResponse = node.ask(&RITA, &dispose(&["secret"])).await;
    node.settle().await;
    assert_eq!(state(&node, "secret").await, ItemState::Deferred);
    assert!(in_the_ring(&find(&data, &wrapped)), "a hold keeps the key");
    let _: RevealItemResponse = node.ask(&LEA, &reveal("secret")).await;

    // After: the proof says when the key had left its files, and it had.
    release_by_two(&node, "h").await;
    let proof = purged(&node, "secret").await.key_destruction.unwrap();
    assert!(!proof.had_no_content);
    assert_eq!(find(&data, &wrapped), [""; 0], "no file has the key any more");
    assert_eq!(find(&data, &key), [""; 0]);
    assert_eq!(find(&data, &content()), [""; 0]);
    assert_eq!(node.refusal(&LEA, &reveal("secret")).await.code, "CONTENT_NOT_AVAILABLE");
    assert_eq!(node.refusal(&RITA, &secret_request).await.code, "KEY_DESTROYED", "nothing makes the key again");

    // And after every file was rewritten, with nobody's hands on them.
    let home = node.stop().await;
    compact(&data);
    assert_eq!(find(&data, &content()), [""; 0]);
    assert_eq!(find(&data, &wrapped), [""; 0]);
    assert_eq!(find(&data, &key), [""; 0]);
    assert!(!find(&data, &[text("the marker", MARKER)]).is_empty(), "the search can still find something");
    let found = find(&data, &sealed);
    assert!(!found.is_empty() && found.iter().all(|place| place.contains("/log")), "only the log keeps it: {found:?}");
    chain_is_whole(&home).await;

    // The rest is as it was.
    let node = home.start().await;
    assert_eq!(state(&node, "secret").await, ItemState::Purged);
    let other: RevealItemResponse = node.ask(&LEA, &reveal("other")).await;
    assert_eq!(other.item.unwrap().body, "body of other");
}

/// The chain covers the sealed content: it is whole, and every decision comes out as it is recorded.
async fn chain_is_whole(home: &Home) {
    let scratch = tempfile::tempdir().unwrap();
    let log = read_log(home, &scratch.path().join("log"));
    let decider = Decider::new(daybook_domains::registry(), Arc::new(Cedar::new()), log.partitions());
    let memory = Memory::default();
    for partition in (0..log.partitions()).map(PartitionId) {
        let store = scratch.path().join("store");
        let verified = daybook_replay::verify(&log, &decider, partition, &store, &memory, &()).await.unwrap();
        assert_eq!((verified.difference_count, verified.dropped, verified.undecided), (0, 0, 0), "{verified:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_disposed_items_leave_no_key_behind() {
    let node = Node::start().await;
    let data = node.home.data();
    let _: SetRetentionClassResponse = node.ask(&RITA, &class("century", 36_500)).await;
    let ids: Vec<_> = (0..60).map(|i| format!("i{i:02}")).collect();
    let items = ids.iter().map(|id| item(id, "century", "ada@example.org")).collect();
    let _: RegisterItemsResponse = node.ask(&RITA, &RegisterItemsRequest { items, ..Default::default() }).await;
    let wrapped: Vec<_> = ids.iter().map(|id| bytes(id, &key_of(&node.home, id).0)).collect();
    // In two rounds, with what stays in between: keys of both lie in the same files.
    for (goes, stays) in [(0..30, 30..60), (30..50, 50..60)] {
        let asked: Vec<_> = ids[goes.clone()].iter().map(String::as_str).collect();
        let _: DisposeItemsResponse = node.ask(&RITA, &dispose(&asked)).await;
        for id in &asked {
            purged(&node, id).await;
        }
        assert_eq!(find(&data.join("keys"), &wrapped[goes]), [""; 0]);
        for kept in stays {
            let revealed: RevealItemResponse = node.ask(&LEA, &reveal(&ids[kept])).await;
            assert_eq!(revealed.item.unwrap().title, format!("title of {}", ids[kept]));
        }
    }
}
