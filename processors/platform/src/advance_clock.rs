//! Moving the log's clock forward, so that retention and delays can be tried out. Only the policies of development
//! nodes permit it.

use std::time::Duration;

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Violations};
use daybook_kernel::state::Fault;
use daybook_kernel::system::DELAY_MAX;
use daybook_kernel::time::duration_to_proto;
use daybook_proto::platform::v1;
use platform_projection::{Event, Platform, Tables};

use crate::NAMESPACE;

/// How far the clock may be ahead of the wall clock. A record whose time lies beyond the year 9999 could not be read
/// again, nor could anything after it.
const AHEAD_MAX: Duration = Duration::from_secs(5 * DELAY_MAX.as_secs());

/// How much further ahead this partition's clock may go.
pub(crate) fn ahead_left(tables: &Tables<'_>) -> Result<Duration, Fault> {
    let ahead_us = tables.governance().clock().get(())?.map_or(0, |row| row.ahead_us);
    Ok(AHEAD_MAX.saturating_sub(Duration::from_micros(u64::try_from(ahead_us).unwrap_or(0))))
}

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
        let is_zero = request.by == Some(Default::default());
        fields.check("by", !is_zero, "must be more than zero");
        let by = fields.required_duration("by", request.by);
        fields.finish(Self { by })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(Some(Authorisation::new(NAMESPACE, Self::KIND, "Clock", "log")))
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let left = ahead_left(tables)?;
        if self.by > left {
            let problem = format!(
                "must be at most {} days: the clock may be ahead of the wall clock by {} days in all",
                left.as_secs() / 86_400,
                AHEAD_MAX.as_secs() / 86_400
            );
            return Err(Violations::one("by", problem).into());
        }
        let by = Some(duration_to_proto(self.by));
        Ok(vec![Event::ClockAdvanced(v1::ClockAdvanced { by, partitions: ctx.partitions })])
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<Self::Response, Fault> {
        Ok(v1::AdvanceClockResponse { receipt: None })
    }
}
