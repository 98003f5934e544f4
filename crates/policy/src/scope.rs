//! Whether a principal could be permitted an action at all, judged by the heads of the policies alone. For a door that
//! wants to turn somebody away before anything is read or written on their behalf.

use cedar_policy::{ActionConstraint, Effect, Entities, EntityUid, Policy, PrincipalConstraint};

/// Who wants to do what: the principal, its roles, the action, and the groups of actions.
pub(crate) struct Head<'a> {
    pub(crate) principal: &'a EntityUid,
    pub(crate) roles: &'a [EntityUid],
    pub(crate) action: &'a EntityUid,
    pub(crate) actions: &'a Entities,
}

impl Head<'_> {
    /// Whether a policy can permit this on some resource, whatever its conditions say. May say yes of one that never does.
    pub(crate) fn could_be_permitted_by(&self, policy: &Policy) -> bool {
        policy.effect() == Effect::Permit && self.fits_principal(policy) && self.fits_action(policy)
    }

    fn fits_principal(&self, policy: &Policy) -> bool {
        let is_in = |group: &EntityUid| group == self.principal || self.roles.contains(group);
        match policy.principal_constraint() {
            PrincipalConstraint::Any => true,
            PrincipalConstraint::Eq(uid) => uid == *self.principal,
            PrincipalConstraint::In(group) => is_in(&group),
            PrincipalConstraint::Is(kind) => kind == *self.principal.type_name(),
            PrincipalConstraint::IsIn(kind, group) => kind == *self.principal.type_name() && is_in(&group),
        }
    }

    fn fits_action(&self, policy: &Policy) -> bool {
        let is_in = |group: &EntityUid| group == self.action || self.actions.is_ancestor_of(group, self.action);
        match policy.action_constraint() {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(uid) => uid == *self.action,
            ActionConstraint::In(groups) => groups.iter().any(is_in),
        }
    }
}
