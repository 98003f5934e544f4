//! `daybook inbox`: what became of records that other programs put on inbox topics, read where the list lies.

use std::time::Duration;

use daybook_kernel::id::Offset;
use daybook_log::{BesideTopics, LogError};
use daybook_server::inbox::rejected::{Rejected, topic};
use daybook_server::serve::kafka_options;
use serde_json::Value;

use crate::args::{Global, Inbox};
use crate::failure::{Failure, Outcome};
use crate::output::{self, line};

/// How long a line that should be there is waited for.
const NEXT_WAIT_MAX: Duration = Duration::from_secs(30);

/// Shows the list.
pub(crate) async fn run(inbox: Inbox, global: &Global) -> Outcome {
    let Inbox::Rejected { lines, follow } = inbox;
    let config = global.config()?;
    let Some(mut options) = kafka_options(&config) else {
        let failure = Failure::new("the log is not on Kafka, so there is no inbox; set log.url");
        return Err(failure.hint("give the configuration of the node with --config"));
    };
    // Reading must not create anything.
    options.create_with_replication = None;
    let topic = topic(&options.name);
    let topics = BesideTopics::connect(options, false)?;
    if !topics.exists(&topic).await? {
        let failure = Failure::new(format!("there is no topic {topic}: no node with inbox.topics has run on this log"));
        return Err(failure.hint("daybook config explains inbox.topics"));
    }
    let bounds = topics.bounds(&topic, 0).await?;
    let first = Offset(bounds.first.0.max(bounds.next.0.saturating_sub(lines)));
    let mut reader = topics.read(&topic, 0, first)?;
    let mut listed = Vec::new();
    let mut at = first;
    // Offsets may have gaps, where others wrote in transactions.
    while at < bounds.next {
        match tokio::time::timeout(NEXT_WAIT_MAX, reader.next()).await {
            Ok(Ok(record)) => {
                at = record.offset.next();
                listed.push(record.value);
            }
            Ok(Err(error @ LogError::Damaged { .. })) => {
                at = at.next();
                listed.push(error.to_string().into());
            }
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => break,
        }
    }
    if global.json {
        listed.iter().for_each(|value| line(as_json(value)));
    } else {
        let header = ["rejected at", "topic", "partition/offset", "code", "method", "decided at", "message"];
        output::table(header, listed.iter().map(|value| row(value)));
    }
    if !follow {
        return Ok(());
    }
    loop {
        tokio::select! {
            record = reader.next() => {
                let value = match record {
                    Ok(record) => record.value,
                    Err(error @ LogError::Damaged { .. }) => error.to_string().into(),
                    Err(error) => return Err(error.into()),
                };
                if global.json { line(as_json(&value)) } else { line(row(&value).join("  ")) }
            }
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
    }
}

fn as_json(value: &[u8]) -> Value {
    serde_json::from_slice(value).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(value).into_owned()))
}

fn row(value: &[u8]) -> [String; 7] {
    let Ok(rejected) = serde_json::from_slice::<Rejected>(value) else {
        // A newer release may write more; whatever it is, it is shown.
        let shown = String::from_utf8_lossy(value).into_owned();
        return ["", "", "", "", "", "", &shown].map(str::to_owned);
    };
    let method = rejected.method.as_deref().unwrap_or_default();
    [
        rejected.rejected_at,
        rejected.topic,
        match rejected.last_offset {
            None => format!("{}/{}", rejected.partition, rejected.offset),
            Some(last) => format!("{}/{}-{last}", rejected.partition, rejected.offset),
        },
        rejected.code,
        method.rsplit('/').next().unwrap_or_default().to_owned(),
        rejected.decided_at.unwrap_or_default(),
        rejected.message,
    ]
}
