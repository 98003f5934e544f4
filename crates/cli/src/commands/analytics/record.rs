//! Recording events from a file: one JSON object a line.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use daybook_proto::product_analytics::v1;
use serde_json::Value;

use crate::client::new_id;
use crate::failure::{Failure, Outcome};
use crate::output::{self, line, plain};
use crate::session::Session;

/// Records the events of a file.
pub(super) async fn record(file: &Path, batch: usize, session: &Session) -> Outcome {
    let wrong = |error: &dyn std::fmt::Display| Failure::new(format!("{}: {error}", file.display()));
    let reader: Box<dyn Read> = match file.to_str() {
        Some("-") => Box::new(std::io::stdin()),
        _ => Box::new(std::fs::File::open(file).map_err(|error| wrong(&error))?),
    };
    let mut all = v1::RecordEventsResponse::default();
    let mut events: Vec<v1::Event> = Vec::with_capacity(batch);
    let mut sent = 0u32;
    for (at, text) in BufReader::new(reader).lines().enumerate() {
        let text = text.map_err(|error| wrong(&error))?;
        if text.trim().is_empty() {
            continue;
        }
        let at_line = |error: &dyn std::fmt::Display| {
            let so_far = format!("the {sent} events before were sent");
            Failure::new(format!("{}, line {}: {error}; {so_far}", file.display(), at + 1))
        };
        let json: Value = serde_json::from_str(&text).map_err(|error| at_line(&error))?;
        events.push(output::from_json(&json).map_err(|failure| at_line(&failure.message()))?);
        if events.len() == batch {
            send(&mut events, &mut sent, &mut all, session).await?;
        }
    }
    if !events.is_empty() {
        send(&mut events, &mut sent, &mut all, session).await?;
    }
    session.show(&all, |all| {
        let at = output::position(all.receipt.as_ref().and_then(|receipt| receipt.position.as_ref()));
        line(format_args!("{} events count, {} do not, at {at}", all.accepted_count, all.refused.len()));
        let mut reasons: BTreeMap<(String, &str, &str), u32> = BTreeMap::new();
        for refused in &all.refused {
            let reason = plain(refused.reason().as_str_name(), "REFUSAL_");
            *reasons.entry((reason, &refused.name, &refused.property)).or_default() += 1;
        }
        for ((reason, name, property), count) in reasons {
            line(format_args!("  {count} {reason} {name} {property}").to_string().trim_end());
        }
        for name in &all.deprecated_names {
            line(format_args!("  {name} should not be used any more"));
        }
    })
}

async fn send(
    events: &mut Vec<v1::Event>,
    sent: &mut u32,
    all: &mut v1::RecordEventsResponse,
    session: &Session,
) -> Outcome {
    let request = v1::RecordEventsRequest {
        command_id: new_id(),
        tenant_id: session.tenant.clone(),
        events: std::mem::take(events),
        ..Default::default()
    };
    let count = u32::try_from(request.events.len()).unwrap_or(u32::MAX);
    let response: v1::RecordEventsResponse = session.client.command(&request.command_id, &request).await?;
    all.receipt = response.receipt;
    all.accepted_count = all.accepted_count.saturating_add(response.accepted_count);
    let placed = |refused: v1::RefusedEvent| v1::RefusedEvent { index: refused.index.saturating_add(*sent), ..refused };
    all.refused.extend(response.refused.into_iter().map(placed));
    all.deprecated_names.extend(response.deprecated_names);
    all.deprecated_names.sort();
    all.deprecated_names.dedup();
    *sent = sent.saturating_add(count);
    Ok(())
}
