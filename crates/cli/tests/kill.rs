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

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_can_open_no_more_files_ends_the_node_which_goes_on_when_it_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let load = Load::new(&[TENANT], Duration::ZERO);
    // New files every few hundred commands.
    let environment = [("DAYBOOK_STORE__WRITE_BUFFER_MIB", "2")];
    let mut served = Served::start_in(&data, &environment, &[]);
    let tokens = Tokens::of(&data, &[TENANT]);
    load.set_up(&Caller::new(&served.address, &tokens)).await;
    let callers: Vec<_> =
        (0..CALLERS).map(|seed| load.run(Caller::new(&served.address, &tokens), Random(seed + 1))).collect();
    load.goes_on(20, "before").await;
    served.may_open_no_more_files();
    let ended = served.ended();
    load.stop();
    for caller in callers {
        caller.await.unwrap();
    }
    let said = common::tail(&data);
    assert!(
        !ended.success()
            && (said.contains("the log cannot be written any more") || said.contains("STORE_OUT_OF_FILES")),
        "{ended}: {said}"
    );

    let served = Served::start_in(&data, &environment, &[]);
    load.repeat_unanswered(&Caller::new(&served.address, &tokens)).await;
    served.text(&["replay", "rebuild", "--compare"]);
    served.stop();
    load.check_history();
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_never_take_the_files_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut few_files = std::process::Command::new("sh");
    few_files.args(["-c", "ulimit -n 512; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_daybook")]);
    let environment = [("DAYBOOK_STORE__WRITE_BUFFER_MIB", "2")];
    let served = Served::try_start(few_files, &data, &environment, &[]).unwrap();
    // From another address than the callers.
    let address = served.address.trim_start_matches("http://").parse().unwrap();
    let mut idle = Vec::new();
    for _ in 0..1_000 {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let connected = tokio::time::timeout(Duration::from_secs(1), socket.connect(address)).await;
        idle.extend(connected.ok().and_then(Result::ok));
    }
    let load = Load::new(&[TENANT], Duration::ZERO);
    let tokens = Tokens::of(&data, &[TENANT]);
    load.set_up(&Caller::new(&served.address, &tokens)).await;
    let callers: Vec<_> =
        (0..CALLERS).map(|seed| load.run(Caller::new(&served.address, &tokens), Random(seed + 1))).collect();
    load.goes_on(2_000, "while a thousand connections are open").await;
    load.stop();
    for caller in callers {
        caller.await.unwrap();
    }
    drop(idle);
    served.stop();
    load.check_history();
}
