//! Memory of a node that has registered very many items.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use daybook_proto::legal_hold::v1::{RegisterItemsRequest, RegisterItemsResponse};

use crate::client::{Client, REGISTER_ITEMS};
use crate::items::{Items, tenants};
use crate::load::{call, so_often};
use crate::machine::mib;
use crate::node::ChildNode;
use crate::report::{Report, Table, count, duration};
use crate::{Part, Scale};

/// Items in one command.
const AT_ONCE: u64 = 500;
/// Callers that register them.
const CALLERS: usize = 32;

/// Registers items on a node in a process of its own and looks at what that process holds.
pub(crate) async fn measure(folder: &Path, scale: &Scale, report: &mut Report) -> Result<()> {
    let tenants = Arc::new(tenants());
    let node = ChildNode::start(folder.join("node"), "embedded", "memory").await?;
    let client = Arc::new(Client::connect(&node.address, &node.data, &tenants).await?);
    let resident = |name: &str| mib(&node.status_file(), name).context("the node's memory cannot be read");
    let empty = resident("VmRSS")?;
    let items = Arc::new(Items::new());
    let register = call(move |caller| {
        let (client, tenants, items) = (Arc::clone(&client), Arc::clone(&tenants), Arc::clone(&items));
        async move {
            let tenant = &tenants[caller % tenants.len()];
            let request = RegisterItemsRequest {
                tenant_id: tenant.clone(),
                items: (0..AT_ONCE).map(|_| items.next()).collect(),
                ..Default::default()
            };
            let response: RegisterItemsResponse = client.call(caller, REGISTER_ITEMS, tenant, request).await?;
            ensure!(u64::from(response.created_count) == AT_ONCE, "not all are new: {response:?}");
            Ok(())
        }
    });
    let took = so_often(CALLERS, scale.items.div_ceil(AT_ONCE), &register).await?;
    let (busy, peak) = (resident("VmRSS")?, resident("VmHWM")?);
    let rest = at_rest(|| resident("VmRSS")).await?;
    let mut table = Table::new(["resident memory of the node", "MiB"]);
    table.row(["with nothing in it".to_owned(), empty.to_string()]);
    table.row([format!("right after {} items", count(scale.items as f64)), busy.to_string()]);
    table.row(["the most it ever was".to_owned(), peak.to_string()]);
    table.row(["at rest".to_owned(), rest.to_string()]);
    report.table(Part::Memory, &table);
    let per_second = count(scale.items as f64 / took.as_secs_f64());
    report.note(
        Part::Memory,
        format!("Registered in {} by commands of {AT_ONCE} items each, {per_second} items/s.", duration(took)),
    );
    let aim = format!("resident memory at rest with {} items, MiB", count(scale.items as f64));
    report.aim(&aim, "< 300", rest.to_string(), rest < 300);
    node.stop().await
}

/// A size once it does not change any more; the last one after a minute.
async fn at_rest(size: impl Fn() -> Result<u64>) -> Result<u64> {
    const STEADY: Duration = Duration::from_secs(10);
    let started = Instant::now();
    let (mut last, mut since) = (size()?, Instant::now());
    while since.elapsed() < STEADY && started.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = size()?;
        if now.abs_diff(last) > 1 {
            (last, since) = (now, Instant::now());
        }
    }
    size()
}
