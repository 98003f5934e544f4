//! A node goes, and others go on with what it led: how long until the next decision.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use daybook_kernel::id::{StreamKey, TenantId};
use daybook_kernel::partitioning::partition_of;
use daybook_proto::legal_hold::v1::RegisterItemResponse;
use daybook_testkit::kafka::Broker;
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use crate::client::{Client, REGISTER_ITEM};
use crate::items::{Items, PARTITIONS, tenants};
use crate::load::median;
use crate::nodes::Nodes;
use crate::report::{Report, Table, duration};
use crate::steps::{self, now_us};
use crate::{Part, Scale};

/// Nodes of the cluster.
const NODES: usize = 2;
/// What a caller waits between an answer and the next command: the machine is busy, not full.
const PAUSE: Duration = Duration::from_millis(10);
/// What a caller waits after a refusal before it sends the same command again.
const RETRY: Duration = Duration::from_millis(5);
/// Load before a node goes.
const BEFORE: Duration = Duration::from_millis(500);
/// How long callers may wait for an answer at all.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// How a node goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Going {
    /// SIGKILL.
    Killed,
    /// SIGSTOP: its connections stay open, and nothing comes.
    Still,
    /// SIGTERM.
    Stopped,
}

/// What is measured of every going.
#[derive(Debug, Default)]
struct Seen {
    /// From the signal to the next decision, for each partition that the node led.
    next_decision: Vec<Duration>,
    /// The part of it after the node that takes over knew that it is to lead.
    after_noticing: Vec<Duration>,
    /// The longest that any caller waited for an answer, for each going.
    longest_wait: Vec<Duration>,
}

/// Lets nodes go in each way, again and again.
pub(crate) async fn measure(folder: &Path, scale: &Scale, report: &mut Report) -> Result<()> {
    let broker = Broker::start().await?;
    let often = scale.goings;
    let (mut killed, mut still, mut stopped) = (Seen::default(), Seen::default(), Seen::default());
    let mut nodes = Nodes::start(&broker, &folder.join("warm"), "warm", NODES, None).await?;
    for round in 0..often {
        go(&mut nodes, round % NODES, Going::Killed, &mut killed).await?;
        go(&mut nodes, (round + 1) % NODES, Going::Stopped, &mut stopped).await?;
        // Waiting for the group takes most of the time, and is much the same every time.
        if round.is_multiple_of(2) {
            go(&mut nodes, round / 2 % NODES, Going::Still, &mut still).await?;
        }
    }
    nodes.stop().await?;
    let mut cold = Seen::default();
    let mut nodes = Nodes::start(&broker, &folder.join("cold"), "cold", NODES, Some(0)).await?;
    for round in 0..often.div_ceil(2) {
        go(&mut nodes, round % NODES, Going::Killed, &mut cold).await?;
    }
    nodes.stop().await?;

    let header = [
        "what happens to a node",
        "times",
        "next decision: median",
        "worst",
        "after noticing: median",
        "worst",
        "longest wait of a caller: median",
        "worst",
    ];
    let mut table = Table::new(header);
    let ways = [
        ("killed (SIGKILL), a standby follows", &killed),
        ("stands still (SIGSTOP), a standby follows", &still),
        ("killed, `cluster.standbys = 0`", &cold),
        ("stopped (SIGTERM), a standby follows", &stopped),
    ];
    for (name, seen) in ways {
        let [next, next_worst] = both(&seen.next_decision);
        let [noticed, noticed_worst] = both(&seen.after_noticing);
        let [wait, wait_worst] = both(&seen.longest_wait);
        let times = seen.longest_wait.len().to_string();
        table.row([name.to_owned(), times, next, next_worst, noticed, noticed_worst, wait, wait_worst]);
    }
    report.table(Part::Takeover, &table);
    report.note(
        Part::Takeover,
        format!(
            "{NODES} nodes, {PARTITIONS} partitions, {} callers that wait {} ms between an answer and the next command. \
             Every partition of a node that goes is a measurement of its own.",
            tenants().len(),
            PAUSE.as_millis()
        ),
    );
    let mut aim = |name: &str, wanted: &str, times: &[Duration], limit_ms: u64| -> Result<()> {
        let worst = times.iter().max().with_context(|| format!("{name}: nothing was measured"))?;
        report.aim(name, wanted, duration(*worst), *worst < Duration::from_millis(limit_ms));
        Ok(())
    };
    aim("Kafka, a node is killed: next decision of its partitions, worst", "< 3 s", &killed.next_decision, 3_000)?;
    aim("the same, after the standby noticed, worst", "< 1 s", &killed.after_noticing, 1_000)?;
    aim("a node stands still: next decision after the group noticed, worst", "< 1 s", &still.after_noticing, 1_000)?;
    aim("a node is stopped: longest wait of a caller, worst", "< 1 s", &stopped.longest_wait, 1_000)?;
    Ok(())
}

/// Median and worst.
fn both(times: &[Duration]) -> [String; 2] {
    let shown = |time: Option<Duration>| time.map_or_else(|| "-".to_owned(), duration);
    [shown(median(times.iter().copied())), shown(times.iter().max().copied())]
}

/// A node goes, its partitions go on elsewhere, and it comes back.
async fn go(nodes: &mut Nodes, going: usize, how: Going, seen: &mut Seen) -> Result<()> {
    let leaders = nodes.settle().await?;
    let led: Vec<u32> = (0..PARTITIONS).filter(|partition| leaders[*partition as usize] == going).collect();
    let callers = Callers::start(nodes, going, how)?;
    tokio::time::sleep(BEFORE).await;
    let from_us = now_us();
    match how {
        Going::Killed => nodes.take(going)?.kill().await?,
        Going::Still => nodes.node(going)?.signal("STOP")?,
        Going::Stopped => nodes.node(going)?.signal("TERM")?,
    }
    // What is sent from here on, the node that went does not decide. One that is told to stop decides on for a while.
    let gone_us = now_us();
    let mut answered = Vec::new();
    for partition in &led {
        answered.push((*partition, callers.next_answer(*partition, gone_us).await?));
    }
    match how {
        Going::Killed => {}
        Going::Still => nodes.node(going)?.signal("CONT")?,
        Going::Stopped => nodes.take(going)?.ended().await?,
    }
    let calls = callers.stop().await?;
    if how != Going::Still {
        nodes.start_one(going).await?;
    }

    let waits =
        calls.iter().filter(|call| call.answered_us >= from_us).map(|call| micros(call.answered_us - call.sent_us));
    seen.longest_wait.extend(waits.max());
    // A node that is told to stop hands over while it still decides: there is no moment to count from.
    if how == Going::Stopped {
        return Ok(());
    }
    let steps = steps::read(&nodes.steps(NODES - 1 - going))?;
    for (partition, answered_us) in answered {
        seen.next_decision.push(micros(answered_us - from_us));
        let told = |step: &&steps::Step| step.partition == partition && step.leads && step.at_us >= from_us;
        let told = steps.iter().find(told).context("nobody took over, yet a command was answered")?;
        seen.after_noticing.push(micros(answered_us - told.at_us));
    }
    Ok(())
}

fn micros(time_us: i64) -> Duration {
    Duration::from_micros(u64::try_from(time_us).unwrap_or_default())
}

/// A command of a caller, from when it was first sent to its answer.
#[derive(Debug, Clone, Copy)]
struct Asked {
    partition: u32,
    sent_us: i64,
    answered_us: i64,
}

/// One caller for each tenant. Each sends a command, again under the same id until it is answered, then the next.
struct Callers {
    calls: Arc<Mutex<Vec<Asked>>>,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Result<()>>>,
}

impl Callers {
    /// Callers of the nodes that stay; of a node that is told to stop as well, which has to pass them on.
    fn start(nodes: &Nodes, going: usize, how: Going) -> Result<Self> {
        let (calls, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let asked = (0..nodes.count()).filter(|node| *node != going || how == Going::Stopped);
        let clients: Vec<Client> = asked.map(|node| nodes.client(node).again()).collect();
        let (clients, items) = (Arc::new(clients), Arc::new(Items::new()));
        let mut tasks = Vec::new();
        for (number, tenant) in tenants().into_iter().enumerate() {
            let (id, stream) = (TenantId::parse(&tenant)?, StreamKey::parse(&tenant)?);
            let caller = Caller {
                clients: Arc::clone(&clients),
                // Both tenants of a partition begin at different nodes.
                number: number + number / PARTITIONS as usize,
                partition: partition_of(&id, &stream, PARTITIONS).0,
                tenant,
                items: Arc::clone(&items),
            };
            tasks.push(tokio::spawn(caller.call(Arc::clone(&calls), Arc::clone(&stop))));
        }
        Ok(Self { calls, stop, tasks })
    }

    /// When the first command of a partition was answered that was sent after some moment.
    async fn next_answer(&self, partition: u32, after_us: i64) -> Result<i64> {
        let started = Instant::now();
        loop {
            let of = |call: &&Asked| call.partition == partition && call.sent_us >= after_us;
            let first = self.calls.lock().iter().filter(of).map(|call| call.answered_us).min();
            match first {
                Some(answered_us) => return Ok(answered_us),
                None if started.elapsed() > WAIT_MAX => bail!("nobody decides commands of partition {partition}"),
                None => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
    }

    /// Every command that was answered.
    async fn stop(self) -> Result<Vec<Asked>> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await??;
        }
        Ok(std::mem::take(&mut *self.calls.lock()))
    }
}

struct Caller {
    clients: Arc<Vec<Client>>,
    number: usize,
    partition: u32,
    tenant: String,
    items: Arc<Items>,
}

impl Caller {
    async fn call(self, calls: Arc<Mutex<Vec<Asked>>>, stop: Arc<AtomicBool>) -> Result<()> {
        let mut turn = self.number;
        while !stop.load(Ordering::Relaxed) {
            let request = self.items.register(&self.tenant);
            let (sent, sent_us) = (Instant::now(), now_us());
            loop {
                let client = &self.clients[turn % self.clients.len()];
                let answer =
                    client.call::<_, RegisterItemResponse>(self.number, REGISTER_ITEM, &self.tenant, request.clone());
                match answer.await {
                    Ok(_) => break,
                    Err(error) if sent.elapsed() > WAIT_MAX => return Err(error.context("a command is never answered")),
                    // Not now, or gone: the next node is asked for the same command.
                    Err(_) => turn += 1,
                }
                tokio::time::sleep(RETRY).await;
            }
            calls.lock().push(Asked { partition: self.partition, sent_us, answered_us: now_us() });
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}
