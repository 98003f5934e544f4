//! What the end-to-end tests share: a node with its doors open, people who knock at them, and what they ask for.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`collector`] | a collector of traces that keeps what it is sent |
//! | [`node`] | a real node in this process, on a folder and ports of its own |
//! | [`outbox`] | what stands on outbox topics, held against the log |
//! | [`people`] | who asks, with which roles |
//! | [`refusal`] | an error as gRPC and JSON tell it, and that both tell the same |
//! | [`events`] | events of product use, registered |
//! | [`sources`] | the ways in which events of product use come in |
//! | [`careless`] | what careless programs send through them |
//! | [`requests`] | short ways to write requests |
//! | [`story`] | the one story that every door and every log must tell |
//! | [`golden`] | golden logs: made once for each release, read by every later build |
//! | [`disk`] | files: copying, searching, damaging |
//! | [`group`] | nodes in the group of a log, as processes of their own |
//! | [`kafka_client`] | ordinary Kafka clients |
//! | [`skipped`] | saying that a test could not run |
//!
//! ```no_run
//! use daybook_tests::node::Node;
//! use daybook_tests::people::LEA;
//! use daybook_tests::requests::{on, place};
//! use daybook_proto::legal_hold::v1::PlaceHoldResponse;
//!
//! # async fn example() {
//! let node = Node::start().await;
//! let placed: PlaceHoldResponse = node.ask(&LEA, &place("h", on("ada@example.org"))).await;
//! # }
//! ```

pub mod careless;
pub mod collector;
pub mod disk;
pub mod events;
pub mod golden;
pub mod group;
pub mod kafka_client;
pub mod node;
pub mod outbox;
pub mod people;
pub mod refusal;
pub mod requests;
pub mod skipped;
pub mod sources;
pub mod story;

use std::time::{Duration, Instant};

/// How long anything may take that must happen in the end. Generous: it only decides when a test gives up.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Asks again and again until there is an answer.
///
/// # Panics
/// When there is none within [`DEADLINE`].
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
