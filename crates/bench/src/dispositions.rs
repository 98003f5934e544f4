//! May these items be deleted? The question of other systems, inside the process: a look at the state of a partition
//! as it stands, by as many holds as are in force.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use bytes::Bytes;
use daybook_kernel::domain::Asked;
use daybook_kernel::id::{StreamKey, TenantId};
use daybook_kernel::registry::{QueryEntry, Registry};
use daybook_proto::legal_hold::v1::{
    CheckDispositionRequest, CheckDispositionResponse, DispositionCheck, Entity, ItemKind, PlaceHoldRequest,
    RegisterItemsRequest, Scope, TimeRange, disposition_check::Target,
};
use daybook_proto::log::v1::decision::Outcome as Decided;
use daybook_runtime::{Node, Partition};
use futures_util::stream::{StreamExt, TryStreamExt, iter};
use prost::Message;
use prost_types::Timestamp;

use crate::client::Client;
use crate::items::{Items, record, tenants};
use crate::load::{Measured, histogram, median};
use crate::node::start;
use crate::report::{Report, Table, count, duration};
use crate::{Part, Scale};

/// Holds in force, each in a tenant of its own.
const HOLDS: [usize; 3] = [10, 1_000, 10_000];
/// Items of each tenant; so many are asked about in one batch as well.
const ITEMS: usize = 10_000;
/// Every so many items belong to a case that is held.
const HELD_EVERY: usize = 10;

/// A tenant with so many holds.
struct Held {
    holds: usize,
    tenant: TenantId,
    item_ids: Vec<String>,
    partition: Arc<Partition>,
}

/// Asks about one item, and about ten thousand.
pub(crate) async fn measure(folder: &Path, scale: &Scale, report: &mut Report) -> Result<()> {
    let names = tenants();
    let data = folder.join("node");
    let running = start(&data, "embedded", "dispositions").await?;
    Client::connect(&running.address.to_string(), &data, &names).await?;
    let mut held = Vec::new();
    for (name, holds) in names.iter().zip(HOLDS) {
        held.push(prepare(&running.node, name, holds).await?);
    }
    let registry = daybook_domains::registry();
    let query = query(&registry)?;
    let mut single = vec![Vec::new(); held.len()];
    let mut at_once = vec![Vec::new(); held.len()];
    let mut batches = vec![Vec::new(); held.len()];
    for _ in 0..scale.rounds {
        for (i, tenant) in held.iter().enumerate() {
            single[i].push(tenant.one_by_one(query, scale.round / 2)?);
            at_once[i].push(tenant.on_every_core(query, scale.round / 2)?);
            batches[i].push(tenant.batch(query)?);
        }
    }
    let header =
        ["holds", "checks/s, one core", "every core", "p50", "p99", "p999", "10,000 at once", "checks/s in it"];
    let mut table = Table::new(header);
    for (i, tenant) in held.iter().enumerate() {
        let one = Measured::median(&single[i])?;
        let every = median(at_once[i].iter().copied()).context("nothing was measured")?;
        let batch: Duration = median(batches[i].iter().copied()).context("nothing was measured")?;
        table.row([
            count(tenant.holds as f64),
            count(one.per_second),
            count(every),
            duration(one.p50),
            duration(one.p99),
            duration(one.p999),
            duration(batch),
            count(ITEMS as f64 / batch.as_secs_f64()),
        ]);
        if tenant.holds == 10_000 {
            let met = one.p99 < Duration::from_millis(1);
            report.aim("disposition check with 10,000 holds: p99", "< 1 ms", duration(one.p99), met);
        }
    }
    report.table(Part::Dispositions, &table);
    report.note(
        Part::Dispositions,
        format!(
            "{} items in each tenant, one in {HELD_EVERY} of them held; asked by id, at random. Holds by case, by person, \
             by case and year, by person and category, in equal parts.",
            count(ITEMS as f64)
        ),
    );
    running.stop().await;
    Ok(())
}

fn query(registry: &Registry) -> Result<&QueryEntry> {
    let domain = registry.get("legal_hold").context("there is no such domain")?;
    domain.queries.iter().find(|query| query.method == "CheckDisposition").context("there is no such query")
}

/// Registers the items of a tenant and places its holds.
async fn prepare(node: &Arc<Node>, name: &str, holds: usize) -> Result<Held> {
    let tenant = TenantId::parse(name)?;
    let partition = node.partition_of(&tenant, &StreamKey::of_tenant(&tenant)).context("there is no partition")?;
    let items = Items::new();
    let mut item_ids = Vec::with_capacity(ITEMS);
    let mut batch = Vec::new();
    for i in 0..ITEMS {
        let mut item = items.next();
        item.case_ids =
            vec![if i.is_multiple_of(HELD_EVERY) { held_case(i / HELD_EVERY % holds) } else { format!("case-{i}") }];
        item_ids.push(item.item_id.clone());
        batch.push(item);
        if batch.len() == 500 {
            let request = RegisterItemsRequest { items: std::mem::take(&mut batch), ..Default::default() };
            accepted(node, name, "RegisterItems", "records-manager", &request).await?;
        }
    }
    let places = iter((0..holds).map(|number| async move {
        let request = PlaceHoldRequest {
            name: format!("hold {number}"),
            reason: "benchmark".to_owned(),
            scope: Some(scope(number)),
            ..Default::default()
        };
        accepted(node, name, "PlaceHold", "legal", &request).await
    }));
    places.buffer_unordered(64).try_for_each(|()| async { Ok(()) }).await?;
    Ok(Held { holds, tenant, item_ids, partition: Arc::clone(partition) })
}

fn held_case(number: usize) -> String {
    format!("held-{number}")
}

/// Scopes of four forms. Those by case hold items, those by person hold nobody's.
fn scope(number: usize) -> Scope {
    let person = || {
        let digits: String = format!("{number:032}").chars().map(|digit| (b'a' + digit as u8 - b'0') as char).collect();
        vec![Entity { id: format!("psn_{digits}"), ..Default::default() }]
    };
    let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
    let years = Some(TimeRange { start_time: at(1_546_300_800), end_time: at(1_609_459_200) });
    match number % 4 {
        0 => Scope { case_ids: vec![held_case(number)], ..Default::default() },
        1 => Scope { entities: person(), kinds: vec![ItemKind::Message.into()], ..Default::default() },
        2 => Scope { case_ids: vec![held_case(number)], item_time: years, ..Default::default() },
        _ => Scope { entities: person(), data_categories: vec!["hr".to_owned()], ..Default::default() },
    }
}

async fn accepted(node: &Node, tenant: &str, kind: &str, role: &str, request: &impl Message) -> Result<()> {
    let outcome = node.submit(&record(tenant, kind, role, request)).await?;
    let accepted = matches!(outcome.decision.outcome, Some(Decided::Accepted(_)));
    ensure!(accepted, "not accepted: {:?}", outcome.decision);
    Ok(())
}

impl Held {
    fn request<'a>(&self, item_ids: impl IntoIterator<Item = &'a String>) -> Bytes {
        let target = |id: &String| DispositionCheck { target: Some(Target::ItemId(id.clone())) };
        let request = CheckDispositionRequest {
            tenant_id: self.tenant.as_str().to_owned(),
            checks: item_ids.into_iter().map(target).collect(),
            ..Default::default()
        };
        request.encode_to_vec().into()
    }

    /// How many of the items asked about may not be deleted.
    fn ask(&self, query: &QueryEntry, request: Bytes) -> Result<usize> {
        let answer = self.partition.read(|state, head| {
            let asked = Asked {
                tenant: &self.tenant,
                now: self.partition.log_time(state, head)?,
                partition: self.partition.id(),
                partitions: crate::items::PARTITIONS,
                next_command: head.next_command,
                reveals: true,
            };
            (query.answer)(state, request, &asked)
        })?;
        let answer = answer.map_err(|refusal| anyhow!("refused: {refusal:?}"))?;
        let answer = CheckDispositionResponse::decode(Bytes::from(answer))?;
        Ok(answer.results.iter().filter(|result| !result.allowed).count())
    }

    /// Single checks, one after the other.
    fn one_by_one(&self, query: &QueryEntry, time: Duration) -> Result<Measured> {
        let mut waits = histogram()?;
        let mut item = 0;
        let started = Instant::now();
        while started.elapsed() < time {
            // A step that has no common divisor with the number of items: every item comes, in no order.
            item = (item + 7_919) % self.item_ids.len();
            let request = self.request([&self.item_ids[item]]);
            let before = Instant::now();
            let denied = self.ask(query, request)?;
            waits.saturating_record(before.elapsed().as_nanos() as u64);
            ensure!(denied <= usize::from(item.is_multiple_of(HELD_EVERY)), "item {item} is not held");
        }
        Ok(Measured::of(&waits, started.elapsed()))
    }

    /// Single checks in as many threads as there are cores: checks per second.
    fn on_every_core(&self, query: &QueryEntry, time: Duration) -> Result<f64> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let failed = AtomicU64::new(0);
        let per_second = std::thread::scope(|scope| {
            let one = || match self.one_by_one(query, time) {
                Ok(measured) => measured.per_second,
                Err(_) => {
                    failed.fetch_add(1, Ordering::Relaxed);
                    0.0
                }
            };
            let threads: Vec<_> = (0..cores).map(|_| scope.spawn(one)).collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).sum()
        });
        ensure!(failed.into_inner() == 0, "a check failed");
        Ok(per_second)
    }

    /// Every item at once.
    fn batch(&self, query: &QueryEntry) -> Result<Duration> {
        let request = self.request(&self.item_ids);
        let before = Instant::now();
        let denied = self.ask(query, request)?;
        let took = before.elapsed();
        ensure!(denied > 0 && denied <= ITEMS / HELD_EVERY, "{denied} items are held");
        Ok(took)
    }
}
