//! How a partition answered what the home stream told it.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::platform::v1::{self, partition_correlation::Subject};
use platform_projection::{Event, Platform, Tables};
use prost::Message;

/// A partition has answered.
#[derive(Debug, Clone)]
pub struct ConfirmPartition {
    accepted: bool,
    correlation: v1::PartitionCorrelation,
}

impl Command for ConfirmPartition {
    type Request = v1::ConfirmPartition;
    type Response = ();
    type Projection = Platform;
    const KIND: &'static str = "ConfirmPartition";
    const INTERNAL: bool = true;

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let outcome = fields.required("outcome", request.outcome);
        let correlation = v1::PartitionCorrelation::decode(outcome.correlation);
        let correlation = correlation.map_err(|error| Violations::one("correlation", error.to_string()));
        let correlation = fields.inside("outcome", correlation);
        fields.finish(Self { accepted: outcome.accepted, correlation })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(None)
    }

    fn decide(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let revision = self.correlation.revision;
        Ok(match (&self.correlation.subject, self.accepted) {
            // Nothing was told of a tenant or a set that is not known: counting the answer would break the partition.
            (Some(Subject::TenantId(tenant_id)), true) if tables.tenants().contains((tenant_id,))? => {
                vec![Event::TenantConfirmed(v1::TenantConfirmed { tenant_id: tenant_id.clone(), revision })]
            }
            (Some(Subject::PolicySetHash(hash)), true) if tables.activation().contains(())? => {
                let policy_set_hash = hash.clone();
                vec![Event::PolicySetConfirmed(v1::PolicySetConfirmed { policy_set_hash, revision })]
            }
            (Some(Subject::FeatureLevel(level)), true) => {
                vec![Event::FeatureLevelConfirmed(v1::FeatureLevelConfirmed { level: *level })]
            }
            // The clock needs no count, and what was refused stays unconfirmed for everyone to see.
            _ => Vec::new(),
        })
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<(), Fault> {
        Ok(())
    }
}
