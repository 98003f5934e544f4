//! On whose behalf a command stands on the log: a caller's, or Daybook's own, and then whether it comes from where it says.

use daybook_proto::log::v1::{self, actor::Kind, decision::Outcome, origin::Source};
use daybook_proto::system::v1::{Forward, ForwardReply, OutboxRow, TimerRow};
use prost::Message;

use crate::code;
use crate::system::Effect;
use crate::time::Timestamp;

/// On whose behalf a command stands on the log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum AskedBy<'a> {
    /// Somebody at a door.
    Caller,
    /// A timer of this stream.
    Timer(&'a v1::TimerOrigin),
    /// An effect of this partition.
    Effect(&'a v1::EffectOrigin),
    /// Another stream, by an effect of its own.
    Stream,
}

impl<'a> AskedBy<'a> {
    pub(crate) fn of(command: &'a v1::CommandRecord, actor: &v1::Actor) -> Self {
        if actor.kind() != Kind::System {
            return Self::Caller;
        }
        match command.origin.as_ref().and_then(|origin| origin.source.as_ref()) {
            Some(Source::Timer(timer)) => Self::Timer(timer),
            Some(Source::Effect(effect)) => Self::Effect(effect),
            None => Self::Stream,
        }
    }
}

/// Whether a timer that is set is the one that fired.
pub(crate) fn is_firing_of(fired: &v1::TimerOrigin, set: &TimerRow) -> bool {
    let due = fired.due_at.as_ref().and_then(|due| Timestamp::from_proto(due).ok());
    due == Some(Timestamp::from_micros(set.due_us)) && fired.set_at == set.set_at
}

/// Whether a command is the one that a timer was set with. Whoever can write to the topic can name a timer.
pub(crate) fn is_what_was_set(command: &v1::CommandRecord, set: &TimerRow) -> bool {
    let carried = (&command.stream_key, &command.domain, &command.kind, &command.payload);
    carried == (&set.stream_key, &set.domain, &set.kind, &set.payload)
}

/// Whether a command brings the outcome of the effect that was asked for.
pub(crate) fn is_what_was_asked(command: &v1::CommandRecord, asked: &OutboxRow) -> bool {
    let brought = (&command.tenant_id, &command.stream_key, &command.domain, &command.kind);
    if brought != (&asked.tenant_id, &asked.stream_key, &asked.domain, &asked.reply_kind) {
        return false;
    }
    if asked.effect != Effect::FORWARD {
        return true;
    }
    // What cannot be read is for whoever decides it to say.
    let (Ok(forward), Ok(reply)) =
        (Forward::decode(asked.payload.clone()), ForwardReply::decode(command.payload.clone()))
    else {
        return true;
    };
    reply.outcome.is_none_or(|outcome| outcome.correlation == forward.correlation)
}

/// Whether a command was refused because it names a timer or an effect that it does not come from.
pub(crate) fn is_of_another_origin(outcome: &Outcome) -> bool {
    let Outcome::Rejected(rejected) = outcome else { return false };
    [code::TIMER_REPLACED.name, code::EFFECT_ALREADY_RECORDED.name].contains(&rejected.code.as_str())
}
