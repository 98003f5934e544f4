//! Who asks: callers that send one command after the other, send it again under the same id when no answer comes, and
//! compare what they are told with what must be.

use bytes::Bytes;
use daybook_kernel::id::{CommandId, Position, StreamKey, TenantId};
use daybook_proto::log::v1::{Actor, CommandRecord, actor::Kind, decision::Outcome as Decided};
use daybook_runtime::{Outcome, SubmitError};
use prost::Message;
use tokio::task::JoinHandle;

use super::holds;
use super::world::TENANTS;

/// A caller.
pub(super) struct Client {
    pub(super) id: usize,
    pub(super) tenant: TenantId,
    pub(super) left: usize,
    /// Whether it asks for legal holds.
    holds: bool,
    /// Nothing is asked before this.
    pub(super) idle_until_us: i64,
    pub(super) op: Option<Op>,
    sent: u64,
}

/// What a caller has under way.
pub(super) enum Op {
    /// A command.
    Ask(Box<Ask>),
    /// A look at a node that must have seen what was acknowledged.
    Look { position: Position, node: usize, seen: JoinHandle<Option<bool>> },
}

/// A command under way.
pub(super) struct Ask {
    pub(super) record: CommandRecord,
    pub(super) first_sent_us: i64,
    pub(super) sent_us: i64,
    /// The last offset of the partition that anybody had been told of when this was sent first.
    pub(super) floor: Option<u64>,
    /// Where answers may come from: a command may be sent to two nodes at once.
    pub(super) waiting: Vec<JoinHandle<Result<Outcome, SubmitError>>>,
    pub(super) times_sent: u32,
}

/// Kinds of commands with how often each comes.
const KINDS: [(&str, u32); 8] = [
    ("Write", 5),
    ("Once", 3),
    ("Add", 6),
    ("Remind", 3),
    ("Ask", 3),
    ("Invalid", 1),
    ("Forbidden", 1),
    ("Garbage", 1),
];

impl Client {
    pub(super) fn new(id: usize, tenant: TenantId, commands: usize, holds: bool) -> Self {
        Self { id, tenant, left: commands, holds, idle_until_us: 0, op: None, sent: 0 }
    }

    /// The next command.
    pub(super) fn next_record(&mut self, now_us: i64, rng: &mut fastrand::Rng) -> CommandRecord {
        self.left -= 1;
        self.sent += 1;
        let id = CommandId::derived(
            (now_us / 1_000).unsigned_abs(),
            &[b"client", &self.id.to_be_bytes(), &self.sent.to_be_bytes()],
        );
        let stream_key = StreamKey::of_tenant(&self.tenant);
        if self.holds {
            let (kind, payload) = holds::next_request(self.tenant.as_str(), now_us, rng);
            return record(id, &self.tenant, stream_key, "legal_hold", kind, payload, &holds::ROLES);
        }
        let kind = weighted(&KINDS, rng);
        let key = rng.u8(..4);
        let (kind, payload, role) = match kind {
            "Remind" => ("Remind", text(&format!("r{key}-{}-{}/{}", self.id, self.sent, rng.u32(..2_000))), "writer"),
            "Ask" => ("Ask", text(&format!("0:q{key}")), "writer"),
            "Add" => ("Add", text(&format!("sum{key}={}", rng.u8(1..9))), "writer"),
            "Invalid" => ("Write", text("!no"), "writer"),
            "Forbidden" => ("Write", text("k=v"), "reader"),
            "Garbage" => ("Write", vec![0x0a, 0xff], "writer"),
            kind => (kind, text(&format!("k{key}={}", rng.u32(..))), "writer"),
        };
        record(id, &self.tenant, stream_key, "notes", kind, payload, &[role])
    }
}

/// One of several kinds, each as often as its weight says.
pub(super) fn weighted<T: Copy, const N: usize>(kinds: &[(T, u32); N], rng: &mut fastrand::Rng) -> T {
    const { assert!(N > 0) };
    let total: u32 = kinds.iter().map(|(_, weight)| weight).sum();
    let mut draw = rng.u32(..total);
    let kind = kinds.iter().find(|(_, weight)| {
        let hit = draw < *weight;
        draw = draw.saturating_sub(*weight);
        hit
    });
    kind.unwrap_or(&kinds[0]).0
}

fn text(text: &str) -> Vec<u8> {
    text.to_owned().encode_to_vec()
}

/// A command of a person, whose token speaks for every tenant.
pub(super) fn record(
    id: CommandId,
    tenant: &TenantId,
    stream_key: StreamKey,
    domain: &str,
    kind: &str,
    payload: Vec<u8>,
    roles: &[&str],
) -> CommandRecord {
    CommandRecord {
        command_id: Bytes::copy_from_slice(id.as_bytes()),
        tenant_id: tenant.as_str().to_owned(),
        stream_key: stream_key.as_str().to_owned(),
        actor: Some(Actor {
            kind: Kind::User.into(),
            id: "ada".to_owned(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            tenant_ids: TENANTS.into_iter().chain([tenant.as_str()]).map(ToOwned::to_owned).collect(),
        }),
        domain: domain.to_owned(),
        kind: kind.to_owned(),
        payload: payload.into(),
        ..Default::default()
    }
}

/// What was decided, in a word.
pub(super) fn in_short(outcome: &Outcome) -> String {
    match &outcome.decision.outcome {
        Some(Decided::Accepted(accepted)) => format!("accepted with {} events", accepted.events.len()),
        Some(Decided::Rejected(rejected)) => rejected.code.clone(),
        Some(Decided::Parked(parked)) => format!("parked: {}", parked.code),
        Some(Decided::Duplicate(_)) => "duplicate".to_owned(),
        None => "nothing".to_owned(),
    }
}
