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
    /// Whether it is permitted.
    pub permitted: bool,
    /// The policies that determined the answer, by id, sorted. Empty when nothing permits it.
    pub determining: Vec<String>,
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
    /// Checks a set against its schema and keeps it for questions. Returns its name.
    fn load(&self, policies: &str, schema: &str) -> Result<Hash, Vec<PolicyProblem>>;
    /// Whether a set was given to [`Authority::load`].
    fn is_loaded(&self, set: Hash) -> bool;
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
    fn the_name_of_a_set_ignores_line_ends_and_trailing_space() {
        let a = policy_set_hash("permit(principal, action, resource);\n", "entity User;");
        assert_eq!(a, policy_set_hash("permit(principal, action, resource);  \r\n\n\n", "entity User;\n"));
        assert_ne!(a, policy_set_hash("permit(principal,action,resource);\n", "entity User;"));
        assert_ne!(policy_set_hash("a", "b"), policy_set_hash("b", "a"));
    }
}
