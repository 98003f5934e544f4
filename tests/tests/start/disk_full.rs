//! A disk that fills up. On a small one of its own, which needs the right to mount.

use std::time::Duration;

use daybook_tests::disk::SmallDisk;
use daybook_tests::node::{Home, new_id};
use daybook_tests::refusal::Refusal;
use daybook_tests::skipped::skipped;
use tonic::Code;

use super::*;

fn on_a_small_disk(test: &str) -> Option<Home> {
    let mut home = Home::with(one_partition);
    let folder = home.folder.path().join("disk");
    match SmallDisk::mount(&folder, 64) {
        Ok(disk) => {
            home.config.node.data_dir = folder.join("data");
            home.issuer = home.data();
            home.disk = Some(disk);
            Some(home)
        }
        Err(why) => {
            skipped(test, &format!("no small disk can be mounted ({why}); run as root, with the right to mount"));
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_nearly_full_takes_no_commands_until_there_is_space_again() {
    let test = "a_disk_that_is_nearly_full_takes_no_commands_until_there_is_space_again";
    let Some(mut home) = on_a_small_disk(test) else { return };
    home.config.store.disk_reserve_mib = 16;
    let node = home.start().await;
    with_a_held_item(&node).await;
    let ballast = node.home.disk.as_ref().unwrap().fill(8 << 20);
    let refusal = eventually("commands are refused", async || {
        let request = register(item(&new_id(), "century", ADA));
        let refused = node.try_ask::<_, RegisterItemResponse>(&RITA, &request).await;
        refused.err().map(|status| Refusal::of_grpc(&status))
    })
    .await;
    assert_eq!((refusal.status, refusal.code.as_str()), (Code::ResourceExhausted, "DISK_NEARLY_FULL"));
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(10)));
    let gate: CheckDispositionResponse = node.ask(&RITA, &check(&["a"], None)).await;
    assert_eq!(gate.results[0].hold_ids, ["h"], "queries go on");
    drop(ballast);
    eventually("commands are taken again", async || {
        let request = register(item(&new_id(), "century", ADA));
        node.try_ask::<_, RegisterItemResponse>(&RITA, &request).await.ok()
    })
    .await;
    goes_on(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_and_what_was_acknowledged_is_kept() {
    let test = "a_full_disk_is_told_and_what_was_acknowledged_is_kept";
    let Some(mut home) = on_a_small_disk(test) else { return };
    home.config.limits.decision_wait_seconds = Duration::from_secs(2);
    let node = home.start().await;
    with_a_held_item(&node).await;
    node.settle().await;
    let ballast = node.home.disk.as_ref().unwrap().fill(1 << 20);
    // Without content, so that it is the log that needs the space.
    let bare = |id: &str| Item {
        title: String::new(),
        body: String::new(),
        entities: Vec::new(),
        reference: "x".repeat(2_000),
        ..item(id, "century", ADA)
    };
    let mut acknowledged = Vec::new();
    let (unanswered, refusal) = loop {
        let ids: Vec<_> = (0..50).map(|_| new_id()).collect();
        let items = ids.iter().map(|id| bare(id)).collect();
        let request = RegisterItemsRequest { command_id: new_id(), items, ..Default::default() };
        match node.try_ask::<_, RegisterItemsResponse>(&RITA, &request).await {
            Ok(_) => acknowledged.extend(ids),
            Err(status) => break (request, Refusal::of_grpc(&status)),
        }
        assert!(acknowledged.len() < 100_000, "the disk does not fill up");
    };
    // Where the command found no space, its caller is told at once. Where its decision found none, nobody knows yet what
    // became of it; whoever asks next is told.
    let refused = node.try_ask::<_, RegisterItemsResponse>(&RITA, &unanswered).await;
    let next = Refusal::of_grpc(&refused.unwrap_err());
    match refusal.code.as_str() {
        "DISK_FULL" => assert_eq!(refusal.status, Code::ResourceExhausted),
        "OUTCOME_UNKNOWN" => assert_eq!(refusal.status, Code::DeadlineExceeded),
        other => panic!("{other}: {refusal:?}"),
    }
    assert!(next.message.contains("DISK_FULL"), "{next:?}");
    assert_eq!((next.status, next.code.as_str()), (Code::Unavailable, "PARTITION_BROKEN"), "the log is closed");
    let ready = reqwest::get(format!("http://{}/readyz", node.running.metrics_address)).await.unwrap();
    assert_eq!(ready.status().as_u16(), 503);
    assert!(ready.text().await.unwrap().contains("DISK_FULL"), "and the node says so");

    // As its page says: make space, start again, send what was not acknowledged again.
    let home = node.stop().await;
    drop(ballast);
    let node = home.start().await;
    for id in &acknowledged {
        let _: GetItemResponse = node.ask(&RITA, &get_item(id)).await;
    }
    let _: RegisterItemsResponse = node.ask(&RITA, &unanswered).await;
    goes_on(&node).await;
}
