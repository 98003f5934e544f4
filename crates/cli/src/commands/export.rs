//! An audit as a file that a third party can check with nothing but this program.
//!
//! The file has one JSON object on each line: `header` (which log, partition and tenant), an `entry` for each entry of
//! the audit, a `link` for each record of the partition's decision chain, and `end` (how many links, and the hash the
//! chain ends in). Links disclose the tenant's decisions that the entries stand on, and those that placed the holds which
//! the entries are about; everything else they show as a hash. `export_check` reads it.

use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use std::path::Path;

use daybook_kernel::hash::Hash;
use daybook_proto::legal_hold::v1::{
    AuditAction, AuditEntry, GetHoldRequest, GetHoldResponse, ListAuditEntriesResponse,
};
use daybook_proto::node::v1::chain_link::Link;
use daybook_proto::node::v1::{ChainLink, DisclosedRecord, ExportDecisionsRequest, ExportDecisionsResponse};
use serde_json::{Value, json};

use crate::failure::{Failure, Outcome};
use crate::output::{self, line};
use crate::session::Session;

/// What the first line says the file is.
pub(crate) const FORMAT: &str = "daybook-audit-export/2";

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
    let mut offsets: BTreeSet<_> = audit.entries.iter().filter_map(|entry| Some(entry.position?.offset)).collect();
    offsets.extend(placings(session, audit).await);
    let command_offsets: Vec<_> = offsets.into_iter().collect();
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
        for link in page.links {
            write_line(&mut writer, "link", &output::to_json(&proven(link))?)?;
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

/// The commands that placed holds which entries are about, where these are not among the entries: only they say to which
/// matter a hold belongs. Of a hold that cannot be shown the matter stays unproven, and the check says so.
async fn placings(session: &Session, audit: &ListAuditEntriesResponse) -> Vec<u64> {
    let is_placing = |entry: &&AuditEntry| entry.action() == AuditAction::HoldPlaced;
    let placed: BTreeSet<_> = audit.entries.iter().filter(is_placing).map(|entry| entry.hold_id.as_str()).collect();
    let holds: BTreeSet<_> = audit.entries.iter().map(|entry| entry.hold_id.as_str()).collect();
    let mut offsets = Vec::new();
    for hold_id in holds.into_iter().filter(|hold| !hold.is_empty() && !placed.contains(hold)) {
        let request =
            GetHoldRequest { tenant_id: session.tenant.clone(), hold_id: hold_id.to_owned(), ..Default::default() };
        let shown: Result<GetHoldResponse, _> = session.client.ask(&request).await;
        offsets.extend(shown.ok().and_then(|shown| Some(shown.hold?.placed_at?.offset)));
    }
    offsets
}

/// The part of a link that the chain covers. No hash covers the offset of a record in its topic.
fn proven(link: ChainLink) -> ChainLink {
    match link.link {
        Some(Link::Record(record)) => ChainLink { link: Some(Link::Record(DisclosedRecord { offset: 0, ..record })) },
        link => ChainLink { link },
    }
}

fn write_line(writer: &mut impl Write, what: &str, value: &Value) -> Outcome {
    writeln!(writer, "{}", json!({ what: value })).map_err(Failure::from)
}
