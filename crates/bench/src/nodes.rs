//! Several nodes of one log on Kafka, each a process.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use daybook_proto::node::v1::{GetStatusRequest, GetStatusResponse, PartitionState};
use daybook_testkit::kafka::Broker;
use futures_util::future::{join_all, try_join_all};

use crate::client::{Client, GET_STATUS, PLATFORM};
use crate::items::PARTITIONS;
use crate::node::{ChildNode, Serve};

/// How long nodes may take until each partition is where it belongs.
const SETTLE_MAX: Duration = Duration::from_secs(90);

/// Nodes of one log. Some of them may be away.
pub(crate) struct Nodes {
    settings: Vec<Serve>,
    running: Vec<Option<ChildNode>>,
    clients: Vec<Client>,
}

impl Nodes {
    /// Starts so many, and waits until they have settled. `standbys`: `None` for the default.
    pub(crate) async fn start(
        broker: &Broker,
        folder: &Path,
        name: &str,
        count: usize,
        standbys: Option<usize>,
    ) -> Result<Self> {
        let url = format!("kafka://{}", broker.address());
        fs::create_dir_all(folder)?;
        let setting = |number: usize| -> Result<Serve> {
            Ok(Serve {
                id: Some(format!("n{number}")),
                // Always the same place, so that callers find it again.
                listen: Some(free_address()?),
                standbys,
                steps: Some(folder.join(format!("n{number}.steps"))),
                ..Serve::on(&folder.join(format!("n{number}")), &url, name)
            })
        };
        let settings = (0..count).map(setting).collect::<Result<Vec<_>>>()?;
        let mut nodes = Self { settings, running: Vec::new(), clients: Vec::new() };
        for number in 0..count {
            nodes.running.push(None);
            nodes.start_one(number).await?;
            let setting = &nodes.settings[number];
            let address = setting.listen.context("it has a place")?.to_string();
            nodes.clients.push(Client::lazy(&address, &setting.data, &crate::items::tenants())?);
        }
        nodes.client(0).create(&crate::items::tenants()).await?;
        nodes.settle().await?;
        Ok(nodes)
    }

    /// Starts one that is away.
    pub(crate) async fn start_one(&mut self, number: usize) -> Result<()> {
        let setting = &self.settings[number];
        // What the first node made up, all of them share: the key that signs tokens, and the master key.
        let (first, own) = (self.settings[0].data.join("development"), setting.data.join("development"));
        if number > 0 && !own.exists() {
            fs::create_dir_all(&own)?;
            for entry in fs::read_dir(first)? {
                let entry = entry?;
                fs::copy(entry.path(), own.join(entry.file_name()))?;
            }
        }
        self.running[number] = Some(ChildNode::launch(setting).await?);
        Ok(())
    }

    /// How many there are, those that are away among them.
    pub(crate) fn count(&self) -> usize {
        self.settings.len()
    }

    /// A client of one.
    pub(crate) fn client(&self, number: usize) -> &Client {
        &self.clients[number]
    }

    /// Where one writes its steps.
    pub(crate) fn steps(&self, number: usize) -> PathBuf {
        self.settings[number].steps.clone().unwrap_or_default()
    }

    /// One that runs.
    pub(crate) fn node(&self, number: usize) -> Result<&ChildNode> {
        self.running[number].as_ref().context("the node is away")
    }

    /// One that runs, and is away from now on.
    pub(crate) fn take(&mut self, number: usize) -> Result<ChildNode> {
        self.running[number].take().context("the node is away")
    }

    /// The processes of those that run.
    pub(crate) fn processes(&self) -> Vec<u32> {
        self.running.iter().flatten().map(ChildNode::process).collect()
    }

    /// Waits until every partition is led by one node, those that are there lead as many as each other, and as many
    /// follow each partition as should. Says which node leads which partition.
    pub(crate) async fn settle(&self) -> Result<Vec<usize>> {
        let started = Instant::now();
        loop {
            let stands = join_all(self.clients.iter().map(|client| {
                let answer = client.call::<_, GetStatusResponse>(0, GET_STATUS, PLATFORM, GetStatusRequest {});
                tokio::time::timeout(Duration::from_secs(5), answer)
            }));
            let stands: Vec<_> = stands.await.into_iter().filter_map(|stands| stands.ok()?.ok()).collect();
            if stands.len() == self.count()
                && let Some(leaders) = self.settled(&stands)
            {
                return Ok(leaders);
            }
            if started.elapsed() > SETTLE_MAX {
                bail!("the nodes do not settle: {stands:#?}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn settled(&self, stands: &[GetStatusResponse]) -> Option<Vec<usize>> {
        let standbys = self.settings[0].standbys.unwrap_or(1).min(self.count() - 1);
        let mut leaders = Vec::new();
        for partition in 0..PARTITIONS as usize {
            let those = |wanted: PartitionState| -> Vec<usize> {
                let state = |stand: &GetStatusResponse| Some(stand.partitions.get(partition)?.state());
                (0..stands.len()).filter(|node| state(&stands[*node]) == Some(wanted)).collect()
            };
            let (leading, following) = (those(PartitionState::Leading), those(PartitionState::Following));
            let [leader] = leading[..] else { return None };
            if following.len() < standbys || stands[leader].partitions[partition].apply_lag > 0 {
                return None;
            }
            leaders.push(leader);
        }
        let each = PARTITIONS as usize / self.count();
        let is_even = (0..self.count()).all(|node| leaders.iter().filter(|leader| **leader == node).count() >= each);
        is_even.then_some(leaders)
    }

    /// Lets all of them stop.
    pub(crate) async fn stop(self) -> Result<()> {
        try_join_all(self.running.into_iter().flatten().map(ChildNode::stop)).await?;
        Ok(())
    }
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
