//! What the home stream tells every partition: one effect each, answered by `ConfirmPartition`.

use daybook_kernel::id::{PartitionId, StreamKey, TenantId};
use daybook_kernel::system::Effect;
use daybook_proto::platform::v1::{self, partition_correlation::Subject};
use daybook_proto::system::v1::Forward;
use platform_projection::Event;
use prost::Message;

use crate::confirm_partition::ConfirmPartition;
use crate::partition::{
    ActivatePartitionPolicySet, AdvancePartitionClock, RaisePartitionFeatureLevel, SetPartitionTenant,
};
use daybook_kernel::domain::Command;

/// The effects of an event: none, or one for each partition.
pub(crate) fn effects(event: &Event) -> Vec<Effect> {
    match event {
        Event::TenantChanged(event) => {
            let Some(tenant) = &event.tenant else { return Vec::new() };
            let payload = v1::SetPartitionTenant { tenant: Some(tenant.clone()) }.encode_to_vec();
            let subject = Subject::TenantId(tenant.tenant_id.clone());
            to_all(tenant.partitions, SetPartitionTenant::KIND, &payload, subject, tenant.revision)
        }
        Event::PolicySetActivated(event) => {
            let message = v1::ActivatePartitionPolicySet {
                policies: event.policies.clone(),
                schema: event.schema.clone(),
                revision: event.revision,
            };
            let subject = Subject::PolicySetHash(event.policy_set_hash.clone());
            let kind = ActivatePartitionPolicySet::KIND;
            to_all(event.partitions, kind, &message.encode_to_vec(), subject, event.revision)
        }
        Event::ClockAdvanced(event) => {
            let payload = v1::AdvancePartitionClock { by: event.by }.encode_to_vec();
            to_all(event.partitions, AdvancePartitionClock::KIND, &payload, Subject::Clock(true), 0)
        }
        Event::FeatureLevelRaised(event) => {
            let payload = v1::RaisePartitionFeatureLevel { level: event.level }.encode_to_vec();
            let kind = RaisePartitionFeatureLevel::KIND;
            to_all(event.partitions, kind, &payload, Subject::FeatureLevel(event.level), 0)
        }
        _ => Vec::new(),
    }
}

fn to_all(partitions: u32, kind: &str, payload: &[u8], subject: Subject, revision: u64) -> Vec<Effect> {
    let correlation = v1::PartitionCorrelation { subject: Some(subject), revision }.encode_to_vec();
    let to = |partition| {
        let forward = Forward {
            tenant_id: TenantId::platform().as_str().to_owned(),
            stream_key: StreamKey::of_partition(PartitionId(partition)).as_str().to_owned(),
            domain: "platform".to_owned(),
            kind: kind.to_owned(),
            payload: payload.to_vec().into(),
            correlation: correlation.clone().into(),
        };
        Effect::forward(&forward, ConfirmPartition::KIND)
    };
    (0..partitions).map(to).collect()
}
