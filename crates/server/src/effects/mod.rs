//! Effects that this node carries out for domains.

mod destroy_keys;
mod export_events;

pub(crate) use destroy_keys::DestroyKeysHandler;
pub(crate) use export_events::ExportEventsHandler;
