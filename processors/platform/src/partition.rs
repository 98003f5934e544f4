//! What a partition is told by the home stream.

use std::time::Duration;

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Violations};
use daybook_kernel::state::Fault;
use daybook_kernel::time::duration_to_proto;
use daybook_proto::platform::v1;
use platform_projection::{Event, Platform, Tables};

use crate::advance_clock::ahead_left;
use crate::publish_policy_set::invalid;

/// This is how a tenant stands.
#[derive(Debug, Clone)]
pub struct SetPartitionTenant {
    tenant: v1::Tenant,
}

impl Command for SetPartitionTenant {
    type Request = v1::SetPartitionTenant;
    type Response = ();
    type Projection = Platform;
    const KIND: &'static str = "SetPartitionTenant";
    const INTERNAL: bool = true;

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let tenant = fields.required("tenant", request.tenant);
        fields.finish(Self { tenant })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(None)
    }

    fn decide(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let known = tables.governance().partition_tenants().get((&self.tenant.tenant_id,))?;
        // Effects of two changes may arrive in either order; the later change stands.
        if known.is_some_and(|row| row.revision >= self.tenant.revision) {
            return Ok(Vec::new());
        }
        Ok(vec![Event::PartitionTenantSet(v1::PartitionTenantSet { tenant: Some(self.tenant.clone()) })])
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<(), Fault> {
        Ok(())
    }
}

/// Put this policy set in force.
#[derive(Debug, Clone)]
pub struct ActivatePartitionPolicySet {
    policies: String,
    schema: String,
    revision: u64,
}

impl Command for ActivatePartitionPolicySet {
    type Request = v1::ActivatePartitionPolicySet;
    type Response = ();
    type Projection = Platform;
    const KIND: &'static str = "ActivatePartitionPolicySet";
    const INTERNAL: bool = true;

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        Ok(Self { policies: request.policies, schema: request.schema, revision: request.revision })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(None)
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        if tables.governance().active_policy().get(())?.is_some_and(|row| row.revision >= self.revision) {
            return Ok(Vec::new());
        }
        // It was checked when it was published. What the home stream has put in force holds on every partition.
        let loaded = ctx.load_decided_policy_set(&self.policies, &self.schema);
        let hash = loaded.map_err(|problems| invalid(&problems))?;
        Ok(vec![Event::PartitionPolicySetActivated(v1::PartitionPolicySetActivated {
            policy_set_hash: hash.to_hex(),
            policies: self.policies.clone(),
            schema: self.schema.clone(),
            revision: self.revision,
        })])
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<(), Fault> {
        Ok(())
    }
}

/// Move the clock forward.
#[derive(Debug, Clone)]
pub struct AdvancePartitionClock {
    by: Duration,
}

impl Command for AdvancePartitionClock {
    type Request = v1::AdvancePartitionClock;
    type Response = ();
    type Projection = Platform;
    const KIND: &'static str = "AdvancePartitionClock";
    const INTERNAL: bool = true;

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let by = fields.required_duration("by", request.by);
        fields.finish(Self { by })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(None)
    }

    fn decide(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        // The home stream may have decided several before it was told itself. What goes too far stops at the limit, so
        // that all partitions end there in whatever order they are told.
        let by = self.by.min(ahead_left(tables)?);
        if by.is_zero() {
            return Ok(Vec::new());
        }
        let by = Some(duration_to_proto(by));
        Ok(vec![Event::PartitionClockAdvanced(v1::PartitionClockAdvanced { by })])
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<(), Fault> {
        Ok(())
    }
}

/// What follows may need this feature level.
#[derive(Debug, Clone)]
pub struct RaisePartitionFeatureLevel {
    level: u32,
}

impl Command for RaisePartitionFeatureLevel {
    type Request = v1::RaisePartitionFeatureLevel;
    type Response = ();
    type Projection = Platform;
    const KIND: &'static str = "RaisePartitionFeatureLevel";
    const INTERNAL: bool = true;

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        Ok(Self { level: request.level })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(None)
    }

    fn decide(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        // Effects of two raises may arrive in either order; the higher level stands.
        if tables.governance().feature_level().get(())?.is_some_and(|row| row.level >= self.level) {
            return Ok(Vec::new());
        }
        Ok(vec![Event::PartitionFeatureLevelRaised(v1::PartitionFeatureLevelRaised { level: self.level })])
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<(), Fault> {
        Ok(())
    }
}
