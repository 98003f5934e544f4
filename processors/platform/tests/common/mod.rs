//! The platform on one partition, short ways to ask it for things, and a small domain whose commands show what a tenant
//! may do.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "shared by test files, each of which uses a part of it")]

pub mod bell;
pub mod partitions;

use std::sync::Arc;
use std::time::Duration;

use daybook_kernel::domain::{Asked, EventSet};
use daybook_kernel::hash::Hash;
use daybook_kernel::id::{Offset, PartitionId, TenantId};
use daybook_kernel::registry::Registry;
use daybook_kernel::system::open_effects;
use daybook_proto::log::v1::{self as log, decision::Outcome, origin::Source};
use daybook_proto::platform::v1::{self, partition_correlation::Subject};
use daybook_proto::system::v1::{Forward, ForwardReply, OutboxRow};
use daybook_testkit::solo::Solo;
use platform_projection::{Event, Tables};
use prost::Message;

pub const HOUR: Duration = Duration::from_secs(60 * 60);

pub fn registry() -> Arc<Registry> {
    Arc::new(Registry::new().with::<platform_processor::Platform>().with::<bell::Bell>())
}

/// The policies that ship, and more.
pub fn shipped_and(more: &str) -> String {
    format!("{}\n{more}", registry().shipped_policies())
}

pub fn development() -> String {
    shipped_and(platform_processor::DEVELOPMENT_POLICIES)
}

/// The answer to a command.
#[derive(Debug)]
pub struct Answer(pub log::Decision);

impl Answer {
    #[track_caller]
    pub fn events(&self) -> Vec<Event> {
        match &self.0.outcome {
            Some(Outcome::Accepted(accepted)) => {
                accepted.events.iter().map(|event| Event::decode(event).unwrap()).collect()
            }
            other => panic!("not accepted: {other:?}"),
        }
    }

    #[track_caller]
    pub fn accepted(self) -> Self {
        assert_eq!(self.code(), "ACCEPTED", "{:?}", self.0);
        self
    }

    /// What became of the command: `ACCEPTED`, `DUPLICATE`, or the code with which it was rejected or parked.
    pub fn code(&self) -> &str {
        match &self.0.outcome {
            Some(Outcome::Accepted(_)) => "ACCEPTED",
            Some(Outcome::Rejected(rejected)) => &rejected.code,
            Some(Outcome::Parked(parked)) => &parked.code,
            Some(Outcome::Duplicate(_)) => "DUPLICATE",
            None => panic!("no outcome: {:?}", self.0),
        }
    }

    #[track_caller]
    pub fn rejected(&self) -> &log::Rejected {
        match &self.0.outcome {
            Some(Outcome::Rejected(rejected)) => rejected,
            other => panic!("not rejected: {other:?}"),
        }
    }

    /// The fields that are wrong.
    #[track_caller]
    pub fn fields(&self) -> Vec<&str> {
        self.rejected().field_violations.iter().map(|violation| violation.field.as_str()).collect()
    }

    /// The policy set that it was decided under.
    pub fn decided_under(&self) -> String {
        Hash::from_slice(&self.0.policy_set_hash).unwrap().to_hex()
    }
}

/// An effect by the command that asked for it and its index.
pub type EffectKey = (Offset, u32);

/// A platform with the tenant "acme".
pub struct Site {
    pub solo: Solo,
}

impl Site {
    pub fn new() -> Self {
        Self { solo: Solo::new(registry(), &["acme"]) }
    }

    /// The same, and the clock may be moved.
    pub fn of_development() -> Self {
        let mut site = Self::new();
        let hash = site.publish(&development());
        site.activate(&hash).accepted();
        site.solo.settle();
        site
    }

    /// An administrator of the platform asks.
    pub fn ask(&mut self, kind: &str, request: &impl Message) -> Answer {
        self.ask_as(&user("root", &["admin"], &["platform"]), kind, request.encode_to_vec())
    }

    /// Somebody asks the platform; the request is encoded already.
    pub fn ask_as(&mut self, actor: &log::Actor, kind: &str, request: Vec<u8>) -> Answer {
        let record = self.solo.record("platform", "platform", kind, request);
        let stream_key = stream_key(&record, 1);
        Answer(self.solo.submit(log::CommandRecord { stream_key, actor: Some(actor.clone()), ..record }))
    }

    /// A tenant's ringer does something with the tenant's bell.
    pub fn bell(&mut self, tenant: &str, kind: &str, name: &str) -> Answer {
        Answer(self.solo.ask(tenant, "bell", kind, &name.to_owned(), "rita", &["ringer"]))
    }

    pub fn create(&mut self, id: &str) -> Answer {
        self.ask("CreateTenant", &create(id))
    }

    pub fn suspend(&mut self, id: &str) -> Answer {
        self.ask("SuspendTenant", &suspend(id))
    }

    pub fn resume(&mut self, id: &str) -> Answer {
        self.ask("ResumeTenant", &resume(id))
    }

    /// Publishes policies and returns their hash.
    #[track_caller]
    pub fn publish(&mut self, policies: &str) -> String {
        let answer = self.ask("PublishPolicySet", &publish(policies)).accepted();
        match answer.events().pop() {
            Some(Event::PolicySetPublished(event)) => event.policy_set.unwrap().policy_set_hash,
            other => panic!("not published: {other:?}"),
        }
    }

    pub fn activate(&mut self, hash: &str) -> Answer {
        self.ask("ActivatePolicySet", &activate(hash))
    }

    pub fn unpark(&mut self, tenant: &str, key: &str) -> Answer {
        self.ask("UnparkStream", &unpark(tenant, key))
    }

    /// The first open effect.
    pub fn first_effect(&self) -> Option<(EffectKey, OutboxRow)> {
        open_effects(&self.solo.state, None, 1).unwrap().into_iter().next()
    }

    /// Sends what an effect asks for to the partition's own stream. Sending it again sends the same command.
    pub fn forward(&mut self, key: EffectKey, row: &OutboxRow) -> Answer {
        let record = forward_record(key, row);
        Answer(self.solo.submit(record))
    }

    /// Brings the partition's answer home. Bringing it again brings the same command unless `again` differs.
    pub fn confirm(&mut self, key: EffectKey, row: &OutboxRow, accepted: bool, again: u8) -> Answer {
        let outcome = log::ForwardOutcome {
            correlation: Forward::decode(row.payload.clone()).unwrap().correlation,
            accepted,
            ..Default::default()
        };
        Answer(self.solo.submit(confirm_record(key, row, outcome, again)))
    }

    pub fn tables(&self) -> Tables<'_> {
        self.solo.tables(TenantId::platform())
    }

    pub fn tenant(&self, id: &str) -> v1::Tenant {
        self.tables().tenants().get((id,)).unwrap().unwrap()
    }

    /// The set that was activated last, with how many partitions have confirmed.
    pub fn activation(&self) -> (String, u32) {
        let row = self.tables().activation().get(()).unwrap().unwrap();
        (Hash::from_slice(&row.policy_set_hash).unwrap().to_hex(), row.confirmed)
    }

    pub fn asked(&self) -> Asked<'static> {
        Asked {
            tenant: TenantId::platform(),
            now: self.solo.log_time(),
            partition: PartitionId(0),
            partitions: 1,
            next_command: self.solo.head.next_command,
            reveals: true,
        }
    }
}

pub fn user(id: &str, roles: &[&str], tenants: &[&str]) -> log::Actor {
    let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
    log::Actor { kind: log::actor::Kind::User.into(), id: id.into(), roles: texts(roles), tenant_ids: texts(tenants) }
}

pub fn create(id: &str) -> v1::CreateTenantRequest {
    v1::CreateTenantRequest { new_tenant_id: id.into(), ..Default::default() }
}

pub fn suspend(id: &str) -> v1::SuspendTenantRequest {
    v1::SuspendTenantRequest { target_tenant_id: id.into(), reason: "unpaid".into(), ..Default::default() }
}

pub fn resume(id: &str) -> v1::ResumeTenantRequest {
    v1::ResumeTenantRequest { target_tenant_id: id.into(), reason: "paid".into(), ..Default::default() }
}

pub fn publish(policies: &str) -> v1::PublishPolicySetRequest {
    v1::PublishPolicySetRequest { policies: policies.into(), ..Default::default() }
}

pub fn activate(hash: &str) -> v1::ActivatePolicySetRequest {
    v1::ActivatePolicySetRequest { policy_set_hash: hash.into(), reason: "tested".into(), ..Default::default() }
}

pub fn unpark(tenant: &str, key: &str) -> v1::UnparkStreamRequest {
    v1::UnparkStreamRequest {
        target_tenant_id: tenant.into(),
        target_stream_key: key.into(),
        reason: "looked at it".into(),
        ..Default::default()
    }
}

pub fn advance(by: Duration) -> v1::AdvanceClockRequest {
    v1::AdvanceClockRequest { by: Some(daybook_kernel::time::duration_to_proto(by)), ..Default::default() }
}

pub fn system() -> Option<log::Actor> {
    Some(log::Actor { kind: log::actor::Kind::System.into(), id: "test".into(), ..Default::default() })
}

/// The stream key that the door gives a command; the tenant's for one that is not well formed.
pub fn stream_key(record: &log::CommandRecord, partitions: u32) -> String {
    let tenant = TenantId::parse(&record.tenant_id).unwrap();
    let registry = registry();
    let domain = registry.get(&record.domain).unwrap();
    let key = domain.stream_key(&tenant, &record.kind, record.payload.clone(), partitions);
    key.map_or(record.tenant_id.clone(), |key| key.as_str().to_owned())
}

/// A command of Daybook's own that follows from an effect: the same effect makes the same id.
fn own_record(key: EffectKey, what: &[u8], again: u8) -> log::CommandRecord {
    let from = [what, &key.0.0.to_be_bytes(), &key.1.to_be_bytes(), &[again]];
    let id = daybook_kernel::id::CommandId::derived(1, &from);
    log::CommandRecord {
        command_id: bytes::Bytes::copy_from_slice(id.as_bytes()),
        domain: "platform".into(),
        actor: system(),
        ..Default::default()
    }
}

pub fn forward_record(key: EffectKey, row: &OutboxRow) -> log::CommandRecord {
    let forward = Forward::decode(row.payload.clone()).unwrap();
    log::CommandRecord {
        tenant_id: forward.tenant_id,
        stream_key: forward.stream_key,
        kind: forward.kind,
        payload: forward.payload,
        ..own_record(key, b"forward", 0)
    }
}

pub fn confirm_record(key: EffectKey, row: &OutboxRow, outcome: log::ForwardOutcome, again: u8) -> log::CommandRecord {
    let origin = log::EffectOrigin { command_offset: key.0.0, index: key.1 };
    log::CommandRecord {
        tenant_id: row.tenant_id.clone(),
        stream_key: row.stream_key.clone(),
        kind: row.reply_kind.clone(),
        payload: ForwardReply { outcome: Some(outcome) }.encode_to_vec().into(),
        origin: Some(log::Origin { source: Some(Source::Effect(origin)) }),
        ..own_record(key, b"confirm", again)
    }
}

/// What a partition is told of: a tenant, a policy set, the clock; and which change of it.
pub fn subject(row: &OutboxRow) -> (Subject, u64) {
    let forward = Forward::decode(row.payload.clone()).unwrap();
    let correlation = v1::PartitionCorrelation::decode(forward.correlation).unwrap();
    (correlation.subject.unwrap(), correlation.revision)
}
