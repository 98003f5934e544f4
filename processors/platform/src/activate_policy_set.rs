//! Putting a published policy set in force on every partition.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::hash::Hash;
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::platform::v1;
use platform_projection::{Event, Platform, Tables, find_policy_set};

use crate::publish_policy_set::invalid;
use crate::way_back::what_is_missing;
use crate::{NAMESPACE, codes};

/// Puts a policy set in force.
#[derive(Debug, Clone)]
pub struct ActivatePolicySet {
    policy_set_hash: String,
    reason: String,
}

impl Command for ActivatePolicySet {
    type Request = v1::ActivatePolicySetRequest;
    type Response = v1::ActivatePolicySetResponse;
    type Projection = Platform;
    const KIND: &'static str = "ActivatePolicySet";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let policy_set_hash = fields.identifier("policy_set_hash", request.policy_set_hash);
        let reason = fields.required_text("reason", request.reason, 2_000);
        fields.finish(Self { policy_set_hash, reason })
    }

    fn authorisation(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        // A policy about one set must hold however the caller abbreviates its hash.
        let id = match find_policy_set(tables, &self.policy_set_hash) {
            Ok(hash) => hash.to_hex(),
            Err(Refusal::Rejected(_)) => self.policy_set_hash.clone(),
            Err(fault) => return Err(fault),
        };
        Ok(Some(Authorisation::new(NAMESPACE, Self::KIND, "PolicySet", id)))
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let hash = find_policy_set(tables, &self.policy_set_hash)?;
        let missing = || Fault::Damaged(format!("policy set {hash} has no row"));
        let set = tables.policy_sets().get((hash.as_bytes(),))?.ok_or_else(missing)?;
        let loaded = ctx.load_policy_set(&set.policies, &set.schema).map_err(|problems| invalid(&problems))?;
        if let Some(missing) = what_is_missing(ctx, loaded)? {
            let message = format!(
                "policy set {} would lock the platform: {missing}; it was not activated; the set in force goes on deciding; \
                 permit this to the role admin, or to yourself, and publish the corrected set",
                set.policy_set_hash
            );
            return Err(Rejection::new(codes::POLICY_LOCKS_OUT_ADMINS, message).into());
        }
        let revision = tables.activation().get(())?.map_or(1, |row| row.revision + 1);
        Ok(vec![Event::PolicySetActivated(v1::PolicySetActivated {
            policy_set_hash: set.policy_set_hash,
            policies: set.policies,
            schema: set.schema,
            reason: self.reason.clone(),
            revision,
            partitions: ctx.partitions,
        })])
    }

    fn respond(tables: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        let activated = events.iter().find_map(|event| match event {
            Event::PolicySetActivated(event) => Some(event),
            _ => None,
        });
        let hash = activated.and_then(|event| Hash::from_hex(&event.policy_set_hash));
        let row = match &hash {
            Some(hash) => tables.policy_sets().get((hash.as_bytes(),))?,
            None => None,
        };
        let policy_set = row.zip(activated).map(|(set, event)| v1::PolicySet {
            policies: String::new(),
            schema: String::new(),
            active: true,
            partitions: event.partitions,
            ..set
        });
        Ok(v1::ActivatePolicySetResponse { receipt: None, policy_set })
    }
}
