//! What the store promises.

use std::fs;

use daybook_kernel::id::PartitionId;
use daybook_kernel::state::{Direction, Read, Span};

use super::*;

const P: ProjectionId = ProjectionId(7);

fn projections(version: u32) -> Vec<ProjectionVersion> {
    vec![
        ProjectionVersion { id: ProjectionId::SYSTEM, name: "system".into(), version: 1, generation: 0 },
        ProjectionVersion { id: P, name: "example".into(), version, generation: 0 },
    ]
}

fn genesis() -> Head {
    Head::genesis("test", 1, PartitionId(0))
}

fn open(folder: &Path) -> (Arc<RocksStore>, Head) {
    let (store, head) = RocksStore::open(folder, &genesis(), &projections(1), &Memory::default()).unwrap();
    (Arc::new(store), head)
}

fn set(rows: &[(&str, Option<&str>)]) -> WriteSet {
    let mut writes = WriteSet::default();
    for (key, value) in rows {
        match value {
            Some(value) => writes.put(P, key.as_bytes().to_vec(), value.as_bytes().to_vec()),
            None => writes.delete(P, key.as_bytes().to_vec()),
        }
    }
    writes
}

fn at(next_command: u64) -> Head {
    Head { next_command: Offset(next_command), next_record: Offset(next_command), ..genesis() }
}

fn keys(state: &dyn Read, span: Span, direction: Direction) -> Vec<String> {
    state.scan(P, span, direction).map(|row| String::from_utf8(row.unwrap().0.to_vec()).unwrap()).collect()
}

fn span(start: &str, end: Option<&str>) -> Span {
    Span { start: start.as_bytes().to_vec(), end: end.map(|end| end.as_bytes().to_vec()) }
}

#[test]
fn a_new_store_stands_at_genesis() {
    let folder = tempfile::tempdir().unwrap();
    let (store, head) = open(folder.path());
    assert_eq!(head, genesis());
    assert!(store.outdated().is_empty());
}

#[test]
fn rows_and_head_are_written_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    store.commit([&set(&[("a", Some("1")), ("b", Some("2")), ("c", Some("3"))])], &at(1)).unwrap();
    let (snapshot, head) = store.snapshot().unwrap();
    assert_eq!(head, at(1));
    store.commit([&set(&[("b", None), ("d", Some("4"))])], &at(2)).unwrap();
    assert_eq!(keys(&snapshot, span("", None), Direction::Ascending), ["a", "b", "c"], "a snapshot does not move");
    assert_eq!(keys(&store.live(), span("", None), Direction::Descending), ["d", "c", "a"]);
    assert_eq!(keys(&store.live(), span("b", Some("d")), Direction::Ascending), ["c"]);
    assert_eq!(keys(&store.live(), span("d", Some("b")), Direction::Ascending), Vec::<String>::new());
    assert_eq!(store.live().get(P, b"d").unwrap().unwrap(), "4");
    assert_eq!(store.live().get(P, b"b").unwrap(), None);
}

#[test]
fn what_was_flushed_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    store.commit([&set(&[("a", Some("1"))])], &at(5)).unwrap();
    store.flush().unwrap();
    drop(store);
    let (store, head) = open(folder.path());
    assert_eq!(head, at(5));
    assert_eq!(store.live().get(P, b"a").unwrap().unwrap(), "1");
}

/// A crash is a copy of the files at some moment: what was not flushed is gone, and rows and head agree.
#[test]
fn after_a_crash_rows_and_head_belong_together() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(&folder.path().join("live"));
    for i in 1..=50_u64 {
        store.commit([&set(&[(&format!("{i:03}"), Some("x"))])], &at(i)).unwrap();
        if i % 17 == 0 {
            store.flush().unwrap();
        }
        if i % 10 == 0 {
            let copy = folder.path().join(format!("copy-{i}"));
            fs::create_dir(&copy).unwrap();
            for entry in fs::read_dir(folder.path().join("live")).unwrap() {
                let entry = entry.unwrap();
                if entry.file_name() != "LOCK" {
                    fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
                }
            }
            let (after, head) = open(&copy);
            assert_eq!(head.next_command.0, i / 17 * 17, "the last flush");
            assert_eq!(keys(&after.live(), span("", None), Direction::Ascending).len() as u64, head.next_command.0);
        }
    }
}

#[test]
fn a_copy_is_whole_and_stands_where_some_commit_left_it() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(&folder.path().join("live"));
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for i in 1..=2_000_u64 {
                store.commit([&set(&[(&format!("{i:05}"), Some("x"))])], &at(i)).unwrap();
            }
        });
        for i in 0.. {
            let copy = folder.path().join(format!("copy-{i}"));
            let is_last = writer.is_finished();
            store.copy_to(&copy).unwrap();
            let (copied, head) = open(&copy);
            assert_eq!(keys(&copied.live(), span("", None), Direction::Ascending).len() as u64, head.next_command.0);
            if is_last {
                assert_eq!(head, at(2_000));
                break;
            }
        }
    });
    assert!(store.copy_to(&folder.path().join("copy-0")).is_err(), "nothing is overwritten");
}

#[test]
fn the_store_of_another_log_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()));
    let other = Head::genesis("other", 1, PartitionId(0));
    let refused = RocksStore::open(folder.path(), &other, &projections(1), &Memory::default()).map(|_| ());
    assert!(matches!(refused, Err(StoreError::OfAnotherLog { .. })), "{refused:?}");
}

#[test]
fn a_projection_is_built_beside_the_live_one_and_swapped() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    store.commit([&set(&[("a", Some("wrong")), ("b", Some("2")), ("z", Some("left over"))])], &at(3)).unwrap();

    let building = Arc::clone(&store).build(P).unwrap();
    assert!(Arc::clone(&store).build(P).is_err(), "one build at a time");
    let mut elsewhere = WriteSet::default();
    elsewhere.put(ProjectionId::SYSTEM, b"s".to_vec(), b"1".to_vec());
    building.write(&set(&[("a", Some("1")), ("b", Some("2")), ("c", Some("3"))])).unwrap();
    building.write(&elsewhere).unwrap();
    assert_eq!(building.get(P, b"a").unwrap().unwrap(), "1");
    assert_eq!(building.get(ProjectionId::SYSTEM, b"s").unwrap(), None, "only itself");
    assert_eq!(store.live().get(P, b"a").unwrap().unwrap(), "wrong", "the live one serves");

    building.swap_in().unwrap();
    assert_eq!(keys(&store.live(), span("", None), Direction::Ascending), ["a", "b", "c"]);
    store.commit([&set(&[("d", Some("4"))])], &at(4)).unwrap();
    store.flush().unwrap();
    drop(store);
    let (store, head) = open(folder.path());
    assert_eq!((head, store.projections()[1].generation), (at(4), 2));
    assert_eq!(keys(&store.live(), span("", None), Direction::Ascending), ["a", "b", "c", "d"]);
}

/// Whoever asks while a projection is swapped gets his answer from one of the two, not from between them.
#[test]
fn a_snapshot_goes_on_seeing_the_projection_that_served_when_it_was_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    store.commit([&set(&[("a", Some("1")), ("b", Some("2"))])], &at(2)).unwrap();
    let (snapshot, head) = store.snapshot().unwrap();
    let building = Arc::clone(&store).build(P).unwrap();
    building.write(&set(&[("a", Some("1")), ("b", Some("2"))])).unwrap();
    building.swap_in().unwrap();
    store.commit([&set(&[("c", Some("3"))])], &at(3)).unwrap();
    assert_eq!(head, at(2));
    assert_eq!(keys(&snapshot, span("", None), Direction::Ascending), ["a", "b"]);
    assert_eq!(snapshot.get(P, b"a").unwrap().unwrap(), "1");
    let (snapshot, head) = store.snapshot().unwrap();
    assert_eq!(
        (head, keys(&snapshot, span("", None), Direction::Ascending)),
        (at(3), vec!["a".into(), "b".into(), "c".into()])
    );
}

#[test]
fn after_a_crash_behind_a_swap_rows_and_head_belong_together() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(&folder.path().join("live"));
    store.commit([&set(&[("a", Some("1")), ("b", Some("2"))])], &at(2)).unwrap();
    store.flush().unwrap();
    store.commit([&set(&[("c", Some("3"))])], &at(3)).unwrap();
    let building = Arc::clone(&store).build(P).unwrap();
    building.write(&set(&[("a", Some("1")), ("b", Some("2")), ("c", Some("3"))])).unwrap();
    building.swap_in().unwrap();
    // What the old rows lay in goes in the background: a copy during which nothing went is what a crash leaves.
    let names = || {
        let entries = fs::read_dir(folder.path().join("live")).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect::<std::collections::BTreeSet<_>>()
    };
    let copy = folder.path().join("copy");
    loop {
        let before = names();
        fs::create_dir(&copy).unwrap();
        let copied = before.iter().all(|name| fs::copy(folder.path().join("live").join(name), copy.join(name)).is_ok());
        if copied && names() == before {
            break;
        }
        fs::remove_dir_all(&copy).unwrap();
    }
    let (after, head) = open(&copy);
    assert_eq!(head, at(3));
    assert_eq!(keys(&after.live(), span("", None), Direction::Ascending), ["a", "b", "c"]);
}

#[test]
fn a_build_that_is_given_up_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    drop(Arc::clone(&store).build(P).unwrap());
    let building = Arc::clone(&store).build(P).unwrap();
    building.write(&set(&[("a", Some("1"))])).unwrap();
    std::mem::forget(building);
    store.flush().unwrap();
    drop(store);
    // The forgotten build holds the store open; what a killed process leaves is a copy of its files.
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let (store, _) = open(copy.path());
    assert_eq!(store.projections()[1].generation, 1);
    assert!(Arc::clone(&store).build(P).is_ok());
}

#[test]
fn rows_of_another_version_are_outdated() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    store.flush().unwrap();
    drop(store);
    let (store, _) = RocksStore::open(folder.path(), &genesis(), &projections(2), &Memory::default()).unwrap();
    let store = Arc::new(store);
    assert_eq!(store.outdated(), [P]);
    Arc::clone(&store).build(P).unwrap().swap_in().unwrap();
    assert!(store.outdated().is_empty());
}

#[test]
fn damage_is_reported_as_damage() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    store.commit([&set(&[("a", Some("1"))])], &at(1)).unwrap();
    store.flush().unwrap();
    drop(store);
    let tables = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    for table in tables.filter(|path| path.extension().is_some_and(|extension| extension == "sst")) {
        fs::remove_file(table).unwrap();
    }
    let refused = RocksStore::open(folder.path(), &genesis(), &projections(1), &Memory::default()).map(|_| ());
    assert!(matches!(refused, Err(StoreError::Damaged(_))), "{refused:?}");
}
