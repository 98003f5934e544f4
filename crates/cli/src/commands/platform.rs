//! `daybook tenant`, `daybook stream` and `daybook clock`: what the platform itself governs.

use std::time::Duration;

use daybook_proto::platform::v1;

use crate::args::{Clock, Stream, Tenant};
use crate::client::new_id;
use crate::failure::{Failure, Outcome};
use crate::output::{self, line, plain};
use crate::session::Session;
use crate::{period, units};

/// How long what goes out to every partition may take to arrive.
pub(crate) const ARRIVES_WITHIN: Duration = Duration::from_secs(30);
/// How often it is looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Tenants.
pub(crate) async fn tenant(tenant: Tenant, session: &Session) -> Outcome {
    match tenant {
        Tenant::Create { id, name } => {
            let created = create_tenant(session, &id, &name).await?;
            session.show(&created, |created| line(format_args!("tenant {} is {}", created.tenant_id, state(created))))
        }
        Tenant::List => list_tenants(session).await,
        Tenant::Show { id } => {
            let request = v1::GetTenantRequest { target_tenant_id: id, ..Default::default() };
            let response: v1::GetTenantResponse = session.client.ask(&request).await?;
            session.show(&response, |response| {
                let tenant = response.tenant.clone().unwrap_or_default();
                output::facts([
                    ("tenant", tenant.tenant_id.clone()),
                    ("name", tenant.display_name.clone()),
                    ("state", state(&tenant)),
                    ("created", units::show_time(tenant.created_at.as_ref())),
                    ("partitions", format!("{} of {}", tenant.partitions_ready, tenant.partitions)),
                ]);
            })
        }
        Tenant::Suspend { id, reason } => {
            let command_id = new_id();
            let request = v1::SuspendTenantRequest {
                command_id: command_id.clone(),
                target_tenant_id: id,
                reason,
                ..Default::default()
            };
            let response: v1::SuspendTenantResponse = session.client.command(&command_id, &request).await?;
            session.show(&response, |response| changed(response.tenant.as_ref()))
        }
        Tenant::Resume { id, reason } => {
            let command_id = new_id();
            let request = v1::ResumeTenantRequest {
                command_id: command_id.clone(),
                target_tenant_id: id,
                reason,
                ..Default::default()
            };
            let response: v1::ResumeTenantResponse = session.client.command(&command_id, &request).await?;
            session.show(&response, |response| changed(response.tenant.as_ref()))
        }
    }
}

/// Creates a tenant and waits until every partition knows it.
pub(crate) async fn create_tenant(session: &Session, id: &str, name: &str) -> Outcome<v1::Tenant> {
    let request = v1::CreateTenantRequest {
        command_id: new_id(),
        new_tenant_id: id.to_owned(),
        display_name: name.to_owned(),
        ..Default::default()
    };
    let _: v1::CreateTenantResponse = session.client.command(&request.command_id, &request).await?;
    let started = tokio::time::Instant::now();
    loop {
        let request = v1::GetTenantRequest { target_tenant_id: id.to_owned(), ..Default::default() };
        let response: v1::GetTenantResponse = session.client.ask(&request).await?;
        match response.tenant {
            Some(tenant) if tenant.state() == v1::TenantState::Active => return Ok(tenant),
            _ if started.elapsed() > ARRIVES_WITHIN => {
                let message = format!("tenant {id} is created, but not every partition knows it yet");
                return Err(Failure::new(message).hint(format!("look again with `daybook tenant show {id}`")));
            }
            _ => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

fn changed(tenant: Option<&v1::Tenant>) {
    if let Some(tenant) = tenant {
        line(format_args!("tenant {} is {}", tenant.tenant_id, state(tenant)));
    }
}

fn state(tenant: &v1::Tenant) -> String {
    plain(tenant.state().as_str_name(), "TENANT_STATE_")
}

async fn list_tenants(session: &Session) -> Outcome {
    let all = session.client.list(v1::ListTenantsRequest::default()).await?;
    session.show(&all, |all| {
        let rows = all.tenants.iter().map(|tenant| {
            [
                tenant.tenant_id.clone(),
                state(tenant),
                tenant.display_name.clone(),
                units::show_time(tenant.created_at.as_ref()),
            ]
        });
        output::table(["tenant", "state", "name", "created"], rows);
    })
}

/// Parked stream keys.
pub(crate) async fn stream(stream: Stream, session: &Session) -> Outcome {
    match stream {
        Stream::Parked => list_parked(session).await,
        Stream::Unpark { key, reason } => {
            let request = v1::UnparkStreamRequest {
                command_id: new_id(),
                target_tenant_id: session.tenant.clone(),
                target_stream_key: key.clone(),
                reason,
                ..Default::default()
            };
            let response: v1::UnparkStreamResponse = session.client.command(&request.command_id, &request).await?;
            session.show(&response, |_| line(format_args!("stream {key} of tenant {} goes on", session.tenant)))
        }
    }
}

async fn list_parked(session: &Session) -> Outcome {
    let mut all = v1::ListParkedStreamsResponse::default();
    let status: daybook_proto::node::v1::GetStatusResponse =
        session.client.ask(&daybook_proto::node::v1::GetStatusRequest {}).await?;
    for partition in status.partitions.iter().filter(|partition| partition.parked_streams > 0) {
        let request = v1::ListParkedStreamsRequest { partition: partition.partition, ..Default::default() };
        all.parked_streams.extend(session.client.list(request).await?.parked_streams);
    }
    session.show(&all, |all| {
        let rows = all.parked_streams.iter().map(|parked| {
            [
                parked.tenant_id.clone(),
                parked.stream_key.clone(),
                output::position(parked.position.as_ref()),
                format!("{}.{}", parked.domain, parked.kind),
                parked.code.clone(),
                parked.reason.clone(),
                units::show_time(parked.parked_at.as_ref()),
            ]
        });
        output::table(["tenant", "stream", "command", "kind", "code", "reason", "since"], rows);
    })
}

/// Moves the clock of a development node.
pub(crate) async fn clock(clock: Clock, session: &Session) -> Outcome {
    let response = advance_clock(session, clock.advance).await?;
    session.show(&response, |_| {
        let by = period::show_duration(Some(&units::proto_duration(clock.advance)));
        line(format_args!("the clock of the log is {by} further ahead; what falls due by it is done now"));
    })
}

/// Moves the clock.
pub(crate) async fn advance_clock(session: &Session, by: Duration) -> Outcome<v1::AdvanceClockResponse> {
    let request =
        v1::AdvanceClockRequest { command_id: new_id(), by: Some(units::proto_duration(by)), ..Default::default() };
    session.client.command(&request.command_id, &request).await
}
