//! Authorisation with [Cedar](https://docs.cedarpolicy.com).
//!
//! A policy set is Cedar policies and a Cedar schema, named by the hash of their canonical text. [`Cedar`] keeps the sets
//! that were loaded and answers questions under any of them: the live node under the set in force, verify under the
//! set that was recorded, a what-if under another.
//!
//! Architecture invariants: the only crate that knows Cedar; a pure function from set, actor and question to verdict.
//! Nothing is fetched: all that a policy may look at is in the question.
//!
//! ```
//! use daybook_kernel::authorisation::{Authorisation, Authority};
//! use daybook_kernel::id::TenantId;
//! use daybook_policy::Cedar;
//! use daybook_proto::log::v1::{Actor, actor::Kind};
//!
//! let cedar = Cedar::new();
//! let schema = r#"
//!     entity Role;
//!     entity User in [Role] { id: String, roles: Set<String>, tenants: Set<String> };
//!     namespace Door { entity Room { tenant: String }; action Open appliesTo { principal: User, resource: Room }; }
//! "#;
//! let set = cedar.load(r#"@id("staff") permit(principal in Role::"staff", action, resource);"#, schema).unwrap();
//! let actor = Actor { id: "ada".into(), kind: Kind::User.into(), roles: vec!["staff".into()], tenant_ids: vec![] };
//! let question = Authorisation::new("Door", "Open", "Room", "7");
//! let verdict = cedar.ask(set, &actor, &TenantId::parse("acme")?, &question)?;
//! assert_eq!((verdict.permitted, verdict.determining), (true, vec!["staff".to_owned()]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bounds;
mod diff;
mod memo;
mod problem;
mod set;

use std::collections::BTreeMap;
use std::sync::Arc;

use daybook_kernel::authorisation::{
    Authorisation, Authority, NotLoaded, PolicyProblem, Verdict, canonical_text, policy_set_hash,
};
use daybook_kernel::hash::Hash;
use daybook_kernel::id::TenantId;
use daybook_proto::log::v1::Actor;
use parking_lot::RwLock;

pub use diff::{PolicyChange, diff};

use memo::Memo;
use set::PolicySet;

/// Policy sets that were loaded.
#[derive(Default)]
pub struct Cedar {
    sets: RwLock<BTreeMap<Hash, Arc<Loaded>>>,
}

struct Loaded {
    set: PolicySet,
    memo: Memo,
}

impl Cedar {
    /// No set.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Authority for Cedar {
    fn load(&self, policies: &str, schema: &str) -> Result<Hash, Vec<PolicyProblem>> {
        let hash = policy_set_hash(policies, schema);
        if !self.is_loaded(hash) {
            let set = PolicySet::parse(&canonical_text(policies), &canonical_text(schema)).map_err(in_order)?;
            self.sets.write().insert(hash, Arc::new(Loaded { set, memo: Memo::default() }));
        }
        Ok(hash)
    }

    fn is_loaded(&self, set: Hash) -> bool {
        self.sets.read().contains_key(&set)
    }

    fn ask(&self, set: Hash, actor: &Actor, tenant: &TenantId, question: &Authorisation) -> Result<Verdict, NotLoaded> {
        let loaded = self.sets.read().get(&set).cloned().ok_or(NotLoaded(set))?;
        let named = loaded.set.names_resource(question);
        Ok(loaded.memo.get_or(actor, tenant, question, named, || loaded.set.ask(actor, tenant, question)))
    }
}

/// Mistakes by their place. Cedar finds them in an order that differs from run to run, and they are recorded.
fn in_order(mut problems: Vec<PolicyProblem>) -> Vec<PolicyProblem> {
    problems.sort_by(|a, b| (a.part, a.line, a.column, &a.message).cmp(&(b.part, b.line, b.column, &b.message)));
    problems.dedup();
    problems
}

#[cfg(test)]
mod tests;
