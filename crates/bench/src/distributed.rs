//! The same load on one, two and three nodes of a machine that gets no faster by it: what being distributed costs.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, ensure};
use daybook_proto::legal_hold::v1::RegisterItemResponse;
use daybook_testkit::kafka::Broker;

use crate::client::{Client, REGISTER_ITEM};
use crate::items::{Items, tenants};
use crate::load::{Call, Measured, call, closed_loop};
use crate::nodes::Nodes;
use crate::report::{Report, Table, count, duration};
use crate::{Part, Scale};

const NODES: [usize; 3] = [1, 2, 3];
const CALLERS: [usize; 2] = [16, 256];

/// Loads clusters of different sizes in turn.
pub(crate) async fn measure(folder: &Path, scale: &Scale, report: &mut Report) -> Result<()> {
    let broker = Broker::start().await?;
    let mut clusters = Vec::new();
    for count in NODES {
        let name = format!("of-{count}");
        clusters.push(Nodes::start(&broker, &folder.join(&name), &name, count, None).await?);
    }
    let mut table = Table::new(["callers", "nodes", "per second", "p50", "p99", "p999", "processor", "against one"]);
    for callers in CALLERS {
        let mut rounds = vec![Vec::new(); clusters.len()];
        for _ in 0..scale.rounds.div_ceil(2) {
            for (cluster, rounds) in clusters.iter().zip(&mut rounds) {
                let mut processes = cluster.processes();
                processes.push(std::process::id());
                rounds.push(closed_loop(callers, scale.round, &everywhere(cluster), &processes).await?);
            }
        }
        let mut one = None;
        for (cluster, rounds) in clusters.iter().zip(&rounds) {
            let median = Measured::median(rounds)?;
            let one = *one.get_or_insert(median.processor.as_secs_f64());
            table.row([
                callers.to_string(),
                cluster.count().to_string(),
                count(median.per_second),
                duration(median.p50),
                duration(median.p99),
                duration(median.p999),
                duration(median.processor),
                format!("{:.2} ×", median.processor.as_secs_f64() / one),
            ]);
        }
    }
    report.table(Part::Distributed, &table);
    for cluster in clusters {
        cluster.stop().await?;
    }
    Ok(())
}

/// Commands to every node in turn, whoever leads their partition.
pub(crate) fn everywhere(nodes: &Nodes) -> Call {
    let clients: Arc<Vec<Client>> = Arc::new((0..nodes.count()).map(|node| nodes.client(node).again()).collect());
    let (tenants, items) = (Arc::new(tenants()), Arc::new(Items::new()));
    call(move |caller| {
        let (clients, tenants, items) = (Arc::clone(&clients), Arc::clone(&tenants), Arc::clone(&items));
        async move {
            let tenant = &tenants[caller % tenants.len()];
            // Callers of one tenant are spread over the nodes as well.
            let client = &clients[(caller + caller / tenants.len()) % clients.len()];
            let response: RegisterItemResponse =
                client.call(caller, REGISTER_ITEM, tenant, items.register(tenant)).await?;
            ensure!(response.created, "not accepted: {response:?}");
            Ok(())
        }
    })
}
