//! Snapshots in a folder and on a real S3 server: what they promise.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use daybook_kernel::chain::Head;
use daybook_kernel::hash::Hash;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_kernel::state::{ProjectionId, Read, WriteSet};
use daybook_kernel::time::Timestamp;
use daybook_rocks::Memory;
use daybook_snapshot::{Kept, ManifestKey, Objects, Restored, S3Options, SnapshotError, Snapshots};
use daybook_store::{ProjectionVersion, RocksStore};
use daybook_testkit::s3::{BUCKET, CREDENTIALS, REGION, S3Server, files_below};

const PARTITION: PartitionId = PartitionId(1);
const ROWS: ProjectionId = ProjectionId(7);

/// A place for objects, with the folder in which they lie as files.
struct Place {
    objects: Objects,
    files: PathBuf,
    server: Option<S3Server>,
    folder: tempfile::TempDir,
}

impl Place {
    fn in_a_folder() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = folder.path().join("objects");
        fs::create_dir(&files).unwrap();
        let objects = Objects::open(&format!("file://{}", files.display()), &S3Options::default()).unwrap();
        Self { objects, files, server: None, folder }
    }

    fn on_s3() -> Self {
        let (server, folder) = (S3Server::start().unwrap(), tempfile::tempdir().unwrap());
        let objects = Objects::open(&format!("s3://{BUCKET}/some/prefix"), &options(&server)).unwrap();
        Self { objects, files: server.bucket_folder(), server: Some(server), folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn snapshots(&self) -> Snapshots {
        signed(Snapshots::new(self.objects.clone(), "books", 2, 3))
    }
}

fn signed(snapshots: Snapshots) -> Snapshots {
    snapshots.signed_with(ManifestKey::new([5; 32]))
}

fn options(server: &S3Server) -> S3Options {
    let (id, secret) = CREDENTIALS;
    S3Options {
        endpoint: server.endpoint(),
        region: REGION.to_owned(),
        credentials: Some((id.to_owned(), secret.to_owned())),
    }
}

fn projections() -> Vec<ProjectionVersion> {
    vec![ProjectionVersion { id: ROWS, name: "rows".into(), version: 1, generation: 0 }]
}

fn genesis() -> Head {
    Head::genesis("books", 2, PARTITION)
}

fn open(folder: &Path) -> (Arc<RocksStore>, Head) {
    let (store, head) = RocksStore::open(folder, &genesis(), &projections(), &Memory::default()).unwrap();
    (Arc::new(store), head)
}

/// Writes one more row, and moves the head along.
fn go_on(store: &RocksStore, next: u64) -> Head {
    let mut writes = WriteSet::default();
    writes.put(ROWS, format!("{next:05}").into_bytes(), vec![7; 1_000]);
    let hash = Hash::of(&next.to_be_bytes());
    let head = Head { next_record: Offset(next), next_command: Offset(next), hash, ..genesis() };
    store.commit([&writes], &head).unwrap();
    head
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

async fn take(place: &Place, store: &Arc<RocksStore>, now: i64) -> Option<Kept> {
    let copied = Arc::clone(store);
    let scratch = place.path("scratch");
    place.snapshots().take(PARTITION, move |into| copied.copy_to(into), &scratch, "node", at(now)).await.unwrap()
}

async fn what_is_taken_is_restored(place: &Place) {
    let (store, _) = open(&place.path("store"));
    assert!(matches!(place.snapshots().restore(PARTITION, &place.path("new")).await.unwrap(), Restored::None));
    assert!(take(place, &store, 1).await.is_none(), "nothing was applied yet");
    let head = go_on(&store, 5);
    let taken = take(place, &store, 2).await.unwrap();
    go_on(&store, 6);
    assert_eq!(taken.manifest.as_ref().unwrap().next_record, 5);
    assert_eq!(taken.manifest.unwrap().head_hash, head.hash.to_hex(), "read from inside the copy");
    assert_eq!(fs::read_dir(place.path("scratch")).unwrap().count(), 0, "nothing is left over");

    let new = place.path("new");
    let Restored::From { skipped, .. } = place.snapshots().restore(PARTITION, &new).await.unwrap() else { panic!() };
    assert_eq!(skipped, []);
    let (restored, found) = open(&new);
    assert_eq!(found, head);
    assert_eq!(restored.live().get(ROWS, b"00005").unwrap().unwrap(), vec![7; 1_000]);
    assert_eq!(restored.live().get(ROWS, b"00006").unwrap(), None);
    let again = place.snapshots().restore(PARTITION, &new).await.map(|_| ());
    assert!(matches!(again, Err(SnapshotError::StoreExists { .. })), "a store is never overwritten: {again:?}");
    assert!(matches!(place.snapshots().restore(PartitionId(0), &place.path("other")).await.unwrap(), Restored::None));
}

async fn a_damaged_one_is_passed_over(place: &Place) {
    let (store, _) = open(&place.path("store"));
    for next in 1..=3 {
        go_on(&store, next);
        take(place, &store, next as i64).await.unwrap();
    }
    let kept = place.snapshots().list(PARTITION).await.unwrap();
    assert_eq!(kept.len(), 3);
    let file_of = |kept: &Kept, ending: &str| {
        let all = files_below(&place.files);
        let name = kept.name.clone();
        let found = all.into_iter().find(|file| {
            let text = file.to_string_lossy();
            text.contains(&name) && text.ends_with(ending)
        });
        found.unwrap()
    };
    // The newest is cut short, the next has one bit changed.
    let table = file_of(&kept[0], ".sst");
    let bytes = fs::read(&table).unwrap();
    fs::write(&table, &bytes[..bytes.len() - 1]).unwrap();
    let table = file_of(&kept[1], ".sst");
    let mut bytes = fs::read(&table).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&table, bytes).unwrap();
    let new = place.path("new");
    let Restored::From { name, skipped, .. } = place.snapshots().restore(PARTITION, &new).await.unwrap() else {
        panic!("an older one is whole")
    };
    assert_eq!(name, kept[2].name);
    assert_eq!(skipped.iter().map(|it| &it.name).collect::<Vec<_>>(), [&kept[0].name, &kept[1].name]);
    assert!(skipped[1].what.contains("checksum"), "{skipped:?}");
    assert_eq!(open(&new).1.next_record, Offset(1));

    // The last whole one loses a file, and says of itself what is no manifest.
    fs::write(file_of(&kept[2], "manifest.json"), b"{}").unwrap();
    let other = place.path("other");
    let refused = place.snapshots().restore(PARTITION, &other).await.map(|_| ());
    assert!(matches!(refused, Err(SnapshotError::Damaged { .. })), "not the same as: there is none: {refused:?}");
    assert!(!other.exists() && fs::read_dir(place.folder.path()).unwrap().count() <= 5, "no half of one is left");
}

async fn the_oldest_go_and_three_stay(place: &Place) {
    let (store, _) = open(&place.path("store"));
    let snapshots = signed(Snapshots::new(place.objects.clone(), "books", 2, 1));
    for next in 1..=5 {
        go_on(&store, next);
        take(place, &store, next as i64).await.unwrap();
    }
    assert!(take(place, &store, 9).await.is_none(), "the newest stands there already");
    // One whose taking was interrupted, a day and more ago.
    let half = "books/snapshots/0001/00000000000000000009-00000000000000000001-abcdefab/files/x.sst";
    place.objects.put(half, bytes::Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(snapshots.prune(PARTITION, at(100)).await.unwrap(), 2, "it may still be written");
    let kept = snapshots.list(PARTITION).await.unwrap();
    let stand: Vec<_> = kept.iter().map(|kept| kept.manifest.as_ref().unwrap().next_record).collect();
    assert_eq!(stand, [5, 4, 3]);
    assert_eq!(snapshots.prune(PARTITION, at(48 * 3_600 * 1_000_000)).await.unwrap(), 1);
    assert_eq!(place.objects.get(half).await.unwrap(), None);
    let names = place.objects.list("books/snapshots/0001").await.unwrap();
    assert!(names.iter().all(|name| kept.iter().any(|kept| name.starts_with(&kept.name))), "{names:?}");
}

#[tokio::test]
async fn in_a_folder_what_is_taken_is_restored() {
    what_is_taken_is_restored(&Place::in_a_folder()).await;
}

#[tokio::test]
async fn on_s3_what_is_taken_is_restored() {
    what_is_taken_is_restored(&Place::on_s3()).await;
}

#[tokio::test]
async fn in_a_folder_a_damaged_one_is_passed_over_for_an_older_one() {
    a_damaged_one_is_passed_over(&Place::in_a_folder()).await;
}

#[tokio::test]
async fn on_s3_a_damaged_one_is_passed_over_for_an_older_one() {
    a_damaged_one_is_passed_over(&Place::on_s3()).await;
}

#[tokio::test]
async fn in_a_folder_the_oldest_go_and_three_stay() {
    the_oldest_go_and_three_stay(&Place::in_a_folder()).await;
}

#[tokio::test]
async fn on_s3_the_oldest_go_and_three_stay() {
    the_oldest_go_and_three_stay(&Place::on_s3()).await;
}

/// Larger than a part: it is sent in several.
#[tokio::test]
async fn on_s3_a_large_file_comes_back_as_it_was() {
    let place = Place::on_s3();
    let (store, _) = open(&place.path("store"));
    let mut writes = WriteSet::default();
    let mut noise = blake3::Hasher::new().update(b"noise").finalize_xof();
    for i in 0..20_u64 {
        let mut value = vec![0; 1 << 20];
        noise.fill(&mut value);
        writes.put(ROWS, i.to_be_bytes().to_vec(), value);
    }
    let head = Head { next_record: Offset(1), next_command: Offset(1), ..genesis() };
    store.commit([&writes], &head).unwrap();
    let taken = take(&place, &store, 1).await.unwrap();
    assert!(taken.manifest.unwrap().files.iter().any(|file| file.bytes > 16 << 20));
    let new = place.path("new");
    assert!(matches!(place.snapshots().restore(PARTITION, &new).await.unwrap(), Restored::From { .. }));
    assert_eq!(open(&new).0.live().get(ROWS, &5_u64.to_be_bytes()).unwrap().unwrap().len(), 1 << 20);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_not_an_empty_one() {
    let place = Place::in_a_folder();
    fs::remove_dir(&place.files).unwrap();
    let refused = place.snapshots().restore(PARTITION, &place.path("new")).await.map(|_| ());
    assert!(matches!(refused, Err(SnapshotError::Unavailable { .. })), "{refused:?}");
    let put = place.objects.put("x", bytes::Bytes::new()).await;
    assert!(put.is_err() && !place.files.exists(), "it is not made: the disk may not be mounted");
}

#[tokio::test]
async fn on_s3_a_wrong_bucket_a_wrong_secret_and_no_server_are_not_an_empty_bucket() {
    let mut place = Place::on_s3();
    let server = place.server.as_mut().unwrap();
    let good = options(server);
    let wrong_secret = S3Options { credentials: Some((CREDENTIALS.0.to_owned(), "wrong".to_owned())), ..good.clone() };
    for (url, options) in [("s3://no-such-bucket", &good), ("s3://daybook-test/some/prefix", &wrong_secret)] {
        let snapshots = signed(Snapshots::new(Objects::open(url, options).unwrap(), "books", 2, 3));
        let refused = snapshots.restore(PARTITION, &place.folder.path().join("new")).await.map(|_| ());
        let Err(SnapshotError::Unavailable { what, .. }) = &refused else { panic!("{url}: {refused:?}") };
        assert!(!what.contains("wrong"), "no secret is shown: {what}");
    }
    server.stop();
    let refused = place.snapshots().list(PARTITION).await.map(|_| ());
    assert!(matches!(refused, Err(SnapshotError::Unavailable { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_snapshot_of_another_log_is_refused() {
    let place = Place::in_a_folder();
    let (store, _) = open(&place.path("store"));
    go_on(&store, 1);
    take(&place, &store, 1).await.unwrap();
    let other = signed(Snapshots::new(place.objects.clone(), "books", 4, 3));
    let refused = other.restore(PARTITION, &place.path("new")).await.map(|_| ());
    assert!(matches!(refused, Err(SnapshotError::OfAnotherLog { .. })), "{refused:?}");
}

/// Changes what a manifest says, and leaves its signature as it was.
fn rewrite(place: &Place, kept: &Kept, change: impl FnOnce(&mut serde_json::Value)) {
    let file = files_below(&place.files).into_iter().find(|file| {
        let text = file.to_string_lossy();
        text.contains(&kept.name) && text.ends_with("manifest.json")
    });
    let file = file.unwrap();
    let mut manifest = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    change(&mut manifest);
    fs::write(file, serde_json::to_vec(&manifest).unwrap()).unwrap();
}

fn newest_restored(restored: Restored) -> (u64, Vec<String>) {
    let Restored::From { manifest, skipped, .. } = restored else { panic!("{restored:?}") };
    (manifest.next_record, skipped.into_iter().map(|skipped| skipped.what).collect())
}

#[tokio::test]
async fn a_state_that_somebody_else_has_put_there_is_passed_over() {
    let place = Place::in_a_folder();
    let (store, _) = open(&place.path("store"));
    go_on(&store, 1);
    take(&place, &store, 1).await.unwrap();
    // Somebody who can write there makes a store of his own, with checksums that fit, and all else that a manifest says.
    let (forged, _) = open(&place.path("forged"));
    go_on(&forged, 2);
    let by_another_key = place.snapshots().signed_with(ManifestKey::new([6; 32]));
    let copied = Arc::clone(&forged);
    let scratch = place.path("scratch");
    by_another_key.take(PARTITION, move |into| copied.copy_to(into), &scratch, "node", at(2)).await.unwrap().unwrap();
    let restored = newest_restored(place.snapshots().restore(PARTITION, &place.path("new")).await.unwrap());
    assert_eq!(restored.0, 1);
    assert!(restored.1[0].contains("not signed with this master key"), "{restored:?}");
    // What is signed is all of it: another place, another partition's files, another checksum.
    let kept = place.snapshots().list(PARTITION).await.unwrap();
    rewrite(&place, &kept[1], |manifest| manifest["nextRecord"] = 7.into());
    let refused = place.snapshots().restore(PARTITION, &place.path("other")).await.map(|_| ());
    assert!(matches!(refused, Err(SnapshotError::Damaged { .. })), "{refused:?}");
}

#[tokio::test]
async fn what_others_put_there_neither_keeps_a_node_from_taking_its_own_nor_has_good_ones_removed() {
    let place = Place::in_a_folder();
    let (store, _) = open(&place.path("store"));
    for next in 1..=3 {
        go_on(&store, next);
        take(&place, &store, next as i64).await.unwrap();
    }
    let by_another_key = place.snapshots().signed_with(ManifestKey::new([6; 32]));
    let (forged, _) = open(&place.path("forged"));
    for next in 1_000..1_004 {
        go_on(&forged, next);
        let copied = Arc::clone(&forged);
        let scratch = place.path("scratch");
        let taken = by_another_key.take(PARTITION, move |into| copied.copy_to(into), &scratch, "x", at(9)).await;
        taken.unwrap().unwrap();
    }
    go_on(&store, 4);
    assert!(take(&place, &store, 10).await.is_some(), "the newest of its own stands at 3");
    assert_eq!(place.snapshots().prune(PARTITION, at(11)).await.unwrap(), 1, "its own oldest");
    let restored = newest_restored(place.snapshots().restore(PARTITION, &place.path("new")).await.unwrap());
    assert_eq!((restored.0, restored.1.len()), (4, 4));
}

#[tokio::test]
async fn a_snapshot_without_a_signature_is_restored_only_where_that_is_wanted() {
    let place = Place::in_a_folder();
    let (store, _) = open(&place.path("store"));
    go_on(&store, 1);
    let unsigned = Snapshots::new(place.objects.clone(), "books", 2, 3);
    let (copied, scratch) = (Arc::clone(&store), place.path("scratch"));
    unsigned.take(PARTITION, move |into| copied.copy_to(into), &scratch, "node", at(1)).await.unwrap().unwrap();
    let refused = place.snapshots().restore(PARTITION, &place.path("new")).await.map(|_| ());
    let Err(SnapshotError::Damaged { what, .. }) = refused else { panic!("{refused:?}") };
    assert!(what.contains("snapshots.accept_unsigned"), "{what}");
    let refused = unsigned.restore(PARTITION, &place.path("new")).await.map(|_| ());
    assert!(
        matches!(refused, Err(SnapshotError::Damaged { .. })),
        "without a key nothing can be believed: {refused:?}"
    );
    let accepting = place.snapshots().accepting_unsigned(true);
    assert_eq!(newest_restored(accepting.restore(PARTITION, &place.path("new")).await.unwrap()).0, 1);
    // A signature that is there and wrong is no missing one.
    let kept = accepting.list(PARTITION).await.unwrap();
    rewrite(&place, &kept[0], |manifest| manifest["signature"] = "00".repeat(32).into());
    let refused = accepting.restore(PARTITION, &place.path("other")).await.map(|_| ());
    assert!(matches!(refused, Err(SnapshotError::Damaged { .. })), "{refused:?}");
    // The next one is signed, and the old one stays until there are enough.
    go_on(&store, 2);
    take(&place, &store, 2).await.unwrap();
    assert_eq!(newest_restored(place.snapshots().restore(PARTITION, &place.path("third")).await.unwrap()).0, 2);
}
