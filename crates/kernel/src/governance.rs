//! What is asked of every command before any domain sees it: is its tenant known here, which policy set is in force,
//! how far is the log's clock ahead, which feature level has the log reached. Written by the platform's projection, on each partition by commands to that
//! partition's own stream; read by the decider.

use daybook_proto::system::v1::{ActivePolicyRow, ClockRow, FeatureLevelRow, PartitionTenantRow, PolicyTextRow};

use crate::feature_level::FeatureLevel;
use crate::hash::Hash;
use crate::id::TenantId;
use crate::state::{Fault, ProjectionId, Read};
use crate::table::View;

/// The projection of the platform domain.
pub const PLATFORM: ProjectionId = ProjectionId(1);

crate::tables! {
    /// Governance of one partition. Opened for [`TenantId::platform`].
    projection PLATFORM;
    /// Tenants that this partition has been told of.
    partition_tenants: 1, (String,) => PartitionTenantRow;
    /// The policy set in force: at most one row.
    active_policy: 2, () => ActivePolicyRow;
    /// Texts of the policy sets that are or were in force here, by hash.
    policy_texts: 3, ([u8; 32],) => PolicyTextRow;
    /// The clock: at most one row.
    clock: 4, () => ClockRow;
    /// The feature level: at most one row.
    feature_level: 5, () => FeatureLevelRow;
}

/// The policy set in force, by hash.
pub fn active_policy(state: &dyn Read) -> Result<Option<Hash>, Fault> {
    let Some(row) = Tables::from(View::new(state, TenantId::platform())).active_policy().get(())? else {
        return Ok(None);
    };
    Hash::from_slice(&row.policy_set_hash)
        .map(Some)
        .ok_or_else(|| Fault::Damaged("the hash of the policy set in force is not 32 bytes".into()))
}

/// The text of a policy set that is or was in force here.
pub fn policy_text(state: &dyn Read, hash: &Hash) -> Result<Option<PolicyTextRow>, Fault> {
    Tables::from(View::new(state, TenantId::platform())).policy_texts().get((hash.as_bytes(),))
}

/// How a tenant stands here.
pub fn tenant(state: &dyn Read, tenant: &TenantId) -> Result<Option<PartitionTenantRow>, Fault> {
    Tables::from(View::new(state, TenantId::platform())).partition_tenants().get((tenant.as_str(),))
}

/// By how many microseconds the log's clock is ahead of the wall clock.
pub fn clock_ahead_us(state: &dyn Read) -> Result<i64, Fault> {
    Ok(Tables::from(View::new(state, TenantId::platform())).clock().get(())?.map_or(0, |row| row.ahead_us))
}

/// The feature level that the log has reached here.
pub fn feature_level(state: &dyn Read) -> Result<FeatureLevel, Fault> {
    let row = Tables::from(View::new(state, TenantId::platform())).feature_level().get(())?;
    Ok(FeatureLevel(row.map_or(0, |row| row.level)))
}
