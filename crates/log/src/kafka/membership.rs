//! Who looks after which partition: the nodes of a log form a consumer group, and Kafka's group coordinator hands the
//! partitions of `<name>.commands` out among them.
//!
//! Being assigned a partition is advice. It says who should take it over; who owns it is decided by the takeover records
//! on the decision chain alone. So nothing here has to be exact: two nodes may both believe for a moment that a partition
//! is theirs, and only one of them gets a record accepted.
//!
//! No record is read through the group: each partition is assigned at its end and paused. Nothing is committed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use daybook_kernel::id::PartitionId;
use parking_lot::Mutex;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::groups::GroupMemberInfo;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset as KafkaOffset, TopicPartitionList};
use tokio::sync::watch;

use super::assignment::partitions_of;
use super::config::{group, membership_config};
use super::topics::Admin;
use super::{KafkaOptions, REQUEST_TIMEOUT, Reports, admin, from_kafka};
use crate::LogError;
use crate::topic::Topic;

/// A node in the group, as the coordinator knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The node's id.
    pub node_id: String,
    /// Where its doors are.
    pub address: String,
    /// The partitions that it was assigned. Empty while the group is agreeing anew.
    pub partitions: BTreeSet<PartitionId>,
}

/// How long the brokers may take to describe the group. One that has just died costs this much each time.
const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(3);

/// This node's membership of the group `daybook.<log name>`.
///
/// Ends with [`leave`](Self::leave). Dropping it leaves as well, but waits for nothing. A node that dies is out of the
/// group when nothing was heard of it for 6 seconds. A node that itself hears nothing of the brokers for that long takes
/// it that it is out: it is assigned nothing until it has joined again, which it does by itself.
pub struct Membership {
    group: String,
    topic: String,
    assigned: watch::Receiver<BTreeSet<PartitionId>>,
    admin: Admin,
    attending: Attending,
}

/// The thread that keeps the membership up.
struct Attending {
    leaving: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Attending {
    fn drop(&mut self) {
        self.leaving.store(true, Ordering::Release);
    }
}

impl Membership {
    /// Joins the group. Returns at once; what this node is assigned shows in [`assigned`](Self::assigned) a little later.
    /// The topics of the log must be there: open the log first.
    ///
    /// `node_id` and `address` (where other nodes reach this one, `host:port`) are shown to the other members.
    ///
    /// # Errors
    /// [`LogError::WrongSettings`] when `options` hold a setting that the group needs otherwise,
    /// [`LogError::Unavailable`] when no client can be made. Brokers that do not answer are no error: it goes on trying.
    pub fn join(options: &KafkaOptions, node_id: &str, address: &str) -> Result<Self, LogError> {
        let topic = format!("{}.{}", options.name, Topic::Commands);
        let (sender, assigned) = watch::channel(BTreeSet::new());
        let config = membership_config(options, &client_id(node_id, address))?;
        let context = Rebalances { assigned: sender };
        let consumer = BaseConsumer::from_config_and_context(&config, context).map_err(|error| from_kafka(&error))?;
        consumer.subscribe(&[&topic]).map_err(|error| from_kafka(&error))?;
        let leaving = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&leaving);
        let thread = std::thread::Builder::new().name("kafka-group".into()).spawn(move || attend(consumer, &stop));
        let thread = Mutex::new(Some(thread.map_err(|error| LogError::Unavailable { what: error.to_string() })?));
        let (admin, attending) = (admin(options)?, Attending { leaving, thread });
        Ok(Self { group: group(options), topic, assigned, admin, attending })
    }

    /// What this node is assigned now. Closes when the membership has ended, empty.
    pub fn assigned(&self) -> watch::Receiver<BTreeSet<PartitionId>> {
        self.assigned.clone()
    }

    /// Every member of the group, this one included, ordered by node id. Members that are no nodes of Daybook are left
    /// out.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when the group cannot be described within some seconds. That takes an answer of every
    /// broker, except those that the cluster itself has noticed to be down (by default after 9 seconds): until then, what
    /// was known before is the best there is.
    pub async fn members(&self) -> Result<Vec<Member>, LogError> {
        let (admin, group, topic) = (Arc::clone(&self.admin), self.group.clone(), self.topic.clone());
        let asked = tokio::task::spawn_blocking(move || {
            // The group is asked for at every broker that the client knows. Asking which there are makes it forget those
            // that are gone, for which it would wait in vain.
            let client = admin.inner();
            client.fetch_metadata(Some(&topic), REQUEST_TIMEOUT).map_err(|error| from_kafka(&error))?;
            let described =
                client.fetch_group_list(Some(&group), DESCRIBE_TIMEOUT).map_err(|error| from_kafka(&error))?;
            let in_group = described.groups().iter().filter(|found| found.name() == group);
            let mut members: Vec<_> =
                in_group.flat_map(|found| found.members()).filter_map(|info| member(info, &topic)).collect();
            members.sort_by(|a, b| a.node_id.cmp(&b.node_id));
            Ok(members)
        });
        asked.await.map_err(|error| LogError::Unavailable { what: error.to_string() })?
    }

    /// Leaves the group: the others take over at once. Returns when the coordinator knows, or cannot be reached.
    pub async fn leave(&self) {
        self.attending.leaving.store(true, Ordering::Release);
        let thread = self.attending.thread.lock().take();
        if let Some(thread) = thread {
            // A thread that panicked has left as well.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

/// Polls, which serves the rebalances and tells the broker that this node is alive. Dropping the consumer leaves.
fn attend(consumer: BaseConsumer<Rebalances>, leaving: &AtomicBool) {
    while !leaving.load(Ordering::Acquire) {
        if let Some(Err(error)) = consumer.poll(Duration::from_millis(50)) {
            tracing::warn!(%error, "kafka group");
        }
    }
}

/// Takes over what the coordinator says. Runs inside `poll`, so it does nothing that could take time.
struct Rebalances {
    assigned: watch::Sender<BTreeSet<PartitionId>>,
}

impl ClientContext for Rebalances {
    fn error(&self, error: KafkaError, reason: &str) {
        Reports.error(error, reason);
    }
}

impl ConsumerContext for Rebalances {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, what: RDKafkaRespErr, changed: &mut TopicPartitionList) {
        let partitions = changed.elements().into_iter().map(|element| element.partition());
        let partitions: BTreeSet<_> =
            partitions.filter_map(|number| u32::try_from(number).ok().map(PartitionId)).collect();
        if what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            match assign_paused(consumer, changed) {
                Ok(()) => self.assigned.send_modify(|assigned| assigned.extend(&partitions)),
                Err(error) => tracing::error!(%error, "partitions could not be taken over"),
            }
        } else {
            // First of all it is ours no more.
            self.assigned.send_modify(|assigned| assigned.retain(|partition| !partitions.contains(partition)));
            if let Err(error) = consumer.incremental_unassign(changed) {
                tracing::error!(%error, "partitions could not be handed over");
            }
        }
    }
}

fn assign_paused(consumer: &BaseConsumer<Rebalances>, added: &mut TopicPartitionList) -> KafkaResult<()> {
    // The end always exists, whatever was trimmed; a committed offset, which would be asked for otherwise, never does.
    added.set_all_offsets(KafkaOffset::End)?;
    consumer.incremental_assign(added)?;
    if let Err(error) = consumer.pause(added) {
        // Records that come nevertheless are passed over.
        tracing::debug!(%error, "a partition could not be paused");
    }
    Ok(())
}

/// First part of the client id of every member; what follows are node id and address.
const CLIENT: &str = "daybook.node";

/// The client id is the one thing that the members of a group see of each other.
fn client_id(node_id: &str, address: &str) -> String {
    format!("{CLIENT}:{}:{}", encode(node_id), encode(address))
}

fn member(info: &GroupMemberInfo, topic: &str) -> Option<Member> {
    let (node_id, address) = of_client_id(info.client_id())?;
    let partitions = partitions_of(topic, info.assignment().unwrap_or_default()).unwrap_or_default();
    Some(Member { node_id, address, partitions })
}

fn of_client_id(client_id: &str) -> Option<(String, String)> {
    let mut parts = client_id.split(':');
    let own = parts.next()? == CLIENT;
    let (node_id, address) = (decode(parts.next()?)?, decode(parts.next()?)?);
    (own && parts.next().is_none()).then_some((node_id, address))
}

/// Percent-encodes everything but letters, digits and `. _ -`, which is what Kafka allows in names.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded += &format!("%{byte:02X}");
        }
    }
    encoded
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_id_carries_any_node_id_and_address() {
        for (node_id, address) in [("node-1", "10.0.0.7:7420"), ("nœud 1:%", "[::1]:7420"), ("", "")] {
            let client_id = client_id(node_id, address);
            assert!(client_id.is_ascii() && !client_id.contains(' '), "{client_id}");
            assert_eq!(of_client_id(&client_id), Some((node_id.to_owned(), address.to_owned())));
        }
    }

    #[test]
    fn clients_that_are_no_nodes_are_told_apart() {
        for other in ["", "rdkafka", "daybook", "daybook.node:a", "daybook.node:a:b:c", "daybook.node:%:b", "x:a:b"] {
            assert_eq!(of_client_id(other), None, "{other}");
        }
    }
}
