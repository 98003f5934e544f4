//! What stands on outbox topics, held against the log.

use std::collections::BTreeMap;

use daybook_kernel::chain::Head;
use daybook_kernel::hash::Hash;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_kernel::record::RecordBody;
use daybook_log::{Log, Topic};
use daybook_proto::log::v1::{Decision, decision::Outcome};
use prost::Message;
use serde_json::Value;

use crate::kafka_client::{KafkaClient, header};

/// An event: the command's offset and the event's index, kind, version and tenant, and the hashes.
pub type Seen = BTreeMap<u32, Vec<(u64, u64, String, String, String)>>;

/// The accepted events of a domain that are on the log, by partition, in order.
pub async fn on_the_log(log: &dyn Log, domain: &str) -> Seen {
    let mut seen = Seen::new();
    for partition in 0..log.partitions() {
        let events = seen.entry(partition).or_default();
        let id = PartitionId(partition);
        let end = log.bounds(Topic::Decisions, id).await.expect("bounds").next;
        let mut head = Head::genesis(log.name(), log.partitions(), id);
        let mut reader = log.reader(Topic::Decisions, id, Offset(0)).expect("a reader");
        while head.next_record < end {
            for record in reader.next().await.expect("records") {
                let Ok(counted) = head.offer(record.offset, record.bytes) else { continue };
                let RecordBody::Batch { first_command, decisions, .. } = counted.body else { continue };
                for (command, bytes) in (first_command.0..).zip(decisions) {
                    let decision = Decision::decode(bytes).expect("a decision");
                    let Some(Outcome::Accepted(accepted)) = decision.outcome else { continue };
                    let hash = Hash::from_slice(&decision.command_hash).expect("a hash").to_hex();
                    if decision.domain == domain {
                        for (index, event) in (0..).zip(accepted.events) {
                            let tenant = decision.tenant_id.clone();
                            events.push((command, index, event.kind, tenant, format!("{hash} {}", counted.hash)));
                        }
                    }
                }
            }
        }
    }
    seen
}

/// What a consumer sees that passes over every event which is not beyond the last one it saw; and how often it had to.
pub async fn on_the_outbox(client: &KafkaClient, log: &str, partitions: u32, domain: &str) -> (Seen, u64) {
    let (mut seen, mut repeated) = (Seen::new(), 0);
    for partition in 0..partitions {
        let events = seen.entry(partition).or_default();
        for record in client.all(&format!("{log}.outbox.{domain}"), partition).await {
            let value: Value = serde_json::from_slice(&record.value).expect("JSON");
            let text = |name: &str| value[name].as_str().expect("text").to_owned();
            let (in_partition, command) = {
                let position = text("position");
                let (partition, command) = position.split_once('/').expect("a position");
                (partition.parse::<u32>().expect("a number"), command.parse::<u64>().expect("a number"))
            };
            assert_eq!(in_partition, partition, "the partitions are those of the log");
            assert_eq!(header(&record, "daybook-position"), value["position"].as_str());
            assert_eq!(record.key.as_deref(), Some(text("streamKey").as_bytes()));
            let index = value["index"].as_u64().expect("a number");
            if events.last().is_some_and(|(last, last_index, ..)| (command, index) <= (*last, *last_index)) {
                repeated += 1;
                continue;
            }
            let hashes =
                format!("{} {}", text("commandHash"), value["decisionRecord"]["hash"].as_str().expect("a hash"));
            events.push((command, index, text("kind"), text("tenantId"), hashes));
        }
    }
    (seen, repeated)
}
