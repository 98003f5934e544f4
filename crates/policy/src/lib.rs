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
mod scope;
mod set;
mod text;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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

/// Sets that are kept ready for questions. Of more, the one that was asked longest ago is forgotten; a set in force is read
/// again from the state where it stands.
const SETS_MAX: usize = 64;

/// Policy sets that were loaded.
#[derive(Default)]
pub struct Cedar {
    sets: RwLock<BTreeMap<Hash, Arc<Loaded>>>,
    /// Counts loads, to tell which set was asked longest ago.
    loads: AtomicU64,
}

struct Loaded {
    set: PolicySet,
    memo: Memo,
    /// Whether it was checked here, or only read: what a check says must not depend on what was asked before.
    checked: bool,
    /// How many loads there were when it was asked last.
    asked_at: AtomicU64,
}

impl Cedar {
    /// No set.
    pub fn new() -> Self {
        Self::default()
    }

    fn find(&self, set: Hash) -> Option<Arc<Loaded>> {
        let loaded = self.sets.read().get(&set).cloned()?;
        let now = self.loads.load(Ordering::Relaxed);
        if loaded.asked_at.load(Ordering::Relaxed) != now {
            loaded.asked_at.store(now, Ordering::Relaxed);
        }
        Some(loaded)
    }

    fn keep(&self, hash: Hash, set: PolicySet, checked: bool) {
        let now = self.loads.fetch_add(1, Ordering::Relaxed) + 1;
        let mut sets = self.sets.write();
        sets.insert(hash, Arc::new(Loaded { set, memo: Memo::default(), checked, asked_at: AtomicU64::new(now) }));
        if sets.len() > SETS_MAX {
            let oldest = sets.iter().min_by_key(|(_, loaded)| loaded.asked_at.load(Ordering::Relaxed));
            if let Some(oldest) = oldest.map(|(hash, _)| *hash) {
                sets.remove(&oldest);
            }
        }
    }
}

impl Authority for Cedar {
    fn load(&self, policies: &str, schema: &str) -> Result<Hash, Vec<PolicyProblem>> {
        let hash = policy_set_hash(policies, schema);
        if !self.find(hash).is_some_and(|loaded| loaded.checked) {
            let set = PolicySet::checked(&canonical_text(policies), &canonical_text(schema)).map_err(in_order)?;
            self.keep(hash, set, true);
        }
        Ok(hash)
    }

    fn load_decided(&self, policies: &str, schema: &str) -> Result<Hash, Vec<PolicyProblem>> {
        let hash = policy_set_hash(policies, schema);
        if self.find(hash).is_none() {
            let set = PolicySet::decided(&canonical_text(policies), &canonical_text(schema)).map_err(in_order)?;
            self.keep(hash, set, false);
        }
        Ok(hash)
    }

    fn is_loaded(&self, set: Hash) -> bool {
        self.find(set).is_some()
    }

    fn ask(&self, set: Hash, actor: &Actor, tenant: &TenantId, question: &Authorisation) -> Result<Verdict, NotLoaded> {
        let loaded = self.find(set).ok_or(NotLoaded(set))?;
        let named = loaded.set.names_resource(question);
        Ok(loaded.memo.get_or(actor, tenant, question, named, || loaded.set.ask(actor, tenant, question)))
    }

    fn could_permit(&self, set: Hash, actor: &Actor, namespace: &str, action: &str) -> Result<bool, NotLoaded> {
        let loaded = self.sets.read().get(&set).cloned().ok_or(NotLoaded(set))?;
        Ok(loaded.set.could_permit(actor, namespace, action))
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
