//! The platform's tables: tenants, policy sets, and on every partition what it was told of them.
//!
//! The home stream of the platform (tenant `platform`, stream key `platform`) holds the registry of tenants and policy
//! sets. What every partition must know to decide commands lies in its own `governance` tables, which the home stream
//! fills by commands to each partition's stream.
//!
//! Architecture invariant: a pure function from events to rows. No IO, no clock; `../clippy.toml` holds that.

mod evolve;
mod queries;
mod tables;

use daybook_kernel::code::Code;
use daybook_kernel::domain::{Moment, Projection};
use daybook_kernel::state::{Fault, ProjectionId};
use daybook_proto::platform::v1;

pub use queries::{
    GetFeatureLevel, GetPolicySet, GetTenant, ListParkedStreams, ListPolicySets, ListTenants, find_policy_set,
};
pub use tables::{Tables, TablesMut};

daybook_kernel::events! {
    /// Events of the platform domain.
    pub enum Event {
        TenantChanged(v1::TenantChanged) = 1;
        TenantConfirmed(v1::TenantConfirmed) = 1;
        PolicySetPublished(v1::PolicySetPublished) = 1;
        PolicySetActivated(v1::PolicySetActivated) = 1;
        PolicySetConfirmed(v1::PolicySetConfirmed) = 1;
        StreamUnparked(v1::StreamUnparked) = 1;
        ClockAdvanced(v1::ClockAdvanced) = 1;
        FeatureLevelRaised(v1::FeatureLevelRaised) = 1;
        FeatureLevelConfirmed(v1::FeatureLevelConfirmed) = 1;
        PartitionTenantSet(v1::PartitionTenantSet) = 1;
        PartitionPolicySetActivated(v1::PartitionPolicySetActivated) = 1;
        PartitionClockAdvanced(v1::PartitionClockAdvanced) = 1;
        PartitionFeatureLevelRaised(v1::PartitionFeatureLevelRaised) = 1;
    }
}

/// The platform's projection.
pub struct Platform;

impl Projection for Platform {
    const ID: ProjectionId = daybook_kernel::governance::PLATFORM;
    const NAME: &'static str = "platform";
    const VERSION: u32 = 1;
    type Event = Event;
    type Tables<'a> = Tables<'a>;
    type TablesMut<'a> = TablesMut<'a>;

    fn evolve(tables: &mut TablesMut<'_>, event: &Event, moment: &Moment<'_>) -> Result<(), Fault> {
        evolve::evolve(tables, event, moment)
    }
}

/// Error codes of what queries find or do not find.
pub mod codes {
    daybook_kernel::error_codes! { "../../../docs/errors/";
        /// There is no such tenant.
        TENANT_NOT_FOUND: NotFound;
        /// There is no such policy set.
        POLICY_SET_NOT_FOUND: NotFound;
        /// Several policy sets begin with these characters.
        POLICY_SET_AMBIGUOUS: InvalidArgument;
    }
}

/// Every code of this projection.
pub const CODES: &[Code] = codes::ALL;
