//! Policies and tenants, before anything goes wrong.

use std::sync::Arc;

use bytes::Bytes;
use daybook_kernel::feature_level::FeatureLevel;
use daybook_kernel::id::{CommandId, PartitionId, StreamKey, TenantId};
use daybook_proto::log::v1::actor::Kind;
use daybook_proto::log::v1::decision::Outcome as Decided;
use daybook_proto::log::v1::{Actor, CommandRecord};
use daybook_proto::platform::v1::{CreateTenantRequest, PublishShippedPolicySet};
use futures_util::FutureExt;
use prost::Message as _;
use tokio::task::JoinHandle;

use super::{PARTITIONS, TENANTS, World};
use crate::sim::clients::{in_short, record};
use crate::sim::holds;

impl World {
    /// Policies and tenants, while nothing goes wrong yet.
    pub(super) fn set_up(&mut self) -> Result<(), Vec<String>> {
        let registry = crate::sim::oracle::registry();
        let shipped = PublishShippedPolicySet {
            policies: registry.shipped_policies() + holds::POLICY,
            schema: registry.shipped_schema(),
            description: String::new(),
            feature_level: FeatureLevel::NEWEST.0,
            ends_development: false,
        };
        let system = Actor { kind: Kind::System.into(), id: "set-up".into(), ..Default::default() };
        let mut publish = self.platform_record("PublishShippedPolicySet", shipped.encode_to_vec());
        publish.actor = Some(system);
        self.insist(publish)?;
        for tenant in TENANTS {
            let create = CreateTenantRequest { new_tenant_id: tenant.to_owned(), ..Default::default() };
            let create = self.platform_record("CreateTenant", create.encode_to_vec());
            self.insist(create)?;
        }
        for _ in 0..100_000 {
            let ready = self.on_every_partition(|state| {
                TENANTS.iter().all(|tenant| {
                    let tenant = TenantId::parse(tenant).ok();
                    tenant.is_some_and(|tenant| {
                        daybook_kernel::governance::tenant(state, &tenant).is_ok_and(|row| row.is_some())
                    })
                })
            });
            if ready {
                return self.set_up_holds();
            }
            self.step()?;
        }
        Err(vec!["the set-up does not come to an end".to_owned()])
    }

    fn set_up_holds(&mut self) -> Result<(), Vec<String>> {
        let tenants = TENANTS.iter().filter(|_| self.plan.holds).filter_map(|tenant| TenantId::parse(tenant).ok());
        for tenant in tenants.collect::<Vec<_>>() {
            self.operator_asks += 1;
            let id = CommandId::derived(1, &[b"operator", &self.operator_asks.to_be_bytes()]);
            let (key, class) = (StreamKey::of_tenant(&tenant), holds::class().encode_to_vec());
            self.insist(record(id, &tenant, key, "legal_hold", "SetRetentionClass", class, &holds::ROLES))?;
        }
        Ok(())
    }

    pub(super) fn on_every_partition(&self, holds: impl Fn(&dyn daybook_kernel::state::Read) -> bool) -> bool {
        let sim = self.shared.lock();
        (0..PARTITIONS).all(|partition| holds(sim.oracle.state(PartitionId(partition))))
    }

    pub(super) fn platform_record(&mut self, kind: &str, payload: Vec<u8>) -> CommandRecord {
        self.operator_asks += 1;
        let id = CommandId::derived(1, &[b"operator", &self.operator_asks.to_be_bytes()]);
        let platform = TenantId::platform();
        let bytes = Bytes::from(payload.clone());
        let key = self
            .fixture
            .decider
            .registry()
            .get("platform")
            .and_then(|domain| domain.stream_key(platform, kind, bytes, PARTITIONS).ok());
        let key = key.unwrap_or_else(|| StreamKey::of_tenant(platform));
        record(id, platform, key, "platform", kind, payload, &["admin"])
    }

    /// Has a command decided before anything else is asked.
    pub(super) fn insist(&mut self, record: CommandRecord) -> Result<(), Vec<String>> {
        for _ in 0..2_000 {
            let Some(handle) = self.submit(0, &record) else {
                self.step()?;
                continue;
            };
            let mut handle = handle;
            while !handle.is_finished() {
                self.step()?;
            }
            if let Some(Ok(Ok(outcome))) = (&mut handle).now_or_never() {
                return match outcome.decision.outcome {
                    Some(Decided::Accepted(_)) => Ok(()),
                    _ => Err(vec![format!("the set-up was answered: {}", in_short(&outcome))]),
                };
            }
        }
        Err(vec!["the set-up gets no answer".to_owned()])
    }

    pub(super) fn submit(
        &self,
        node: usize,
        record: &CommandRecord,
    ) -> Option<JoinHandle<Result<daybook_runtime::Outcome, daybook_runtime::SubmitError>>> {
        let running = self.nodes[node].running.as_ref()?;
        let (node, record) = (Arc::clone(&running.node), record.clone());
        Some(running.runtime.spawn(async move { node.submit(&record).await }))
    }
}
