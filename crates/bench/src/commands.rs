//! Durable commands: how long until a command is decided, durable, applied and answered, against what the log alone
//! needs to make a record of the same size durable.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, ensure};
use bytes::Bytes;
use daybook_kernel::id::PartitionId;
use daybook_log::{Durability, EmbeddedLog, EmbeddedOptions, KafkaLog, Log, Recovery, Topic};
use daybook_proto::legal_hold::v1::RegisterItemResponse;
use daybook_proto::log::v1::decision::Outcome as Decided;
use daybook_rocks::Memory;
use daybook_runtime::Node;
use daybook_testkit::kafka::Broker;
use prost::Message;

use crate::client::{CONNECTIONS, Client, REGISTER_ITEM};
use crate::items::{Items, PARTITIONS, record, tenants};
use crate::load::{Call, Measured, call, closed_loop};
use crate::node::{ChildNode, start};
use crate::report::{Report, Table, count, duration};
use crate::{Part, Scale};

const CALLERS: [usize; 3] = [1, 16, 256];

/// A way to get something durable.
struct Way {
    name: &'static str,
    callers: &'static [usize],
    call: Call,
}

/// On the embedded log.
pub(crate) async fn embedded(folder: &Path, scale: &Scale, report: &mut Report) -> Result<()> {
    let options = EmbeddedOptions {
        folder: folder.join("bare"),
        name: "bare".to_owned(),
        partitions: PARTITIONS,
        recovery: Recovery::Strict,
    };
    let bare = Arc::new(EmbeddedLog::open(options, &Memory::default())?);
    let measured = compare(Part::Embedded, bare, "embedded", folder, scale, report).await?;
    let ratio = measured.inside_alone.p50.as_secs_f64() / measured.bare_alone.p50.as_secs_f64();
    report.aim(
        "embedded, one caller inside the process: p50 against a bare append",
        "≤ 1.5 ×",
        format!("{ratio:.2} ×"),
        ratio <= 1.5,
    );
    let inside = measured.inside_crowd.per_second;
    report.aim("embedded, 256 callers inside the process: commands/s", "≥ 20,000", count(inside), inside >= 20_000.0);
    let grpc = measured.grpc_crowd.per_second;
    report.aim("embedded, 256 callers through gRPC: commands/s", "≥ 10,000", count(grpc), grpc >= 10_000.0);
    Ok(())
}

/// On a real broker on this machine.
pub(crate) async fn kafka(folder: &Path, scale: &Scale, report: &mut Report) -> Result<()> {
    let broker = Broker::start().await?;
    let bare = Arc::new(KafkaLog::open(broker.log_options("bare", PARTITIONS)).await?);
    let url = format!("kafka://{}", broker.address());
    let measured = compare(Part::Kafka, bare, &url, folder, scale, report).await?;
    let ratio = measured.inside_alone.p50.as_secs_f64() / measured.bare_alone.p50.as_secs_f64();
    report.aim(
        "Kafka, one caller inside the process: p50 against a bare append",
        "≤ 3 ×",
        format!("{ratio:.2} ×"),
        ratio <= 3.0,
    );
    Ok(())
}

/// What the aims are about.
struct Compared {
    bare_alone: Measured,
    inside_alone: Measured,
    inside_crowd: Measured,
    grpc_crowd: Measured,
}

async fn compare(
    part: Part,
    bare: Arc<dyn Log>,
    url: &str,
    folder: &Path,
    scale: &Scale,
    report: &mut Report,
) -> Result<Compared> {
    let tenants = Arc::new(tenants());
    let running = start(&folder.join("inside"), url, "inside").await?;
    Client::connect(&running.address.to_string(), &folder.join("inside"), &tenants).await?;
    let child = ChildNode::start(folder.join("grpc"), url, "grpc").await?;
    let client = Arc::new(Client::connect(&child.address, &child.data, &tenants).await?);

    let items = Arc::new(Items::new());
    let sample = record(&tenants[0], "RegisterItem", "records-manager", &items.register(&tenants[0])).encode_to_vec();
    let ways = [
        Way { name: "bare append", callers: &CALLERS, call: appends(bare, sample.len()) },
        Way { name: "command", callers: &CALLERS, call: inside(&running.node, &tenants, &items) },
        Way { name: "command, one tenant", callers: &[16, 256], call: inside(&running.node, &one(&tenants), &items) },
        Way { name: "command by gRPC", callers: &CALLERS, call: grpc(&client, &tenants, &items, false) },
        Way { name: "command with content by gRPC", callers: &CALLERS, call: grpc(&client, &tenants, &items, true) },
    ];
    let processes = [std::process::id(), child.process()];
    let mut table = Table::new(["callers", "what", "per second", "p50", "p99", "p999", "p50 ÷ bare", "processor"]);
    let mut medians = Vec::new();
    for callers in CALLERS {
        let ways: Vec<_> = ways.iter().filter(|way| way.callers.contains(&callers)).collect();
        let mut rounds = vec![Vec::new(); ways.len()];
        for _ in 0..scale.rounds {
            for (way, rounds) in ways.iter().zip(&mut rounds) {
                rounds.push(closed_loop(callers, scale.round, &way.call, &processes).await?);
            }
        }
        let mut bare = None;
        for (way, rounds) in ways.iter().zip(&rounds) {
            let median = Measured::median(rounds)?;
            let bare = *bare.get_or_insert(median.p50.as_secs_f64());
            table.row([
                callers.to_string(),
                way.name.to_owned(),
                count(median.per_second),
                duration(median.p50),
                duration(median.p99),
                duration(median.p999),
                format!("{:.2} ×", median.p50.as_secs_f64() / bare),
                duration(median.processor),
            ]);
            medians.push((callers, way.name, median));
        }
    }
    report.table(part, &table);
    report.note(
        part,
        format!(
            "A command is a record of {} bytes, and a bare append one of as many. Of {} rounds of {} s each. gRPC: the \
             node in a process of its own, the callers in another, {CONNECTIONS} connections.",
            sample.len(),
            scale.rounds,
            scale.round.as_secs_f64()
        ),
    );
    child.stop().await?;
    running.stop().await;
    let of = |callers: usize, name: &str| {
        let found = medians.iter().find(|median| (median.0, median.1) == (callers, name));
        found.map(|found| found.2).ok_or_else(|| anyhow::anyhow!("{name} was not measured"))
    };
    Ok(Compared {
        bare_alone: of(1, "bare append")?,
        inside_alone: of(1, "command")?,
        inside_crowd: of(256, "command")?,
        grpc_crowd: of(256, "command by gRPC")?,
    })
}

fn one(tenants: &[String]) -> Arc<Vec<String>> {
    Arc::new(tenants.iter().take(1).cloned().collect())
}

/// Appends to the log alone, callers in turn to the partitions.
fn appends(log: Arc<dyn Log>, bytes: usize) -> Call {
    let number = Arc::new(AtomicU64::new(0));
    call(move |caller| {
        let (log, number) = (Arc::clone(&log), Arc::clone(&number));
        async move {
            // Every record is another one, as commands are: nothing is won by compressing them together.
            let mut record = number.fetch_add(1, Ordering::Relaxed).to_be_bytes().repeat(bytes / 8 + 1);
            record.truncate(bytes);
            let partition = PartitionId(caller as u32 % PARTITIONS);
            log.append(Topic::Commands, partition, Bytes::from(record), Durability::Synced).await?;
            Ok(())
        }
    })
}

/// Commands to a node in this process, as its doors submit them.
pub(crate) fn inside(node: &Arc<Node>, tenants: &Arc<Vec<String>>, items: &Arc<Items>) -> Call {
    let (node, tenants, items) = (Arc::clone(node), Arc::clone(tenants), Arc::clone(items));
    call(move |caller| {
        let (node, tenants, items) = (Arc::clone(&node), Arc::clone(&tenants), Arc::clone(&items));
        async move {
            let tenant = &tenants[caller % tenants.len()];
            let command = record(tenant, "RegisterItem", "records-manager", &items.register(tenant));
            let outcome = node.submit(&command).await?;
            let accepted = matches!(outcome.decision.outcome, Some(Decided::Accepted(_)));
            ensure!(accepted && !outcome.duplicate, "not accepted: {:?}", outcome.decision);
            Ok(())
        }
    })
}

/// Commands to a node in another process.
fn grpc(client: &Arc<Client>, tenants: &Arc<Vec<String>>, items: &Arc<Items>, content: bool) -> Call {
    let (client, tenants, items) = (Arc::clone(client), Arc::clone(tenants), Arc::clone(items));
    call(move |caller| {
        let (client, tenants, items) = (Arc::clone(&client), Arc::clone(&tenants), Arc::clone(&items));
        async move {
            let tenant = &tenants[caller % tenants.len()];
            let request = if content { items.register_with_content(tenant) } else { items.register(tenant) };
            let response: RegisterItemResponse = client.call(caller, REGISTER_ITEM, tenant, request).await?;
            ensure!(response.created, "not accepted: {response:?}");
            Ok(())
        }
    })
}
