//! Defining a retention class, or changing it. The due dates of its items follow at once.

use std::time::Duration;

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Violations};
use daybook_kernel::state::Fault;
use daybook_kernel::time::duration_to_proto;
use daybook_proto::legal_hold::v1::{self, RetentionAction, RetentionClass};
use legal_hold_projection::{Event, LegalHold, NAMESPACE, Tables};

/// Defines or changes a class.
#[derive(Debug, Clone)]
pub struct SetRetentionClass {
    id: String,
    period: Duration,
    action: RetentionAction,
}

impl Command for SetRetentionClass {
    type Request = v1::SetRetentionClassRequest;
    type Response = v1::SetRetentionClassResponse;
    type Projection = LegalHold;
    const KIND: &'static str = "SetRetentionClass";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let class = fields.required("retention_class", request.retention_class);
        let id = fields.identifier("retention_class.retention_class_id", class.retention_class_id);
        let period = fields.required_duration("retention_class.period", class.period);
        let action = fields.enumeration("retention_class.action", class.action);
        fields.finish(Self { id, period, action })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(Some(Authorisation::new(NAMESPACE, Self::KIND, "RetentionClass", &self.id)))
    }

    fn decide(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let class = RetentionClass {
            retention_class_id: self.id.clone(),
            period: Some(duration_to_proto(self.period)),
            action: self.action.into(),
        };
        Ok(vec![Event::RetentionClassSet(v1::RetentionClassSet { retention_class: Some(class) })])
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<Self::Response, Fault> {
        Ok(v1::SetRetentionClassResponse { receipt: None })
    }
}
