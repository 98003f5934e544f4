//! One partition in memory, without a loop, a log or a clock of its own: the same deciding and folding code, one step at
//! a time. For testing domains.
//!
//! Effects are carried out when the test says so, timers fire when it moves the clock, and at any point the state can
//! be folded again from the recorded decisions and every command decided again, which must give the same.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::apply::{Fold, apply_record};
use daybook_kernel::chain::Head;
use daybook_kernel::decide::{Decider, Place};
use daybook_kernel::domain::stream_actor;
use daybook_kernel::feature_level::FeatureLevel;
use daybook_kernel::hash::Hash;
use daybook_kernel::id::{CommandId, Epoch, Offset, PartitionId, TenantId};
use daybook_kernel::record::DecisionRecord;
use daybook_kernel::registry::Registry;
use daybook_kernel::state::MemoryState;
use daybook_kernel::system::{Effect, OpenEffect, due_timers, open_effects};
use daybook_kernel::table::View;
use daybook_kernel::time::Timestamp;
use daybook_policy::Cedar;
use daybook_proto::log::v1::{self, decision::Outcome, origin::Source};
use daybook_proto::privacy::v1::{DestroyKeys, DestroyKeysReply, DestroyedKey};
use daybook_proto::product_analytics::v1::{EventExportFiles, EventExportJob, FinishEventExport};
use daybook_proto::system::v1::{Forward, ForwardReply, OutboxRow};
use prost::Message;

const P0: PartitionId = PartitionId(0);

/// A partition in memory.
pub struct Solo {
    decider: Decider,
    /// Its state.
    pub state: MemoryState,
    /// Where its chain stands.
    pub head: Head,
    /// Every command record, by offset.
    pub commands: Vec<Bytes>,
    /// Every decision record, by offset.
    pub records: Vec<Bytes>,
    /// The wall clock.
    pub now: Timestamp,
    /// Every key that an effect destroyed, as tenant and key id.
    pub destroyed_keys: Vec<(String, String)>,
    ids: u64,
}

impl Solo {
    /// A new log: the policies that ship are in force, and these tenants exist.
    pub fn new(registry: Arc<Registry>, tenants: &[&str]) -> Self {
        let (policies, schema) = (registry.shipped_policies(), registry.shipped_schema());
        let mut solo = Self {
            decider: Decider::new(registry, Arc::new(Cedar::new()), 1),
            state: MemoryState::default(),
            head: Head::genesis("solo", 1, P0),
            commands: Vec::new(),
            records: Vec::new(),
            now: Timestamp::from_micros(1_800_000_000_000_000),
            destroyed_keys: Vec::new(),
            ids: 0,
        };
        let takeover = DecisionRecord::takeover(solo.head.hash, Epoch(1), "solo", "", solo.now);
        solo.append(takeover);
        let shipped = daybook_proto::platform::v1::PublishShippedPolicySet {
            policies,
            schema,
            description: String::new(),
            feature_level: FeatureLevel::NEWEST.0,
            ends_development: false,
        };
        let record = solo.record("platform", "platform", "PublishShippedPolicySet", shipped.encode_to_vec());
        solo.submit(v1::CommandRecord { actor: Some(system_actor()), ..record });
        solo.settle();
        for tenant in tenants {
            let create = daybook_proto::platform::v1::CreateTenantRequest {
                new_tenant_id: (*tenant).to_owned(),
                ..Default::default()
            };
            let decision = solo.ask("platform", "platform", "CreateTenant", &create, "root", &["admin"]);
            assert!(matches!(decision.outcome, Some(Outcome::Accepted(_))), "{decision:?}");
        }
        solo.settle();
        solo
    }

    /// A command record with a new id, without an actor.
    pub fn record(&mut self, tenant: &str, domain: &str, kind: &str, payload: Vec<u8>) -> v1::CommandRecord {
        self.ids += 1;
        let id = CommandId::derived(self.now.as_unix_millis(), &[b"solo", &self.ids.to_be_bytes()]);
        v1::CommandRecord {
            command_id: Bytes::copy_from_slice(id.as_bytes()),
            tenant_id: tenant.to_owned(),
            stream_key: tenant.to_owned(),
            received_at: Some(self.now.to_proto()),
            domain: domain.to_owned(),
            kind: kind.to_owned(),
            payload: payload.into(),
            ..Default::default()
        }
    }

    /// Somebody asks for something.
    pub fn ask(
        &mut self,
        tenant: &str,
        domain: &str,
        kind: &str,
        request: &impl Message,
        who: &str,
        roles: &[&str],
    ) -> v1::Decision {
        self.ask_for(tenant, &[tenant], domain, kind, request, who, roles)
    }

    /// The same with a token that speaks for several tenants.
    #[expect(clippy::too_many_arguments, reason = "one for each thing that a command says")]
    pub fn ask_for(
        &mut self,
        tenant: &str,
        tenants: &[&str],
        domain: &str,
        kind: &str,
        request: &impl Message,
        who: &str,
        roles: &[&str],
    ) -> v1::Decision {
        let record = self.record(tenant, domain, kind, request.encode_to_vec());
        let actor = v1::Actor {
            kind: v1::actor::Kind::User.into(),
            id: who.to_owned(),
            roles: roles.iter().map(ToString::to_string).collect(),
            tenant_ids: tenants.iter().map(ToString::to_string).collect(),
        };
        self.submit(v1::CommandRecord { actor: Some(actor), ..record })
    }

    fn next_place(&self) -> Place {
        Place {
            partition: P0,
            command: Offset(self.commands.len() as u64),
            record: self.head.next_record,
            index: 0,
            now: self.log_time(),
        }
    }

    /// Decides a command and applies the decision.
    pub fn submit(&mut self, record: v1::CommandRecord) -> v1::Decision {
        let bytes = Bytes::from(record.encode_to_vec());
        let place = self.next_place();
        let decided = self.decider.decide(&self.state, &bytes, place).expect("state in memory does not fail");
        let batch = DecisionRecord::batch(
            self.head.hash,
            self.head.epoch,
            place.command,
            place.now,
            vec![decided.decision.encode_to_vec().into()],
        );
        self.commands.push(bytes);
        self.state.apply(&decided.writes);
        self.append(batch);
        decided.decision
    }

    fn append(&mut self, record: DecisionRecord) {
        assert_eq!(self.head.check(&record), Ok(()));
        self.head.advance(self.head.next_record, &record);
        self.records.push(record.bytes);
    }

    /// The log's time.
    pub fn log_time(&self) -> Timestamp {
        let ahead = daybook_kernel::governance::clock_ahead_us(&self.state).expect("state in memory does not fail");
        Timestamp::from_micros(self.now.as_micros() + ahead).max(self.head.now)
    }

    /// Moves the wall clock.
    pub fn advance(&mut self, by: Duration) {
        self.now = self.now.saturating_add(by);
    }

    /// Fires timers that are due and carries out effects, until nothing is left to do.
    pub fn settle(&mut self) {
        for _ in 0..100_000 {
            if !self.fire_one_timer() && !self.run_one_effect() {
                return;
            }
        }
        panic!("timers and effects go on for ever");
    }

    /// Fires the first timer that is due, if any.
    pub fn fire_one_timer(&mut self) -> bool {
        let (due, _) = due_timers(&self.state, self.log_time(), 1).expect("state in memory does not fail");
        let Some(timer) = due.into_iter().next() else { return false };
        let record = self.record(timer.tenant.as_str(), &timer.row.domain, &timer.row.kind, timer.row.payload.to_vec());
        let origin =
            v1::TimerOrigin { timer_id: timer.id, due_at: Some(timer.due.to_proto()), set_at: timer.row.set_at };
        self.submit(v1::CommandRecord {
            stream_key: timer.row.stream_key,
            actor: Some(system_actor()),
            origin: Some(v1::Origin { source: Some(Source::Timer(origin)) }),
            ..record
        });
        true
    }

    /// Carries out the first open effect, if any.
    pub fn run_one_effect(&mut self) -> bool {
        self.run_effect(0)
    }

    /// Carries out one of the open effects, counted round, if there is any: they may come in any order.
    pub fn run_effect(&mut self, which: usize) -> bool {
        let Some((asked_by, row)) = self.open_effect(which) else { return false };
        let reply = self.carry_out(&row);
        self.report(asked_by, &row, reply);
        true
    }

    /// Carries out one of the open effects, and loses its outcome: the node ended in between, and tries it again.
    pub fn run_effect_and_forget(&mut self, which: usize) -> bool {
        let Some((_, row)) = self.open_effect(which) else { return false };
        self.carry_out(&row);
        true
    }

    fn open_effect(&self, which: usize) -> Option<OpenEffect> {
        let mut open = open_effects(&self.state, None, 1_000).expect("state in memory does not fail");
        if open.is_empty() { None } else { Some(open.swap_remove(which % open.len())) }
    }

    fn report(&mut self, (command, index): (Offset, u32), row: &OutboxRow, reply: Vec<u8>) {
        let record = self.record(&row.tenant_id, &row.domain, &row.reply_kind, reply);
        let origin = v1::EffectOrigin { command_offset: command.0, index };
        self.submit(v1::CommandRecord {
            stream_key: row.stream_key.clone(),
            actor: Some(system_actor()),
            origin: Some(v1::Origin { source: Some(Source::Effect(origin)) }),
            ..record
        });
    }

    fn carry_out(&mut self, row: &OutboxRow) -> Vec<u8> {
        match row.effect.as_str() {
            Effect::FORWARD => {
                let forward = Forward::decode(row.payload.clone()).expect("an effect's payload");
                let record = self.record(&forward.tenant_id, &forward.domain, &forward.kind, forward.payload.to_vec());
                let place = self.next_place();
                let decision = self.submit(v1::CommandRecord {
                    stream_key: forward.stream_key,
                    actor: Some(stream_actor(&row.tenant_id, &row.stream_key)),
                    ..record
                });
                let outcome = self.decider.forward_outcome(place, decision, forward.correlation);
                ForwardReply { outcome: Some(outcome.expect("a forwarded command is decided")) }.encode_to_vec()
            }
            Effect::DESTROY_KEYS => {
                let destroy = DestroyKeys::decode(row.payload.clone()).expect("an effect's payload");
                let keys = destroy.key_ids.iter().map(|key_id| {
                    self.destroyed_keys.push((destroy.tenant_id.clone(), key_id.clone()));
                    DestroyedKey {
                        key_id: key_id.clone(),
                        destroyed_at: Some(self.now.to_proto()),
                        key_fingerprint: Hash::of(key_id.as_bytes()).to_hex(),
                        existed: true,
                    }
                });
                DestroyKeysReply { keys: keys.collect() }.encode_to_vec()
            }
            Effect::EXPORT_EVENTS => {
                let job = EventExportJob::decode(row.payload.clone()).expect("an effect's payload");
                let files = Some(EventExportFiles { url: "nowhere".to_owned(), ..Default::default() });
                let export_offset = job.export_offset;
                FinishEventExport { export_offset, files, failure: String::new() }.encode_to_vec()
            }
            other => panic!("no such effect: {other}"),
        }
    }

    /// Folds the recorded decisions from nothing and decides every command again. Both must give what is recorded.
    pub fn check_replay(&self) {
        let mut state = MemoryState::default();
        let mut head = Head::genesis("solo", 1, P0);
        for (offset, bytes) in (0..).zip(&self.records) {
            let before = state.clone();
            let applied = apply_record(&self.decider, &state, &mut head, P0, Offset(offset), bytes.clone(), Fold::All)
                .expect("a recorded decision can be folded")
                .expect("a recorded decision is on the chain");
            state.apply(&applied.writes);
            for (place, recorded) in &applied.decisions {
                let command = &self.commands[place.command.0 as usize];
                let again = self.decider.decide(&before, command, *place).expect("state in memory does not fail");
                assert_eq!(again.decision, *recorded, "command {} is decided the same again", place.command);
            }
        }
        assert_eq!(head, self.head);
        assert_eq!(state, self.state, "the state is what the log says");
    }

    /// One tenant's tables.
    pub fn tables<'a, T: From<View<'a>>>(&'a self, tenant: &'a TenantId) -> T {
        T::from(View::new(&self.state, tenant))
    }
}

fn system_actor() -> v1::Actor {
    v1::Actor { kind: v1::actor::Kind::System.into(), id: "solo".into(), ..Default::default() }
}
