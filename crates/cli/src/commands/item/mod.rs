//! `daybook item`: governed items.

mod import;

use std::time::SystemTime;

use daybook_proto::legal_hold::v1;

use crate::args::{Item, ItemState, ReviewOutcome};
use crate::client::new_id;
use crate::commands::hold::item_kind;
use crate::failure::{Failure, Outcome};
use crate::output::{self, line, plain};
use crate::session::Session;
use crate::units;

pub(crate) use import::import;

/// Registers, imports, shows, checks and disposes of items.
pub(crate) async fn run(item: Item, session: &Session) -> Outcome {
    match item {
        Item::Register {
            id,
            kind,
            category,
            cases,
            custodians,
            subjects,
            created,
            retention,
            title,
            body,
            content_hash,
            reference,
        } => {
            let custodians = custodians.into_iter().map(|id| entity(id, v1::EntityRole::Custodian));
            let subjects = subjects.into_iter().map(|id| entity(id, v1::EntityRole::Subject));
            let item = v1::Item {
                item_id: id,
                kind: item_kind(kind).into(),
                data_category: category,
                case_ids: cases,
                entities: custodians.chain(subjects).collect(),
                created_at: Some(created.unwrap_or_else(|| SystemTime::now().into())),
                retention_class_id: retention,
                title,
                body,
                content_hash,
                reference,
                ..Default::default()
            };
            register(session, item).await
        }
        Item::Import { paths, retention, category, cases, custodians, accept_due } => {
            let options = daybook_mail::Options {
                retention_class: &retention,
                data_category: &category,
                case_ids: &cases,
                custodians: &custodians,
            };
            let imported = import(session, &paths, &options, accept_due).await?;
            if session.json {
                output::json(&imported.to_json());
            } else {
                imported.show();
            }
            imported.check()
        }
        Item::List { state, case, entity, deferred_by, limit } => {
            list(session, state, case, entity, deferred_by, limit).await
        }
        Item::Show { id } => {
            let request = v1::GetItemRequest { tenant_id: session.tenant.clone(), item_id: id, ..Default::default() };
            let response: v1::GetItemResponse = session.client.ask(&request).await?;
            session.show(&response, |response| response.item.iter().for_each(show_status))
        }
        Item::Check { ids } => check(session, ids).await,
        Item::Dispose { ids, reason } => {
            let response = dispose(session, ids, &reason).await?;
            session.show(&response, |response| show_dispositions(&response.dispositions))
        }
        Item::Review { id, outcome, reason } => {
            let outcome = match outcome {
                ReviewOutcome::Keep => v1::ReviewOutcome::Keep,
                ReviewOutcome::Dispose => v1::ReviewOutcome::Dispose,
            };
            let request = v1::CompleteReviewRequest {
                command_id: new_id(),
                tenant_id: session.tenant.clone(),
                item_id: id,
                outcome: outcome.into(),
                reason,
            };
            let response: v1::CompleteReviewResponse = session.client.command(&request.command_id, &request).await?;
            session.show(&response, |response| match &response.disposition {
                Some(disposition) => show_dispositions(std::slice::from_ref(disposition)),
                None => line(format_args!("item {} is kept for good", request.item_id)),
            })
        }
        Item::Reveal { id, purpose } => {
            let response = reveal(session, id, purpose).await?;
            session.show(&response, |response| response.item.iter().for_each(show_item))
        }
        Item::RevealEntity { pseudonyms, purpose } => {
            let request = v1::RevealEntitiesRequest {
                command_id: new_id(),
                tenant_id: session.tenant.clone(),
                pseudonyms,
                purpose,
            };
            let response: v1::RevealEntitiesResponse = session.client.command(&request.command_id, &request).await?;
            session.show(&response, |response| {
                let rows = response.entities.iter().map(|revealed| {
                    let entity = revealed.entity.clone().unwrap_or_default();
                    [revealed.pseudonym.clone(), entity.id, entity.display_name]
                });
                output::table(["pseudonym", "id", "name"], rows);
            })
        }
    }
}

fn entity(id: String, role: v1::EntityRole) -> v1::Entity {
    v1::Entity { id, role: role.into(), ..Default::default() }
}

async fn register(session: &Session, item: v1::Item) -> Outcome {
    let id = item.item_id.clone();
    let request = v1::RegisterItemRequest { command_id: new_id(), tenant_id: session.tenant.clone(), item: Some(item) };
    let response: v1::RegisterItemResponse = session.client.command(&request.command_id, &request).await?;
    session.show(&response, |response| {
        let at = output::position(response.receipt.as_ref().and_then(|receipt| receipt.position.as_ref()));
        let what = if response.created { "is registered" } else { "was registered before, just as it is" };
        line(format_args!("item {id} {what}, at {at}"));
    })
}

async fn list(
    session: &Session,
    state: Option<ItemState>,
    case: Option<String>,
    entity_id: Option<String>,
    deferred_by: Option<String>,
    limit: usize,
) -> Outcome {
    let state = state.map_or(v1::ItemState::Unspecified, |state| match state {
        ItemState::Active => v1::ItemState::Active,
        ItemState::ReviewDue => v1::ItemState::ReviewDue,
        ItemState::Deferred => v1::ItemState::Deferred,
        ItemState::Disposed => v1::ItemState::Disposed,
        ItemState::Purged => v1::ItemState::Purged,
        ItemState::Kept => v1::ItemState::Kept,
    });
    let request = v1::ListItemsRequest {
        tenant_id: session.tenant.clone(),
        state: state.into(),
        case_id: case.unwrap_or_default(),
        entity: entity_id.map(|id| v1::Entity { id, ..Default::default() }),
        deferred_by_hold_id: deferred_by.unwrap_or_default(),
        ..Default::default()
    };
    let some = session.client.list_some(request, limit).await?;
    session.show(&some, |some| {
        show_items(&some.items);
        if !some.next_page_token.is_empty() {
            line(format_args!("there are more; --limit {} shows them", limit.saturating_mul(10)));
        }
    })
}

/// Items as a table.
pub(crate) fn show_items(items: &[v1::ItemStatus]) {
    let rows = items.iter().map(|status| {
        let item = status.item.clone().unwrap_or_default();
        [
            item.item_id.clone(),
            plain(item.kind().as_str_name(), "ITEM_KIND_"),
            state_text(status),
            units::show_time(item.created_at.as_ref()),
            item.retention_class_id,
            units::show_time(status.due_at.as_ref()),
            status.matching_hold_ids.join(" "),
            item.reference,
        ]
    });
    output::table(["item", "kind", "state", "created", "retention", "due", "held by", "reference"], rows);
}

fn state_text(status: &v1::ItemStatus) -> String {
    plain(status.state().as_str_name(), "ITEM_STATE_")
}

fn show_status(status: &v1::ItemStatus) {
    let key = status.key_destruction.as_ref();
    let destroyed = key.map(|key| match key.had_no_content {
        true => "had no content".to_owned(),
        false => format!("{}, fingerprint {}", units::show_time(key.destroyed_at.as_ref()), key.key_fingerprint),
    });
    let standing = [
        ("state", state_text(status)),
        ("due", units::show_time(status.due_at.as_ref())),
        ("held by", status.matching_hold_ids.join("\n")),
        ("deletion asked for", units::show_time(status.disposition_asked_at.as_ref())),
        ("disposed", units::show_time(status.disposed_at.as_ref())),
        ("key destroyed", destroyed.unwrap_or_default()),
        ("registered at", output::position(status.registered_at.as_ref())),
    ];
    let item = status.item.clone().unwrap_or_default();
    output::facts(item_facts(&item).into_iter().chain(standing));
}

/// An item as it stands: sealed, or with its content if that was revealed.
pub(crate) fn show_item(item: &v1::Item) {
    output::facts(item_facts(item));
}

fn item_facts(item: &v1::Item) -> [(&'static str, String); 14] {
    let entities = item.entities.iter().map(|entity| {
        let role = plain(entity.role().as_str_name(), "ENTITY_ROLE_");
        let name = if entity.display_name.is_empty() { String::new() } else { format!(" ({})", entity.display_name) };
        format!("{role} {}{name}", entity.id)
    });
    let sealed =
        if item.sealed.is_some() { "sealed; `daybook item reveal` opens it, and that is recorded" } else { "" };
    [
        ("item", item.item_id.clone()),
        ("kind", plain(item.kind().as_str_name(), "ITEM_KIND_")),
        ("category", item.data_category.clone()),
        ("cases", item.case_ids.join("\n")),
        ("entities", entities.collect::<Vec<_>>().join("\n")),
        ("created", units::show_time(item.created_at.as_ref())),
        ("retention", item.retention_class_id.clone()),
        ("content hash", item.content_hash.clone()),
        ("reference", item.reference.clone()),
        ("remarks", item.remarks().map(import::remark_text).collect::<Vec<_>>().join("\n")),
        ("content", sealed.to_owned()),
        ("location", item.location.clone()),
        ("title", item.title.clone()),
        ("body", item.body.clone()),
    ]
}

async fn check(session: &Session, ids: Vec<String>) -> Outcome {
    let response = ask_gate(session, &ids).await?;
    session.show(&response, |response| {
        let rows = ids.iter().zip(&response.results).map(|(id, result)| {
            let may = if result.allowed { "yes" } else { "no" };
            let why = plain(result.verdict().as_str_name(), "DISPOSITION_VERDICT_");
            [id.clone(), may.to_owned(), why, result.hold_ids.join(" ")]
        });
        output::table(["item", "may be deleted", "why", "holds"], rows);
        line(format_args!("at {}", output::position(response.position.as_ref())));
    })?;
    // So that a script can stop at it.
    match response.results.iter().filter(|result| !result.allowed).count() {
        0 => Ok(()),
        some => Err(Failure::new(format!("{some} of {} must not be deleted", response.results.len()))),
    }
}

/// Asks whether items may be deleted.
pub(crate) async fn ask_gate(session: &Session, ids: &[String]) -> Outcome<v1::CheckDispositionResponse> {
    use v1::disposition_check::Target;
    let checks = ids.iter().map(|id| v1::DispositionCheck { target: Some(Target::ItemId(id.clone())) });
    let request = v1::CheckDispositionRequest {
        tenant_id: session.tenant.clone(),
        checks: checks.collect(),
        ..Default::default()
    };
    session.client.ask(&request).await
}

/// Asks for the deletion of items.
pub(crate) async fn dispose(session: &Session, ids: Vec<String>, reason: &str) -> Outcome<v1::DisposeItemsResponse> {
    let request = v1::DisposeItemsRequest {
        command_id: new_id(),
        tenant_id: session.tenant.clone(),
        item_ids: ids,
        reason: reason.to_owned(),
    };
    session.client.command(&request.command_id, &request).await
}

/// Opens the content of an item.
pub(crate) async fn reveal(session: &Session, id: String, purpose: String) -> Outcome<v1::RevealItemResponse> {
    let request =
        v1::RevealItemRequest { command_id: new_id(), tenant_id: session.tenant.clone(), item_id: id, purpose };
    session.client.command(&request.command_id, &request).await
}

/// What became of deletions.
pub(crate) fn show_dispositions(dispositions: &[v1::Disposition]) {
    let rows = dispositions.iter().map(|disposition| {
        let what = match (disposition.already_disposed, disposition.disposed) {
            (true, _) => "was disposed of before",
            (false, true) => "disposed of",
            (false, false) => "deferred: held",
        };
        [disposition.item_id.clone(), what.to_owned(), disposition.hold_ids.join(" ")]
    });
    output::table(["item", "what became of it", "holds"], rows);
}
