//! The end of an epoch of pseudonyms: no event of it can come in any more, and its key is destroyed.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context, Moment};
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Violations};
use daybook_kernel::state::Fault;
use daybook_kernel::system::Effect;
use daybook_proto::privacy::v1::DestroyKeys;
use daybook_proto::product_analytics::v1::{self, EpochKeyDestruction, EpochKeysDestroyed, PseudonymEpochEnded};
use product_analytics_projection::{Event, ProductAnalytics, Tables};

/// What the key ring calls the key of an epoch, before its number.
const KEY: &str = "tenant/actors/";

/// No event of an epoch can come in any more.
#[derive(Debug, Clone)]
pub struct EndPseudonymEpoch(i64);

impl Command for EndPseudonymEpoch {
    type Request = v1::EndPseudonymEpoch;
    type Response = ();
    type Projection = ProductAnalytics;
    const KIND: &'static str = "EndPseudonymEpoch";
    const INTERNAL: bool = true;

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        Ok(Self(request.epoch))
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(None)
    }

    fn decide(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let is_open = tables.epochs().get((self.0,))?.is_some_and(|row| !row.has_ended);
        let ended = Event::PseudonymEpochEnded(PseudonymEpochEnded { epoch: self.0 });
        Ok(is_open.then_some(ended).into_iter().collect())
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<(), Fault> {
        Ok(())
    }
}

/// What destroys the key of an epoch that has ended.
pub(crate) fn destroy_key(event: &PseudonymEpochEnded, moment: &Moment<'_>) -> Effect {
    let tenant_id = moment.tenant.as_str().to_owned();
    let keys = DestroyKeys { tenant_id, key_ids: vec![format!("{KEY}{}", event.epoch)] };
    Effect::destroy_keys(&keys, RecordEpochKeyDestruction::KIND)
}

/// Keys of epochs are destroyed.
#[derive(Debug, Clone)]
pub struct RecordEpochKeyDestruction {
    epochs: Vec<EpochKeyDestruction>,
}

impl Command for RecordEpochKeyDestruction {
    type Request = v1::RecordEpochKeyDestruction;
    type Response = ();
    type Projection = ProductAnalytics;
    const KIND: &'static str = "RecordEpochKeyDestruction";
    const INTERNAL: bool = true;

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let mut epochs = Vec::with_capacity(request.keys.len());
        for key in request.keys {
            match key.key_id.strip_prefix(KEY).and_then(|epoch| epoch.parse().ok()) {
                Some(epoch) => epochs.push(EpochKeyDestruction {
                    epoch,
                    destroyed_at: key.destroyed_at,
                    key_fingerprint: key.key_fingerprint,
                }),
                None => fields.wrong("keys", format!("{} is not the key of an epoch", key.key_id)),
            }
        }
        fields.finish(Self { epochs })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(None)
    }

    fn decide(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        Ok(vec![Event::EpochKeysDestroyed(EpochKeysDestroyed { epochs: self.epochs.clone() })])
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<(), Fault> {
        Ok(())
    }
}
