//! A command that comes again under its id. Where nothing is filled in, the decider compares the two byte by byte. What
//! the door fills in can differ between two sends of the same command, and content cannot be sealed again once its key is
//! destroyed; then the door itself looks whether it is the same command, before it repeats an answer.

use bytes::Bytes;
use daybook_kernel::id::{CommandId, TenantId};
use daybook_log::{LogError, Topic};
use daybook_privacy::SealMode;
use daybook_proto::FilledIn;
use daybook_proto::log::v1::CommandRecord;
use daybook_runtime::{Outcome, ReadError};
use prost::Message;
use prost_reflect::{DynamicMessage, Value};

use super::incoming::Events;
use super::{Call, Door, Handler, Method};
use crate::error::{CallError, codes};

/// A command that was sent again.
pub(super) struct Again<'a> {
    pub(super) method: &'a Method,
    pub(super) call: &'a Call,
    pub(super) tenant: &'a TenantId,
    pub(super) id: CommandId,
    /// Not sealed, nothing filled in.
    pub(super) request: DynamicMessage,
    pub(super) events: Option<Events>,
}

impl Door {
    /// Whether a command is the one that its id was first used for.
    ///
    /// # Errors
    /// `COMMAND_ID_REUSED` when it is another one.
    pub(super) async fn check_repeated(&self, again: Again<'_>, first: &Outcome) -> Result<(), CallError> {
        let reused = || {
            let message = "this command id was used before for another command; nothing was done; give every new command \
                           a new id";
            CallError::new(daybook_kernel::code::COMMAND_ID_REUSED, message).with("command_id", &again.id.to_string())
        };
        let Handler::Command { domain, kind } = again.method.handler else { return Err(reused()) };
        let decision = &first.decision;
        let asked = (domain, kind, again.tenant.as_str(), again.call.caller.id());
        if asked != (&*decision.domain, &*decision.kind, &*decision.tenant_id, &*decision.actor_id) {
            return Err(reused());
        }
        let recorded = self.recorded(first).await.map_err(ReadError::from)?;
        let recorded = DynamicMessage::decode(again.method.input.clone(), recorded.payload);
        let recorded = recorded.map_err(|error| CallError::new(codes::INTERNAL_ERROR, error.to_string()))?;
        if self.is_same(&again, recorded).await? { Ok(()) } else { Err(reused()) }
    }

    async fn recorded(&self, first: &Outcome) -> Result<CommandRecord, LogError> {
        let (partition, offset) = (first.place.partition, first.place.command);
        let damaged = |what: String| LogError::Damaged { what: format!("command {offset}: {what}") };
        let mut reader = self.node_service.log.reader(Topic::Commands, partition, offset)?;
        let record = reader.next().await?.into_iter().next().ok_or_else(|| damaged("it is missing".to_owned()))?;
        CommandRecord::decode(record.bytes).map_err(|error| damaged(error.to_string()))
    }

    async fn is_same(&self, again: &Again<'_>, mut recorded: DynamicMessage) -> Result<bool, CallError> {
        let (method, tenant) = (again.method, again.tenant);
        let mut request = again.request.clone();
        for (number, filled_in) in &method.filled_in {
            let Some(field) = method.input.get_field(*number) else { continue };
            let was = recorded.get_field(&field).into_owned();
            recorded.clear_field(&field);
            let same = match filled_in {
                FilledIn::MinimisedEvents => {
                    request.clear_field_by_number(super::minimise::EVENTS);
                    true
                }
                FilledIn::ActorPseudonyms => {
                    let now = self.pseudonyms_of_actor(tenant, &mut request).await?;
                    have_one_in_common(&was, &now)
                }
                FilledIn::ContentDigest => {
                    let content = again.events.as_ref().map(Events::to_bytes).unwrap_or_default();
                    let digest = self.sealer.content_digest(tenant, again.id.as_bytes(), &content).await;
                    let digest = digest.map_err(CallError::not_sealed)?;
                    // A command of an older release has none.
                    was.as_bytes().is_none_or(|was| was.is_empty() || was[..] == digest[..])
                }
                FilledIn::Nodes | FilledIn::Unspecified => true,
            };
            if !same {
                return Ok(false);
            }
        }
        let sealed = self.sealer.seal(&mut request, tenant, SealMode::PseudonymsOnly).await;
        sealed.map_err(CallError::not_sealed)?;
        drop_seals(&mut recorded);
        Ok(request == recorded)
    }
}

/// Pseudonyms of one actor in other epochs have nothing in common with those of another actor. Where one list is empty,
/// all epochs' keys are destroyed, and nothing can be told.
fn have_one_in_common(was: &Value, now: &[Bytes]) -> bool {
    let was = was.as_list().unwrap_or_default();
    let is_there = |one: &Bytes| was.iter().any(|other| other.as_bytes() == Some(one));
    was.is_empty() || now.is_empty() || now.iter().any(is_there)
}

fn drop_seals(message: &mut DynamicMessage) {
    message.clear_field_by_name("sealed");
    for (_, value) in message.fields_mut() {
        match value {
            Value::Message(child) => drop_seals(child),
            Value::List(children) => {
                for child in children {
                    if let Value::Message(child) = child {
                        drop_seals(child);
                    }
                }
            }
            Value::Map(children) => {
                for child in children.values_mut() {
                    if let Value::Message(child) = child {
                        drop_seals(child);
                    }
                }
            }
            _ => {}
        }
    }
}
