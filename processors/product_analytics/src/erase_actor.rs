//! Erasing an actor. The door turns who it is into pseudonyms, of every epoch whose key exists; here is decided which of them
//! have events.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::product_analytics::v1::{self, ActorErased, ErasedActorsPurged};
use product_analytics_projection::{Event, NAMESPACE, ProductAnalytics, Tables};

/// Epochs in which an actor can be: more than twenty years of days.
const PSEUDONYMS_MAX: usize = 10_000;

/// Erases an actor.
#[derive(Debug, Clone)]
pub struct EraseActor {
    pseudonyms: Vec<[u8; 16]>,
}

impl Command for EraseActor {
    type Request = v1::EraseActorRequest;
    type Response = v1::EraseActorResponse;
    type Projection = ProductAnalytics;
    const KIND: &'static str = "EraseActor";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        fields.check("actor", request.actor.is_empty(), "must not reach the log: the door makes pseudonyms of it");
        fields.check("pseudonyms", request.pseudonyms.len() <= PSEUDONYMS_MAX, "must have at most 10000 entries");
        let mut pseudonyms = Vec::with_capacity(request.pseudonyms.len());
        for (i, pseudonym) in request.pseudonyms.iter().enumerate() {
            match pseudonym.first_chunk().filter(|_| pseudonym.len() == 16) {
                Some(pseudonym) => pseudonyms.push(*pseudonym),
                None => fields.wrong(&format!("pseudonyms[{i}]"), "must be 16 bytes"),
            }
        }
        fields.finish(Self { pseudonyms })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(Some(Authorisation::new(NAMESPACE, Self::KIND, "Events", "events")))
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        ctx.requires(crate::LEVEL)?;
        let mut found = Vec::new();
        for pseudonym in &self.pseudonyms {
            if tables.actors().get((pseudonym,))?.is_some() {
                found.push(bytes::Bytes::copy_from_slice(pseudonym));
            }
        }
        Ok(vec![Event::ActorErased(ActorErased { pseudonyms: found })])
    }

    fn respond(_: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        let found_count = match events {
            [Event::ActorErased(event)] => u32::try_from(event.pseudonyms.len()).unwrap_or(u32::MAX),
            _ => 0,
        };
        Ok(v1::EraseActorResponse { receipt: None, found_count })
    }
}

/// Goes on taking erased actors out of segments.
#[derive(Debug, Clone)]
pub struct PurgeErasedActors;

impl Command for PurgeErasedActors {
    type Request = v1::PurgeErasedActors;
    type Response = ();
    type Projection = ProductAnalytics;
    const KIND: &'static str = "PurgeErasedActors";
    const INTERNAL: bool = true;

    fn parse(_: Self::Request) -> Result<Self, Violations> {
        Ok(Self)
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(None)
    }

    fn decide(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let is_needed = tables.erased().get(())?.is_some();
        Ok(is_needed.then_some(Event::ErasedActorsPurged(ErasedActorsPurged {})).into_iter().collect())
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<(), Fault> {
        Ok(())
    }
}
