//! What one policy set says that another does not, policy by policy.

use std::collections::BTreeMap;
use std::str::FromStr;

use daybook_kernel::authorisation::{PolicyProblem, canonical_text};

use crate::bounds::check_policies;
use crate::problem::problems;

/// How a policy differs between two sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyChange {
    /// It is only in the second set.
    Added {
        /// Its id.
        id: String,
        /// Its text.
        text: String,
    },
    /// It is only in the first set.
    Removed {
        /// Its id.
        id: String,
        /// Its text.
        text: String,
    },
    /// It says something else.
    Changed {
        /// Its id.
        id: String,
        /// Its text in the first set.
        before: String,
        /// Its text in the second set.
        after: String,
    },
}

/// What changes from one set of policies to another, in the order of the policies' ids.
pub fn diff(before: &str, after: &str) -> Result<Vec<PolicyChange>, Vec<PolicyProblem>> {
    let (before, mut after) = (by_id(before)?, by_id(after)?);
    let mut changes = Vec::new();
    for (id, text) in before {
        match after.remove(&id) {
            None => changes.push(PolicyChange::Removed { id, text }),
            Some(now) if now != text => changes.push(PolicyChange::Changed { id, before: text, after: now }),
            Some(_) => {}
        }
    }
    changes.extend(after.into_iter().map(|(id, text)| PolicyChange::Added { id, text }));
    changes.sort_by(|a, b| id_of(a).cmp(id_of(b)));
    Ok(changes)
}

fn id_of(change: &PolicyChange) -> &str {
    match change {
        PolicyChange::Added { id, .. } | PolicyChange::Removed { id, .. } | PolicyChange::Changed { id, .. } => id,
    }
}

fn by_id(text: &str) -> Result<BTreeMap<String, String>, Vec<PolicyProblem>> {
    let text = canonical_text(text);
    check_policies(&text)?;
    let parsed = cedar_policy::PolicySet::from_str(&text).map_err(|error| problems("policies", &text, &error))?;
    Ok(parsed
        .policies()
        .map(|policy| {
            let id = policy.annotation("id").map_or_else(|| policy.id().to_string(), ToOwned::to_owned);
            (id, policy.to_string())
        })
        .collect())
}
