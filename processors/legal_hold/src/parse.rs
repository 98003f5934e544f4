//! Fields that several commands have.

use daybook_kernel::fields::Fields;
use daybook_kernel::id::TenantId;
use daybook_kernel::rejection::Violations;
use daybook_proto::legal_hold::v1::{Entity, EntityRole, Item, ItemKind, Scope, TenantScope};

/// Values in one field of a scope.
const SCOPE_VALUES_MAX: usize = 1_000;
/// Cases and entities of one item.
const ITEM_VALUES_MAX: usize = 500;

/// The reason of a change, up to 2,000 characters. It stands in the audit.
pub(crate) fn reason(fields: &mut Fields, reason: String) -> String {
    fields.required_text("reason", reason, 2_000)
}

/// Entity ids must be pseudonyms by now: what a door let through unsealed must not get further.
fn entity(fields: &mut Fields, path: &str, entity: &Entity, role_required: bool) {
    let is_pseudonym = entity.id.len() == 36
        && entity.id.strip_prefix("psn_").is_some_and(|digits| {
            digits.bytes().all(|byte| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte))
        });
    fields.check(&format!("{path}.id"), is_pseudonym, "must be a pseudonym: the door makes it from the identifier");
    fields.check(&format!("{path}.display_name"), entity.display_name.is_empty(), "must be sealed by the door");
    if role_required {
        fields.enumeration::<EntityRole>(&format!("{path}.role"), entity.role);
    }
}

/// A scope as it is kept: lists sorted, each value once. An empty one must say that it means everything.
pub(crate) fn scope(mut scope: Scope) -> Result<Scope, Violations> {
    let mut fields = Fields::new();
    scope.case_ids = fields.identifiers("case_ids", scope.case_ids, SCOPE_VALUES_MAX);
    scope.data_categories = fields.identifiers("data_categories", scope.data_categories, SCOPE_VALUES_MAX);
    fields.check("entities", scope.entities.len() <= SCOPE_VALUES_MAX, "must have at most 1000 entries");
    for (i, one) in scope.entities.iter().enumerate() {
        entity(&mut fields, &format!("entities[{i}]"), one, false);
    }
    scope.entities.sort_by(|a, b| a.id.cmp(&b.id));
    scope.entities.dedup_by(|a, b| a.id == b.id);
    for kind in &scope.kinds {
        fields.enumeration::<ItemKind>("kinds", *kind);
    }
    scope.kinds.sort_unstable();
    scope.kinds.dedup();
    if let Some(range) = &scope.item_time {
        let start = fields.time("item_time.start_time", range.start_time);
        let end = fields.time("item_time.end_time", range.end_time);
        let is_range = start.zip(end).is_none_or(|(start, end)| start < end);
        fields.check("item_time.end_time", is_range, "must be after start_time");
        fields.check("item_time", start.is_some() || end.is_some(), "must have a start or an end");
    }
    let has_conditions = !scope.case_ids.is_empty()
        || !scope.entities.is_empty()
        || !scope.data_categories.is_empty()
        || !scope.kinds.is_empty()
        || scope.item_time.is_some();
    match (scope.everything, has_conditions) {
        (true, true) => fields.wrong("everything", "cannot be combined with other fields"),
        (false, false) => {
            fields.wrong("", "is empty and would hold everything: name what to hold, or set `everything`");
        }
        _ => {}
    }
    fields.finish(scope)
}

/// Scopes in other tenants, up to 100, each tenant once.
pub(crate) fn other_tenants(fields: &mut Fields, field: &str, mut tenants: Vec<TenantScope>) -> Vec<TenantScope> {
    fields.check(field, tenants.len() <= 100, "must have at most 100 entries");
    for (i, target) in tenants.iter_mut().enumerate() {
        if let Err(problem) = TenantId::parse(&target.tenant_id) {
            fields.wrong(&format!("{field}[{i}].tenant_id"), problem.to_string());
        }
        let given = target.scope.take().unwrap_or_default();
        target.scope = Some(fields.inside(&format!("{field}[{i}].scope"), scope(given)));
    }
    tenants.sort_by(|a, b| a.tenant_id.cmp(&b.tenant_id));
    let distinct = tenants.windows(2).all(|pair| pair[0].tenant_id != pair[1].tenant_id);
    fields.check(field, distinct, "must name each tenant once");
    tenants
}

/// An item as it is registered: lists sorted, each value once.
pub(crate) fn item(mut item: Item) -> Result<Item, Violations> {
    let mut fields = Fields::new();
    item.item_id = fields.identifier("item_id", item.item_id);
    fields.enumeration::<ItemKind>("kind", item.kind);
    item.data_category = fields.identifier("data_category", item.data_category);
    item.case_ids = fields.identifiers("case_ids", item.case_ids, ITEM_VALUES_MAX);
    fields.check("entities", item.entities.len() <= ITEM_VALUES_MAX, "must have at most 500 entries");
    for (i, one) in item.entities.iter().enumerate() {
        entity(&mut fields, &format!("entities[{i}]"), one, true);
    }
    fields.required_time("created_at", item.created_at);
    item.retention_class_id = fields.identifier("retention_class_id", item.retention_class_id);
    fields.check("title", item.title.is_empty(), "must be sealed by the door");
    fields.check("body", item.body.is_empty(), "must be sealed by the door");
    if !item.content_hash.is_empty() {
        item.content_hash = fields.identifier("content_hash", item.content_hash);
    }
    item.reference = fields.text("reference", item.reference, 2_000);
    fields.finish(item)
}
