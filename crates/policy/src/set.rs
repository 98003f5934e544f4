//! One policy set: parsed, checked, ready for questions.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::str::FromStr;

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Decision, Effect, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    PolicyId, Request, RestrictedExpression, Schema, ValidationMode, Validator,
};
use daybook_kernel::authorisation::{Attribute, Authorisation, FailedPolicy, PolicyProblem, Verdict};
use daybook_kernel::id::TenantId;
use daybook_proto::log::v1::{Actor, actor::Kind};

use crate::bounds::{check_policies, check_schema};
use crate::problem::problems;
use crate::scope::Head;
use crate::work::{check_texts, check_work};

/// Policies in one set.
const POLICIES_MAX: usize = 2_000;

pub(crate) struct PolicySet {
    policies: cedar_policy::PolicySet,
    /// The actions with the groups they belong to.
    actions: Entities,
    /// Entities that the policies name, as `type::id`.
    named: BTreeSet<(String, String)>,
    authorizer: Authorizer,
}

/// What a policy's annotation `@on_error` may say.
const ON_ERROR: &str = "on_error";
const DENY: &str = "deny";
const SKIP: &str = "skip";

impl PolicySet {
    /// Reads policies and schema, and checks the one against the other. What cannot be read or checked in bounded time,
    /// stack and memory is refused before Cedar sees it.
    pub(crate) fn checked(policies_text: &str, schema_text: &str) -> Result<Self, Vec<PolicyProblem>> {
        check_texts(policies_text, schema_text)?;
        check_policies(policies_text)?;
        check_schema(schema_text)?;
        let (schema, policies) = read(policies_text, schema_text)?;
        check_work(policies_text, schema_text, &schema)?;
        for policy in policies.policies() {
            if let Some(other) = policy.annotation(ON_ERROR).filter(|value| ![DENY, SKIP].contains(value)) {
                let id = policy.id();
                return Err(whole(format!("policy {id}: @{ON_ERROR} must be \"{DENY}\" or \"{SKIP}\", not {other:?}")));
            }
        }
        let result = Validator::new(schema.clone()).validate(&policies, ValidationMode::Strict);
        if !result.validation_passed() {
            let found = result.validation_errors().flat_map(|error| problems("policies", policies_text, error));
            return Err(found.collect());
        }
        Self::of(policies, &schema, schema_text)
    }

    /// Reads a set that was checked when it was published, maybe by another release.
    pub(crate) fn decided(policies_text: &str, schema_text: &str) -> Result<Self, Vec<PolicyProblem>> {
        check_policies(policies_text)?;
        check_schema(schema_text)?;
        let (schema, policies) = read(policies_text, schema_text)?;
        Self::of(policies, &schema, schema_text)
    }

    fn of(policies: cedar_policy::PolicySet, schema: &Schema, schema_text: &str) -> Result<Self, Vec<PolicyProblem>> {
        let actions = schema.action_entities().map_err(|error| problems("schema", schema_text, &error))?;
        let mut named = BTreeSet::new();
        for policy in policies.policies() {
            let json = policy.to_json().map_err(|error| whole(format!("policy {}: {error}", policy.id())))?;
            collect_entities(&json, &mut named);
        }
        Ok(Self { policies, actions, named, authorizer: Authorizer::new() })
    }

    /// Whether the set names the very resource that a question is about.
    pub(crate) fn names_resource(&self, question: &Authorisation) -> bool {
        let kind = format!("{}::{}", question.namespace, question.resource.kind);
        self.named.contains(&(kind, question.resource.id.clone()))
    }

    /// Answers a question. What cannot be put to Cedar (a name that is no Cedar name) is not permitted.
    pub(crate) fn ask(&self, actor: &Actor, tenant: &TenantId, question: &Authorisation) -> Verdict {
        let Some((request, entities)) = self.request(actor, tenant, question) else { return Verdict::denied() };
        let response = self.authorizer.is_authorized(&request, &self.policies, &entities);
        let mut determining: Vec<_> = response.diagnostics().reason().map(ToString::to_string).collect();
        determining.sort();
        let mut failed: Vec<_> = response.diagnostics().errors().map(|error| self.failed(error)).collect();
        failed.sort();
        Verdict { permitted: response.decision() == Decision::Allow, determining, failed }
    }

    /// A policy that fails: one that forbids denies, one that permits permits nothing, unless its annotation says
    /// otherwise.
    fn failed(&self, error: &AuthorizationError) -> FailedPolicy {
        let AuthorizationError::PolicyEvaluationError(error) = error;
        let id = error.policy_id();
        let denies = self.policies.policy(id).is_none_or(|policy| match policy.annotation(ON_ERROR) {
            Some(SKIP) => false,
            Some(DENY) => true,
            _ => policy.effect() == Effect::Forbid,
        });
        FailedPolicy { id: id.to_string(), denies }
    }

    /// Whether the actor could be permitted an action on some resource.
    pub(crate) fn could_permit(&self, actor: &Actor, namespace: &str, action: &str) -> bool {
        let head = || {
            let action = uid(&format!("{namespace}::Action"), action)?;
            let roles = actor.roles.iter().map(|role| uid("Role", role)).collect::<Option<Vec<_>>>()?;
            Some((uid(principal_type(actor), &actor.id)?, action, roles))
        };
        let Some((principal, action, roles)) = head() else { return false };
        let head = Head { principal: &principal, roles: &roles, action: &action, actions: &self.actions };
        self.policies.policies().any(|policy| head.could_be_permitted_by(policy))
    }

    fn request(&self, actor: &Actor, tenant: &TenantId, question: &Authorisation) -> Option<(Request, Entities)> {
        let principal = uid(principal_type(actor), &actor.id)?;
        let action = uid(&format!("{}::Action", question.namespace), question.action)?;
        let resource = uid(&format!("{}::{}", question.namespace, question.resource.kind), &question.resource.id)?;
        let roles = actor.roles.iter().map(|role| uid("Role", role)).collect::<Option<HashSet<_>>>()?;
        let texts = |texts: &[String]| {
            RestrictedExpression::new_set(texts.iter().cloned().map(RestrictedExpression::new_string))
        };
        let principal_attributes = HashMap::from([
            ("id".to_owned(), RestrictedExpression::new_string(actor.id.clone())),
            ("roles".to_owned(), texts(&actor.roles)),
            ("tenants".to_owned(), texts(&actor.tenant_ids)),
        ]);
        let mut resource_attributes: HashMap<_, _> =
            question.resource.attributes.iter().map(|(name, value)| ((*name).to_owned(), expression(value))).collect();
        let tenant = RestrictedExpression::new_string(tenant.as_str().to_owned());
        resource_attributes.insert("tenant".to_owned(), tenant);
        let context = question.context.iter().map(|(name, value)| ((*name).to_owned(), expression(value)));
        let entities = roles
            .iter()
            .cloned()
            .map(Entity::with_uid)
            .chain([
                Entity::new(principal.clone(), principal_attributes, roles.clone()).ok()?,
                Entity::new(resource.clone(), resource_attributes, HashSet::new()).ok()?,
            ])
            .collect::<Vec<_>>();
        let entities = self.actions.clone().add_entities(entities, None).ok()?;
        let request = Request::new(principal, action, resource, Context::from_pairs(context).ok()?, None).ok()?;
        Some((request, entities))
    }
}

fn principal_type(actor: &Actor) -> &'static str {
    match actor.kind() {
        Kind::Service => "Service",
        _ => "User",
    }
}

/// A mistake that has no one place.
fn whole(message: String) -> Vec<PolicyProblem> {
    vec![PolicyProblem { part: "policies", line: 0, column: 0, message }]
}

/// Reads both texts. Policies are known by their `@id` in decisions; one without keeps the number it has in the text.
fn read(policies_text: &str, schema_text: &str) -> Result<(Schema, cedar_policy::PolicySet), Vec<PolicyProblem>> {
    let (schema, _warnings) =
        Schema::from_cedarschema_str(schema_text).map_err(|error| problems("schema", schema_text, &error))?;
    let parsed = cedar_policy::PolicySet::from_str(policies_text)
        .map_err(|error| problems("policies", policies_text, &error))?;
    if let Some(template) = parsed.templates().next() {
        return Err(whole(format!("policy {} has a slot: templates are not supported", template.id())));
    }
    if parsed.num_of_policies() > POLICIES_MAX {
        return Err(whole(format!("more than {POLICIES_MAX} policies")));
    }
    let renamed = parsed.policies().map(|policy| match policy.annotation("id") {
        Some(id) => policy.new_id(PolicyId::new(id)),
        None => policy.clone(),
    });
    let policies = cedar_policy::PolicySet::from_policies(renamed)
        .map_err(|error| whole(format!("every @id must be there once: {error}")))?;
    Ok((schema, policies))
}

fn uid(kind: &str, id: &str) -> Option<EntityUid> {
    Some(EntityUid::from_type_name_and_id(EntityTypeName::from_str(kind).ok()?, EntityId::new(id)))
}

fn expression(value: &Attribute) -> RestrictedExpression {
    match value {
        Attribute::Text(text) => RestrictedExpression::new_string(text.clone()),
        Attribute::Number(number) => RestrictedExpression::new_long(*number),
        Attribute::Flag(flag) => RestrictedExpression::new_bool(*flag),
        Attribute::Texts(texts) => {
            RestrictedExpression::new_set(texts.iter().cloned().map(RestrictedExpression::new_string))
        }
    }
}

/// Every entity that a policy's JSON form names: an object with a type and an id.
fn collect_entities(json: &serde_json::Value, found: &mut BTreeSet<(String, String)>) {
    match json {
        serde_json::Value::Object(fields) => {
            if let (Some(kind), Some(id)) = (fields.get("type"), fields.get("id"))
                && let (Some(kind), Some(id)) = (kind.as_str(), id.as_str())
            {
                found.insert((kind.to_owned(), id.to_owned()));
            }
            fields.values().for_each(|value| collect_entities(value, found));
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| collect_entities(value, found)),
        _ => {}
    }
}
