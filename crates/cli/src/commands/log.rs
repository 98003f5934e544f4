//! `daybook log`: the log itself, read where it lies.

use daybook_archive::Archive;
use daybook_kernel::chain::{Dropped, Head};
use daybook_kernel::hash::Hash;
use daybook_kernel::id::{Offset, PartitionId};
use daybook_kernel::record::{DecisionRecord, RecordBody};
use daybook_log::Topic;
use daybook_replay::{LookFor, Progress, Walked, walk_looking};
use daybook_rocks::Memory;
use serde_json::{Value, json};

use crate::args::{Global, Log};
use crate::commands::{archive, checkpoint, export_check, segments, tail};
use crate::decoded;
use crate::failure::{Failure, Outcome};
use crate::offline::{Bar, ReadableLog, partitions};
use crate::output::{self, line};
use crate::session::scratch;
use crate::units;

/// Memory for reading: cached blocks, in bytes.
pub(crate) const CACHE_BYTES: usize = 64 << 20;

/// Shows and checks the log.
pub(crate) async fn run(log: Log, global: &Global) -> Outcome {
    match &log {
        Log::Verify { export: Some(file), head, .. } => return export_check::verify(file, *head, global.json),
        Log::Import { folder } => return archive::import(folder, global).await,
        Log::Archive { partition, before, keep, trim } => {
            let wanted = segments::Wanted { partition: *partition, before: *before, keep: *keep, trim: *trim };
            return segments::run(&wanted, global).await;
        }
        Log::Checkpoint { new_key: Some(file), .. } => return checkpoint::new_key(file, global.json),
        _ => {}
    }
    let (_folder, scratch) = scratch("log")?;
    let memory = Memory::new(CACHE_BYTES, 0);
    let readable = match &log {
        Log::Verify { archive: Some(folder), .. } => ReadableLog::Archive(Archive::open(folder)?),
        _ => ReadableLog::open(&global.config()?, &scratch, &memory).await?,
    };
    match log {
        Log::Topics => topics(&readable, global.json).await,
        Log::Tail { partition, lines, follow } => tail::run(&readable, partition, lines, follow, global.json).await,
        Log::Show { position: (partition, offset) } => show(&readable, partition, Offset(offset), global.json).await,
        Log::Verify { partition, head, against: Some(file), public_key, .. } => {
            checkpoint::verify(&readable, partition, head, (&file, public_key.as_deref()), global.json).await
        }
        Log::Verify { partition, head, .. } => verify(&readable, partition, head, global.json).await,
        Log::Export { folder } => archive::export(&readable, &folder, global).await,
        Log::Checkpoint { key: Some(key), out, .. } => {
            checkpoint::make(&readable, &key, out.as_deref(), global.json).await
        }
        // Done above: they do not read a log.
        Log::Import { .. } | Log::Archive { .. } | Log::Checkpoint { key: None, .. } => Ok(()),
    }
}

async fn topics(readable: &ReadableLog, as_json: bool) -> Outcome {
    let log = readable.log();
    let mut rows = Vec::new();
    for topic in Topic::ALL {
        for partition in partitions(&*log, None)? {
            let bounds = log.bounds(topic, partition).await?;
            rows.push((topic.name(), partition.0, bounds.first.0, bounds.next.0));
        }
    }
    if as_json {
        let topics = rows.iter().map(|(topic, partition, first, next)| {
            json!({ "topic": topic, "partition": partition, "first": first, "next": next })
        });
        output::json(&json!({ "log": log.name(), "at": log.describe(), "topics": topics.collect::<Vec<_>>() }));
        return Ok(());
    }
    line(format_args!("log {}: {}", log.name(), log.describe()));
    let rows = rows.into_iter().map(|(topic, partition, first, next)| {
        [topic.to_owned(), partition.to_string(), first.to_string(), next.to_string(), (next - first).to_string()]
    });
    output::table(["topic", "partition", "first", "next", "records"], rows);
    Ok(())
}

async fn show(readable: &ReadableLog, partition: u32, offset: Offset, as_json: bool) -> Outcome {
    let log = readable.log();
    let partition = partitions(&*log, Some(partition))?.first().copied().unwrap_or(PartitionId(partition));
    let bounds = log.bounds(Topic::Commands, partition).await?;
    if offset >= bounds.next {
        let message =
            format!("there is no command {}/{offset}: the next one will get offset {}", partition.0, bounds.next);
        return Err(Failure::new(message));
    }
    let mut reader = log.reader(Topic::Commands, partition, offset)?;
    let command = reader.next().await?.into_iter().next().ok_or_else(|| Failure::new("the log showed no record"))?;
    let found = find(readable, partition, offset).await?;
    let mut shown = json!({
        "position": format!("{}/{offset}", partition.0),
        "commandHash": Hash::of(&command.bytes).to_hex(),
        "command": decoded::command(&command.bytes),
        "decision": Value::Null,
    });
    if let Some((record_offset, record, decided)) = found {
        shown["decision"] = decoded::decision(&decided);
        shown["record"] = json!({
            "offset": record_offset.0,
            "epoch": record.epoch.0,
            "hash": record.hash.to_hex(),
            "prevHash": record.prev_hash.to_hex(),
        });
        if let RecordBody::Batch { decided_at, .. } = record.body {
            shown["record"]["decidedAt"] = units::show_time(Some(&decided_at.to_proto())).into();
        }
    } else if !as_json {
        line("not decided yet");
    }
    output::json(&shown);
    Ok(())
}

/// The decision of a command: found by walking the chain, since only the chain says which records count.
async fn find(
    readable: &ReadableLog,
    partition: PartitionId,
    command: Offset,
) -> Outcome<Option<(Offset, DecisionRecord, bytes::Bytes)>> {
    let log = readable.log();
    let end = log.bounds(Topic::Decisions, partition).await?.next;
    let mut head = Head::genesis(log.name(), log.partitions(), partition);
    let bar = Bar::new("looking for the decision");
    bar.starts(end.0);
    let mut reader = log.reader(Topic::Decisions, partition, Offset(0))?;
    while head.next_record < end {
        let records = reader.next().await?;
        bar.advances(records.len() as u64, 0);
        for record in records {
            let Ok(counted) = head.offer(record.offset, record.bytes) else { continue };
            if let RecordBody::Batch { first_command, decisions, .. } = &counted.body
                && let Some(index) = command.0.checked_sub(first_command.0)
                && let Some(decision) = decisions.get(index as usize).cloned()
            {
                bar.finish();
                return Ok(Some((record.offset, counted, decision)));
            }
        }
    }
    bar.finish();
    Ok(None)
}

async fn verify(readable: &ReadableLog, only: Option<u32>, known: Option<Hash>, as_json: bool) -> Outcome {
    if let ReadableLog::Archive(archive) = readable {
        archive.check(&()).await?;
    }
    let walks = walk_all(readable, only, known).await?;
    walks.tell(as_json);
    walks.judge(known)?;
    if known.is_some() && !as_json {
        line("the chain passes through the hash that you know");
    }
    Ok(())
}

/// What walking the chains found.
pub(crate) struct Walks {
    pub(crate) partitions: Vec<Walked>,
    rate: u64,
}

/// Walks the chains of all partitions, or of one.
pub(crate) async fn walk_all(readable: &ReadableLog, only: Option<u32>, known: Option<Hash>) -> Outcome<Walks> {
    walk_looking_for(readable, only, |_| LookFor { hash: known, place: None }).await
}

/// The same, looking for something in each.
pub(crate) async fn walk_looking_for(
    readable: &ReadableLog,
    only: Option<u32>,
    what: impl Fn(PartitionId) -> LookFor,
) -> Outcome<Walks> {
    let log = readable.log();
    let bar = Bar::new("walking the chain");
    let mut walks = Vec::new();
    for partition in partitions(&*log, only)? {
        walks.push(walk_looking(&*log, partition, what(partition), &bar).await?);
    }
    bar.finish();
    Ok(Walks { partitions: walks, rate: bar.rate() })
}

impl Walks {
    /// As a table, or as JSON.
    pub(crate) fn tell(&self, as_json: bool) {
        if as_json {
            output::json(&self.partitions.iter().map(walked_as_json).collect());
        } else {
            self.show();
        }
    }

    /// As a table.
    pub(crate) fn show(&self) {
        let rows = self.partitions.iter().map(|walked| {
            [
                walked.partition.0.to_string(),
                walked.records.to_string(),
                walked.decisions.to_string(),
                walked.takeovers.to_string(),
                walked.dropped_count.to_string(),
                walked.undecided.to_string(),
                if walked.is_suspicious() { "DAMAGED" } else { "whole" }.to_owned(),
                output::short(&walked.head.hash.to_hex()),
            ]
        });
        let header = ["partition", "records", "decisions", "takeovers", "not counted", "undecided", "chain", "head"];
        output::table(header, rows);
        let decisions: u64 = self.partitions.iter().map(|walked| walked.decisions).sum();
        line(format_args!("{decisions} decisions and their commands checked, {} per second", self.rate));
    }

    /// Fails if a chain is not whole, or does not pass through the hash that is known.
    pub(crate) fn judge(&self, known: Option<Hash>) -> Outcome {
        let suspicious: Vec<_> = self.partitions.iter().filter(|walked| walked.is_suspicious()).collect();
        if let Some(first) = suspicious.first() {
            let (bad, all) = (suspicious.len(), self.partitions.len());
            let message = format!("{bad} of {all} partitions hold what no correct writer leaves");
            let failure = Failure::coded(daybook_log::codes::LOG_DAMAGED, message);
            return Err(first_findings(first).into_iter().fold(failure, Failure::hint));
        }
        match known {
            Some(known) if !self.partitions.iter().any(|walked| walked.passes_known) => {
                let message =
                    format!("no chain passes through {known}; the log is whole, but it is not the one you know");
                Err(Failure::coded(daybook_log::codes::LOG_DAMAGED, message)
                    .hint("it was cut before that record, or rewritten, or it is another log"))
            }
            _ => Ok(()),
        }
    }
}

fn first_findings(walked: &Walked) -> Vec<String> {
    let partition = walked.partition.0;
    let changed = walked
        .changed_commands
        .iter()
        .map(|offset| format!("command {partition}/{offset} is not, byte for byte, the one that was decided"));
    let dropped =
        walked.dropped.iter().filter(|(_, reason)| *reason != Dropped::NotTheHead).map(|(offset, reason)| {
            format!("decision record {offset} of partition {partition}: {}", reason_text(*reason))
        });
    changed.chain(dropped).take(5).collect()
}

fn reason_text(reason: Dropped) -> &'static str {
    match reason {
        Dropped::NotTheHead => "does not name the head",
        Dropped::Malformed => "its bytes are no decision record",
        Dropped::DoesNotContinue => "names the head but does not continue it",
    }
}

fn walked_as_json(walked: &Walked) -> Value {
    let dropped =
        walked.dropped.iter().map(|(offset, reason)| json!({ "record": offset.0, "reason": reason_text(*reason) }));
    json!({
        "partition": walked.partition.0,
        "records": walked.records,
        "decisions": walked.decisions,
        "takeovers": walked.takeovers,
        "notCounted": walked.dropped_count,
        "notCountedRecords": dropped.collect::<Vec<_>>(),
        "changedCommands": walked.changed_commands.iter().map(|offset| offset.0).collect::<Vec<_>>(),
        "changedCommandCount": walked.changed_count,
        "undecided": walked.undecided,
        "whole": !walked.is_suspicious(),
        "passesKnownHash": walked.passes_known,
        "headHash": walked.head.hash.to_hex(),
    })
}
