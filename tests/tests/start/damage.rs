//! Damaged files, and what the pages of STORE_DAMAGED and LOG_DAMAGED say to do about them.

use std::fs;
use std::path::Path;

use daybook_kernel::id::PartitionId;
use daybook_kernel::state::{ProjectionId, digest};
use daybook_log::{EmbeddedLog, Log, Topic};
use daybook_proto::node::v1::GetCommandRequest;
use daybook_rocks::{Family, Memory, Spec, Wal, family};
use daybook_server::serve::Running;
use daybook_tests::disk::{copy, files, files_ending, flip};
use daybook_tests::node::{Home, new_id};
use daybook_tests::refusal::Refusal;

use super::*;

/// A copy of a home.
fn copy_of(home: &Home) -> Home {
    let copied = Home::with(one_partition);
    copy(&home.data(), &copied.data());
    copied
}

/// How a start of a node with a damaged file ends.
#[derive(Debug, PartialEq)]
enum Ending {
    /// As if nothing had happened: these are the digests of what is known.
    Well(Vec<Hash>),
    /// With a code: of the start, of the partition that stopped, or of reading the state.
    Told(String),
}

async fn start_and_look(home: &Home) -> Ending {
    let running = match Running::start(home.config.clone(), None).await {
        Ok(running) => running,
        Err(error) => return Ending::Told(error.code.name.to_owned()),
    };
    let settled = running.node.partitions()[0].state().wait_for(|(state, _)| {
        matches!(state, daybook_runtime::PartitionState::Leading | daybook_runtime::PartitionState::Broken)
    });
    let (state, detail) = settled.await;
    let ending = if state == daybook_runtime::PartitionState::Broken {
        Ending::Told(detail.split(':').next().unwrap_or_default().to_owned())
    } else {
        let registry = daybook_domains::registry();
        let of_domains: Vec<_> =
            registry.projections().into_iter().filter(|one| *one != ProjectionId::SYSTEM).collect();
        let read = running.node.partitions()[0].read(|state, _| digest(state, of_domains));
        match read.map_err(|error| error.code().name.to_owned()) {
            Ok(Ok((hash, _))) => Ending::Well(vec![hash]),
            Ok(Err(fault)) => Ending::Told(daybook_store::StoreError::from(fault).code().name.to_owned()),
            Err(code) => Ending::Told(code),
        }
    };
    running.stop().await;
    ending
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_store_is_told_and_folded_anew_from_the_log() {
    let (home, known) = stopped_node().await;
    let store = |home: &Home| home.data().join("store/0000");
    let one = |folder: &Path, what: &str| {
        let mut found = files(folder);
        found.retain(|file| file.file_name().unwrap().to_string_lossy().contains(what));
        found.into_iter().max_by_key(|file| fs::metadata(file).unwrap().len()).unwrap()
    };
    type Damage<'a> = &'a dyn Fn(&Path);
    let halve = |what: &'static str| {
        move |folder: &Path| {
            let file = one(folder, what);
            let bytes = fs::read(&file).unwrap();
            fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
        }
    };
    let remove = |what: &'static str| move |folder: &Path| fs::remove_file(one(folder, what)).unwrap();
    let scramble = |what: &'static str| {
        move |folder: &Path| {
            let file = one(folder, what);
            let bytes: Vec<_> = fs::read(&file).unwrap().iter().map(|byte| !byte).collect();
            fs::write(file, bytes).unwrap();
        }
    };
    let flip_middle = |what: &'static str| {
        move |folder: &Path| {
            let file = one(folder, what);
            flip(&file, fs::metadata(&file).unwrap().len() as usize / 2);
        }
    };
    let damages: [(&str, Damage<'_>); 9] = [
        ("a table is cut short", &halve(".sst")),
        ("a table is missing", &remove(".sst")),
        ("a table is scrambled", &scramble(".sst")),
        ("a bit of the manifest is flipped", &flip_middle("MANIFEST")),
        ("the manifest is cut short", &halve("MANIFEST")),
        ("the manifest is missing", &remove("MANIFEST")),
        ("the manifest is scrambled", &scramble("MANIFEST")),
        ("the pointer to the manifest is scrambled", &scramble("CURRENT")),
        ("the pointer to the manifest is cut short", &halve("CURRENT")),
    ];
    for (what, damage) in damages {
        let damaged = copy_of(&home);
        damage(&store(&damaged));
        let ending = start_and_look(&damaged).await;
        // A manifest without its end is that of an earlier store, which catches up with the log.
        let may_catch_up = what == "the manifest is cut short" && ending == Ending::Well(known.clone());
        assert!(may_catch_up || ending == Ending::Told("STORE_DAMAGED".to_owned()), "{what}: {ending:?}");
        // As its page says.
        fs::remove_dir_all(store(&damaged)).unwrap();
        assert_eq!(start_and_look(&damaged).await, Ending::Well(known.clone()), "{what}: folded anew");
    }
    let node = home.start().await;
    goes_on(&node).await;
}

/// Whichever bit it is: the answers are right, or there are none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_in_the_store_never_changes_an_answer() {
    let (home, known) = stopped_node().await;
    let mut told = 0;
    let folder = home.data().join("store/0000");
    let tables_and_manifest = files(&folder).into_iter().filter(|file| {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        name.ends_with(".sst") || name.starts_with("MANIFEST")
    });
    for file in tables_and_manifest {
        let length = fs::metadata(&file).unwrap().len() as usize;
        for part in 0..4 {
            let damaged = copy_of(&home);
            flip(&damaged.data().join(file.strip_prefix(home.data()).unwrap()), length * (2 * part + 1) / 8);
            match start_and_look(&damaged).await {
                Ending::Well(digests) => assert_eq!(digests, known, "{}, part {part}", file.display()),
                Ending::Told(code) => {
                    assert_eq!(code, "STORE_DAMAGED", "{}, part {part}", file.display());
                    told += 1;
                }
            }
        }
    }
    assert!(told > 0, "some bits matter");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_log_record_is_told_and_nothing_is_written_over_it() {
    let (home, known) = stopped_node().await;
    let log = home.data().join("log");
    let wal = files_ending(&log, ".log").into_iter().max_by_key(|file| fs::metadata(file).unwrap().len()).unwrap();
    let aside = home.folder.path().join("aside");
    copy(&log, &aside);
    flip(&wal, fs::metadata(&wal).unwrap().len() as usize / 2);
    let damaged = fs::read(&wal).unwrap();
    let error = home.start_error().await;
    is(&error, "LOG_DAMAGED");
    assert_eq!(fs::read(&wal).unwrap(), damaged, "nothing was written to it");

    // An operator may cut the damage off. What the store knows beyond that is not forgotten silently.
    let mut cut = copy_of(&home);
    cut.config.log.recovery = "truncate".to_owned();
    assert_eq!(start_and_look(&cut).await, Ending::Told("STORE_AHEAD_OF_LOG".to_owned()));
    cut.config.log.recovery = "strict".to_owned();
    fs::remove_dir_all(cut.data().join("store")).unwrap();
    let Ending::Well(after) = start_and_look(&cut).await else { panic!("it goes on from the log as it is") };
    assert_ne!(after, known, "what was behind the damage is gone");

    // With a good copy of the log all is well.
    fs::remove_dir_all(&log).unwrap();
    fs::rename(&aside, &log).unwrap();
    let node = home.start().await;
    assert_eq!(node.domain_digests().await, known);
    goes_on(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_record_that_is_damaged_in_a_table_is_told_by_whoever_reads_it() {
    let node = Node::start_with(one_partition).await;
    with_a_held_item(&node).await;
    let command_id = new_id();
    let request = PlaceHoldRequest { command_id: command_id.clone(), ..place("h2", on(ADA)) };
    let _: PlaceHoldResponse = node.ask(&LEA, &request).await;
    // Opening moves what is in the write-ahead log into tables.
    let node = node.restart().await;
    let question = GetCommandRequest { command_id, ..Default::default() };
    let _: daybook_proto::node::v1::GetCommandResponse = node.ask(&LEA, &question).await;
    let home = node.stop().await;
    let mut tables = files_ending(&home.data().join("log"), ".sst");
    assert!(!tables.is_empty());
    for table in &mut tables {
        let length = fs::metadata(&*table).unwrap().len() as usize;
        for at in (0..length / 2).step_by(64) {
            flip(table, at);
        }
    }
    match Running::start(home.config.clone(), None).await {
        Err(error) => is(&error, "LOG_DAMAGED"),
        Ok(running) => {
            running.stop().await;
            let node = home.start().await;
            let (_, detail) = broken(&node).await;
            assert!(detail.starts_with("LOG_DAMAGED"), "{detail}");
            let refused = node.try_ask::<_, daybook_proto::node::v1::GetCommandResponse>(&LEA, &question).await;
            let refusal = Refusal::of_grpc(&refused.unwrap_err());
            assert_eq!((refusal.status, refusal.code.as_str()), (tonic::Code::DataLoss, "LOG_DAMAGED"));
        }
    }
}

/// The checksums of the files are right, the content is not what it was: the chain sees it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_whose_last_record_was_exchanged_is_not_continued() {
    let (home, known) = stopped_node().await;
    let log = home.data().join("log");
    let aside = home.folder.path().join("aside");
    copy(&log, &aside);
    {
        let memory = Memory::default();
        let read = EmbeddedLog::open_to_read(log.clone(), home.folder.path().join("scratch"), &memory).unwrap();
        let last = read.bounds(Topic::Decisions, PartitionId(0)).await.unwrap().next.0 - 1;
        let mut reader = read.reader(Topic::Decisions, PartitionId(0), daybook_kernel::id::Offset(last)).unwrap();
        let mut bytes = reader.next().await.unwrap()[0].bytes.to_vec();
        drop((reader, read));
        let at = bytes.len() - 10;
        bytes[at] ^= 1;
        let spec = Spec::new(&log, Wal::Kept)
            .family(Family::append_only("commands"))
            .family(Family::append_only("decisions"))
            .family(Family::new("meta"));
        let db = spec.open(&memory).unwrap();
        let key = [&0_u32.to_be_bytes()[..], &last.to_be_bytes()].concat();
        assert!(db.get_cf(&family(&db, "decisions").unwrap(), &key).unwrap().is_some());
        db.put_cf(&family(&db, "decisions").unwrap(), key, bytes).unwrap();
        db.flush_wal(true).unwrap();
    }
    let exchanged = copy_of(&home);
    assert_eq!(start_and_look(&exchanged).await, Ending::Told("STORE_DIFFERS_FROM_LOG".to_owned()));

    fs::remove_dir_all(&log).unwrap();
    fs::rename(&aside, &log).unwrap();
    let node = home.start().await;
    assert_eq!(node.domain_digests().await, known);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_key_ring_is_told_and_a_copy_of_it_opens_everything() {
    let (home, known) = stopped_node().await;
    let keys = home.data().join("keys");
    let aside = home.folder.path().join("aside");
    copy(&keys, &aside);
    let wal = files_ending(&keys, ".log").into_iter().max_by_key(|file| fs::metadata(file).unwrap().len()).unwrap();
    flip(&wal, fs::metadata(&wal).unwrap().len() as usize / 2);
    is(&home.start_error().await, "KEY_RING_DAMAGED");

    fs::remove_dir_all(&keys).unwrap();
    fs::rename(&aside, &keys).unwrap();
    let node = home.start().await;
    assert_eq!(node.domain_digests().await, known);
    let revealed: RevealItemResponse = node.ask(&LEA, &reveal("a")).await;
    assert_eq!(revealed.item.unwrap().body, "body of a");
}
