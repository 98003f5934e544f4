//! Checking an exported audit, with nothing but the file: what it proves, and what it does not.
//!
//! | what | proven by |
//! | --- | --- |
//! | each entry: what happened, who did it, when, why, to what | the decision that a link discloses, field by field |
//! | the tenant | the tenant of every disclosed decision |
//! | the matter of an entry | the decision that placed the hold, where a link discloses it; else the check says that it is not proven |
//! | the order of the entries, and that none is there twice | their positions, which the chain covers, and which must rise |
//! | the log, its partitions, and which of them it is | the first hash of the chain, which is made of them |
//! | that nothing was changed, put in or taken out before the head | the chain, against a hash that is known from elsewhere |
//!
//! Never proven: that no entry was left out. An export shows the decisions that it was asked for, and the hash of every other.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use daybook_kernel::code::EXPORT_NOT_PROVEN;
use daybook_kernel::decide::actor_kind;
use daybook_kernel::hash::Hash;
use daybook_kernel::id::{PartitionId, TenantId};
use daybook_proto::legal_hold::v1::AuditEntry;
use daybook_proto::log::v1::decision::Outcome as Decided;
use daybook_proto::node::v1::{ChainLink, chain_link::Link};
use daybook_replay::proof::{Chain, Proven};
use daybook_server::strict_json;
use serde::Deserialize;
use serde_json::{Value, json};

use super::export::{FORMAT, Written};
use crate::failure::{Failure, Outcome};
use crate::output::{self, line};

/// The format of releases before this one: its links name the place of each record, which nothing proves.
const FORMAT_WITH_PLACES: &str = "daybook-audit-export/1";

/// The domain whose events the audit is made of.
const DOMAIN: &str = "legal_hold";

/// The first line.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Header {
    format: String,
    tenant_id: String,
    log_name: String,
    partitions: u32,
    partition: u32,
}

/// What checking an export showed.
pub(crate) struct Checked {
    header: Header,
    /// The entries; each is what a decision says.
    pub(crate) entries: Vec<AuditEntry>,
    /// The chain of its links.
    pub(crate) chain: Written,
    passes_known_head: bool,
    /// Entries whose hold's placing is not shown.
    without_matter: usize,
}

impl Checked {
    /// What the file says and does not prove, in words.
    fn not_proven(&self) -> Vec<String> {
        let mut not = vec!["that no entry was left out".to_owned()];
        if self.entries.is_empty() {
            not.push(format!("that it is of tenant {}: it has no entries", self.header.tenant_id));
        }
        if self.without_matter > 0 {
            let count = self.without_matter;
            not.push(format!("the matter of {count} entries: the placing of their holds is not shown"));
        }
        if self.header.format == FORMAT_WITH_PLACES {
            not.push("where the records stand in their topic, which files of this older format say".to_owned());
        }
        not
    }
}

/// Checks an export, and says what it found. `known` is a hash of the chain that was learned from elsewhere.
pub(crate) fn verify(file: &Path, known: Option<Hash>, as_json: bool) -> Outcome {
    let checked = check(file, known)?;
    let not_proven = checked.not_proven();
    let Checked { header: Header { tenant_id, log_name, partition, .. }, entries, chain, .. } = checked;
    let (entries, links, head) = (entries.len(), chain.links, chain.head.to_hex());
    if as_json {
        output::json(&json!({ "tenantId": tenant_id, "logName": log_name, "partition": partition, "entries": entries,
            "links": links, "headHash": head, "passesKnownHash": known.map(|_| true), "notProven": not_proven }));
        return Ok(());
    }
    line(format_args!(
        "{entries} entries of tenant {tenant_id} stand in the chain of log {log_name}, partition {partition}, in this order \
         and each once:"
    ));
    line(format_args!("{links} links, which end in {head}"));
    line(match known {
        Some(_) => "the chain passes through the hash that you know",
        None => {
            "compare this hash with one that you have from elsewhere (daybook status, an earlier export); --head does"
        }
    });
    not_proven.iter().for_each(|what| line(format_args!("not proven: {what}")));
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
    let mut state = None;
    let mut ended = None;
    for (number, text) in (1..).zip(BufReader::new(open).lines()) {
        let value = strict_json::read(text?.as_bytes()).map_err(|error| wrong(number, &error))?;
        let one = value.as_object().filter(|object| object.len() == 1).and_then(|object| object.iter().next());
        let Some((what, value)) = one else {
            return Err(wrong(number, &"it is no JSON object with one key"));
        };
        let read = match (what.as_str(), &mut state) {
            _ if ended.is_some() => Err("the end stands before it".to_owned()),
            ("header", None) => Reading::begin(value).map(|begun| state = Some(begun)),
            ("entry", Some(reading)) => reading.entry(value),
            ("link", Some(reading)) => reading.link(value, known),
            ("end", Some(reading)) => reading.end(value).map(|end| ended = Some(end)),
            _ => Err(format!("{what:?} is not expected here")),
        };
        read.map_err(|what| wrong(number, &what))?;
    }
    match (state, ended) {
        (Some(reading), Some(chain)) => Ok(Checked {
            header: reading.header,
            entries: reading.entries,
            chain,
            passes_known_head: reading.passes_known_head,
            without_matter: reading.without_matter,
        }),
        _ => Err(wrong(0, &"it has no end: it is not complete")),
    }
}

/// A file that is read, line by line.
struct Reading {
    header: Header,
    chain: Chain,
    entries: Vec<AuditEntry>,
    /// Entries whose decisions no link has shown yet, by the offset of their commands.
    waiting: BTreeMap<u64, Vec<AuditEntry>>,
    /// The matters of the holds whose placing was shown.
    matters: BTreeMap<String, String>,
    without_matter: usize,
    passes_known_head: bool,
}

impl Reading {
    fn begin(value: &Value) -> Result<Self, String> {
        let header: Header = serde_json::from_value(value.clone()).map_err(|error| format!("the header: {error}"))?;
        if ![FORMAT, FORMAT_WITH_PLACES].contains(&header.format.as_str()) {
            return Err(format!("this program does not know the format {:?}", header.format));
        }
        TenantId::parse(&header.tenant_id).map_err(|problem| format!("the tenant {}", problem.0))?;
        Ok(Self {
            chain: Chain::new(&header.log_name, header.partitions, PartitionId(header.partition)),
            header,
            entries: Vec::new(),
            waiting: BTreeMap::new(),
            matters: BTreeMap::new(),
            without_matter: 0,
            passes_known_head: false,
        })
    }

    fn entry(&mut self, value: &Value) -> Result<(), String> {
        if self.chain.links() > 0 {
            return Err("entries stand before the links".to_owned());
        }
        let entry: AuditEntry = output::from_json(value).map_err(|error| error.message().to_owned())?;
        let position = entry.position.ok_or("the entry has no position")?;
        if position.partition != self.header.partition {
            return Err("the entry is of another partition".to_owned());
        }
        let place = |entry: &AuditEntry| (entry.position.map(|position| position.offset), entry.event_index);
        if self.entries.last().is_some_and(|before| place(before) >= place(&entry)) {
            return Err("the entry is not in the order of the log, or there twice".to_owned());
        }
        self.waiting.entry(position.offset).or_default().push(entry.clone());
        self.entries.push(entry);
        Ok(())
    }

    fn link(&mut self, value: &Value, known: Option<Hash>) -> Result<(), String> {
        let link: ChainLink = output::from_json(value).map_err(|error| error.message().to_owned())?;
        if let Some(Link::Record(record)) = &link.link
            && record.offset != 0
            && self.header.format != FORMAT_WITH_PLACES
        {
            return Err("the link says where its record stands, which nothing proves".to_owned());
        }
        for proven in self.chain.follow(&link).map_err(|error| error.to_string())? {
            self.decision(&proven)?;
        }
        self.passes_known_head |= known == Some(self.chain.head());
        Ok(())
    }

    /// What a link discloses: the decision of some entries, or of the placing of a hold.
    fn decision(&mut self, proven: &Proven) -> Result<(), String> {
        let (offset, decision) = (proven.command_offset, &proven.decision);
        if decision.tenant_id != self.header.tenant_id {
            let (tenant, said) = (&decision.tenant_id, &self.header.tenant_id);
            return Err(format!("command {offset} is of tenant {tenant}, and the header says {said}"));
        }
        if decision.domain != DOMAIN {
            return Err(format!("command {offset} is none that an audit shows"));
        }
        if let Some(Decided::Accepted(accepted)) = &decision.outcome {
            for event in &accepted.events {
                let placed = legal_hold_projection::placed_hold(event);
                self.matters.extend(placed.map_err(|error| format!("command {offset}: {error}"))?);
            }
        }
        for entry in self.waiting.remove(&offset.0).unwrap_or_default() {
            self.without_matter += usize::from(!compare(&entry, proven, &self.matters)?);
        }
        Ok(())
    }

    fn end(&self, value: &Value) -> Result<Written, String> {
        /// The last line.
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        struct End {
            links: u64,
            head_hash: String,
        }
        if let Some((offset, _)) = self.waiting.first_key_value() {
            return Err(format!("no link shows the decision of command {offset}"));
        }
        let end: End = serde_json::from_value(value.clone()).map_err(|error| format!("the end: {error}"))?;
        let (links, head) = (self.chain.links(), self.chain.head());
        if Hash::from_hex(&end.head_hash) != Some(head) || end.links != links {
            return Err(format!("the links lead to {} instead", head.to_hex()));
        }
        Ok(Written { links, head })
    }
}

/// Whether an entry says what the decision says: an error when it does not. The answer is whether its matter is proven as
/// well: most events do not name it, and only the placing of the hold tells.
fn compare(entry: &AuditEntry, proven: &Proven, matters: &BTreeMap<String, String>) -> Result<bool, String> {
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
    let matter = if said.hold_id.is_empty() { Some(String::new()) } else { matters.get(&said.hold_id).cloned() };
    let is_proven = matter.is_some();
    let stands = AuditEntry {
        position: entry.position,
        event_index: entry.event_index,
        decided_at: proven.decided_at,
        actor_id: proven.decision.actor_id.clone(),
        actor_kind: actor_kind(&proven.decision).into(),
        matter_id: matter.unwrap_or_else(|| entry.matter_id.clone()),
        command_hash: proven.command_hash.to_hex(),
        ..said
    };
    if *entry == stands {
        return Ok(is_proven);
    }
    Err(format!("the entry of command {offset} is not what the decision says: {entry:?} is not {stands:?}"))
}
