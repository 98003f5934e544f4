//! The hold index: from an item to the holds that match it, without looking at the others.
//!
//! A hold is posted under the values of one dimension of its scope, the first of case, entity, data category and kind
//! that the scope has, or under "any"; and under the pieces of time that cover its range ([`crate::interval`]). An item
//! is looked up under its own values and the pieces that hold its creation. Every hold that matches is among what is
//! found, since it was posted under a value that a matching item must have; the rest of its scope is checked then. A
//! posting is nothing but its key: the scope lies once beside the index, however many values it has.
//!
//! Cost: one look-up for each value of the item, plus one for each hold found. Holds on other people, cases or times
//! cost nothing, however many there are.

use std::collections::BTreeSet;

use daybook_kernel::key::{All, Key, Prefix};
use daybook_kernel::state::Fault;
use daybook_proto::legal_hold::v1::{CompiledScope, PostingCounts};
use daybook_proto::system::v1::Mark;

use crate::interval::{ROOT, ancestors, cover};
use crate::scope::{ItemFacts, matches};
use crate::{Tables, TablesMut};

/// A hold is posted at most this often; one with more values is posted for all time instead of pieces of it.
const POSTINGS_MAX: usize = 2_000;

const CASE: u8 = 1;
const ENTITY: u8 = 2;
const CATEGORY: u8 = 3;
const KIND: u8 = 4;
const ANY: u8 = 5;

/// Rows of one dimension, value and piece of time.
#[derive(Clone, Copy)]
struct Piece<'a>(u8, &'a str, u32);

impl Prefix<(u8, String, u32, String)> for Piece<'_> {
    fn put(self, out: &mut Vec<u8>) {
        <(u8, String, u32)>::put((self.0, self.1, self.2), out);
    }
}

/// Where a scope is posted: a dimension, its values, and pieces of time.
fn places(scope: &CompiledScope) -> (u8, Vec<String>, Vec<u32>) {
    let (dimension, values) = if !scope.case_ids.is_empty() {
        (CASE, scope.case_ids.clone())
    } else if !scope.entity_ids.is_empty() {
        (ENTITY, scope.entity_ids.clone())
    } else if !scope.data_categories.is_empty() {
        (CATEGORY, scope.data_categories.clone())
    } else if !scope.kinds.is_empty() {
        (KIND, scope.kinds.iter().map(ToString::to_string).collect())
    } else {
        (ANY, vec![String::new()])
    };
    let pieces = cover(scope.start_us, scope.end_us);
    let pieces = if pieces.len() * values.len() > POSTINGS_MAX { vec![ROOT] } else { pieces };
    (dimension, values, pieces)
}

/// Posts a hold.
pub(crate) fn post(tables: &mut TablesMut<'_>, hold_id: &str, scope: &CompiledScope) -> Result<(), Fault> {
    let (dimension, values, pieces) = places(scope);
    tables.hold_scopes().put((hold_id,), scope);
    for value in &values {
        for piece in &pieces {
            tables.hold_postings().put((dimension, value, *piece, hold_id), &Mark {});
        }
        count(tables, dimension, value, &pieces, |count, by| *count += by)?;
    }
    Ok(())
}

/// Takes a posted hold back.
pub(crate) fn unpost(tables: &mut TablesMut<'_>, hold_id: &str, scope: &CompiledScope) -> Result<(), Fault> {
    let (dimension, values, pieces) = places(scope);
    tables.hold_scopes().delete((hold_id,));
    for value in &values {
        for piece in &pieces {
            tables.hold_postings().delete((dimension, value, *piece, hold_id));
        }
        count(tables, dimension, value, &pieces, |count, by| *count = count.saturating_sub(by))?;
    }
    Ok(())
}

fn count(
    tables: &mut TablesMut<'_>,
    dimension: u8,
    value: &str,
    pieces: &[u32],
    change: impl Fn(&mut u64, u64),
) -> Result<(), Fault> {
    let mut counts = tables.hold_posting_counts().get((dimension, value))?.unwrap_or_default();
    if pieces == [ROOT] {
        change(&mut counts.timeless, 1);
    } else {
        change(&mut counts.timed, pieces.len() as u64);
    }
    if counts == PostingCounts::default() {
        tables.hold_posting_counts().delete((dimension, value));
    } else {
        tables.hold_posting_counts().put((dimension, value), &counts);
    }
    Ok(())
}

/// The holds in force that match an item, at most `limit`, in an order that is always the same.
pub fn matching_holds(tables: &Tables<'_>, facts: &ItemFacts, limit: usize) -> Result<Vec<String>, Fault> {
    let mut found = Found { holds: Vec::new(), seen: BTreeSet::new(), limit };
    if !facts.is_complete() {
        // What is not known could be any value: every posting is looked at.
        found.take(tables, facts, All)?;
        return Ok(found.holds);
    }
    let kind = facts.kind.unwrap_or_default().to_string();
    let category = facts.data_category.as_deref().unwrap_or_default();
    let cases = facts.case_ids.iter().map(|case| (CASE, case.as_str()));
    let entities = facts.entity_ids.iter().map(|entity| (ENTITY, entity.as_str()));
    let others = [(CATEGORY, category), (KIND, kind.as_str()), (ANY, "")];
    for (dimension, value) in cases.chain(entities).chain(others) {
        let Some(counts) = tables.hold_posting_counts().get((dimension, value))? else { continue };
        if counts.timed == 0 {
            found.take(tables, facts, Piece(dimension, value, ROOT))?;
        } else {
            for piece in ancestors(facts.created_us.unwrap_or_default()) {
                found.take(tables, facts, Piece(dimension, value, piece))?;
            }
        }
        if found.holds.len() >= limit {
            break;
        }
    }
    Ok(found.holds)
}

struct Found {
    holds: Vec<String>,
    seen: BTreeSet<String>,
    limit: usize,
}

impl Found {
    fn take(
        &mut self,
        tables: &Tables<'_>,
        facts: &ItemFacts,
        postings: impl Prefix<(u8, String, u32, String)>,
    ) -> Result<(), Fault> {
        for row in tables.hold_postings().scan(postings) {
            if self.holds.len() >= self.limit {
                return Ok(());
            }
            let ((_, _, _, hold_id), _) = row?;
            // Under several values of the item, or several pieces of time, a hold is looked at once.
            if !self.seen.insert(hold_id.clone()) {
                continue;
            }
            let missing = || Fault::Damaged(format!("hold {hold_id} is in the index and has no scope"));
            let scope = tables.hold_scopes().get((&hold_id,))?.ok_or_else(missing)?;
            if matches(&scope, facts) {
                self.holds.push(hold_id);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use daybook_kernel::id::TenantId;
    use daybook_kernel::state::{Layered, MemoryState, WriteSet};
    use daybook_kernel::table::{View, ViewMut};
    use proptest::prelude::*;

    use super::*;
    use crate::scope::tests::{any_facts, any_scope};

    proptest! {
        #[test]
        fn the_index_finds_what_looking_at_every_hold_finds(
            scopes in prop::collection::vec((any_scope(), any::<bool>()), 0..12), facts in any_facts(), hide in 0_u8..8,
        ) {
            let (state, mut writes) = (MemoryState::default(), WriteSet::default());
            let tenant = TenantId::parse("acme").unwrap();
            let mut tables = TablesMut::from(ViewMut::new(&state, &mut writes, &tenant));
            for (i, (scope, _)) in scopes.iter().enumerate() {
                post(&mut tables, &format!("h{i}"), scope).unwrap();
            }
            for (i, (scope, _)) in scopes.iter().enumerate().filter(|(_, (_, released))| *released) {
                unpost(&mut tables, &format!("h{i}"), scope).unwrap();
            }
            let mut facts = facts;
            facts.case_ids_complete = hide & 1 == 0;
            facts.created_us = facts.created_us.filter(|_| hide & 2 == 0);
            facts.data_category = facts.data_category.filter(|_| hide & 4 == 0);

            let state = Layered::new(&state).over(&writes);
            let tables = Tables::from(View::new(&state, &tenant));
            let mut found = matching_holds(&tables, &facts, usize::MAX).unwrap();
            found.sort();
            let mut expected: Vec<_> = scopes
                .iter()
                .enumerate()
                .filter(|(_, (scope, released))| !released && matches(scope, &facts))
                .map(|(i, _)| format!("h{i}"))
                .collect();
            expected.sort();
            prop_assert_eq!(&found, &expected);
            for limit in 0..3 {
                let some = matching_holds(&tables, &facts, limit).unwrap();
                prop_assert_eq!(some.len(), limit.min(expected.len()));
            }
        }

        #[test]
        fn a_hold_that_is_taken_back_leaves_nothing(scope in any_scope()) {
            let (mut state, mut writes) = (MemoryState::default(), WriteSet::default());
            let tenant = TenantId::parse("acme").unwrap();
            let mut tables = TablesMut::from(ViewMut::new(&state, &mut writes, &tenant));
            post(&mut tables, "h", &scope).unwrap();
            unpost(&mut tables, "h", &scope).unwrap();
            state.apply(&writes);
            prop_assert_eq!(state.iter().count(), 0);
        }
    }

    #[test]
    fn a_scope_with_very_many_values_is_posted_for_all_time() {
        let scope = CompiledScope {
            entity_ids: (0..1_000).map(|i| format!("e{i:04}")).collect(),
            start_us: Some(1),
            end_us: Some(1_000_000_000_000_000),
            ..Default::default()
        };
        let (_, values, pieces) = places(&scope);
        assert_eq!((values.len(), pieces), (1_000, vec![ROOT]));
    }
}
