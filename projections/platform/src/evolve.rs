//! What each event changes.

use daybook_kernel::domain::Moment;
use daybook_kernel::hash::Hash;
use daybook_kernel::state::Fault;
use daybook_kernel::time::duration_from_proto;
use daybook_proto::platform::v1::{self, ActivationRow, FeatureLevel, PolicySet, TenantState};
use daybook_proto::system::v1::{ActivePolicyRow, ClockRow, FeatureLevelRow, PartitionTenantRow, PolicyTextRow};

use crate::{Event, TablesMut};

pub(crate) fn evolve(tables: &mut TablesMut<'_>, event: &Event, moment: &Moment<'_>) -> Result<(), Fault> {
    match event {
        Event::TenantChanged(event) => tenant_changed(tables, event),
        Event::TenantConfirmed(event) => tenant_confirmed(tables, event),
        Event::PolicySetPublished(event) => policy_set_published(tables, event, moment),
        Event::PolicySetActivated(event) => policy_set_activated(tables, event),
        Event::PolicySetConfirmed(event) => policy_set_confirmed(tables, event),
        Event::StreamUnparked(event) => {
            tables.partition().parked().delete((&event.tenant_id, &event.stream_key));
            Ok(())
        }
        // The clock itself lies on each partition.
        Event::ClockAdvanced(_) => Ok(()),
        Event::FeatureLevelRaised(event) => {
            feature_level_raised(tables, event, moment);
            Ok(())
        }
        Event::FeatureLevelConfirmed(event) => feature_level_confirmed(tables, event),
        Event::PartitionTenantSet(event) => partition_tenant_set(tables, event),
        Event::PartitionPolicySetActivated(event) => partition_policy_set_activated(tables, event),
        Event::PartitionClockAdvanced(event) => partition_clock_advanced(tables, event),
        Event::PartitionFeatureLevelRaised(event) => {
            tables.governance().feature_level().put((), &FeatureLevelRow { level: event.level });
            Ok(())
        }
    }
}

fn damaged(what: &str) -> Fault {
    Fault::Damaged(format!("an event of the platform lacks {what}"))
}

fn hash(hex: &str) -> Result<Hash, Fault> {
    Hash::from_hex(hex).ok_or_else(|| damaged("a policy set's hash"))
}

fn tenant_changed(tables: &mut TablesMut<'_>, event: &v1::TenantChanged) -> Result<(), Fault> {
    let tenant = event.tenant.as_ref().ok_or_else(|| damaged("its tenant"))?;
    tables.tenants().put((&tenant.tenant_id,), tenant);
    Ok(())
}

fn tenant_confirmed(tables: &mut TablesMut<'_>, event: &v1::TenantConfirmed) -> Result<(), Fault> {
    tables.tenants().update((&event.tenant_id,), |tenant| {
        // The answer to an earlier change says nothing about this one.
        if tenant.revision == event.revision {
            tenant.partitions_ready += 1;
            if tenant.partitions_ready == tenant.partitions && tenant.state() == TenantState::Creating {
                tenant.set_state(TenantState::Active);
            }
        }
    })?;
    Ok(())
}

fn policy_set_published(
    tables: &mut TablesMut<'_>,
    event: &v1::PolicySetPublished,
    moment: &Moment<'_>,
) -> Result<(), Fault> {
    let set = event.policy_set.as_ref().ok_or_else(|| damaged("its policy set"))?;
    tables.policy_sets().put((hash(&set.policy_set_hash)?.as_bytes(),), set);
    let named = PolicySet { policy_set_hash: set.policy_set_hash.clone(), ..Default::default() };
    tables.policy_set_order().put((moment.position.offset.0,), &named);
    Ok(())
}

fn policy_set_activated(tables: &mut TablesMut<'_>, event: &v1::PolicySetActivated) -> Result<(), Fault> {
    let row = ActivationRow {
        policy_set_hash: hash(&event.policy_set_hash)?.to_bytes(),
        revision: event.revision,
        partitions: event.partitions,
        confirmed: 0,
    };
    tables.activation().put((), &row);
    Ok(())
}

fn policy_set_confirmed(tables: &mut TablesMut<'_>, event: &v1::PolicySetConfirmed) -> Result<(), Fault> {
    tables.activation().update((), |row| {
        if row.revision == event.revision {
            row.confirmed += 1;
        }
    })?;
    Ok(())
}

fn feature_level_raised(tables: &mut TablesMut<'_>, event: &v1::FeatureLevelRaised, moment: &Moment<'_>) {
    let row = FeatureLevel {
        level: event.level,
        raised_at: Some(moment.now.to_proto()),
        raised_by: moment.actor_id.to_owned(),
        partitions_ready: 0,
        partitions: event.partitions,
        nodes: event.nodes.clone(),
    };
    tables.feature_level().put((), &row);
}

fn feature_level_confirmed(tables: &mut TablesMut<'_>, event: &v1::FeatureLevelConfirmed) -> Result<(), Fault> {
    tables.feature_level().update((), |row| {
        // The answer to an earlier raise says nothing about this one.
        if row.level == event.level {
            row.partitions_ready += 1;
        }
    })?;
    Ok(())
}

fn partition_tenant_set(tables: &mut TablesMut<'_>, event: &v1::PartitionTenantSet) -> Result<(), Fault> {
    let tenant = event.tenant.as_ref().ok_or_else(|| damaged("its tenant"))?;
    let row = PartitionTenantRow { suspended: tenant.state() == TenantState::Suspended, revision: tenant.revision };
    tables.governance().partition_tenants().put((&tenant.tenant_id,), &row);
    Ok(())
}

fn partition_policy_set_activated(
    tables: &mut TablesMut<'_>,
    event: &v1::PartitionPolicySetActivated,
) -> Result<(), Fault> {
    let hash = hash(&event.policy_set_hash)?;
    let text = PolicyTextRow { policies: event.policies.clone(), schema: event.schema.clone() };
    tables.governance().policy_texts().put((hash.as_bytes(),), &text);
    let row = ActivePolicyRow { policy_set_hash: hash.to_bytes(), revision: event.revision };
    tables.governance().active_policy().put((), &row);
    Ok(())
}

fn partition_clock_advanced(tables: &mut TablesMut<'_>, event: &v1::PartitionClockAdvanced) -> Result<(), Fault> {
    let by = event.by.as_ref().and_then(|by| duration_from_proto(by).ok()).ok_or_else(|| damaged("its duration"))?;
    let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    let before = tables.governance().clock().get(())?.map_or(0, |row| row.ahead_us);
    tables.governance().clock().put((), &ClockRow { ahead_us: before.saturating_add(by) });
    Ok(())
}
