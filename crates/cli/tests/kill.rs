//! The real program under `kill -9`: callers ask for all sorts of things, the node is killed at a random moment, started
//! again and killed again, fifty times. Then the log is read: whatever was acknowledged is there as it was
//! acknowledged, nothing was decided twice, and the stores are what the log leads to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use daybook_log::EmbeddedLog;
use daybook_rocks::Memory;
use daybook_tests::requests::class;

use common::Served;
use common::load::{Asked, Caller, Random, compare_with_log, load, repeat_unanswered, token};

const KILLS: u64 = 50;
const CALLERS: u64 = 8;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_and_nothing_is_decided_twice() {
    let seed = std::env::var("DAYBOOK_KILL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| RandomState::new().hash_one("seed"));
    println!("DAYBOOK_KILL_SEED={seed} chooses the same moments again");
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let asked = Asked::default();
    let counter = Arc::new(AtomicU64::new(0));

    for round in 0..KILLS {
        let served = Served::start(&data, &[]);
        let token = token(&data);
        let caller = Caller::new(&served.address, &token);
        if round == 0 {
            caller.ask("class", class("mail", 1)).await;
            // What `class` was told is not part of the load.
        }
        repeat_unanswered(&caller, &asked).await;
        let stop = Arc::new(AtomicBool::new(false));
        let load: Vec<_> = (0..CALLERS)
            .map(|index| {
                let (asked, stop, counter) = (Arc::clone(&asked), Arc::clone(&stop), Arc::clone(&counter));
                let caller = Caller::new(&served.address, &token);
                let random = Random(seed ^ (round * CALLERS + index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
                tokio::spawn(load(caller, random, asked, stop, counter))
            })
            .collect();
        let moment = Random(seed.wrapping_add(round)).below(150);
        tokio::time::sleep(Duration::from_millis(moment)).await;
        served.kill();
        stop.store(true, Ordering::Relaxed);
        for caller in load {
            caller.await.unwrap();
        }
    }

    let served = Served::start(&data, &[]);
    repeat_unanswered(&Caller::new(&served.address, &token(&data)), &asked).await;
    // Row by row the same as a store that is folded from nothing, while the node goes on.
    served.text(&["replay", "rebuild", "--compare"]);
    served.stop();
    let verified = common::text_of(
        common::daybook().arg("--data-dir").arg(&data).args(["replay", "verify"]).output().unwrap(),
        &["replay", "verify"],
    );
    assert!(verified.contains(" 0 came out differently"), "{verified}");
    let asked = asked.lock().unwrap().clone();
    let scratch = tempfile::tempdir().unwrap();
    let memory = Memory::new(8 << 20, 0);
    let log = EmbeddedLog::open_to_read(data.join("log"), scratch.path().join("reader"), &memory).unwrap();
    let counted = compare_with_log(&log, &asked).await;
    assert!(counted.accepted > KILLS && counted.rejected > 0, "the load was a load: {counted:?}");
    assert_eq!(counted.dropped, 0, "one node at a time leaves no record that does not count");
}
