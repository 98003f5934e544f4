//! Destroying keys of content that was sealed for items whose registration was then denied.
//!
//! The door seals before the decision, and asks whether the command may be given before it seals; so this happens only when
//! a policy set comes into force in between. The item is not registered, so `DisposeItems` could never destroy its key.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::feature_level::FeatureLevel;
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::legal_hold::v1::{self, ItemKeysDiscarded};
use legal_hold_projection::{Event, LegalHold, Tables};
use prost::Message;

use crate::disposition::item_of_key;

/// Destroys keys of items that are not registered.
#[derive(Debug, Clone)]
pub struct DiscardKeys {
    item_ids: Vec<String>,
}

impl DiscardKeys {
    /// The command for keys as seals name them.
    pub(crate) fn of_keys(key_ids: &[String]) -> Option<(&'static str, Vec<u8>)> {
        let item_ids: Vec<_> = key_ids.iter().filter_map(|key| item_of_key(key)).map(ToOwned::to_owned).collect();
        (!item_ids.is_empty()).then(|| (Self::KIND, v1::DiscardKeys { item_ids }.encode_to_vec()))
    }
}

impl Command for DiscardKeys {
    type Request = v1::DiscardKeys;
    type Response = ();
    type Projection = LegalHold;
    const KIND: &'static str = "DiscardKeys";
    const INTERNAL: bool = true;

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let item_ids = fields.identifiers("item_ids", request.item_ids, 1_000);
        fields.finish(Self { item_ids })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(None)
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        // Only the door of the same tenant asks for this.
        if ctx.sending_tenant() != Some(ctx.tenant.as_str()) || ctx.feature_level()? < FeatureLevel::CONFIRMED_HOLDS {
            return Ok(Vec::new());
        }
        let mut item_ids = Vec::new();
        for id in &self.item_ids {
            if !tables.items().contains((id,))? && !tables.discarded_items().contains((id,))? {
                item_ids.push(id.clone());
            }
        }
        let discarded = Event::ItemKeysDiscarded(ItemKeysDiscarded { item_ids: item_ids.clone() });
        Ok((!item_ids.is_empty()).then_some(discarded).into_iter().collect())
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<(), Fault> {
        Ok(())
    }
}
