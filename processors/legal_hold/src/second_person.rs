//! Who may take part in a change that needs two people: people. A service account belongs to somebody, who could ask with it
//! and approve himself. A policy may let one take part nevertheless, by permitting it [`HOLD_AS_SERVICE`] or
//! [`RETENTION_AS_SERVICE`].

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::Context;
use daybook_kernel::rejection::{Refusal, Rejection};
use daybook_proto::log::v1::actor::Kind;

use crate::codes;

/// What policies are asked, beside the command itself, when a service account asks for such a change of a hold or approves it.
pub(crate) const HOLD_AS_SERVICE: &str = "ChangeHoldAsService";
/// The same for a change of a retention class.
pub(crate) const RETENTION_AS_SERVICE: &str = "ShortenRetentionAsService";

/// Refuses an approver who asked for the change, and a service account. `question` is about what is changed, with one of
/// these actions.
pub(crate) fn may_approve(
    ctx: &Context<'_>,
    (change_id, requested_by): (&str, &str),
    question: &Authorisation,
) -> Result<(), Refusal> {
    if requested_by == ctx.actor.id {
        let message = format!(
            "{requested_by} asked for change {change_id} and cannot approve it; nothing was changed; a second person must"
        );
        return Err(Rejection::new(codes::SECOND_PERSON_REQUIRED, message).into());
    }
    is_a_person(ctx, question)
}

/// Refuses a service account. `question` is about what is changed, with one of these actions.
pub(crate) fn is_a_person(ctx: &Context<'_>, question: &Authorisation) -> Result<(), Refusal> {
    if ctx.actor.kind() != Kind::Service || ctx.permits(question)? {
        return Ok(());
    }
    let message = format!(
        "this change needs two people, and {} is a service account; nothing was changed; a person must, or a policy must \
         permit it {}::{}",
        ctx.actor.id, question.namespace, question.action
    );
    Err(Rejection::new(codes::SECOND_PERSON_REQUIRED, message).into())
}
