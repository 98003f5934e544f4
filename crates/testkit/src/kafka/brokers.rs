//! Several brokers that are one cluster: each is controller as well, every topic is on all of them, and most of them must
//! have a record before it is acknowledged.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use daybook_log::{KafkaLog, KafkaOptions, Replication};

use super::properties::Place;
use super::{Broker, LOOPBACK, READY_WAIT_MAX};

/// The class of Kafka's tool for topics.
const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";

/// A cluster of brokers. Brokers are named by their place in it, from 0.
pub struct Brokers {
    brokers: Vec<Broker>,
}

impl Brokers {
    /// Starts so many brokers on loopback and waits until they are one cluster. Needs the broker's jars.
    pub async fn start(count: usize) -> Result<Self> {
        let places = Place::several(LOOPBACK, count)?;
        let mut brokers = Self { brokers: places.into_iter().map(Broker::spawn).collect::<Result<_>>()? };
        brokers.wait_until_ready().await?;
        Ok(brokers)
    }

    /// Where clients reach them, for `bootstrap.servers`.
    pub fn addresses(&self) -> String {
        self.brokers.iter().map(Broker::address).collect::<Vec<_>>().join(",")
    }

    /// Options for a log on these brokers: every record is on all of them, and on most before it is acknowledged.
    pub fn log_options(&self, name: &str, partitions: u32) -> KafkaOptions {
        let count = u16::try_from(self.brokers.len()).unwrap_or(u16::MAX);
        KafkaOptions {
            brokers: self.addresses(),
            create_with_replication: Some(Replication::Exactly(count)),
            min_insync_replicas: count / 2 + 1,
            ..self.brokers[0].log_options(name, partitions)
        }
    }

    /// Kills one: SIGKILL.
    pub fn kill(&mut self, broker: usize) {
        self.brokers[broker].stop();
    }

    /// Stops one as an operator does; the others take over what it leads first.
    pub fn shut_down(&mut self, broker: usize) -> Result<()> {
        self.brokers[broker].shut_down()
    }

    /// Starts one again, with its data, and waits until it has everything that the others have.
    pub async fn start_again(&mut self, broker: usize) -> Result<()> {
        let again = &mut self.brokers[broker];
        let java = again.java.as_ref().context("only a broker with its data on this machine can be restarted")?;
        again.process = super::Process::Java(java.start(again.folder.path())?);
        let deadline = Instant::now() + READY_WAIT_MAX;
        loop {
            again.check_alive()?;
            let behind = again.tool(TOPICS, &["--describe", "--under-replicated-partitions"]);
            if behind.as_ref().is_ok_and(|behind| behind.trim().is_empty()) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("broker {broker} does not catch up with the others: {behind:?}");
            }
        }
    }

    /// Which broker leads each partition of a topic, as the broker `asked` says.
    pub fn leaders(&self, asked: usize, topic: &str) -> Result<BTreeMap<u32, usize>> {
        let described = self.brokers[asked].tool(TOPICS, &["--describe", "--topic", topic])?;
        let leaders: BTreeMap<_, _> = described.lines().filter_map(leader).collect();
        if leaders.is_empty() {
            bail!("topic {topic} has no leaders: {described}");
        }
        Ok(leaders)
    }

    /// Runs one of Kafka's own command-line tools, by its main class, against the broker `asked`.
    pub fn tool(&self, asked: usize, class: &str, arguments: &[&str]) -> Result<String> {
        self.brokers[asked].tool(class, arguments)
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_WAIT_MAX;
        loop {
            self.brokers.iter_mut().try_for_each(Broker::check_alive)?;
            // A topic can only be on all of them when all of them are there.
            let options = KafkaOptions { connect_timeout: Duration::from_secs(2), ..self.log_options("ready", 1) };
            match KafkaLog::open(options).await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => bail!("the brokers do not become a cluster: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }
}

/// Reads a line like `Topic: a  Partition: 0  Leader: 2  Replicas: ...`.
fn leader(line: &str) -> Option<(u32, usize)> {
    let words: Vec<_> = line.split_whitespace().collect();
    let after = |name: &str| words.iter().position(|word| *word == name).and_then(|at| words.get(at + 1));
    let leader: usize = after("Leader:")?.parse().ok()?;
    Some((after("Partition:")?.parse().ok()?, leader.checked_sub(1)?))
}
