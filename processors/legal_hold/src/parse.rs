//! Fields that several commands have.

use daybook_kernel::fields::Fields;
use daybook_kernel::id::TenantId;
use daybook_kernel::rejection::Violations;
use daybook_proto::legal_hold::v1::{Item, ItemKind, ItemRemark, TenantScope};
use legal_hold_projection::scope::{self, entity};

/// Cases and entities of one item.
const ITEM_VALUES_MAX: usize = 500;
/// Remarks of one item.
const REMARKS_MAX: usize = 20;

/// The reason of a change, up to 2,000 characters. It stands in the audit.
pub(crate) fn reason(fields: &mut Fields, reason: String) -> String {
    fields.required_text("reason", reason, 2_000)
}

/// Scopes in other tenants, up to 100, each tenant once.
pub(crate) fn other_tenants(fields: &mut Fields, field: &str, mut tenants: Vec<TenantScope>) -> Vec<TenantScope> {
    fields.check(field, tenants.len() <= 100, "must have at most 100 entries");
    for (i, target) in tenants.iter_mut().enumerate() {
        match TenantId::parse(&target.tenant_id) {
            Ok(tenant) if tenant.is_platform() => {
                fields.wrong(&format!("{field}[{i}].tenant_id"), "holds no items: nothing can be held there");
            }
            Ok(_) => {}
            Err(problem) => fields.wrong(&format!("{field}[{i}].tenant_id"), problem.to_string()),
        }
        let given = target.scope.take().unwrap_or_default();
        target.scope = Some(fields.inside(&format!("{field}[{i}].scope"), scope::parse(given)));
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
    fields.check("location", item.location.is_empty(), "must be sealed by the door");
    fields.check("remarks", item.remarks.len() <= REMARKS_MAX, "must have at most 20 entries");
    for remark in item.remarks.iter().take(REMARKS_MAX) {
        fields.enumeration::<ItemRemark>("remarks", *remark);
    }
    item.remarks.sort_unstable();
    item.remarks.dedup();
    fields.finish(item)
}
