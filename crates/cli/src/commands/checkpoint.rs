//! `daybook log checkpoint` and `daybook log verify --against`: signed proof of where the chains stood.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::SystemTime;

use daybook_checkpoint::{Checkpoint, Mark, PublicKey, Seen, Signed, SigningKey, judge};
use daybook_kernel::hash::Hash;
use daybook_kernel::id::Offset;
use daybook_kernel::time::Timestamp;
use daybook_log::Topic;
use daybook_replay::LookFor;
use serde_json::json;

use crate::commands::log::{walk_all, walk_looking_for};
use crate::failure::{Failure, Outcome};
use crate::offline::ReadableLog;
use crate::output::{self, line};

/// Makes a key.
pub(crate) fn new_key(file: &Path, as_json: bool) -> Outcome {
    let key = SigningKey::create(file)?;
    if as_json {
        output::json(&json!({ "file": file, "publicKey": key.public_key().to_string() }));
    } else {
        line(format_args!("{} holds a new key; only its owner can read it", file.display()));
        line(format_args!("public key  {}", key.public_key()));
    }
    Ok(())
}

/// Walks the log and signs where it ends.
pub(crate) async fn make(readable: &ReadableLog, key: &Path, out: Option<&Path>, as_json: bool) -> Outcome {
    let key = SigningKey::from_file(key)?;
    // What is damaged must not be vouched for.
    let walks = walk_all(readable, None, None).await?;
    walks.judge(None)?;
    let log = readable.log();
    let heads = walks.partitions.iter().map(|walked| Mark::of(walked.partition, &walked.head)).collect();
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let made_at = Timestamp::default().saturating_add(since);
    let signed = Checkpoint { log: log.name().to_owned(), partitions: log.partitions(), made_at, heads }.sign(&key);
    let failed = |error: std::io::Error, at: &Path| {
        Failure::new(format!("{}: {error}; no checkpoint was written", at.display()))
    };
    let file = match out {
        None => {
            line(signed.to_json().trim_end());
            return Ok(());
        }
        Some(folder) if folder.is_dir() => {
            daybook_server::write_checkpoint(&signed, folder).map_err(|error| failed(error, folder))?
        }
        Some(file) => {
            write_new(file, &signed).map_err(|error| failed(error, file))?;
            file.to_owned()
        }
    };
    if as_json {
        output::json(&json!({ "file": file, "publicKey": key.public_key().to_string() }));
    } else {
        line(file.display());
    }
    Ok(())
}

/// A checkpoint is evidence: none is overwritten.
fn write_new(file: &Path, signed: &Signed) -> std::io::Result<()> {
    let mut out = fs::OpenOptions::new().write(true).create_new(true).open(file)?;
    out.write_all(signed.to_json().as_bytes())?;
    out.sync_all()
}

/// Walks the log and holds it against a checkpoint.
pub(crate) async fn verify(
    readable: &ReadableLog,
    only: Option<u32>,
    known: Option<Hash>,
    (file, public_key): (&Path, Option<&str>),
    as_json: bool,
) -> Outcome {
    let text = fs::read_to_string(file).map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    let signed = Signed::from_json(&text)?;
    let trusted = public_key.map(PublicKey::parse).transpose()?;
    let checkpoint = signed.verified(trusted)?;
    let log = readable.log();
    checkpoint.is_of(log.name(), log.partitions())?;
    let mark_of = |partition: daybook_kernel::id::PartitionId| checkpoint.heads.get(partition.0 as usize);
    let walks = walk_looking_for(readable, only, |partition| LookFor {
        hash: known,
        place: mark_of(partition).map(|mark| Offset(mark.next_record)),
    })
    .await?;
    walks.tell(as_json);
    let mut wrong = Vec::new();
    for walked in &walks.partitions {
        let Some(mark) = mark_of(walked.partition) else { continue };
        let seen = Seen {
            decisions_next: log.bounds(Topic::Decisions, walked.partition).await?.next.0,
            commands_next: log.bounds(Topic::Commands, walked.partition).await?.next.0,
            head: walked.at_place.clone(),
        };
        wrong.extend(judge(checkpoint, mark, &seen).err());
    }
    let mut wrong = wrong.into_iter();
    if let Some(first) = wrong.next() {
        return Err(wrong.fold(first.into(), Failure::hint));
    }
    walks.judge(known)?;
    if !as_json {
        let made_at = checkpoint.made_at;
        line(format_args!("nothing before the checkpoint of {made_at} was cut off or rewritten"));
        match trusted {
            Some(key) => line(format_args!("it is signed with the key that you trust, {key}")),
            None => line(format_args!(
                "it is signed with key {}; whether that is the operator's only you can know: give it with --public-key",
                signed.public_key()
            )),
        }
    }
    Ok(())
}
