//! The platform domain: tenants, policy sets, parked stream keys, the feature level, and the clock of development nodes.
//!
//! | command | what it does |
//! | --- | --- |
//! | [`CreateTenant`](create_tenant::CreateTenant) | makes a tenant known everywhere |
//! | [`SuspendTenant`](tenant_state::SuspendTenant), [`ResumeTenant`](tenant_state::ResumeTenant) | refuses its commands, and takes them again |
//! | [`PublishPolicySet`](publish_policy_set::PublishPolicySet) | checks a policy set and keeps it |
//! | [`ActivatePolicySet`](activate_policy_set::ActivatePolicySet) | puts one in force on every partition |
//! | [`UnparkStream`](unpark_stream::UnparkStream) | lets a parked stream key go on |
//! | [`AdvanceClock`](advance_clock::AdvanceClock) | moves the log's clock; development only |
//! | [`RaiseFeatureLevel`](raise_feature_level::RaiseFeatureLevel) | says what every node must understand from now on |
//!
//! All but `UnparkStream` are decided in the home stream (tenant and key `platform`). What every partition must know
//! goes out as effects: a command to each partition's own stream, whose answer comes back as `ConfirmPartition`.
//!
//! Architecture invariant: pure. Reads the platform's tables, the command and the context; `../clippy.toml` holds that.

pub mod activate_policy_set;
pub mod advance_clock;
pub mod confirm_partition;
pub mod create_tenant;
mod fan_out;
pub mod partition;
pub mod publish_policy_set;
pub mod raise_feature_level;
pub mod tenant_state;
pub mod unpark_stream;
mod way_back;

use daybook_kernel::code::Code;
use daybook_kernel::domain::{Domain, Moment};
use daybook_kernel::id::{StreamKey, TenantId};
use daybook_kernel::registry::QueryEntry;
use daybook_kernel::system::Effect;
use platform_projection::{
    Event, GetFeatureLevel, GetPolicySet, GetTenant, ListParkedStreams, ListPolicySets, ListTenants,
};

daybook_kernel::commands! {
    /// Commands of the platform domain.
    pub enum Command for platform_projection::Platform {
        CreateTenant(create_tenant::CreateTenant),
        SuspendTenant(tenant_state::SuspendTenant),
        ResumeTenant(tenant_state::ResumeTenant),
        PublishPolicySet(publish_policy_set::PublishPolicySet),
        PublishShippedPolicySet(publish_policy_set::PublishShippedPolicySet),
        ActivatePolicySet(activate_policy_set::ActivatePolicySet),
        UnparkStream(unpark_stream::UnparkStream),
        AdvanceClock(advance_clock::AdvanceClock),
        RaiseFeatureLevel(raise_feature_level::RaiseFeatureLevel),
        SetPartitionTenant(partition::SetPartitionTenant),
        ActivatePartitionPolicySet(partition::ActivatePartitionPolicySet),
        AdvancePartitionClock(partition::AdvancePartitionClock),
        RaisePartitionFeatureLevel(partition::RaisePartitionFeatureLevel),
        ConfirmPartition(confirm_partition::ConfirmPartition),
    }
}

/// Namespace of the platform in policies.
const NAMESPACE: &str = "Platform";

/// The policies that development nodes add to those that ship.
pub const DEVELOPMENT_POLICIES: &str = include_str!("../policy/development.cedar");

/// The kind of the command that moves the clock, which only development nodes take.
pub const ADVANCE_CLOCK: &str = <advance_clock::AdvanceClock as daybook_kernel::domain::Command>::KIND;

/// The platform domain.
pub struct Platform;

impl Domain for Platform {
    const NAME: &'static str = "platform";
    const SERVICE: &'static str = "daybook.platform.v1.PlatformService";
    const POLICY_NAMESPACE: &'static str = NAMESPACE;
    const DECIDER_VERSION: u32 = 2;
    const CEDAR_SCHEMA: &'static str = include_str!("../policy/schema.cedarschema");
    const CEDAR_POLICIES: &'static str = include_str!("../policy/default.cedar");
    const CODES: &'static [Code] = codes::EVERY;
    type Projection = platform_projection::Platform;
    type Command = Command;

    fn stream_key(tenant: &TenantId, command: &Command, partitions: u32) -> StreamKey {
        match command {
            Command::UnparkStream(command) => StreamKey::of_partition(command.partition(partitions)),
            _ => StreamKey::of_tenant(tenant),
        }
    }

    fn effects(event: &Event, _: &Moment<'_>) -> Vec<Effect> {
        fan_out::effects(event)
    }

    fn queries() -> Vec<QueryEntry> {
        vec![
            QueryEntry::of::<GetTenant>(),
            QueryEntry::of::<ListTenants>(),
            QueryEntry::of::<GetPolicySet>(),
            QueryEntry::of::<ListPolicySets>(),
            QueryEntry::of::<ListParkedStreams>(),
            QueryEntry::of::<GetFeatureLevel>(),
        ]
    }
}

/// Error codes of the platform domain.
pub mod codes {
    daybook_kernel::error_codes! { "../../../docs/errors/";
        /// The tenant exists.
        TENANT_ALREADY_EXISTS: AlreadyExists;
        /// The tenant is in that state already.
        TENANT_STATE_UNCHANGED: FailedPrecondition;
        /// The policy set has mistakes.
        POLICY_SET_INVALID: InvalidArgument;
        /// The policy set was published before.
        POLICY_SET_ALREADY_PUBLISHED: AlreadyExists;
        /// Under the policy set nobody could publish and activate another.
        POLICY_LOCKS_OUT_ADMINS: FailedPrecondition;
        /// The stream key is not parked.
        STREAM_NOT_PARKED: FailedPrecondition;
        /// The log has reached the feature level already.
        FEATURE_LEVEL_UNCHANGED: FailedPrecondition;
        /// A node does not understand the feature level.
        FEATURE_LEVEL_NOT_UNDERSTOOD: FailedPrecondition;
    }

    use platform_projection::codes::{POLICY_SET_AMBIGUOUS, POLICY_SET_NOT_FOUND, TENANT_NOT_FOUND};

    /// Every code of this domain.
    pub const EVERY: &[daybook_kernel::code::Code] = &[
        TENANT_ALREADY_EXISTS,
        TENANT_STATE_UNCHANGED,
        POLICY_SET_INVALID,
        POLICY_SET_ALREADY_PUBLISHED,
        POLICY_LOCKS_OUT_ADMINS,
        STREAM_NOT_PARKED,
        FEATURE_LEVEL_UNCHANGED,
        FEATURE_LEVEL_NOT_UNDERSTOOD,
        TENANT_NOT_FOUND,
        POLICY_SET_NOT_FOUND,
        POLICY_SET_AMBIGUOUS,
    ];
}
