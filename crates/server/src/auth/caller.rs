//! Somebody whose token was checked, and what he is in each tenant.

use std::collections::{BTreeMap, BTreeSet};

use daybook_kernel::id::TenantId;
use daybook_proto::log::v1::{Actor, actor::Kind};

use crate::error::{CallError, codes};

/// Somebody whose token was checked. Roles are those of a tenant: who is an auditor in one is nobody in another.
#[derive(Debug, Clone, PartialEq)]
pub struct Caller {
    kind: Kind,
    id: String,
    /// The roles in each tenant that the token speaks for.
    roles: BTreeMap<String, BTreeSet<String>>,
}

impl Caller {
    pub(crate) fn new(kind: Kind, id: String, roles: BTreeMap<String, BTreeSet<String>>) -> Self {
        Self { kind, id, roles }
    }

    /// The caller of a command or query that another node passes on: as [`Caller::acting_in`] made it there.
    pub(crate) fn passed_on(actor: &Actor) -> Self {
        let roles = actor.roles.iter().cloned().collect::<BTreeSet<_>>();
        let in_each = actor.tenant_ids.iter().map(|tenant| (tenant.clone(), roles.clone()));
        Self { kind: actor.kind(), id: actor.id.clone(), roles: in_each.collect() }
    }

    /// The subject of the token.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What kind of principal.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The tenants that the token speaks for, sorted.
    pub fn tenants(&self) -> impl Iterator<Item = &str> {
        self.roles.keys().map(String::as_str)
    }

    /// Whether the token has a role in any tenant.
    pub fn has_a_role(&self) -> bool {
        self.roles.values().any(|roles| !roles.is_empty())
    }

    /// The caller in a tenant, as policies see him and as he is recorded: with his roles there, and with the tenants that a
    /// command from there may reach. Those are the tenants in which he has all of these roles: else an auditor of one
    /// tenant, who is legal in another, would be legal in both.
    pub fn acting_in(&self, tenant: &TenantId) -> Actor {
        let none = BTreeSet::new();
        let here = self.roles.get(tenant.as_str()).unwrap_or(&none);
        let reached = self.roles.iter().filter(|(_, there)| here.is_subset(there)).map(|(tenant, _)| tenant.clone());
        Actor {
            kind: self.kind.into(),
            id: self.id.clone(),
            roles: here.iter().cloned().collect(),
            tenant_ids: reached.collect(),
        }
    }

    /// The caller with all the roles of all his tenants: what policies do not permit this one, they permit him nowhere.
    pub(crate) fn anywhere(&self) -> Actor {
        let roles: BTreeSet<_> = self.roles.values().flatten().cloned().collect();
        let tenant_ids = self.roles.keys().cloned().collect();
        Actor { kind: self.kind.into(), id: self.id.clone(), roles: roles.into_iter().collect(), tenant_ids }
    }

    /// The tenant that a request is about: the one it names, or the token's only one.
    pub fn tenant(&self, named: &str, default: Option<&TenantId>) -> Result<TenantId, CallError> {
        let mut tenants = self.tenants();
        let tenant = match (named, default, (tenants.next(), tenants.next())) {
            ("", Some(default), _) => default.clone(),
            ("", None, (Some(only), None)) => {
                TenantId::parse(only).map_err(|problem| CallError::field("tenant_id", problem.0))?
            }
            ("", None, _) => {
                let message =
                    format!("the token speaks for {} tenants: say in tenant_id which one is meant", self.roles.len());
                return Err(CallError::new(codes::TENANT_REQUIRED, message));
            }
            (named, ..) => TenantId::parse(named).map_err(|problem| CallError::field("tenant_id", problem.0))?,
        };
        if self.roles.contains_key(tenant.as_str()) {
            return Ok(tenant);
        }
        let message = format!(
            "the token of {} does not speak for tenant {tenant}; nothing was recorded; use one that does",
            self.id
        );
        Err(CallError::new(daybook_kernel::code::TENANT_NOT_IN_TOKEN, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(roles: &[(&str, &[&str])]) -> Caller {
        let roles = roles.iter().map(|(tenant, roles)| {
            ((*tenant).to_owned(), roles.iter().map(ToString::to_string).collect::<BTreeSet<_>>())
        });
        Caller::new(Kind::User, "ada".to_owned(), roles.collect())
    }

    fn in_tenant(caller: &Caller, tenant: &str) -> (Vec<String>, Vec<String>) {
        let actor = caller.acting_in(&TenantId::parse(tenant).unwrap());
        (actor.roles, actor.tenant_ids)
    }

    #[test]
    fn roles_are_those_of_the_tenant_and_reach_only_where_they_are_had_as_well() {
        let ada = caller(&[("acme", &["legal"]), ("globex", &["auditor"]), ("initech", &["auditor", "legal"])]);
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(in_tenant(&ada, "acme"), (texts(&["legal"]), texts(&["acme", "initech"])));
        assert_eq!(in_tenant(&ada, "globex"), (texts(&["auditor"]), texts(&["globex", "initech"])));
        assert_eq!(in_tenant(&ada, "initech"), (texts(&["auditor", "legal"]), texts(&["initech"])));
        assert!(ada.has_a_role() && !caller(&[("acme", &[])]).has_a_role());
    }

    #[test]
    fn another_node_sees_the_caller_as_this_one_did() {
        let ada = caller(&[("acme", &["legal"]), ("globex", &["auditor", "legal"])]);
        let acme = TenantId::parse("acme").unwrap();
        let actor = ada.acting_in(&acme);
        assert_eq!(Caller::passed_on(&actor).acting_in(&acme), actor);
    }
}
