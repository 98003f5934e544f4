//! `daybook replay`: reading the log again.

use std::path::PathBuf;

use daybook_kernel::code::DECISIONS_DIFFER;
use daybook_kernel::id::Offset;
use daybook_kernel::time::Timestamp;
use daybook_proto::node::v1::{GetStateDigestRequest, GetStateDigestResponse};
use daybook_replay::{Rebuilt, Until, Verified, rebuild, verify};
use daybook_rocks::Memory;
use serde_json::{Value, json};

use crate::args::{Global, Replay};
use crate::client::Client;
use crate::commands::log::CACHE_BYTES;
use crate::failure::{Failure, Outcome};
use crate::offline::{Bar, ReadableLog, decider, partitions};
use crate::output::{self, line, short};
use crate::session::scratch;

/// Rows that are not yet written to files, in bytes.
pub(crate) const WRITE_BUFFER_BYTES: usize = 64 << 20;

/// Verifies decisions and rebuilds stores.
pub(crate) async fn run(replay: Replay, global: &Global) -> Outcome {
    let (_folder, scratch) = scratch("replay")?;
    let memory = Memory::new(CACHE_BYTES, WRITE_BUFFER_BYTES);
    let readable = ReadableLog::open(&global.config()?, &scratch, &memory).await?;
    match replay {
        Replay::Verify { partition } => {
            let verified = verify_all(&readable, partition, &memory).await?;
            if global.json {
                output::json(&verified.to_json());
            } else {
                verified.show();
            }
            verified.judge()
        }
        Replay::Rebuild { into, partition, until_offset, until_time, compare } => {
            let until = match (until_offset, until_time) {
                (Some(offset), _) => Until::Command(Offset(offset)),
                (None, Some(time)) => Until::Time(Timestamp::from_proto(&time).map_err(Failure::new)?),
                (None, None) => Until::End,
            };
            let session = compare.then(|| global.session()).transpose()?;
            let node = session.as_ref().map(|session| &session.client);
            let rebuilt = rebuild_all(&readable, partition, until, into, node, &memory).await?;
            if global.json {
                output::json(&rebuilt.to_json());
            } else {
                rebuilt.show();
            }
            rebuilt.judge()
        }
    }
}

/// What deciding again showed.
pub(crate) struct VerifiedLog {
    partitions: Vec<Verified>,
    rate: u64,
}

/// Decides every command again.
pub(crate) async fn verify_all(readable: &ReadableLog, only: Option<u32>, memory: &Memory) -> Outcome<VerifiedLog> {
    let (_folder, scratch) = scratch("verify")?;
    let log = readable.log();
    let decider = decider(&*log);
    let bar = Bar::new("deciding again");
    let mut all = Vec::new();
    for partition in partitions(&*log, only)? {
        all.push(verify(&*log, &decider, partition, &scratch, memory, &bar).await?);
    }
    bar.finish();
    Ok(VerifiedLog { partitions: all, rate: bar.rate() })
}

impl VerifiedLog {
    fn differences(&self) -> u64 {
        self.partitions.iter().map(|verified| verified.difference_count).sum()
    }

    /// As a table.
    pub(crate) fn show(&self) {
        let rows = self.partitions.iter().map(|verified| {
            [
                verified.partition.0.to_string(),
                verified.decisions.to_string(),
                verified.difference_count.to_string(),
                verified.other_version.to_string(),
                verified.undecided.to_string(),
                short(&verified.head.hash.to_hex()),
            ]
        });
        output::table(["partition", "decided again", "different", "of another release", "undecided", "head"], rows);
        let decisions: u64 = self.partitions.iter().map(|verified| verified.decisions).sum();
        let (differences, rate) = (self.differences(), self.rate);
        line(format_args!("{decisions} decisions, {differences} came out differently; {rate} per second"));
    }

    fn to_json(&self) -> Value {
        let partitions = self.partitions.iter().map(|verified| {
            let differences = verified.differences.iter().map(|difference| {
                json!({ "command": difference.command.0, "recorded": difference.recorded, "decided": difference.decided })
            });
            json!({
                "partition": verified.partition.0,
                "records": verified.records,
                "decisions": verified.decisions,
                "otherVersion": verified.other_version,
                "notCounted": verified.dropped,
                "undecided": verified.undecided,
                "differences": differences.collect::<Vec<_>>(),
                "differenceCount": verified.difference_count,
                "headHash": verified.head.hash.to_hex(),
            })
        });
        partitions.collect()
    }

    /// Fails if a decision came out differently.
    pub(crate) fn judge(&self) -> Outcome {
        if self.differences() == 0 {
            return Ok(());
        }
        let found = self.partitions.iter().flat_map(|verified| {
            verified.differences.iter().map(|difference| {
                let place = format!("{}/{}", verified.partition.0, difference.command);
                format!("{place}: recorded {}; decided again {}", difference.recorded, difference.decided)
            })
        });
        let failure =
            Failure::coded(DECISIONS_DIFFER, format!("{} decisions came out differently", self.differences()));
        Err(found.take(10).fold(failure, Failure::hint))
    }
}

/// What folding from nothing led to, with the state of a node to compare with.
pub(crate) struct RebuiltLog {
    partitions: Vec<(Rebuilt, Option<GetStateDigestResponse>)>,
    rate: u64,
}

/// Folds stores from nothing into a folder, beside the state of a node if one is given.
pub(crate) async fn rebuild_all(
    readable: &ReadableLog,
    only: Option<u32>,
    until: Until,
    into: Option<PathBuf>,
    node: Option<&Client>,
    memory: &Memory,
) -> Outcome<RebuiltLog> {
    let (_held, into) = match into {
        Some(folder) => (None, folder),
        None => scratch("rebuild").map(|(held, folder)| (Some(held), folder))?,
    };
    let log = readable.log();
    let decider = decider(&*log);
    let bar = Bar::new("folding");
    let mut rows = Vec::new();
    for partition in partitions(&*log, only)? {
        // The node's state first: it says how far to fold.
        let (until, node) = match node {
            Some(client) => {
                let node: GetStateDigestResponse =
                    client.ask(&GetStateDigestRequest { partition: partition.0 }).await?;
                (Until::Record(Offset(node.next_record)), Some(node))
            }
            None => (until, None),
        };
        readable.catch_up()?;
        rows.push((rebuild(&*log, &decider, partition, &into, until, memory, &bar).await?, node));
    }
    bar.finish();
    Ok(RebuiltLog { partitions: rows, rate: bar.rate() })
}

impl RebuiltLog {
    /// As a table.
    pub(crate) fn show(&self) {
        let rows = self.partitions.iter().map(|(rebuilt, node)| {
            let compared = node.as_ref().map(|node| if is_same(rebuilt, node) { "the same" } else { "DIFFERENT" });
            [
                rebuilt.partition.0.to_string(),
                rebuilt.decisions.to_string(),
                rebuilt.rows.to_string(),
                short(&rebuilt.digest.to_hex()),
                compared.unwrap_or_default().to_owned(),
                short(&rebuilt.head.hash.to_hex()),
            ]
        });
        output::table(["partition", "decisions", "rows", "digest of all rows", "as the node", "head"], rows);
        line(format_args!("{} decisions per second", self.rate));
    }

    fn to_json(&self) -> Value {
        let partitions = self.partitions.iter().map(|(rebuilt, node)| {
            json!({
                "partition": rebuilt.partition.0,
                "records": rebuilt.records,
                "decisions": rebuilt.decisions,
                "rows": rebuilt.rows,
                "digest": rebuilt.digest.to_hex(),
                "headHash": rebuilt.head.hash.to_hex(),
                "sameAsNode": node.as_ref().map(|node| is_same(rebuilt, node)),
            })
        });
        partitions.collect()
    }

    /// Fails if the node's state is not what the log leads to.
    pub(crate) fn judge(&self) -> Outcome {
        let different: Vec<_> = self
            .partitions
            .iter()
            .filter(|(rebuilt, node)| node.as_ref().is_some_and(|node| !is_same(rebuilt, node)))
            .map(|(rebuilt, _)| rebuilt.partition.0.to_string())
            .collect();
        if different.is_empty() {
            return Ok(());
        }
        let message = format!("the node's state differs from the log in partitions {}", different.join(", "));
        Err(Failure::coded(daybook_runtime::codes::STORE_DIFFERS_FROM_LOG, message)
            .hint("fold it again: daybook projection rebuild platform; daybook projection rebuild legal_hold"))
    }
}

fn is_same(rebuilt: &Rebuilt, node: &GetStateDigestResponse) -> bool {
    rebuilt.digest.to_hex() == node.digest && rebuilt.head.hash.to_hex() == node.head_hash
}
