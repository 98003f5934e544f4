//! Could anybody still govern the platform under a policy set? Asked before a set is put in force: one that lets nobody
//! publish and activate another could never be replaced.
//!
//! The questions are those that the commands ask later, with the ids that they will have. A set can name ids that it knows,
//! so each question is also asked with an id that no set can name: one that follows from the hash of the set itself, which
//! would have to hold its own hash to name it.
//!
//! | asked of | because |
//! | --- | --- |
//! | `PublishPolicySet` of `PolicySet::"new"` | that is what every publication asks |
//! | `ActivatePolicySet` of a set that nobody can name | any set that may be published later |
//! | `ActivatePolicySet` of the set in force | an activation can be undone |
//! | `ActivatePolicySet` of the set itself | a partition that missed it can be told again |
//! | `UnparkStream` of the platform's own stream | while it is parked, the platform takes no other command |
//!
//! One of two must be permitted all of it: a person with the role `admin` whose name no set can name, or the one who asks.
//! Cedar knows no time, and these questions carry no context, so the answers now are the answers later. What they cannot
//! tell is whether somebody will still get such a token: that lies with the identity provider.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::hash::Hash;
use daybook_kernel::id::TenantId;
use daybook_kernel::state::Fault;
use daybook_proto::log::v1::{Actor, actor::Kind};

use crate::NAMESPACE;
use crate::activate_policy_set::ActivatePolicySet;
use crate::publish_policy_set::PublishPolicySet;
use crate::unpark_stream::{UnparkStream, stream_id};

/// The first thing that neither may, for each of the two: `None` when there is a way back.
pub(crate) fn what_is_missing(ctx: &Context<'_>, set: Hash) -> Result<Option<String>, Fault> {
    let unnameable = Hash::of_parts(&[b"daybook way back", set.as_bytes()]).to_hex();
    let admin = Actor {
        kind: Kind::User.into(),
        id: unnameable.clone(),
        roles: vec!["admin".to_owned()],
        tenant_ids: vec![TenantId::platform().as_str().to_owned()],
    };
    let mut missing = Vec::new();
    for (who, actor) in [("the role admin", &admin), (ctx.actor.id.as_str(), ctx.actor)] {
        match first_denied(ctx, set, actor, &unnameable)? {
            None => return Ok(None),
            Some(what) => missing.push(format!("{who} may not {what}")),
        }
    }
    missing.dedup();
    Ok(Some(missing.join(", and ")))
}

fn first_denied(ctx: &Context<'_>, set: Hash, actor: &Actor, unnameable: &str) -> Result<Option<String>, Fault> {
    let of_set = |action, id: String| Authorisation::new(NAMESPACE, action, "PolicySet", id);
    let activate = |id: String| of_set(ActivatePolicySet::KIND, id);
    let platform = TenantId::platform().as_str();
    let mut questions = vec![
        ("publish a policy set", of_set(PublishPolicySet::KIND, "new".to_owned())),
        ("activate any other set", activate(unnameable.to_owned())),
        ("activate this set again", activate(set.to_hex())),
        (
            "unpark the platform's own stream",
            Authorisation::new(NAMESPACE, UnparkStream::KIND, "Stream", stream_id(platform, platform)),
        ),
    ];
    if let Some(in_force) = ctx.policy_set_in_force() {
        questions.push(("activate the set in force again", activate(in_force.to_hex())));
    }
    for (what, question) in &questions {
        if !ctx.ask(set, actor, question)?.permitted {
            return Ok(Some(format!("{what} ({NAMESPACE}::{})", question.action)));
        }
    }
    Ok(None)
}
