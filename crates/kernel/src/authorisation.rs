//! Asking a policy set whether somebody may do something. The kernel says what is asked; `crates/policy` answers
//! with Cedar.

use std::collections::{BTreeMap, BTreeSet};

use daybook_proto::log::v1::Actor;

use crate::hash::Hash;
use crate::id::TenantId;

/// A question to a policy set. Two equal questions to the same set get the same answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Authorisation {
    /// Namespace of the action, for example `LegalHold`.
    pub namespace: &'static str,
    /// The action, for example `PlaceHold`.
    pub action: &'static str,
    /// What it is done to.
    pub resource: Resource,
    /// What else a policy may look at.
    pub context: BTreeMap<&'static str, Attribute>,
}

/// What an action is done to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resource {
    /// Its type inside the namespace, for example `Hold`.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// What a policy may look at. `tenant` is added by itself.
    pub attributes: BTreeMap<&'static str, Attribute>,
}

/// A value that a policy may look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attribute {
    /// Text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
    /// A set of texts.
    Texts(BTreeSet<String>),
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<bool> for Attribute {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl<T: Into<String>> FromIterator<T> for Attribute {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        Self::Texts(texts.into_iter().map(Into::into).collect())
    }
}

impl Authorisation {
    /// A question about a resource.
    pub fn new(namespace: &'static str, action: &'static str, kind: &'static str, id: impl Into<String>) -> Self {
        let resource = Resource { kind, id: id.into(), attributes: BTreeMap::new() };
        Self { namespace, action, resource, context: BTreeMap::new() }
    }

    /// Adds an attribute of the resource.
    #[must_use]
    pub fn attribute(mut self, name: &'static str, value: impl Into<Attribute>) -> Self {
        self.resource.attributes.insert(name, value.into());
        self
    }

    /// Adds a value to the context.
    #[must_use]
    pub fn context(mut self, name: &'static str, value: impl Into<Attribute>) -> Self {
        self.context.insert(name, value.into());
        self
    }
}

/// The answer of a policy set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is permitted, if a policy that fails counts as absent; see [`Verdict::failures_deny`].
    pub permitted: bool,
    /// The policies that determined the answer, by id, sorted. Empty when nothing permits it.
    pub determining: Vec<String>,
    /// The policies that failed while they were evaluated, by id, sorted.
    pub failed: Vec<FailedPolicy>,
}

/// A policy that failed while it was evaluated: it reads an attribute that is not there, or a number overflowed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FailedPolicy {
    /// Its id.
    pub id: String,
    /// Whether its failure denies the request. Otherwise the policy counts as absent.
    pub denies: bool,
}

impl Verdict {
    /// The answer of a set that permits nothing.
    pub fn denied() -> Self {
        Self { permitted: false, determining: Vec::new(), failed: Vec::new() }
    }

    /// The answer when the failures that deny do: nobody knows whether the policy would have forbidden the request.
    #[must_use]
    pub fn failures_deny(self) -> Self {
        let denying: Vec<_> =
            self.failed.iter().filter(|failed| failed.denies).map(|failed| failed.id.clone()).collect();
        if denying.is_empty() {
            return self;
        }
        // What permitted it determines nothing any more; what forbade it does beside the failure.
        let mut determining = if self.permitted { Vec::new() } else { self.determining };
        determining.extend(denying);
        determining.sort();
        determining.dedup();
        Self { permitted: false, determining, failed: self.failed }
    }
}

/// A mistake in a policy set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyProblem {
    /// Where: "policies" or "schema".
    pub part: &'static str,
    /// Line, from 1; 0 when the mistake has no one place.
    pub line: usize,
    /// Column, from 1; 0 when the mistake has no one place.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// The policy set is not loaded: the text must be given to [`Authority::load`] first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("policy set {0} is not loaded")]
pub struct NotLoaded(pub Hash);

/// Answers questions under policy sets. Pure: the same set and question always get the same answer.
pub trait Authority: Send + Sync {
    /// Checks a set against its schema and against the bounds of its size, and keeps it for questions. Returns its name.
    fn load(&self, policies: &str, schema: &str) -> Result<Hash, Vec<PolicyProblem>>;
    /// Keeps a set that a decision put in force. It was checked then, and another release may check otherwise; what is in
    /// force stays in force.
    fn load_decided(&self, policies: &str, schema: &str) -> Result<Hash, Vec<PolicyProblem>>;
    /// Whether questions can be asked under a set: it was loaded, and not forgotten since for many others.
    fn is_loaded(&self, set: Hash) -> bool;
    /// Whether `actor` could be permitted an action on some resource, in some tenant. May say yes of one who never is;
    /// never no of one who is.
    fn could_permit(&self, set: Hash, actor: &Actor, namespace: &str, action: &str) -> Result<bool, NotLoaded>;
    /// Whether `actor` may do what is asked in `tenant`.
    fn ask(&self, set: Hash, actor: &Actor, tenant: &TenantId, question: &Authorisation) -> Result<Verdict, NotLoaded>;
}

/// The canonical form of a policy text or schema: line ends as LF, no spaces at line ends, one newline at the end.
pub fn canonical_text(text: &str) -> String {
    let mut canonical: String = text.lines().flat_map(|line| [line.trim_end(), "\n"]).collect();
    while canonical.ends_with("\n\n") {
        canonical.pop();
    }
    canonical
}

/// The name of a policy set: the hash of its canonical policies and schema.
pub fn policy_set_hash(policies: &str, schema: &str) -> Hash {
    let (policies, schema) = (canonical_text(policies), canonical_text(schema));
    Hash::of_parts(&[b"daybook policy set", policies.as_bytes(), schema.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_denies_where_it_is_to_and_is_named() {
        let verdict = |permitted, determining: &[&str], failed: &[(&str, bool)]| Verdict {
            permitted,
            determining: determining.iter().map(ToString::to_string).collect(),
            failed: failed.iter().map(|(id, denies)| FailedPolicy { id: (*id).to_owned(), denies: *denies }).collect(),
        };
        let skipped = verdict(true, &["all"], &[("odd", false)]);
        assert_eq!(skipped.clone().failures_deny(), skipped);
        let denied = verdict(true, &["all"], &[("no-hr", true), ("odd", false)]).failures_deny();
        assert_eq!((denied.permitted, denied.determining), (false, vec!["no-hr".to_owned()]));
        let forbidden = verdict(false, &["not-mallory"], &[("no-hr", true)]).failures_deny();
        assert_eq!(forbidden.determining, ["no-hr", "not-mallory"]);
    }

    #[test]
    fn the_name_of_a_set_ignores_line_ends_and_trailing_space() {
        let a = policy_set_hash("permit(principal, action, resource);\n", "entity User;");
        assert_eq!(a, policy_set_hash("permit(principal, action, resource);  \r\n\n\n", "entity User;\n"));
        assert_ne!(a, policy_set_hash("permit(principal,action,resource);\n", "entity User;"));
        assert_ne!(policy_set_hash("a", "b"), policy_set_hash("b", "a"));
    }
}
