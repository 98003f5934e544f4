//! The keys of deleted items are gone: the deletion is physical now.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::{Refusal, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::legal_hold::v1::{self, DestroyedKey, ItemKeysDestroyed, ItemState, KeyDestruction};
use legal_hold_projection::{Event, LegalHold, Tables};

use crate::disposition::item_of_key;

/// Keys were destroyed.
#[derive(Debug, Clone)]
pub struct RecordKeyDestruction {
    keys: Vec<DestroyedKey>,
}

impl Command for RecordKeyDestruction {
    type Request = v1::RecordKeyDestruction;
    type Response = ();
    type Projection = LegalHold;
    const KIND: &'static str = "RecordKeyDestruction";
    const INTERNAL: bool = true;

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        let mut keys = Vec::with_capacity(request.keys.len());
        for key in request.keys {
            match item_of_key(&key.key_id) {
                Some(item_id) => keys.push(DestroyedKey {
                    item_id: item_id.to_owned(),
                    destruction: Some(KeyDestruction {
                        destroyed_at: key.destroyed_at,
                        key_fingerprint: key.key_fingerprint,
                        had_no_content: !key.existed,
                    }),
                }),
                None => fields.wrong("keys", format!("{} is not the key of an item", key.key_id)),
            }
        }
        fields.finish(Self { keys })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(None)
    }

    fn decide(&self, tables: &Tables<'_>, _: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let mut keys = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            let row = tables.items().get((&key.item_id,))?;
            if row.is_some_and(|row| row.state() == ItemState::Disposed) {
                keys.push(key.clone());
            }
        }
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        Ok(vec![Event::ItemKeysDestroyed(ItemKeysDestroyed { keys })])
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<(), Fault> {
        Ok(())
    }
}
