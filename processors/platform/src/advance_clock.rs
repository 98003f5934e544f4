//! Moving the log's clock forward, so that retention and delays can be tried out. Only the policies of development
//! nodes permit it.

use std::time::Duration;

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Violations};
use daybook_kernel::state::Fault;
use daybook_kernel::time::duration_to_proto;
use daybook_proto::platform::v1;
use platform_projection::{Event, Platform, Tables};

use crate::NAMESPACE;

/// Moves the clock.
#[derive(Debug, Clone)]
pub struct AdvanceClock {
    by: Duration,
}

impl Command for AdvanceClock {
    type Request = v1::AdvanceClockRequest;
    type Response = v1::AdvanceClockResponse;
    type Projection = Platform;
    const KIND: &'static str = "AdvanceClock";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let by = fields.required_duration("by", request.by);
        fields.check("by", request.by.is_none() || !by.is_zero(), "must be more than zero");
        fields.finish(Self { by })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(Some(Authorisation::new(NAMESPACE, Self::KIND, "Clock", "log")))
    }

    fn decide(&self, _: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let by = Some(duration_to_proto(self.by));
        Ok(vec![Event::ClockAdvanced(v1::ClockAdvanced { by, partitions: ctx.partitions })])
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<Self::Response, Fault> {
        Ok(v1::AdvanceClockResponse { receipt: None })
    }
}
