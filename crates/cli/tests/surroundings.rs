//! One node of several whose surroundings are bad, or a log whose topics somebody changes: the others go on, the node says
//! what is wrong and what to do, nothing acknowledged is lost, nothing is decided twice.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::hash::{BuildHasher, RandomState};

use daybook_kernel::id::{Offset, PartitionId};
use daybook_log::{KafkaLog, Log, Topic};
use daybook_testkit::kafka::Broker;
use daybook_tests::disk::{SmallDisk, files};
use daybook_tests::skipped::skipped;
use serde_json::Value;

use common::load::{Records, compare_with_log};
use common::nodes::{LEADING, Nodes, PARTITIONS, state};

const CALLERS: u64 = 4;

fn seed() -> u64 {
    RandomState::new().hash_one("seed")
}

/// How many partitions a node leads, as it says itself.
fn leads(status: &Value) -> usize {
    (0..PARTITIONS).filter(|partition| state(status, *partition) == LEADING).count()
}

const ALL: usize = PARTITIONS as usize;

/// A node's data folder on a small disk of its own, if one can be mounted.
fn small_disk(test: &str, nodes: &Nodes, node: usize) -> Option<SmallDisk> {
    let mounted = SmallDisk::mount(&nodes.data(node), 64);
    if let Err(why) = &mounted {
        skipped(test, &format!("no small disk can be mounted ({why}); run as root, with the right to mount"));
    }
    mounted.ok()
}

fn two_addresses() -> Vec<String> {
    (0..2).map(|_| common::nodes::free_address("127.0.0.1")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_on_kafka_whose_disk_is_nearly_full_leaves_what_it_leads_to_others() {
    let test = "a_node_on_kafka_whose_disk_is_nearly_full_leaves_what_it_leads_to_others";
    let broker = Broker::shared().await.unwrap();
    let environment = [("DAYBOOK_STORE__DISK_RESERVE_MIB", "16")];
    let mut nodes = Nodes::prepare(&broker.address(), "nearly-full", two_addresses(), &environment);
    let Some(disk) = small_disk(test, &nodes, 1) else { return };
    nodes.start_all();
    let running = nodes.under_load(CALLERS, seed()).await;
    nodes.wait_for_status(1, "it leads something", |status| leads(status) > 0);

    let ballast = disk.fill(8 << 20);
    nodes.wait_for_status(1, "it leads nothing", |status| leads(status) == 0);
    nodes.wait_for_status(0, "it leads everything", |status| leads(status) == ALL);
    // Callers of either node: the one passes on what the other decides.
    running.load.goes_on(10 * CALLERS, "the disk of one node is nearly full").await;
    // While the group settles, it may be given a partition for a moment, which it gives up again.
    nodes.wait_for_status(1, "it passes them on", |status| status["refusesCommands"] == Value::Null);
    drop(ballast);
    nodes.wait_for_status(1, "it leads again", |status| leads(status) > 0);

    let log = KafkaLog::open(broker.log_options("nearly-full", PARTITIONS)).await.unwrap();
    let counted = nodes.end(running, &log).await;
    assert!(counted.accepted > 50, "the load was a load: {counted:?}");
    nodes.running.clear();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_on_kafka_whose_disk_is_full_leaves_its_partitions_to_others_and_catches_up_later() {
    let test = "a_node_on_kafka_whose_disk_is_full_leaves_its_partitions_to_others_and_catches_up_later";
    let broker = Broker::shared().await.unwrap();
    let mut nodes = Nodes::prepare(&broker.address(), "full", two_addresses(), &[]);
    // It does not look at its disk, and writes soon.
    let own = [("DAYBOOK_STORE__DISK_RESERVE_MIB", "0"), ("DAYBOOK_STORE__WRITE_BUFFER_MIB", "1")];
    nodes.environments[1] = own.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let Some(disk) = small_disk(test, &nodes, 1) else { return };
    nodes.start_all();
    let running = nodes.under_load(CALLERS, seed()).await;

    let ballast = disk.fill(0);
    let failed = nodes.wait_for_status(1, "a store has failed", |status| {
        (0..PARTITIONS).any(|partition| state(status, partition) == "PARTITION_STATE_BROKEN")
    });
    assert_eq!(failed["ready"], Value::Null, "it is not ready");
    let details: Vec<_> = (0..ALL).map(|partition| failed["partitions"][partition]["detail"].to_string()).collect();
    let details = details.join("; ");
    assert!(details.contains("STORE_FAILED") && details.contains("make space and start again"), "{details}");
    running.load.goes_on(10 * CALLERS, "the disk of one node is full").await;

    // What it says is to be done: space, and a start.
    drop(ballast);
    nodes.kill(1);
    running.load.goes_on(2 * CALLERS, "the node with the full disk was stopped").await;
    nodes.start_one(1);
    let log = KafkaLog::open(broker.log_options("full", PARTITIONS)).await.unwrap();
    let counted = nodes.end(running, &log).await;
    assert!(counted.accepted > 50, "the load was a load: {counted:?}");
    nodes.running.clear();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_keeps_one_node_on_kafka_from_starting_and_no_other_from_going_on() {
    let broker = Broker::shared().await.unwrap();
    let mut nodes = Nodes::start(&broker.address(), "damaged", 2, &[]);
    let running = nodes.under_load(CALLERS, seed()).await;
    running.load.goes_on(10 * CALLERS, "before the damage").await;
    nodes.running[1].take().unwrap().stop();
    let store = nodes.data(1).join("store/0002");
    let manifest = files(&store).into_iter().find(|file| file.to_string_lossy().contains("MANIFEST")).unwrap();
    let scrambled: Vec<_> = fs::read(&manifest).unwrap().iter().map(|byte| !byte).collect();
    fs::write(manifest, scrambled).unwrap();

    let Err(why) = nodes.try_start(1) else { panic!("it starts with a damaged store") };
    assert!(why.contains("STORE_DAMAGED") && why.contains("delete the partition's store folder"), "{why}");
    running.load.goes_on(10 * CALLERS, "one node does not start").await;
    fs::remove_dir_all(store).unwrap();
    nodes.start_one(1);
    let log = KafkaLog::open(broker.log_options("damaged", PARTITIONS)).await.unwrap();
    let counted = nodes.end(running, &log).await;
    assert!(counted.accepted > 50, "the load was a load: {counted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_somebody_deletes_from_kafka_stop_only_the_node_that_needs_them() {
    let broker = Broker::shared().await.unwrap();
    let mut nodes = Nodes::start(&broker.address(), "deleted", 2, &[]);
    let running = nodes.under_load(CALLERS, seed()).await;
    running.load.goes_on(20 * CALLERS, "before anything is deleted").await;
    let log = KafkaLog::open(broker.log_options("deleted", PARTITIONS)).await.unwrap();
    let mut records = Records::of(&log).await;

    // What both nodes have applied by now, with Kafka's own tool.
    let next = |node: usize, field: &str, partition: usize| -> u64 {
        nodes.status(node)["partitions"][partition][field].as_str().unwrap().parse().unwrap()
    };
    let places: Vec<_> = [("commands", "nextCommand"), ("decisions", "nextDecision")]
        .into_iter()
        .flat_map(|(topic, field)| (0..ALL).map(move |partition| (topic, field, partition)))
        .map(|(topic, field, partition)| {
            let offset = next(0, field, partition).min(next(1, field, partition));
            serde_json::json!({"topic": format!("deleted.{topic}"), "partition": partition, "offset": offset})
        })
        .collect();
    records.read_on(&log).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), serde_json::json!({"partitions": places, "version": 1}).to_string()).unwrap();
    let path = file.path().to_str().unwrap();
    broker.tool("org.apache.kafka.tools.DeleteRecordsCommand", &["--offset-json-file", path]).unwrap();
    let bounds = log.bounds(Topic::Decisions, PartitionId(0)).await.unwrap();
    assert!(bounds.first > Offset(0), "they are deleted");
    running.load.goes_on(10 * CALLERS, "records were deleted").await;

    // With its stores, a node starts as ever.
    nodes.running[1].take().unwrap().stop();
    nodes.start_one(1);
    nodes.settle();
    running.load.goes_on(10 * CALLERS, "a node was started again").await;

    // Without them it says what it lacks, and leaves what it cannot lead to the other one.
    nodes.running[1].take().unwrap().stop();
    let (store, aside) = (nodes.data(1).join("store"), nodes.data(1).join("aside"));
    fs::rename(&store, &aside).unwrap();
    nodes.start_one(1);
    let lacking = nodes.wait_for_status(1, "the log is trimmed", |status| {
        (0..PARTITIONS).all(|partition| state(status, partition) == "PARTITION_STATE_BROKEN")
    });
    let detail = lacking["partitions"][0]["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("LOG_TRIMMED") && detail.contains("set archive.url"), "{detail}");
    nodes.wait_for_status(0, "it leads everything", |status| leads(status) == ALL);
    running.load.goes_on(10 * CALLERS, "a node lacks the deleted records").await;
    nodes.kill(1);
    fs::remove_dir_all(&store).unwrap();
    fs::rename(&aside, &store).unwrap();
    nodes.start_one(1);

    let load = nodes.end_load(running).await;
    nodes.settle();
    load.check_history();
    records.read_on(&log).await;
    let counted = compare_with_log(&records, &load.asked());
    assert!(counted.accepted > 50, "the load was a load: {counted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_topics_that_somebody_makes_unsafe_take_no_commands_until_they_are_safe_again() {
    let broker = Broker::shared().await.unwrap();
    let mut nodes = Nodes::start(&broker.address(), "changed", 2, &[("DAYBOOK_LOG__KAFKA_CHECK_SECONDS", "1")]);
    let running = nodes.under_load(CALLERS, seed()).await;
    running.load.goes_on(10 * CALLERS, "before anything is changed").await;
    let alter = |topic: &str, settings: &str| {
        let arguments = ["--alter", "--entity-type", "topics", "--entity-name", topic, "--add-config", settings];
        broker.tool("kafka.admin.ConfigCommand", &arguments).unwrap();
    };
    for (topic, unsafe_setting, safe_setting) in [
        // An hour: nothing is lost while this test runs.
        ("changed.decisions", "retention.ms=3600000", "retention.ms=-1"),
        ("changed.commands", "unclean.leader.election.enable=true", "unclean.leader.election.enable=false"),
    ] {
        alter(topic, unsafe_setting);
        let name = unsafe_setting.split('=').next().unwrap();
        for node in 0..2 {
            let refuses = |status: &Value| status["refusesCommands"].as_str().unwrap_or_default().to_owned();
            let status = nodes.wait_for_status(node, "it takes no commands", |status| !refuses(status).is_empty());
            let why = refuses(&status);
            assert!(why.starts_with("TOPIC_SETTINGS_WRONG") && why.contains(name) && why.contains(topic), "{why}");
            assert_eq!(status["ready"], Value::Null, "it is not ready");
        }
        let refused = nodes.running[0].as_ref().unwrap().error(&["tenant", "create", "late"]);
        assert_eq!(refused["code"], "TOPIC_SETTINGS_WRONG", "{refused:#}");
        alter(topic, safe_setting);
        for node in 0..2 {
            nodes.wait_for_status(node, "it takes commands", |status| status["refusesCommands"] == Value::Null);
        }
        running.load.goes_on(4 * CALLERS, "the settings are right again").await;
    }

    // Who starts meanwhile does not serve at all.
    nodes.running[1].take().unwrap().stop();
    alter("changed.decisions", "cleanup.policy=compact");
    let Err(why) = nodes.try_start(1) else { panic!("it starts on a topic that forgets") };
    assert!(why.contains("TOPIC_SETTINGS_WRONG") && why.contains("cleanup.policy"), "{why}");
    alter("changed.decisions", "cleanup.policy=delete");
    nodes.start_one(1);
    let log = KafkaLog::open(broker.log_options("changed", PARTITIONS)).await.unwrap();
    let counted = nodes.end(running, &log).await;
    assert!(counted.accepted > 20, "the load was a load: {counted:?}");
}
