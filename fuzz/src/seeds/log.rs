//! What stands on a log, and on the log of the key ring.

use std::collections::BTreeSet;

use bytes::Bytes;
use daybook_kernel::hash::Hash;
use daybook_kernel::record::{DecisionRecord, RecordBody};
use daybook_proto::log::v1::{CommandRecord, Decision, DecisionRecord as OnTheLog};
use daybook_proto::node::v1::{
    ChainLink, DisclosedCommand, DisclosedDecision, DisclosedRecord, ExportDecisionsResponse, chain_link::Link,
    disclosed_decision::Decision as Disclosure,
};
use prost::Message;

use super::Seed;
use crate::world::{golden_manifest, golden_segments, world};

pub(super) fn seeds() -> Vec<Seed> {
    let mut seeds = commands();
    seeds.extend(decisions());
    seeds.extend(exported());
    seeds.extend(key_ring());
    seeds
}

/// One command of each kind that comes next on the golden log.
fn commands() -> Vec<Seed> {
    let (mut kinds, mut seeds) = (BTreeSet::new(), Vec::new());
    for bytes in world().partitions.iter().flat_map(|partition| &partition.commands) {
        let kind = CommandRecord::decode(bytes.clone()).map_or("undecodable".to_owned(), |command| command.kind);
        if kinds.insert(kind.clone()) {
            seeds.push(Seed::new("command_record", kind, bytes.clone()));
        }
    }
    seeds
}

/// One record for each kind of event, and one takeover.
fn decisions() -> Vec<Seed> {
    let (mut kinds, mut seeds) = (BTreeSet::new(), Vec::new());
    for bytes in world().partitions.iter().flat_map(|partition| &partition.records) {
        let kind = match DecisionRecord::read(bytes.clone()).expect("a record of the golden log").body {
            RecordBody::Takeover { .. } => "takeover".to_owned(),
            RecordBody::Batch { decisions, .. } => {
                let decisions = decisions.into_iter().map(|bytes| Decision::decode(bytes).expect("a decision"));
                decisions.map(|decision| outcome(&decision)).collect::<Vec<_>>().join("-")
            }
        };
        if kinds.insert(kind.clone()) {
            seeds.push(Seed::new("decision_record", kind, bytes.clone()));
        }
    }
    seeds
}

fn outcome(decision: &Decision) -> String {
    use daybook_proto::log::v1::decision::Outcome;
    match &decision.outcome {
        Some(Outcome::Accepted(accepted)) => {
            let kinds: BTreeSet<_> = accepted.events.iter().map(|event| event.kind.as_str()).collect();
            kinds.into_iter().collect::<Vec<_>>().join("-")
        }
        Some(Outcome::Rejected(rejected)) => rejected.code.clone(),
        Some(Outcome::Parked(parked)) => parked.code.clone(),
        Some(Outcome::Duplicate(_)) => "duplicate".to_owned(),
        None => "nothing".to_owned(),
    }
}

/// The golden log as it is exported: its manifest, the beginning of each file, and a proof of some decisions.
fn exported() -> Vec<Seed> {
    const RECORDS: usize = 4;
    let mut seeds = vec![Seed::new("log_manifest", "golden", golden_manifest())];
    for (at, (file, records)) in golden_segments().into_iter().enumerate() {
        let prefixes = 12 * RECORDS.min(records.len());
        let content: usize = records.iter().take(RECORDS).map(|record| record.bytes.len()).sum();
        let head = &file[..daybook_segments::segment::MAGIC.len() + prefixes + content];
        let (first, count) = (records[0].offset.0, RECORDS.min(records.len()) as u64);
        let bytes = [&first.to_be_bytes()[..], &count.to_be_bytes(), head].concat();
        seeds.push(Seed::new("log_segment", format!("golden-{at}"), bytes));
    }
    let partition = &world().partitions[0];
    let links = partition.records.iter().take(6).enumerate().map(|(at, bytes)| {
        let record = OnTheLog::decode(bytes.clone()).expect("a record of the golden log");
        let hash = || Hash::of(bytes).to_bytes();
        let decisions = record.decisions.iter().enumerate().map(|(at, decision)| {
            let shown = match at % 2 {
                0 => Disclosure::Disclosed(disclosed(decision, &partition.commands)),
                _ => Disclosure::Hash(Hash::of(decision).to_bytes()),
            };
            DisclosedDecision { decision: Some(shown) }
        });
        let link = match record.decisions.is_empty() {
            true => Link::BodyHash(hash()),
            false => Link::Record(DisclosedRecord {
                offset: at as u64,
                header: record.header.clone(),
                decisions: decisions.collect(),
            }),
        };
        ChainLink { link: Some(link) }
    });
    let export = ExportDecisionsResponse { links: links.collect(), ..Default::default() };
    seeds.push(Seed::new("export_proof", "golden", export.encode_to_vec()));
    seeds
}

fn disclosed(decision: &Bytes, commands: &[Bytes]) -> DisclosedCommand {
    let wanted = Decision::decode(decision.clone()).expect("a decision").command_hash;
    let command = commands.iter().find(|command| Hash::of(command).as_bytes()[..] == wanted);
    DisclosedCommand { command: command.cloned().unwrap_or_default(), decision: decision.clone() }
}

/// What nodes write for each other, and what none of them writes.
fn key_ring() -> Vec<Seed> {
    let maker = "a5".repeat(16);
    let wrapped = [&[1][..], &[9; 60]].concat();
    let gone = [&[2][..], &1_800_000_000_000_000_i64.to_be_bytes(), &[1]].concat();
    let record = |key: &str, value: Option<&[u8]>| {
        let bytes = value.unwrap_or_default();
        [&[u8::from(value.is_some()), key.len() as u8, bytes.len() as u8], key.as_bytes(), bytes].concat()
    };
    let key = |id: &str| format!("key/acme/item/{id}/{maker}");
    let marker = format!("gone/acme/item/mail-1/{maker}");
    let check = format!("check/{maker}");
    vec![
        Seed::new("key_ring", "key", record(&key("mail-3"), Some(&wrapped))),
        Seed::new("key_ring", "key-again", record(&key("mail-1"), Some(&wrapped))),
        Seed::new("key_ring", "key-after-destruction", record(&key("mail-2"), Some(&wrapped))),
        Seed::new("key_ring", "gone", [record(&marker, Some(&gone)), record(&marker, None)].concat()),
        Seed::new("key_ring", "check", [record(&check, Some(&wrapped)), record(&check, None)].concat()),
        Seed::new("key_ring", "tombstone", record(&key("mail-1"), None)),
    ]
}
