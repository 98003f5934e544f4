//! What is registered: events, their profile, metrics; and what was refused.

use std::path::{Path, PathBuf};

use daybook_proto::product_analytics::v1;
use serde_json::Value;

use super::files;
use crate::client::new_id;
use crate::failure::{Failure, Outcome};
use crate::output::{self, line, plain};
use crate::session::Session;
use crate::units;

/// Schemas that one command takes.
const SCHEMAS_MAX: usize = 200;

/// Registers what stands in files.
pub(super) async fn register(files: &[PathBuf], session: &Session) -> Outcome {
    let (profile, schemas) = files::read(files)?;
    if let Some(profile) = profile {
        let request = v1::SetMinimisationProfileRequest {
            command_id: new_id(),
            tenant_id: session.tenant.clone(),
            profile: Some(profile),
        };
        let set: Outcome<v1::SetMinimisationProfileResponse> =
            session.client.command(&request.command_id, &request).await;
        set.map_err(|failure| match failure.code() {
            Some("POLICY_DENIED") => {
                failure.hint("the files hold a minimisation profile; leave that file out to register events")
            }
            _ => failure,
        })?;
        if !session.json {
            line("the minimisation profile is set");
        }
    }
    let mut all = v1::SetEventSchemasResponse::default();
    for schemas in schemas.chunks(SCHEMAS_MAX) {
        let request = v1::SetEventSchemasRequest {
            command_id: new_id(),
            tenant_id: session.tenant.clone(),
            schemas: schemas.to_vec(),
        };
        let response: v1::SetEventSchemasResponse = session.client.command(&request.command_id, &request).await?;
        all.receipt = response.receipt;
        all.changed_count = all.changed_count.saturating_add(response.changed_count);
        all.unchanged_count = all.unchanged_count.saturating_add(response.unchanged_count);
    }
    if all.receipt.is_none() {
        return Ok(());
    }
    session.show(&all, |all| {
        let at = output::position(all.receipt.as_ref().and_then(|receipt| receipt.position.as_ref()));
        let (changed, unchanged) = (all.changed_count, all.unchanged_count);
        line(format_args!("{changed} events are registered or changed, {unchanged} were so before, at {at}"));
    })
}

/// Shows the registered events.
pub(super) async fn events(session: &Session) -> Outcome {
    let request = v1::GetEventRegistryRequest { tenant_id: session.tenant.clone(), min_position: None };
    let response: v1::GetEventRegistryResponse = session.client.ask(&request).await?;
    session.show(&response, |response| {
        let registry = response.registry.clone().unwrap_or_default();
        let rows = registry.schemas.iter().map(|schema| {
            let properties: Vec<_> = schema.properties.iter().map(property).collect();
            let deprecated = units::show_time(schema.deprecated_at.as_ref());
            [
                schema.name.clone(),
                schema.version.to_string(),
                schema.feature.clone(),
                schema.purpose.clone(),
                properties.join(", "),
                deprecated,
            ]
        });
        output::table(["event", "version", "feature", "purpose", "properties", "deprecated"], rows);
    })
}

fn property(property: &v1::PropertySchema) -> String {
    let of = plain(property.r#type().as_str_name(), "PROPERTY_TYPE_");
    let mark = if property.required { "!" } else { "" };
    format!("{}{mark}: {of}", property.name)
}

/// Shows what was refused.
pub(super) async fn refused(session: &Session) -> Outcome {
    let request = v1::ListRefusedEventsRequest { tenant_id: session.tenant.clone(), ..Default::default() };
    let all = session.client.list(request).await?;
    session.show(&all, |all| {
        let rows = all.refused.iter().map(|refused| {
            [
                refused.name.clone(),
                refused.property.clone(),
                plain(refused.reason().as_str_name(), "REFUSAL_"),
                refused.count.to_string(),
                units::show_time(refused.last_seen_at.as_ref()),
            ]
        });
        output::table(["event", "property", "why", "events", "last seen"], rows);
    })
}

/// Defines a metric.
pub(super) async fn define(file: &Path, session: &Session) -> Outcome {
    let wrong = |error: &dyn std::fmt::Display| Failure::new(format!("{}: {error}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error))?;
    let json: Value = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
    let definition: v1::MetricDefinition = output::from_json(&json)?;
    let name = definition.name.clone();
    let request = v1::DefineMetricRequest {
        command_id: new_id(),
        tenant_id: session.tenant.clone(),
        definition: Some(definition),
    };
    let response: v1::DefineMetricResponse = session.client.command(&request.command_id, &request).await?;
    session.show(&response, |response| line(format_args!("metric {name} is defined, version {}", response.version)))
}

/// Lists the metrics.
pub(super) async fn metrics(session: &Session) -> Outcome {
    let request = v1::ListMetricDefinitionsRequest { tenant_id: session.tenant.clone(), ..Default::default() };
    let all = session.client.list(request).await?;
    session.show(&all, |all| {
        let rows = all.definitions.iter().map(|definition| {
            let json = output::to_json(definition).unwrap_or_default();
            let known = ["name", "version", "description"];
            let kind =
                json.as_object().and_then(|json| json.keys().find(|key| !known.contains(&key.as_str())).cloned());
            [
                definition.name.clone(),
                definition.version.to_string(),
                kind.unwrap_or_default(),
                definition.description.clone(),
            ]
        });
        output::table(["metric", "version", "kind", "description"], rows);
    })
}
