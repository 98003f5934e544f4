//! Handing out a tenant's decisions with all that a third party needs to check them: the links of the chain, and in
//! them only what was asked for. Everything else is shown as its hash.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::chain::Head;
use daybook_kernel::hash::Hash;
use daybook_kernel::id::{Offset, PartitionId, Position, StreamKey};
use daybook_kernel::record::{RecordBody, body_hash};
use daybook_log::{Log, LogReader, Topic};
use daybook_proto::log::v1 as log;
use daybook_proto::node::v1::{
    ChainLink, DisclosedCommand, DisclosedDecision, DisclosedRecord, ExportDecisionsRequest, ExportDecisionsResponse,
    chain_link::Link, disclosed_decision::Decision as Disclosure,
};
use prost::Message;

use crate::auth::Caller;
use crate::door::Door;
use crate::error::{CallError, codes};

/// Commands in one export.
const OFFSETS_MAX: usize = 100_000;
/// Links and bytes of one page.
const PAGE_LINKS_MAX: usize = 20_000;
const PAGE_BYTES_MAX: usize = 2 << 20;

/// One page of an export.
pub(crate) async fn decisions(
    door: &Door,
    log: &Arc<dyn Log>,
    caller: &Caller,
    request: ExportDecisionsRequest,
) -> Result<ExportDecisionsResponse, CallError> {
    let tenant = caller.tenant(&request.tenant_id, None)?;
    let partition = door.node.partitions().get(request.partition as usize);
    let partition = partition.ok_or_else(|| CallError::field("partition", "is not one of this log"))?;
    if request.command_offsets.len() > OFFSETS_MAX {
        return Err(CallError::field("command_offsets", "must have at most 100000 entries; ask for a shorter time"));
    }
    // The policy set in force where the tenant is known.
    let home = door.node.partition_of(&tenant, &StreamKey::of_tenant(&tenant)).unwrap_or(partition);
    door.authorise(home, caller, &tenant, &Authorisation::new("Platform", "ExportDecisions", "Log", tenant.as_str()))?;
    partition.wait_to_read(None, door.limits.query_wait_max).await?;

    let wanted: BTreeSet<u64> = request.command_offsets.into_iter().collect();
    let mut page = Page {
        wanted,
        tenant: tenant.as_str().to_owned(),
        log: Arc::clone(log),
        partition: partition.id(),
        commands: None,
        links: Vec::new(),
        bytes: 0,
    };
    let mut head = match request.page_token.as_str() {
        "" => Head::genesis(log.name(), log.partitions(), partition.id()),
        token => {
            from_token(token).ok_or_else(|| CallError::field("page_token", "is not one that this export gave out"))?
        }
    };
    let end = partition.read(|_, head| head.next_record)?;
    let prev_hash = head.hash;
    page.fill(&mut head, end).await?;
    let next_page_token = if head.next_record < end { to_token(&head) } else { String::new() };
    Ok(ExportDecisionsResponse {
        prev_hash: prev_hash.to_bytes(),
        links: page.links,
        head_hash: head.hash.to_bytes(),
        next_page_token,
        log_name: log.name().to_owned(),
        partitions: log.partitions(),
    })
}

struct Page {
    wanted: BTreeSet<u64>,
    tenant: String,
    log: Arc<dyn Log>,
    partition: PartitionId,
    /// A reader of commands, with the records it has handed out and the offset of the first of them.
    commands: Option<(Box<dyn LogReader>, std::collections::VecDeque<daybook_log::Record>)>,
    links: Vec<ChainLink>,
    bytes: usize,
}

impl Page {
    async fn fill(&mut self, head: &mut Head, end: Offset) -> Result<(), CallError> {
        if head.next_record >= end {
            return Ok(());
        }
        let failed = |error: daybook_log::LogError| CallError::from(daybook_runtime::ReadError::from(error));
        let mut reader = self.log.reader(Topic::Decisions, self.partition, head.next_record).map_err(failed)?;
        loop {
            for record in reader.next().await.map_err(failed)? {
                if record.offset >= end || self.links.len() >= PAGE_LINKS_MAX || self.bytes >= PAGE_BYTES_MAX {
                    return Ok(());
                }
                // A record that does not count is no link.
                if let Ok(counted) = head.offer(record.offset, record.bytes.clone()) {
                    self.link(record.offset, &record.bytes, &counted.body).await?;
                }
            }
            if head.next_record >= end {
                return Ok(());
            }
        }
    }

    async fn link(&mut self, offset: Offset, bytes: &Bytes, body: &RecordBody) -> Result<(), CallError> {
        let defect = |error: prost::DecodeError| CallError::new(codes::INTERNAL_ERROR, error.to_string());
        let raw = log::DecisionRecord::decode(bytes.clone()).map_err(defect)?;
        let first = match body {
            RecordBody::Batch { first_command, .. } => first_command.0,
            RecordBody::Takeover { .. } => u64::MAX,
        };
        let last = first.saturating_add(raw.decisions.len() as u64);
        let holds_wanted = self.wanted.range(first..last).next().is_some();
        let link = if holds_wanted {
            Link::Record(self.disclose(offset, first, raw).await?)
        } else {
            let hash = body_hash(&raw.header, raw.decisions.iter().map(|decision| Hash::of(decision)));
            Link::BodyHash(hash.to_bytes())
        };
        let link = ChainLink { link: Some(link) };
        self.bytes += link.encoded_len();
        self.links.push(link);
        Ok(())
    }

    async fn disclose(
        &mut self,
        offset: Offset,
        first: u64,
        raw: log::DecisionRecord,
    ) -> Result<DisclosedRecord, CallError> {
        let mut decisions = Vec::with_capacity(raw.decisions.len());
        for (command, bytes) in (first..).zip(raw.decisions) {
            let is_ours = |decision: &log::Decision| decision.tenant_id == self.tenant;
            let decision = log::Decision::decode(bytes.clone()).ok().filter(is_ours);
            let shown = decision.is_some() && self.wanted.contains(&command);
            let disclosure = if shown {
                let command = self.command(Offset(command)).await?;
                Disclosure::Disclosed(DisclosedCommand { decision: bytes, command })
            } else {
                Disclosure::Hash(Hash::of(&bytes).to_bytes())
            };
            decisions.push(DisclosedDecision { decision: Some(disclosure) });
        }
        Ok(DisclosedRecord { offset: offset.0, header: raw.header, decisions })
    }

    /// A command record. Those asked for come in order, so one reader goes through most of them.
    async fn command(&mut self, offset: Offset) -> Result<Bytes, CallError> {
        /// Further ahead than this a new reader is cheaper than reading on.
        const READ_ON_MAX: u64 = 2_000;
        let failed = |error: daybook_log::LogError| CallError::from(daybook_runtime::ReadError::from(error));
        let position = Position { partition: self.partition, offset };
        loop {
            let at = self.commands.as_ref().and_then(|(_, records)| records.front()).map(|record| record.offset);
            match (&mut self.commands, at) {
                (Some((_, records)), Some(at)) if at <= offset && offset.0 - at.0 < READ_ON_MAX => {
                    while let Some(record) = records.pop_front() {
                        if record.offset == offset {
                            return Ok(record.bytes);
                        }
                    }
                }
                (Some((reader, records)), None) => records.extend(reader.next().await.map_err(failed)?),
                _ => {
                    let reader = self.log.reader(Topic::Commands, position.partition, offset).map_err(failed)?;
                    self.commands = Some((reader, Default::default()));
                }
            }
        }
    }
}

/// Where the next page goes on. What a caller makes up himself only makes his own export worthless.
fn to_token(head: &Head) -> String {
    let position =
        log::DecisionBatch { first_command_offset: head.next_command.0, decided_at: Some(head.now.to_proto()) };
    let header = log::RecordHeader { epoch: head.epoch.0, body: Some(log::record_header::Body::Batch(position)) };
    let token = log::DecisionRecord {
        prev_hash: head.hash.to_bytes(),
        header: header.encode_to_vec().into(),
        decisions: vec![Bytes::copy_from_slice(&head.next_record.0.to_be_bytes())],
    };
    URL_SAFE_NO_PAD.encode(token.encode_to_vec())
}

fn from_token(token: &str) -> Option<Head> {
    let token = log::DecisionRecord::decode(URL_SAFE_NO_PAD.decode(token).ok()?.as_slice()).ok()?;
    let header = log::RecordHeader::decode(token.header.clone()).ok()?;
    let Some(log::record_header::Body::Batch(position)) = header.body else { return None };
    let next_record = u64::from_be_bytes(token.decisions.first()?.as_ref().try_into().ok()?);
    Some(Head {
        hash: Hash::from_slice(&token.prev_hash)?,
        record: None,
        next_record: Offset(next_record),
        next_command: Offset(position.first_command_offset),
        epoch: daybook_kernel::id::Epoch(header.epoch),
        now: daybook_kernel::time::Timestamp::from_proto(position.decided_at.as_ref()?).ok()?,
        owner: String::new(),
        owner_address: String::new(),
    })
}
