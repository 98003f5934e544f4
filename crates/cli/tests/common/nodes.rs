//! Several nodes of one log on Kafka, as processes, under load; and what must be true of all of them at the end.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use daybook_kernel::id::{StreamKey, TenantId};
use daybook_kernel::partitioning::partition_of;
use daybook_log::Log;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::load::{Caller, Counted, Load, Random, Records, Tokens, compare_with_log};
use super::{DEADLINE, Served, daybook, text_of};

pub const PARTITIONS: u32 = 4;

/// Callers leave brokers and nodes time to deal with what happens to them.
const REST: Duration = Duration::from_millis(10);

/// Nodes of one log, some of them running.
pub struct Nodes {
    folder: tempfile::TempDir,
    /// Bootstrap brokers.
    brokers: String,
    /// The log's name.
    log: String,
    /// Where each listens, always the same, so that callers find it again.
    pub addresses: Vec<String>,
    /// The network namespace that each runs in; `None`: the one of the test.
    pub namespaces: Vec<Option<String>>,
    environment: Vec<(String, String)>,
    /// More environment of single nodes.
    pub environments: Vec<Vec<(String, String)>>,
    pub running: Vec<Option<Served>>,
}

/// Callers who ask for one thing after the other.
pub struct UnderLoad {
    pub load: Load,
    callers: Vec<JoinHandle<()>>,
}

impl Nodes {
    /// Starts so many; every one of them follows what it does not lead.
    pub fn start(brokers: &str, log: &str, count: usize, environment: &[(&str, &str)]) -> Self {
        let addresses = (0..count).map(|_| free_address("127.0.0.1")).collect();
        let mut nodes = Self::prepare(brokers, log, addresses, environment);
        nodes.start_all();
        nodes
    }

    /// Starts those that do not run.
    pub fn start_all(&mut self) {
        for node in 0..self.running.len() {
            if self.running[node].is_none() {
                self.start_one(node);
            }
        }
    }

    /// Nodes with these addresses, none of which runs yet.
    pub fn prepare(brokers: &str, log: &str, addresses: Vec<String>, environment: &[(&str, &str)]) -> Self {
        let of = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            folder: tempfile::tempdir().unwrap(),
            brokers: brokers.to_owned(),
            log: log.to_owned(),
            environments: addresses.iter().map(|_| Vec::new()).collect(),
            running: addresses.iter().map(|_| None).collect(),
            namespaces: addresses.iter().map(|_| None).collect(),
            addresses,
            environment: environment.iter().map(of).collect(),
        }
    }

    /// The data folder of a node.
    pub fn data(&self, node: usize) -> PathBuf {
        self.folder.path().join(format!("n{node}"))
    }

    /// Starts a node and waits until it is ready.
    pub fn start_one(&mut self, node: usize) {
        self.running[node] =
            Some(self.try_start(node).unwrap_or_else(|why| panic!("node {node} does not start: {why}")));
    }

    /// Starts a node; if it ends instead of getting ready, what it said is the error.
    pub fn try_start(&self, node: usize) -> Result<Served, String> {
        // What the first node made up, all of them share: the key that signs tokens, and the master key.
        if node > 0 && !self.data(node).join("development").exists() {
            copy(&self.data(0).join("development"), &self.data(node).join("development"));
        }
        let (id, partitions) = (format!("n{node}"), PARTITIONS.to_string());
        let own = [
            ("DAYBOOK_NODE__ID", id.as_str()),
            ("DAYBOOK_LOG__NAME", self.log.as_str()),
            ("DAYBOOK_LOG__PARTITIONS", partitions.as_str()),
            ("DAYBOOK_CLUSTER__STANDBYS", "9"),
        ];
        let given = self
            .environment
            .iter()
            .chain(&self.environments[node])
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let environment: Vec<_> = own.into_iter().chain(given).collect();
        let log = format!("kafka://{}", self.brokers);
        let arguments = ["--listen", self.addresses[node].as_str(), "--log", log.as_str()];
        let program = match &self.namespaces[node] {
            None => daybook(),
            Some(namespace) => super::network::daybook_in(namespace),
        };
        Served::try_start(program, &self.data(node), &environment, &arguments)
    }

    pub fn urls(&self) -> Vec<String> {
        self.addresses.iter().map(|address| format!("http://{address}")).collect()
    }

    /// Kills a node: SIGKILL.
    pub fn kill(&mut self, node: usize) {
        self.running[node].take().unwrap().kill();
    }

    /// How a node stands, as it says itself.
    pub fn status(&self, node: usize) -> Value {
        self.running[node].as_ref().unwrap().json(&["status"])
    }

    /// The node that leads a partition, as soon as one does.
    pub fn leader_of(&self, partition: u32) -> usize {
        let started = Instant::now();
        let leads = |node: &usize| self.running[*node].is_some() && state(&self.status(*node), partition) == LEADING;
        loop {
            if let Some(node) = (0..self.running.len()).find(leads) {
                return node;
            }
            assert!(started.elapsed() < DEADLINE, "nobody leads partition {partition}");
        }
    }

    /// Waits until every partition is led by one node and followed by the others, all of them close.
    pub fn settle(&self) {
        let started = Instant::now();
        loop {
            let stands: Vec<_> =
                self.running.iter().flatten().map(|node| node.run(&["--json", "status"])).map(said).collect();
            let settled = stands.iter().all(|stands| stands["partitions"].is_array())
                && (0..PARTITIONS).all(|partition| {
                    let states: Vec<_> = stands.iter().map(|stands| state(stands, partition)).collect();
                    let leading = states.iter().filter(|state| **state == LEADING).count();
                    let following = states.iter().filter(|state| **state == "PARTITION_STATE_FOLLOWING").count();
                    let lag = |stands: &Value| stands["partitions"][partition as usize]["applyLag"].clone();
                    leading == 1
                        && leading + following == states.len()
                        && stands.iter().all(|stands| lag(stands).as_str().is_none_or(|lag| lag == "0"))
                });
            if settled {
                return;
            }
            assert!(started.elapsed() < DEADLINE, "the nodes do not settle: {stands:#?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until a node says something of itself, and returns all of what it says then.
    pub fn wait_for_status(&self, node: usize, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let stands = said(self.running[node].as_ref().unwrap().run(&["--json", "status"]));
            if is_so(&stands) {
                return stands;
            }
            assert!(started.elapsed() < DEADLINE, "node {node} does not say that {what}: {stands:#?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Has so many callers ask all nodes for all sorts of things.
    pub async fn under_load(&self, callers: u64, seed: u64) -> UnderLoad {
        self.settle();
        let tenants = tenants();
        let tenants: Vec<_> = tenants.iter().map(String::as_str).collect();
        let tokens = Tokens::of(&self.data(0), &tenants);
        let urls = self.urls();
        let load = Load::new(&tenants, REST);
        for tenant in tenants {
            self.running[0].as_ref().unwrap().text(&["tenant", "create", tenant]);
        }
        load.set_up(&Caller::of_nodes(&urls, &tokens, 0)).await;
        let callers = (0..callers)
            .map(|index| load.run(Caller::of_nodes(&urls, &tokens, index), Random(seed ^ (index + 1))))
            .collect();
        UnderLoad { load, callers }
    }

    /// Ends a load while all nodes run, and looks at everything that is left of it: what callers saw could have happened
    /// one after the other; every node's stores are, row by row, what the log leads to; everything acknowledged is on the
    /// log as it was acknowledged; nothing was decided twice.
    pub async fn end(&self, running: UnderLoad, log: &dyn Log) -> Counted {
        let load = self.end_load(running).await;
        self.settle();
        self.compare_stores();
        load.check_history();
        compare_with_log(&Records::of(log).await, &load.asked())
    }

    /// Ends a load, with an answer to everything that was asked.
    pub async fn end_load(&self, running: UnderLoad) -> Load {
        running.load.stop();
        for caller in running.callers {
            caller.await.unwrap();
        }
        let tenants = tenants();
        let tokens = Tokens::of(&self.data(0), &tenants.iter().map(String::as_str).collect::<Vec<_>>());
        running.load.repeat_unanswered(&Caller::of_nodes(&self.urls(), &tokens, 0)).await;
        running.load
    }

    /// Compares the stores of every running node with ones that are folded from nothing.
    pub fn compare_stores(&self) {
        let (log, partitions) = (format!("kafka://{}", self.brokers), PARTITIONS.to_string());
        let environment = [
            ("DAYBOOK_LOG__URL", log.as_str()),
            ("DAYBOOK_LOG__NAME", self.log.as_str()),
            ("DAYBOOK_LOG__PARTITIONS", partitions.as_str()),
        ];
        for served in self.running.iter().flatten() {
            let arguments = ["replay", "rebuild", "--compare"];
            let text = text_of(served.run_in(&environment, &arguments), &arguments);
            assert_eq!(text.matches("the same").count(), PARTITIONS as usize, "{text}");
        }
    }
}

/// Tenants of the load, one for each partition.
fn tenants() -> Vec<String> {
    let partition = |name: &String| {
        let tenant = TenantId::parse(name).unwrap();
        partition_of(&tenant, &StreamKey::of_tenant(&tenant), PARTITIONS)
    };
    let name_of = |wanted: u32| (0..).map(|number| format!("tenant-{number}")).find(|name| partition(name).0 == wanted);
    (0..PARTITIONS).map(|wanted| name_of(wanted).unwrap()).collect()
}

/// The state of a partition whose commands a node decides.
pub const LEADING: &str = "PARTITION_STATE_LEADING";

/// The state of a partition, as a node's status has it.
pub fn state(status: &Value, partition: u32) -> &str {
    status["partitions"][partition as usize]["state"].as_str().unwrap_or_default()
}

/// What a command printed as JSON; nothing if it failed.
fn said(output: std::process::Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| String::from_utf8_lossy(&output.stderr).into_owned().into())
}

/// An address of this machine where nobody listens.
pub fn free_address(host: &str) -> String {
    std::net::TcpListener::bind((host, 0)).unwrap().local_addr().unwrap().to_string()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}
