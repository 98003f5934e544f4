//! How far a standby is behind the node that leads, while callers keep both busy.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use daybook_testkit::kafka::Broker;
use hdrhistogram::Histogram;

use crate::distributed::everywhere;
use crate::items::PARTITIONS;
use crate::load::closed_loop;
use crate::nodes::Nodes;
use crate::report::{Report, Table, count, duration};
use crate::steps::{self, Step, now_us};
use crate::{Part, Scale};

const CALLERS: [usize; 3] = [1, 16, 256];
/// How often the two are compared.
const EVERY_US: i64 = 1_000;

/// How far behind.
struct Lag {
    records: Histogram<u64>,
    commands: Histogram<u64>,
    time_us: Histogram<u64>,
}

/// Loads two nodes, each of which follows what the other leads.
pub(crate) async fn measure(folder: &Path, scale: &Scale, report: &mut Report) -> Result<()> {
    let broker = Broker::start().await?;
    let nodes = Nodes::start(&broker, folder, "standby", 2, None).await?;
    let leaders = nodes.settle().await?;
    let header = ["callers", "commands/s", "behind in", "p50", "p99", "max"];
    let mut table = Table::new(header);
    for callers in CALLERS {
        let mut lag = Lag::new()?;
        let mut per_second = Vec::new();
        for _ in 0..scale.rounds.div_ceil(2) {
            let from_us = now_us() + i64::try_from((scale.round / 4).as_micros())?;
            let measured = closed_loop(callers, scale.round, &everywhere(&nodes), &nodes.processes()).await?;
            per_second.push(measured.per_second);
            let until_us = from_us + i64::try_from(scale.round.as_micros())?;
            let both = [steps::read(&nodes.steps(0))?, steps::read(&nodes.steps(1))?];
            for partition in 0..PARTITIONS {
                let of = |node: usize| both[node].iter().copied().filter(|step| step.partition == partition).collect();
                let leader = leaders[partition as usize];
                let (leading, following): (Vec<Step>, Vec<Step>) = (of(leader), of(1 - leader));
                lag.add(&leading, &following, from_us, until_us);
            }
        }
        ensure!(nodes.settle().await? == leaders, "a partition changed hands while the lag was measured");
        let per_second = crate::load::median(per_second).context("nothing was measured")?;
        let numbers = |histogram: &Histogram<u64>| at(histogram).map(|number| count(number as f64));
        let times = at(&lag.time_us).map(|time| duration(Duration::from_micros(time)));
        for (name, [p50, p99, max]) in
            [("records", numbers(&lag.records)), ("commands", numbers(&lag.commands)), ("time", times)]
        {
            table.row([callers.to_string(), count(per_second), name.to_owned(), p50, p99, max]);
        }
    }
    report.table(Part::Standby, &table);
    nodes.stop().await
}

fn at(histogram: &Histogram<u64>) -> [u64; 3] {
    [histogram.value_at_quantile(0.5), histogram.value_at_quantile(0.99), histogram.max()]
}

impl Lag {
    fn new() -> Result<Self> {
        let histogram = || Histogram::<u64>::new_with_max(60_000_000, 3);
        Ok(Self { records: histogram()?, commands: histogram()?, time_us: histogram()? })
    }

    /// Compares a standby with its leader at every moment of some time.
    fn add(&mut self, leading: &[Step], following: &[Step], from_us: i64, until_us: i64) {
        // When the leader first stood at a record: the standby's lag in time is counted from the first that it lacks.
        let reached: BTreeMap<u64, i64> = leading.iter().rev().map(|step| (step.next_record, step.at_us)).collect();
        let (mut leader, mut standby) = (leading.iter().peekable(), following.iter().peekable());
        let (mut led, mut followed) = (None, None);
        let mut at_us = from_us;
        while at_us < until_us {
            while let Some(step) = leader.next_if(|step| step.at_us <= at_us) {
                led = Some(*step);
            }
            while let Some(step) = standby.next_if(|step| step.at_us <= at_us) {
                followed = Some(*step);
            }
            if let (Some(led), Some(followed)) = (led, followed) {
                self.records.saturating_record(led.next_record.saturating_sub(followed.next_record));
                self.commands.saturating_record(led.next_command.saturating_sub(followed.next_command));
                let lacks = reached.range(followed.next_record + 1..).next();
                let since = lacks.map_or(0, |(_, since)| at_us - since).max(0);
                self.time_us.saturating_record(since.unsigned_abs());
            }
            at_us += EVERY_US;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(at_us: i64, next_record: u64) -> Step {
        Step { at_us, partition: 0, leads: false, next_record, next_command: next_record * 10 }
    }

    #[test]
    fn a_standby_is_behind_by_what_it_lacks_since_the_leader_has_it() {
        let leading = [step(0, 5), step(10_000, 6), step(20_000, 9)];
        let following = [step(0, 5), step(14_000, 6), step(25_000, 9)];
        let mut lag = Lag::new().unwrap();
        lag.add(&leading, &following, 0, 30_000);
        assert_eq!((lag.records.max(), lag.commands.max()), (3, 30));
        let max = lag.time_us.max();
        assert!(
            lag.time_us.equivalent(max, 4_000),
            "{max}: looked at each millisecond, before it caught up after five"
        );
        assert_eq!(lag.time_us.value_at_quantile(0.5), 0, "behind for nine of thirty milliseconds");
    }
}
