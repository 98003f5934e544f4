//! Creating a tenant.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::id::TenantId;
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::platform::v1::{self, TenantState};
use platform_projection::{Event, Platform, Tables};

use crate::{NAMESPACE, codes};

/// Makes a tenant known everywhere.
#[derive(Debug, Clone)]
pub struct CreateTenant {
    new_tenant_id: String,
    display_name: String,
}

impl Command for CreateTenant {
    type Request = v1::CreateTenantRequest;
    type Response = v1::CreateTenantResponse;
    type Projection = Platform;
    const KIND: &'static str = "CreateTenant";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        if let Err(problem) = TenantId::parse(&request.new_tenant_id) {
            fields.wrong("new_tenant_id", problem.to_string());
        }
        let display_name = fields.text("display_name", request.display_name, 200);
        fields.finish(Self { new_tenant_id: request.new_tenant_id, display_name })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(Some(Authorisation::new(NAMESPACE, Self::KIND, "Tenant", &self.new_tenant_id)))
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let is_platform = self.new_tenant_id == TenantId::platform().as_str();
        if is_platform || tables.tenants().contains((&self.new_tenant_id,))? {
            let message = format!("tenant {:?} exists already; nothing was changed", self.new_tenant_id);
            return Err(Rejection::new(codes::TENANT_ALREADY_EXISTS, message).into());
        }
        let tenant = v1::Tenant {
            tenant_id: self.new_tenant_id.clone(),
            display_name: self.display_name.clone(),
            state: TenantState::Creating.into(),
            created_at: Some(ctx.now.to_proto()),
            partitions_ready: 0,
            partitions: ctx.partitions,
            revision: 1,
        };
        Ok(vec![Event::TenantChanged(v1::TenantChanged { tenant: Some(tenant), reason: String::new() })])
    }

    fn respond(_: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        Ok(v1::CreateTenantResponse { receipt: None, tenant: changed_tenant(events) })
    }
}

/// The tenant that an accepted change led to.
pub(crate) fn changed_tenant(events: &[Event]) -> Option<v1::Tenant> {
    events.iter().find_map(|event| match event {
        Event::TenantChanged(event) => event.tenant.clone(),
        _ => None,
    })
}
