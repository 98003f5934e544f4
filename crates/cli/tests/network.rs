//! A real node whose network is cut, under load: from everything, from the brokers only, from the other nodes only. The
//! others go on with what it led; what it appends late does not count; when the network is whole again it catches up by
//! itself.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use daybook_log::KafkaLog;
use daybook_testkit::kafka::Broker;
use daybook_tests::skipped::skipped;

use common::network::Network;
use common::nodes::{LEADING, Nodes, PARTITIONS, free_address, state};

const CALLERS: u64 = 6;
const LOG: &str = "cut";
/// The node whose network is cut.
const CUT: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_on_kafka_that_is_cut_off_is_replaced_and_catches_up() {
    let test = "a_node_on_kafka_that_is_cut_off_is_replaced_and_catches_up";
    let network = match Network::new() {
        Ok(network) => network,
        Err(why) => {
            let why = format!("no network can be made ({why}); run as root, with CAP_NET_ADMIN and iproute2");
            return skipped(test, &why);
        }
    };
    // The brokers and the other nodes have addresses of their own, to be cut off from either. Callers have that of the nodes.
    let [of_nodes, of_brokers] = &network.here;
    let broker = Broker::start_at(of_brokers).await.unwrap();
    let addresses = vec![free_address(of_nodes), free_address(of_nodes), format!("{}:7420", network.there)];
    let mut nodes = Nodes::prepare(&broker.address(), LOG, addresses, &[]);
    nodes.namespaces[CUT] = Some(network.namespace.clone());
    nodes.start_all();
    let seed = RandomState::new().hash_one("seed");
    let running = nodes.under_load(CALLERS, seed).await;
    running.load.goes_on(10 * CALLERS, "before the network is cut").await;

    type Change<'a> = &'a dyn Fn();
    let (cut, heal): (Change<'_>, Change<'_>) = (&|| network.cut(), &|| network.heal());
    let (cut_from_brokers, heal_to_brokers): (Change<'_>, Change<'_>) =
        (&|| network.cut_from(of_brokers), &|| network.heal_to(of_brokers));
    let (cut_from_nodes, heal_to_nodes): (Change<'_>, Change<'_>) =
        (&|| network.cut_from(of_nodes), &|| network.heal_to(of_nodes));
    // With whether others go on meanwhile with what it led.
    for (what, cut, heal, apart_s, is_replaced) in [
        ("cut off for a moment", cut, heal, 2, false),
        ("cut off", cut, heal, 10, true),
        ("cut off from the brokers", cut_from_brokers, heal_to_brokers, 10, true),
        ("cut off from the other nodes and from callers", cut_from_nodes, heal_to_nodes, 4, false),
    ] {
        nodes.wait_for_status(CUT, "it leads something", |status| {
            (0..PARTITIONS).any(|partition| state(status, partition) == LEADING)
        });
        cut();
        let since = Instant::now();
        if is_replaced {
            running.load.goes_on(4 * CALLERS, what).await;
            println!("{what}: callers are answered after {:.1} s at most", since.elapsed().as_secs_f64());
        }
        tokio::time::sleep(Duration::from_secs(apart_s).saturating_sub(since.elapsed())).await;
        heal();
        running.load.goes_on(4 * CALLERS, &format!("{what}: the network is whole again")).await;
        nodes.settle();
    }

    let log = KafkaLog::open(broker.log_options(LOG, PARTITIONS)).await.unwrap();
    let counted = nodes.end(running, &log).await;
    assert!(counted.accepted > 100 && counted.rejected > 0, "the load was a load: {counted:?}");
    nodes.running.clear();
}
