//! Suspending a tenant, and ending the suspension.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::platform::v1::{self, TenantState};
use platform_projection::{Event, Platform, Tables};

use crate::create_tenant::changed_tenant;
use crate::{NAMESPACE, codes};

/// Refuses a tenant's commands from now on.
#[derive(Debug, Clone)]
pub struct SuspendTenant(Change);

/// Takes them again.
#[derive(Debug, Clone)]
pub struct ResumeTenant(Change);

#[derive(Debug, Clone)]
struct Change {
    tenant_id: String,
    reason: String,
}

impl Change {
    fn parse(tenant_id: String, reason: String) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let tenant_id = fields.identifier("target_tenant_id", tenant_id);
        let reason = fields.required_text("reason", reason, 2_000);
        fields.finish(Self { tenant_id, reason })
    }

    fn authorisation(&self, action: &'static str) -> Authorisation {
        Authorisation::new(NAMESPACE, action, "Tenant", &self.tenant_id)
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>, to: TenantState) -> Result<Vec<Event>, Refusal> {
        let id = &self.tenant_id;
        let missing = || {
            let message =
                format!("there is no tenant {id:?}; nothing was changed; list them with `daybook tenant list`");
            Rejection::new(platform_projection::codes::TENANT_NOT_FOUND, message)
        };
        let tenant = tables.tenants().get((id,))?.ok_or_else(missing)?;
        let is_suspended = tenant.state() == TenantState::Suspended;
        if is_suspended == (to == TenantState::Suspended) {
            let state = if is_suspended { "suspended already" } else { "not suspended" };
            let message = format!("tenant {id} is {state}; nothing was changed");
            return Err(Rejection::new(codes::TENANT_STATE_UNCHANGED, message).into());
        }
        let tenant = v1::Tenant {
            state: to.into(),
            partitions_ready: 0,
            partitions: ctx.partitions,
            revision: tenant.revision + 1,
            ..tenant
        };
        Ok(vec![Event::TenantChanged(v1::TenantChanged { tenant: Some(tenant), reason: self.reason.clone() })])
    }
}

impl Command for SuspendTenant {
    type Request = v1::SuspendTenantRequest;
    type Response = v1::SuspendTenantResponse;
    type Projection = Platform;
    const KIND: &'static str = "SuspendTenant";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        Change::parse(request.target_tenant_id, request.reason).map(Self)
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(Some(self.0.authorisation(Self::KIND)))
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        self.0.decide(tables, ctx, TenantState::Suspended)
    }

    fn respond(_: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        Ok(v1::SuspendTenantResponse { receipt: None, tenant: changed_tenant(events) })
    }
}

impl Command for ResumeTenant {
    type Request = v1::ResumeTenantRequest;
    type Response = v1::ResumeTenantResponse;
    type Projection = Platform;
    const KIND: &'static str = "ResumeTenant";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        Change::parse(request.target_tenant_id, request.reason).map(Self)
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(Some(self.0.authorisation(Self::KIND)))
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        self.0.decide(tables, ctx, TenantState::Active)
    }

    fn respond(_: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        Ok(v1::ResumeTenantResponse { receipt: None, tenant: changed_tenant(events) })
    }
}
