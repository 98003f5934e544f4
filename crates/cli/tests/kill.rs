//! The real program under `kill -9`: callers ask for all sorts of things, the node is killed at a random moment, started
//! again and killed again, fifty times. Then the log is read: whatever was acknowledged is there as it was
//! acknowledged, nothing was decided twice, and the stores are what the log leads to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use daybook_log::EmbeddedLog;
use daybook_rocks::Memory;

use common::Served;
use common::load::{Caller, Load, Random, Records, Tokens, compare_with_log};

const KILLS: u64 = 50;
const CALLERS: u64 = 8;
const TENANT: &str = "demo";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_and_nothing_is_decided_twice() {
    let seed = std::env::var("DAYBOOK_KILL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| RandomState::new().hash_one("seed"));
    println!("DAYBOOK_KILL_SEED={seed} chooses the same moments again");
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let load = Load::new(&[TENANT], Duration::ZERO);

    for round in 0..KILLS {
        let served = Served::start(&data, &[]);
        let tokens = Tokens::of(&data, &[TENANT]);
        let caller = Caller::new(&served.address, &tokens);
        if round == 0 {
            load.set_up(&caller).await;
        }
        load.repeat_unanswered(&caller).await;
        let callers: Vec<_> = (0..CALLERS)
            .map(|index| {
                let caller = Caller::new(&served.address, &tokens);
                load.run(caller, Random(seed ^ (round * CALLERS + index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
            })
            .collect();
        let moment = Random(seed.wrapping_add(round)).below(150);
        tokio::time::sleep(Duration::from_millis(moment)).await;
        served.kill();
        load.stop();
        for caller in callers {
            caller.await.unwrap();
        }
    }

    let served = Served::start(&data, &[]);
    load.repeat_unanswered(&Caller::new(&served.address, &Tokens::of(&data, &[TENANT]))).await;
    // Row by row the same as a store that is folded from nothing, while the node goes on.
    served.text(&["replay", "rebuild", "--compare"]);
    served.stop();
    let verified = common::text_of(
        common::daybook().arg("--data-dir").arg(&data).args(["replay", "verify"]).output().unwrap(),
        &["replay", "verify"],
    );
    assert!(verified.contains(" 0 came out differently"), "{verified}");
    load.check_history();
    let scratch = tempfile::tempdir().unwrap();
    let memory = Memory::new(8 << 20, 0);
    let log = EmbeddedLog::open_to_read(data.join("log"), scratch.path().join("reader"), &memory).unwrap();
    let counted = compare_with_log(&Records::of(&log).await, &load.asked());
    assert!(counted.accepted > KILLS && counted.rejected > 0, "the load was a load: {counted:?}");
    assert_eq!(counted.dropped, 0, "one node at a time leaves no record that does not count");
}
