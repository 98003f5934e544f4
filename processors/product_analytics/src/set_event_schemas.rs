//! Registering schemas of events, and newer versions of them: each adds to the one before.

use std::collections::BTreeSet;

use daybook_event_rules::schema_rules;
use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::key::All;
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::product_analytics::v1::{self, EventSchema};
use product_analytics_projection::{Event, NAMESPACE, ProductAnalytics, Tables};

use crate::codes;

/// Schemas in one command.
const SCHEMAS_MAX: usize = 200;
/// Schemas that a tenant may have.
const REGISTERED_MAX: usize = 2_000;

/// Registers schemas.
#[derive(Debug, Clone)]
pub struct SetEventSchemas {
    schemas: Vec<EventSchema>,
}

impl Command for SetEventSchemas {
    type Request = v1::SetEventSchemasRequest;
    type Response = v1::SetEventSchemasResponse;
    type Projection = ProductAnalytics;
    const KIND: &'static str = "SetEventSchemas";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let count = request.schemas.len();
        fields.check("schemas", (1..=SCHEMAS_MAX).contains(&count), "must have 1 to 200 entries");
        let mut names = BTreeSet::new();
        for (i, schema) in request.schemas.iter().enumerate().take(SCHEMAS_MAX) {
            fields.inside(&format!("schemas[{i}]"), schema_rules::check(schema));
            fields.check(&format!("schemas[{i}].name"), names.insert(&schema.name), "stands in this command twice");
        }
        fields.finish(()).map(|()| Self { schemas: request.schemas })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        let id = match self.schemas.as_slice() {
            [only] => only.name.as_str(),
            _ => "several",
        };
        Ok(Some(Authorisation::new(NAMESPACE, Self::KIND, "EventSchema", id)))
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        ctx.requires(crate::LEVEL)?;
        let (mut changed, mut unchanged_count, mut new) = (Vec::new(), 0, 0);
        for schema in &self.schemas {
            match tables.schemas().get((&schema.name,))?.and_then(|row| row.schema) {
                Some(before) if before == *schema => unchanged_count += 1,
                Some(before) => {
                    let reasons = schema_rules::breaks(&before, schema);
                    if !reasons.is_empty() {
                        return Err(breaks(schema, &reasons).into());
                    }
                    changed.push(schema.clone());
                }
                None if schema.version != 1 => {
                    let reasons = ["its first version must be 1".to_owned()];
                    return Err(breaks(schema, &reasons).into());
                }
                None => {
                    new += 1;
                    changed.push(schema.clone());
                }
            }
        }
        if new > 0 {
            let registered = tables.schemas().scan(All).count();
            if registered + new > REGISTERED_MAX {
                let message = format!(
                    "{registered} events are registered, and a tenant may have {REGISTERED_MAX}; nothing was registered; \
                     make properties of what differs between similar events"
                );
                return Err(Rejection::new(codes::TOO_MANY_EVENT_SCHEMAS, message).into());
            }
        }
        Ok(vec![Event::EventSchemasSet(v1::EventSchemasSet { schemas: changed, unchanged_count })])
    }

    fn respond(_: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        let (changed, unchanged_count) = match events {
            [Event::EventSchemasSet(event)] => (event.schemas.len(), event.unchanged_count),
            _ => (0, 0),
        };
        let changed_count = u32::try_from(changed).unwrap_or(u32::MAX);
        Ok(v1::SetEventSchemasResponse { receipt: None, changed_count, unchanged_count })
    }
}

fn breaks(schema: &EventSchema, reasons: &[String]) -> Rejection {
    let message = format!(
        "event {:?} cannot become this: {}; nothing was registered; `daybook analytics lint --against` shows it before",
        schema.name,
        reasons.join("; ")
    );
    Rejection::new(codes::EVENT_SCHEMA_BREAKS, message).with("event", &schema.name)
}
