//! One policy set: parsed, checked, ready for questions.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::str::FromStr;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicyId, Request,
    RestrictedExpression, Schema, ValidationMode, Validator,
};
use daybook_kernel::authorisation::{Attribute, Authorisation, PolicyProblem, Verdict};
use daybook_kernel::id::TenantId;
use daybook_proto::log::v1::{Actor, actor::Kind};

use crate::bounds::{check_policies, check_schema};
use crate::problem::problems;

/// Namespaces and names longer than this do not occur; a bound keeps a hostile set cheap.
const POLICIES_MAX: usize = 2_000;

pub(crate) struct PolicySet {
    policies: cedar_policy::PolicySet,
    /// The actions with the groups they belong to.
    actions: Entities,
    /// Entities that the policies name, as `type::id`.
    named: BTreeSet<(String, String)>,
    authorizer: Authorizer,
}

impl PolicySet {
    /// Parses policies and schema and checks the one against the other.
    pub(crate) fn parse(policies_text: &str, schema_text: &str) -> Result<Self, Vec<PolicyProblem>> {
        check_policies(policies_text)?;
        check_schema(schema_text)?;
        let (schema, _warnings) =
            Schema::from_cedarschema_str(schema_text).map_err(|error| problems("schema", schema_text, &error))?;
        let parsed = cedar_policy::PolicySet::from_str(policies_text)
            .map_err(|error| problems("policies", policies_text, &error))?;
        let whole = |message: String| vec![PolicyProblem { part: "policies", line: 0, column: 0, message }];
        if let Some(template) = parsed.templates().next() {
            return Err(whole(format!("policy {} has a slot: templates are not supported", template.id())));
        }
        if parsed.num_of_policies() > POLICIES_MAX {
            return Err(whole(format!("more than {POLICIES_MAX} policies")));
        }
        // Policies are known by their @id in decisions; one without keeps the number it has in the text.
        let renamed = parsed.policies().map(|policy| match policy.annotation("id") {
            Some(id) => policy.new_id(PolicyId::new(id)),
            None => policy.clone(),
        });
        let policies = cedar_policy::PolicySet::from_policies(renamed)
            .map_err(|error| whole(format!("every @id must be there once: {error}")))?;
        let result = Validator::new(schema.clone()).validate(&policies, ValidationMode::Strict);
        if !result.validation_passed() {
            let found = result.validation_errors().flat_map(|error| problems("policies", policies_text, error));
            return Err(found.collect());
        }
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
        let refused = || Verdict { permitted: false, determining: Vec::new() };
        let Some((request, entities)) = self.request(actor, tenant, question) else { return refused() };
        let response = self.authorizer.is_authorized(&request, &self.policies, &entities);
        let mut determining: Vec<_> = response.diagnostics().reason().map(ToString::to_string).collect();
        determining.sort();
        Verdict { permitted: response.decision() == Decision::Allow, determining }
    }

    fn request(&self, actor: &Actor, tenant: &TenantId, question: &Authorisation) -> Option<(Request, Entities)> {
        let principal_type = match actor.kind() {
            Kind::Service => "Service",
            _ => "User",
        };
        let principal = uid(principal_type, &actor.id)?;
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
