//! Scopes: predicates over items. Within a field any value suffices; every field that is given must match.

use std::collections::BTreeSet;

use daybook_kernel::fields::Fields;
use daybook_kernel::rejection::Violations;
use daybook_kernel::time::Timestamp;
use daybook_proto::legal_hold::v1::{CompiledScope, Entity, EntityRole, Item, ItemAttributes, ItemKind, Scope};

/// The form in which scopes are matched: sorted lists, times in microseconds. Entity ids are pseudonyms.
pub fn compile(scope: &Scope) -> CompiledScope {
    let sorted = |ids: &[String]| ids.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
    let entity_ids: Vec<_> = scope.entities.iter().map(|entity| entity.id.clone()).collect();
    let kinds: BTreeSet<_> = scope.kinds.iter().copied().collect();
    let micros = |time: &Option<prost_types::Timestamp>| {
        time.as_ref().and_then(|time| Timestamp::from_proto(time).ok()).map(Timestamp::as_micros)
    };
    CompiledScope {
        case_ids: sorted(&scope.case_ids),
        entity_ids: sorted(&entity_ids),
        data_categories: sorted(&scope.data_categories),
        kinds: kinds.into_iter().collect(),
        start_us: scope.item_time.as_ref().and_then(|range| micros(&range.start_time)),
        end_us: scope.item_time.as_ref().and_then(|range| micros(&range.end_time)),
    }
}

/// Values in one field of a scope.
const SCOPE_VALUES_MAX: usize = 1_000;

/// Checks an entity. Its id must be a pseudonym by now: what a door let through unsealed must not get further.
pub fn entity(fields: &mut Fields, path: &str, entity: &Entity, role_required: bool) {
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

/// Checks a scope as it comes from a caller: lists sorted, each value once. An empty one must say that it means
/// everything.
///
/// # Errors
/// A field that is wrong.
pub fn parse(mut scope: Scope) -> Result<Scope, Violations> {
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

/// What is known of an item. What is not known matches every scope that asks for it.
#[derive(Debug, Clone, Default)]
pub struct ItemFacts {
    /// The cases it belongs to.
    pub case_ids: Vec<String>,
    /// Whether `case_ids` is the whole list.
    pub case_ids_complete: bool,
    /// Whom it concerns, as pseudonyms.
    pub entity_ids: Vec<String>,
    /// Whether `entity_ids` is the whole list.
    pub entity_ids_complete: bool,
    /// Its data category.
    pub data_category: Option<String>,
    /// Its kind.
    pub kind: Option<i32>,
    /// When it was created, in microseconds since 1970.
    pub created_us: Option<i64>,
}

impl ItemFacts {
    /// All that there is to know of a registered item.
    pub fn of_item(item: &Item) -> Self {
        let entity_ids: BTreeSet<_> = item.entities.iter().map(|entity| entity.id.clone()).collect();
        Self {
            case_ids: item.case_ids.clone(),
            case_ids_complete: true,
            entity_ids: entity_ids.into_iter().collect(),
            entity_ids_complete: true,
            data_category: Some(item.data_category.clone()),
            kind: Some(item.kind),
            created_us: created_us(item.created_at.as_ref()),
        }
    }

    /// What a caller knows of an item that was never registered.
    pub fn of_attributes(attributes: &ItemAttributes) -> Self {
        let category = &attributes.data_category;
        let known_kind = attributes.kind != i32::from(ItemKind::Unspecified);
        Self {
            case_ids: attributes.case_ids.clone(),
            case_ids_complete: attributes.case_ids_complete,
            entity_ids: attributes.entities.iter().map(|entity| entity.id.clone()).collect(),
            entity_ids_complete: attributes.entities_complete,
            data_category: (!category.is_empty()).then(|| category.clone()),
            kind: known_kind.then_some(attributes.kind),
            created_us: created_us(attributes.created_at.as_ref()),
        }
    }

    /// Whether nothing about it is unknown.
    pub fn is_complete(&self) -> bool {
        self.case_ids_complete
            && self.entity_ids_complete
            && self.data_category.is_some()
            && self.kind.is_some()
            && self.created_us.is_some()
    }
}

fn created_us(time: Option<&prost_types::Timestamp>) -> Option<i64> {
    time.and_then(|time| Timestamp::from_proto(time).ok()).map(Timestamp::as_micros)
}

/// Whether a scope covers an item.
pub fn matches(scope: &CompiledScope, facts: &ItemFacts) -> bool {
    let any_of = |wanted: &[String], found: &[String], complete: bool| {
        wanted.is_empty() || !complete || found.iter().any(|id| wanted.binary_search(id).is_ok())
    };
    let one_of_texts = |wanted: &[String], found: &Option<String>| {
        wanted.is_empty() || found.as_ref().is_none_or(|found| wanted.binary_search(found).is_ok())
    };
    any_of(&scope.case_ids, &facts.case_ids, facts.case_ids_complete)
        && any_of(&scope.entity_ids, &facts.entity_ids, facts.entity_ids_complete)
        && one_of_texts(&scope.data_categories, &facts.data_category)
        && (scope.kinds.is_empty() || facts.kind.is_none_or(|kind| scope.kinds.binary_search(&kind).is_ok()))
        && facts.created_us.is_none_or(|created| {
            scope.start_us.is_none_or(|start| created >= start) && scope.end_us.is_none_or(|end| created < end)
        })
}

/// Whether `wide` covers every item that `narrow` covers, whatever items there are. It looks at the predicates field by
/// field, so it may say no of a scope that happens to cover as much.
pub fn covers(wide: &CompiledScope, narrow: &CompiledScope) -> bool {
    fn superset<T: Ord>(wide: &[T], narrow: &[T]) -> bool {
        wide.is_empty() || (!narrow.is_empty() && narrow.iter().all(|id| wide.binary_search(id).is_ok()))
    }
    superset(&wide.case_ids, &narrow.case_ids)
        && superset(&wide.entity_ids, &narrow.entity_ids)
        && superset(&wide.data_categories, &narrow.data_categories)
        && superset(&wide.kinds, &narrow.kinds)
        && wide.start_us.is_none_or(|start| narrow.start_us.is_some_and(|other| other >= start))
        && wide.end_us.is_none_or(|end| narrow.end_us.is_some_and(|other| other <= end))
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn any_scope() -> impl Strategy<Value = CompiledScope> {
        let ids = |letters: &'static str| prop::collection::btree_set(letters, 0..3);
        let bound = || prop::option::of(-3_i64..4).prop_map(|days| days.map(|days| days * 86_400_000_000));
        (ids("c[1-4]"), ids("e[1-4]"), ids("d[1-3]"), prop::collection::btree_set(1_i32..5, 0..2), bound(), bound())
            .prop_map(|(cases, entities, categories, kinds, start_us, end_us)| CompiledScope {
                case_ids: cases.into_iter().collect(),
                entity_ids: entities.into_iter().collect(),
                data_categories: categories.into_iter().collect(),
                kinds: kinds.into_iter().collect(),
                start_us,
                // A range that ends before it starts does not pass the door.
                end_us: end_us.filter(|end| start_us.is_none_or(|start| start < *end)),
            })
    }

    pub(crate) fn any_facts() -> impl Strategy<Value = ItemFacts> {
        let ids = |letters: &'static str| prop::collection::btree_set(letters, 0..3);
        let hours = -80_i64..90;
        (ids("c[1-4]"), ids("e[1-4]"), "d[1-3]", 1_i32..5, hours).prop_map(
            |(cases, entities, category, kind, hours)| ItemFacts {
                case_ids: cases.into_iter().collect(),
                case_ids_complete: true,
                entity_ids: entities.into_iter().collect(),
                entity_ids_complete: true,
                data_category: Some(category),
                kind: Some(kind),
                created_us: Some(hours * 3_600_000_000),
            },
        )
    }

    proptest! {
        #[test]
        fn what_a_narrower_scope_matches_a_covering_one_matches(
            wide in any_scope(), narrow in any_scope(), facts in any_facts(),
        ) {
            if covers(&wide, &narrow) && matches(&narrow, &facts) {
                prop_assert!(matches(&wide, &facts));
            }
            prop_assert!(covers(&narrow, &narrow));
            prop_assert!(covers(&CompiledScope::default(), &narrow), "a scope without conditions covers all");
        }

        #[test]
        fn knowing_less_never_matches_less(scope in any_scope(), facts in any_facts(), hide in 0_u8..32) {
            let mut less = facts.clone();
            if hide & 1 != 0 { less.case_ids_complete = false; }
            if hide & 2 != 0 { less.entity_ids_complete = false; }
            if hide & 4 != 0 { less.data_category = None; }
            if hide & 8 != 0 { less.kind = None; }
            if hide & 16 != 0 { less.created_us = None; }
            prop_assert!(!matches(&scope, &facts) || matches(&scope, &less), "it fails closed");
        }
    }

    #[test]
    fn fields_are_and_values_are_or() {
        let facts = ItemFacts {
            case_ids: vec!["c1".into(), "c2".into()],
            entity_ids: vec!["ada".into()],
            data_category: Some("email".into()),
            kind: Some(1),
            created_us: Some(100),
            case_ids_complete: true,
            entity_ids_complete: true,
        };
        let scope = CompiledScope { case_ids: vec!["c2".into(), "c9".into()], ..Default::default() };
        assert!(matches(&scope, &facts));
        let and = CompiledScope { entity_ids: vec!["bob".into()], ..scope };
        assert!(!matches(&and, &facts));
        let range = |start_us, end_us| CompiledScope { start_us, end_us, ..Default::default() };
        assert!(matches(&range(Some(100), Some(101)), &facts), "from included");
        assert!(!matches(&range(Some(0), Some(100)), &facts), "to excluded");
    }
}
