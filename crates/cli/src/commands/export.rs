//! An audit as a file that a third party can check with nothing but this program.
//!
//! The file has one JSON object on each line: `header` (which log, partition and tenant), an `entry` for each entry of
//! the audit, a `link` for each record of the partition's decision chain, and `end` (how many links, and the hash the
//! chain ends in). Links disclose the tenant's decisions that the entries stand on, and show everything else as a hash.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use daybook_kernel::code::EXPORT_NOT_PROVEN;
use daybook_kernel::hash::Hash;
use daybook_kernel::id::PartitionId;
use daybook_proto::legal_hold::v1::{AuditEntry, ListAuditEntriesResponse};
use daybook_proto::log::v1::decision::Outcome as Decided;
use daybook_proto::node::v1::{ChainLink, ExportDecisionsRequest, ExportDecisionsResponse};
use daybook_replay::proof::{Chain, Proven};
use serde_json::{Value, json};

use crate::failure::{Failure, Outcome};
use crate::output::{self, line};
use crate::session::Session;

/// What the first line says the file is.
const FORMAT: &str = "daybook-audit-export/1";

/// Writes an audit with its proof, and says so.
pub(crate) async fn write(session: &Session, audit: &ListAuditEntriesResponse, file: &Path) -> Outcome {
    let written = write_file(session, audit, file).await?;
    let (entries, links, head, file) = (audit.entries.len(), written.links, written.head.to_hex(), file.display());
    if session.json {
        output::json(&json!({ "file": file.to_string(), "entries": entries, "links": links, "headHash": head }));
    } else {
        line(format_args!("{entries} entries with their proof are in {file}; the chain ends in"));
        line(&head);
        line(format_args!("anyone can check it: daybook log verify --export {file} --head {head}"));
    }
    Ok(())
}

/// A chain in an export.
pub(crate) struct Written {
    /// How many links it has.
    pub(crate) links: u64,
    /// What it ends in.
    pub(crate) head: Hash,
}

/// Writes an audit with its proof. The file appears when it is complete.
pub(crate) async fn write_file(session: &Session, audit: &ListAuditEntriesResponse, file: &Path) -> Outcome<Written> {
    let position = audit.position.unwrap_or_default();
    let mut command_offsets: Vec<_> = audit.entries.iter().filter_map(|entry| Some(entry.position?.offset)).collect();
    command_offsets.dedup();
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut part = tempfile::NamedTempFile::new_in(folder)?;
    let mut writer = BufWriter::new(part.as_file_mut());

    let mut links = 0_u64;
    let mut page_token = String::new();
    let head_hash = loop {
        let request = ExportDecisionsRequest {
            tenant_id: session.tenant.clone(),
            command_offsets: command_offsets.clone(),
            partition: position.partition,
            page_token,
        };
        let page: ExportDecisionsResponse = session.client.ask(&request).await?;
        if request.page_token.is_empty() {
            write_line(
                &mut writer,
                "header",
                &json!({
                    "format": FORMAT,
                    "tenantId": session.tenant,
                    "logName": page.log_name,
                    "partitions": page.partitions,
                    "partition": position.partition,
                }),
            )?;
            for entry in &audit.entries {
                write_line(&mut writer, "entry", &output::to_json(entry)?)?;
            }
        }
        for link in &page.links {
            write_line(&mut writer, "link", &output::to_json(link)?)?;
            links += 1;
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break page.head_hash;
        }
    };
    let head = Hash::from_slice(&head_hash).ok_or_else(|| Failure::new("the node named no head"))?;
    write_line(&mut writer, "end", &json!({ "links": links, "headHash": head.to_hex() }))?;
    writer.flush()?;
    drop(writer);
    part.as_file().sync_all()?;
    part.persist(file).map_err(|error| Failure::new(error.error))?;
    Ok(Written { links, head })
}

fn write_line(writer: &mut impl Write, what: &str, value: &Value) -> Outcome {
    writeln!(writer, "{}", json!({ what: value })).map_err(Failure::from)
}

/// What checking an export showed.
pub(crate) struct Checked {
    header: Value,
    /// The entries; each is what a decision says.
    pub(crate) entries: Vec<AuditEntry>,
    /// The chain of its links.
    pub(crate) chain: Written,
    passes_known_head: bool,
}

/// Checks an export, and says what it found: the chain of its links ends where it says, and every entry of the audit
/// says what a decision of that chain says. `known` is a hash of the chain that was learned from elsewhere.
pub(crate) fn verify(file: &Path, known: Option<Hash>, as_json: bool) -> Outcome {
    let checked = check(file, known)?;
    let field = |name: &str| checked.header.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (tenant, log, head) = (field("tenantId"), field("logName"), checked.chain.head.to_hex());
    let partition = checked.header.get("partition").and_then(Value::as_u64).unwrap_or_default();
    let (entries, links) = (checked.entries.len(), checked.chain.links);
    if as_json {
        output::json(&json!({ "tenantId": tenant, "logName": log, "partition": partition, "entries": entries,
            "links": links, "headHash": head, "passesKnownHash": known.map(|_| true) }));
        return Ok(());
    }
    line(format_args!("{entries} entries of tenant {tenant} stand in the chain of log {log}, partition {partition}:"));
    line(format_args!("{links} links, which end in {head}"));
    line(match known {
        Some(_) => "the chain passes through the hash that you know",
        None => {
            "compare this hash with one that you have from elsewhere (daybook status, an earlier export); --head does"
        }
    });
    Ok(())
}

/// Checks an export.
pub(crate) fn check(file: &Path, known: Option<Hash>) -> Outcome<Checked> {
    let checked = read(file, known)?;
    match known.filter(|_| !checked.passes_known_head) {
        None => Ok(checked),
        Some(known) => {
            let message = format!("the chain of {} does not pass through {known}", file.display());
            Err(Failure::coded(EXPORT_NOT_PROVEN, message)
                .hint("the export is of another log or partition, older than that hash, or made up"))
        }
    }
}

fn read(file: &Path, known: Option<Hash>) -> Outcome<Checked> {
    let wrong = |number: usize, what: &dyn std::fmt::Display| {
        Failure::coded(EXPORT_NOT_PROVEN, format!("{}, line {number}: {what}", file.display()))
            .hint("the export is not what a node wrote; ask for it again")
    };
    let open = File::open(file).map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    let mut header = Value::Null;
    let mut chain: Option<Chain> = None;
    let mut waiting: BTreeMap<u64, Vec<AuditEntry>> = BTreeMap::new();
    let mut entries = Vec::new();
    let mut passes_known_head = false;
    for (number, text) in (1..).zip(BufReader::new(open).lines()) {
        let value: Value = serde_json::from_str(&text?).map_err(|error| wrong(number, &error))?;
        let Some((what, value)) = value.as_object().and_then(|object| object.iter().next()) else {
            return Err(wrong(number, &"it is no JSON object with one key"));
        };
        match (what.as_str(), &mut chain) {
            ("header", None) => {
                chain = Some(start(value).map_err(|what| wrong(number, &what))?);
                header = value.clone();
            }
            ("entry", Some(_)) => {
                let entry: AuditEntry = output::from_json(value).map_err(|error| wrong(number, &error.message()))?;
                let position = entry.position.unwrap_or_default();
                if header.get("partition") != Some(&position.partition.into()) {
                    return Err(wrong(number, &"the entry is of another partition"));
                }
                let offset = position.offset;
                waiting.entry(offset).or_default().push(entry.clone());
                entries.push(entry);
            }
            ("link", Some(chain)) => {
                let link: ChainLink = output::from_json(value).map_err(|error| wrong(number, &error.message()))?;
                for proven in chain.follow(&link).map_err(|error| wrong(number, &error))? {
                    for entry in waiting.remove(&proven.command_offset.0).unwrap_or_default() {
                        compare(&entry, &proven).map_err(|what| wrong(number, &what))?;
                    }
                }
                passes_known_head |= known == Some(chain.head());
            }
            ("end", Some(chain)) => {
                if let Some((offset, _)) = waiting.first_key_value() {
                    return Err(wrong(number, &format!("no link shows the decision of command {offset}")));
                }
                let said = value.get("headHash").and_then(Value::as_str).and_then(Hash::from_hex);
                let (links, head) = (chain.links(), chain.head());
                if said != Some(head) || value.get("links").and_then(Value::as_u64) != Some(links) {
                    return Err(wrong(number, &format!("the links lead to {} instead", head.to_hex())));
                }
                return Ok(Checked { header, entries, chain: Written { links, head }, passes_known_head });
            }
            _ => return Err(wrong(number, &format!("{what:?} is not expected here"))),
        }
    }
    Err(wrong(0, &"it has no end: it is not complete"))
}

fn start(header: &Value) -> Result<Chain, String> {
    let text = |name: &str| header.get(name).and_then(Value::as_str).ok_or(format!("the header has no {name}"));
    let number = |name: &str| {
        let value = header.get(name).and_then(Value::as_u64).and_then(|value| u32::try_from(value).ok());
        value.ok_or(format!("the header has no {name}"))
    };
    match text("format")? {
        FORMAT => Ok(Chain::new(text("logName")?, number("partitions")?, PartitionId(number("partition")?))),
        other => Err(format!("this program does not know the format {other:?}")),
    }
}

/// Whether an entry says what the decision says. The matter of a hold is not in every event: it is not compared.
fn compare(entry: &AuditEntry, proven: &Proven) -> Result<(), String> {
    let offset = proven.command_offset;
    let Some(Decided::Accepted(accepted)) = &proven.decision.outcome else {
        return Err(format!("command {offset} was not accepted"));
    };
    let event = accepted.events.get(entry.event_index as usize);
    let event = event.ok_or_else(|| format!("command {offset} has no event {}", entry.event_index))?;
    let said = legal_hold_projection::audit_entry(event).map_err(|error| format!("command {offset}: {error:?}"))?;
    let Some(said) = said else {
        return Err(format!("event {} of command {offset} is nothing that an audit shows", entry.event_index));
    };
    let stands = AuditEntry {
        position: entry.position,
        event_index: entry.event_index,
        decided_at: proven.decided_at,
        actor_id: proven.decision.actor_id.clone(),
        matter_id: entry.matter_id.clone(),
        command_hash: proven.command_hash.to_hex(),
        ..said
    };
    if *entry == stands {
        return Ok(());
    }
    Err(format!("the entry of command {offset} is not what the decision says: {entry:?} is not {stands:?}"))
}
