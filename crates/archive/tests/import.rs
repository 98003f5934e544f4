//! Export and import: what is copied is the same, what is damaged is refused, what was interrupted goes on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use daybook_archive::{Archive, ArchiveError, Imported, export, import};
use daybook_kernel::chain::Head;
use daybook_kernel::hash::Hash;
use daybook_kernel::id::{Epoch, Offset, PartitionId};
use daybook_kernel::record::DecisionRecord;
use daybook_log::{Durability, Log, MemoryLog, Record, Topic};
use daybook_testkit::faulty_log::{AppendFault, FaultyLog};

const PARTITIONS: u32 = 2;

async fn append(log: &dyn Log, topic: Topic, partition: PartitionId, bytes: Bytes) {
    log.append(topic, partition, bytes, Durability::Synced).await.unwrap();
}

/// A log with a real chain: takeovers, batches, a record that does not count, and commands that nobody decided.
async fn log(commands: u64) -> MemoryLog {
    let log = MemoryLog::new("books", PARTITIONS);
    for partition in (0..PARTITIONS).map(PartitionId) {
        let mut head = Head::genesis("books", PARTITIONS, partition);
        let takeover = DecisionRecord::takeover(head.hash, Epoch(1), "n", "", head.now);
        append(&log, Topic::Decisions, partition, takeover.bytes.clone()).await;
        head.advance(Offset(0), &takeover);
        append(&log, Topic::Decisions, partition, takeover.bytes.clone()).await;
        head.next_record = head.next_record.next();
        for i in 0..commands {
            let command = Bytes::from(format!("command {i} of {partition}, {}", "x".repeat(100)));
            append(&log, Topic::Commands, partition, command.clone()).await;
            let decision =
                daybook_proto::log::v1::Decision { command_hash: Hash::of(&command).to_bytes(), ..Default::default() };
            let decisions = vec![prost::Message::encode_to_vec(&decision).into()];
            let batch = DecisionRecord::batch(head.hash, head.epoch, head.next_command, head.now, decisions);
            append(&log, Topic::Decisions, partition, batch.bytes.clone()).await;
            head.advance(head.next_record, &batch);
        }
        append(&log, Topic::Commands, partition, Bytes::from_static(b"not decided")).await;
    }
    log
}

async fn records(log: &dyn Log) -> Vec<Record> {
    let mut all = Vec::new();
    for partition in (0..log.partitions()).map(PartitionId) {
        for topic in Topic::ALL {
            let bounds = log.bounds(topic, partition).await.unwrap();
            let mut next = bounds.first;
            let mut reader = log.reader(topic, partition, next).unwrap();
            while next < bounds.next {
                let read = reader.next().await.unwrap();
                next = read.last().unwrap().offset.next();
                all.extend(read);
            }
        }
    }
    all
}

/// A folder with an archive in it.
async fn archived(log: &dyn Log) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive");
    export(log, &path, &()).await.unwrap();
    (folder, path)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

#[tokio::test]
async fn what_is_imported_is_what_was_exported() {
    let log = log(50).await;
    let (_folder, path) = archived(&log).await;
    let archive = Archive::open(&path).unwrap();
    assert_eq!(records(&archive).await, records(&log).await, "an archive is read as a log");
    let copy = MemoryLog::new("books", PARTITIONS);
    let imported = import(&archive, &copy, &()).await.unwrap();
    assert_eq!(imported, Imported { appended: 2 * (51 + 52), already: 0 });
    assert_eq!(records(&copy).await, records(&log).await);
    let again = import(&archive, &copy, &()).await.unwrap();
    assert_eq!(again, Imported { appended: 0, already: 2 * (51 + 52) }, "nothing is left to do");
}

#[tokio::test]
async fn an_empty_log_can_be_moved_too() {
    let log = MemoryLog::new("books", PARTITIONS);
    let (_folder, path) = archived(&log).await;
    let copy = MemoryLog::new("books", PARTITIONS);
    assert_eq!(import(&Archive::open(&path).unwrap(), &copy, &()).await.unwrap(), Imported::default());
}

/// Whatever happens to whichever file, nothing is appended.
#[tokio::test]
async fn a_damaged_archive_is_refused_before_anything_is_imported() {
    let (folder, path) = archived(&log(20).await).await;
    let damaged = folder.path().join("damaged");
    let files: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files.len(), 1 + 2 * PARTITIONS as usize);
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 5] = [
        ("a bit is flipped", |file| {
            let mut bytes = fs::read(file).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(file, bytes).unwrap();
        }),
        ("it is cut short", |file| {
            let bytes = fs::read(file).unwrap();
            fs::write(file, &bytes[..bytes.len() - 2]).unwrap();
        }),
        ("it is empty", |file| fs::write(file, b"").unwrap()),
        ("something follows", |file| fs::write(file, [&fs::read(file).unwrap()[..], b"x"].concat()).unwrap()),
        ("it is missing", |file| fs::remove_file(file).unwrap()),
    ];
    for file in &files {
        for (what, damage) in damages {
            let _ = fs::remove_dir_all(&damaged);
            copy(&path, &damaged);
            damage(&damaged.join(file));
            let target = MemoryLog::new("books", PARTITIONS);
            let result = match Archive::open(&damaged) {
                Ok(archive) => import(&archive, &target, &()).await.map(|_| ()),
                Err(error) => Err(error),
            };
            let code = result.map_err(|error| error.code().name);
            // A flipped bit of the manifest may concern what nobody relies on, such as who wrote it.
            let is_manifest = file == "manifest.json";
            let is_told = matches!(code, Err("ARCHIVE_DAMAGED"))
                || is_manifest
                    && matches!(code, Err("ARCHIVE_NOT_FOUND" | "ARCHIVE_FORMAT_UNKNOWN" | "LOG_SHAPE_DIFFERS"));
            assert!(is_told, "{file:?}: {what}: {code:?}");
            assert!(records(&target).await.is_empty(), "{file:?}: {what}: nothing was imported");
        }
    }
}

#[tokio::test]
async fn an_archive_whose_chain_ends_elsewhere_is_refused() {
    let (_folder, path) = archived(&log(5).await).await;
    let manifest = path.join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let head = Archive::open(&path).unwrap().manifest().heads[1].hash.clone();
    fs::write(&manifest, text.replace(&head, &Hash::of(b"another").to_hex())).unwrap();
    let error = import(&Archive::open(&path).unwrap(), &MemoryLog::new("books", PARTITIONS), &()).await.unwrap_err();
    assert_eq!(error.code().name, "ARCHIVE_DAMAGED");
    assert!(error.to_string().contains("chain of partition 1"), "{error}");
}

#[tokio::test]
async fn a_log_of_another_name_or_shape_or_with_other_records_is_left_alone() {
    let whole = log(20).await;
    let (_folder, path) = archived(&whole).await;
    let archive = Archive::open(&path).unwrap();
    for other in [MemoryLog::new("other", PARTITIONS), MemoryLog::new("books", PARTITIONS + 1)] {
        let error = import(&archive, &other, &()).await.unwrap_err();
        assert!(matches!(error, ArchiveError::ShapeDiffers { .. }), "{error}");
        assert!(records(&other).await.is_empty());
    }
    let used = MemoryLog::new("books", PARTITIONS);
    append(&used, Topic::Commands, PartitionId(1), Bytes::from_static(b"mine")).await;
    assert_eq!(import(&archive, &used, &()).await.unwrap_err().code().name, "LOG_NOT_EMPTY");
    assert_eq!(records(&used).await.len(), 1);
    let longer = log(21).await;
    let before = records(&longer).await.len();
    assert_eq!(import(&archive, &longer, &()).await.unwrap_err().code().name, "LOG_NOT_EMPTY");
    assert_eq!(records(&longer).await.len(), before);
    // Topics whose records were deleted do not begin at 0.
    let emptied = log(3).await;
    emptied.trim(Topic::Commands, PartitionId(0), Offset(4)).await.unwrap();
    assert_eq!(import(&archive, &emptied, &()).await.unwrap_err().code().name, "LOG_NOT_EMPTY");
}

/// Wherever it was interrupted.
#[tokio::test]
async fn an_interrupted_import_goes_on_where_it_ended() {
    let whole = log(20).await;
    let (_folder, path) = archived(&whole).await;
    let archive = Archive::open(&path).unwrap();
    for fault in [AppendFault::Refused, AppendFault::AcknowledgementLost] {
        for after in [0, 1, 20, 21, 45, 85] {
            let target = MemoryLog::new("books", PARTITIONS);
            let appended = AtomicU64::new(0);
            let faulty = FaultyLog::new(target.clone(), move |_, _| {
                let broken = appended.fetch_add(1, Ordering::Relaxed) >= after;
                if broken { fault } else { AppendFault::None }
            });
            let error = import(&archive, &faulty, &()).await.unwrap_err();
            assert_eq!(error.code().name, "LOG_UNAVAILABLE", "after {after}");
            let there = records(&target).await.len() as u64;
            assert!(fault == AppendFault::AcknowledgementLost || there < 2 * (21 + 22), "it is not complete");
            let resumed = import(&archive, &target, &()).await.unwrap();
            assert_eq!(resumed, Imported { appended: 2 * (21 + 22) - there, already: there }, "after {after}");
            assert_eq!(records(&target).await, records(&whole).await);
        }
    }
}

#[tokio::test]
async fn somebody_else_who_writes_meanwhile_is_told() {
    let (_folder, path) = archived(&log(20).await).await;
    let archive = Archive::open(&path).unwrap();
    let target = MemoryLog::new("books", PARTITIONS);
    let appended = AtomicU64::new(0);
    let raced = FaultyLog::new(target, move |_, _| {
        let now = appended.fetch_add(1, Ordering::Relaxed) == 30;
        if now { AppendFault::Repeated } else { AppendFault::None }
    });
    let error = import(&archive, &raced, &()).await.unwrap_err();
    assert!(matches!(error, ArchiveError::Raced { .. }) && error.code().name == "LOG_NOT_EMPTY", "{error}");
}

#[tokio::test]
async fn a_trimmed_log_is_exported_from_its_first_record_and_not_imported() {
    let log = log(20).await;
    log.trim(Topic::Decisions, PartitionId(1), Offset(5)).await.unwrap();
    let (_folder, path) = archived(&log).await;
    let archive = Archive::open(&path).unwrap();
    archive.check(&()).await.unwrap();
    assert_eq!(records(&archive).await, records(&log).await);
    assert_eq!(archive.manifest().trimmed().map(|lane| (lane.partition, lane.first)), Some((1, 5)));
    assert!(archive.manifest().head(0).is_some() && archive.manifest().head(1).is_none());
    let target = MemoryLog::new("books", PARTITIONS);
    let error = import(&archive, &target, &()).await.unwrap_err();
    assert_eq!(error.code().name, "ARCHIVE_TRIMMED");
    assert!(error.to_string().contains("offset 5"), "{error}");
    assert!(records(&target).await.is_empty());
}

#[tokio::test]
async fn an_export_overwrites_nothing_and_one_that_did_not_finish_is_not_read() {
    let log = log(3).await;
    let (_folder, path) = archived(&log).await;
    assert_eq!(export(&log, &path, &()).await.unwrap_err().code().name, "ARCHIVE_EXISTS");
    fs::remove_file(path.join("manifest.json")).unwrap();
    assert_eq!(Archive::open(&path).unwrap_err().code().name, "ARCHIVE_NOT_FOUND");
}

#[tokio::test]
async fn a_log_of_several_segments_is_read_across_them() {
    let log = MemoryLog::new("books", 1);
    let big = Bytes::from(vec![7; 3 << 20]);
    for _ in 0..14 {
        append(&log, Topic::Commands, PartitionId(0), big.clone()).await;
    }
    let (_folder, path) = archived(&log).await;
    let archive = Archive::open(&path).unwrap();
    assert!(archive.manifest().lane(Topic::Commands, 0).unwrap().segments.len() > 2);
    assert_eq!(records(&archive).await, records(&log).await);
    let mut from_the_middle = archive.reader(Topic::Commands, PartitionId(0), Offset(8)).unwrap();
    assert_eq!(from_the_middle.next().await.unwrap()[0].offset, Offset(8));
}
