//! Remembering verdicts. A verdict is a function of the set and the question, so it can be kept for ever; what is kept
//! is bounded.
//!
//! The resource's id is left out of the key unless the set names that very resource: Cedar compares entities only with
//! entities, every entity that a policy can get hold of is the principal, the action, the resource, a role or one that
//! the set itself names, and the attributes that we hand in hold no entities. So the id of a resource that the set does
//! not name cannot make a difference.

use std::collections::HashMap;

use daybook_kernel::authorisation::{Attribute, Authorisation, Verdict};
use daybook_kernel::hash::Hash;
use daybook_kernel::id::TenantId;
use daybook_proto::log::v1::Actor;
use parking_lot::RwLock;

/// Verdicts kept at most, per set. At around 200 bytes each, 20 MB.
const KEPT_MAX: usize = 100_000;

#[derive(Default)]
pub(crate) struct Memo {
    verdicts: RwLock<HashMap<Hash, Verdict>>,
}

impl Memo {
    pub(crate) fn get_or(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        question: &Authorisation,
        resource_is_named: bool,
        ask: impl FnOnce() -> Verdict,
    ) -> Verdict {
        let key = key(actor, tenant, question, resource_is_named);
        if let Some(verdict) = self.verdicts.read().get(&key) {
            return verdict.clone();
        }
        let verdict = ask();
        let mut verdicts = self.verdicts.write();
        if verdicts.len() >= KEPT_MAX {
            verdicts.clear();
        }
        verdicts.insert(key, verdict.clone());
        verdict
    }
}

/// Everything that a verdict can depend on, hashed. Each part is preceded by its length, each list by its count.
fn key(actor: &Actor, tenant: &TenantId, question: &Authorisation, resource_is_named: bool) -> Hash {
    let mut bytes = Vec::with_capacity(256);
    let mut part = |part: &[u8]| {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    };
    part(&actor.kind.to_be_bytes());
    part(actor.id.as_bytes());
    for list in [&actor.roles, &actor.tenant_ids] {
        part(&(list.len() as u64).to_be_bytes());
        list.iter().for_each(|entry| part(entry.as_bytes()));
    }
    part(tenant.as_str().as_bytes());
    part(question.namespace.as_bytes());
    part(question.action.as_bytes());
    part(question.resource.kind.as_bytes());
    part(if resource_is_named { question.resource.id.as_bytes() } else { &[] });
    for attributes in [&question.resource.attributes, &question.context] {
        part(&(attributes.len() as u64).to_be_bytes());
        for (name, value) in attributes {
            part(name.as_bytes());
            match value {
                Attribute::Text(text) => {
                    part(b"text");
                    part(text.as_bytes());
                }
                Attribute::Number(number) => {
                    part(b"number");
                    part(&number.to_be_bytes());
                }
                Attribute::Flag(flag) => {
                    part(b"flag");
                    part(&[u8::from(*flag)]);
                }
                Attribute::Texts(texts) => {
                    part(b"texts");
                    part(&(texts.len() as u64).to_be_bytes());
                    texts.iter().for_each(|text| part(text.as_bytes()));
                }
            }
        }
    }
    Hash::of(&bytes)
}
