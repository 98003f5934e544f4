//! Publishing a policy set: it is checked against its schema and kept under its hash.

use daybook_kernel::authorisation::{Authorisation, PolicyProblem, canonical_text};
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::fields::Fields;
use daybook_kernel::hash::Hash;
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::platform::v1;
use platform_projection::{Event, Platform, Tables};

use crate::{NAMESPACE, codes};

/// Policies and schema are at most this long, in bytes.
const TEXT_BYTES_MAX: usize = 100_000;

/// Checks a policy set and keeps it.
#[derive(Debug, Clone)]
pub struct PublishPolicySet {
    policies: String,
    /// `None`: the schema of the set in force, which is the one that ships unless somebody published another.
    schema: Option<String>,
    description: String,
}

impl Command for PublishPolicySet {
    type Request = v1::PublishPolicySetRequest;
    type Response = v1::PublishPolicySetResponse;
    type Projection = Platform;
    const KIND: &'static str = "PublishPolicySet";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        let mut fields = Fields::new();
        fields.check("policies", !request.policies.trim().is_empty(), "must not be empty");
        for (field, text) in [("policies", &request.policies), ("schema", &request.schema)] {
            fields.check(field, text.len() <= TEXT_BYTES_MAX, "must have at most 100000 bytes");
        }
        let description = fields.text("description", request.description, 2_000);
        let schema = (!request.schema.trim().is_empty()).then_some(request.schema);
        fields.finish(Self { policies: request.policies, schema, description })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(Some(Authorisation::new(NAMESPACE, Self::KIND, "PolicySet", "new")))
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let schema = match &self.schema {
            Some(schema) => schema.clone(),
            None => schema_in_force(tables)?,
        };
        let set = published(ctx, &self.policies, &schema, &self.description)?;
        let hash = Hash::from_hex(&set.policy_set_hash).ok_or_else(|| Fault::Damaged("a set without hash".into()))?;
        if tables.policy_sets().contains((hash.as_bytes(),))? {
            let message = format!("policy set {hash} is published already; nothing was changed");
            let rejection = Rejection::new(codes::POLICY_SET_ALREADY_PUBLISHED, message);
            return Err(rejection.with("policy_set_hash", set.policy_set_hash).into());
        }
        Ok(vec![Event::PolicySetPublished(v1::PolicySetPublished { policy_set: Some(set) })])
    }

    fn respond(_: &Tables<'_>, events: &[Event]) -> Result<Self::Response, Fault> {
        let set = events.iter().find_map(|event| match event {
            Event::PolicySetPublished(event) => event.policy_set.clone(),
            _ => None,
        });
        let policy_set = set.map(|set| v1::PolicySet { policies: String::new(), schema: String::new(), ..set });
        Ok(v1::PublishPolicySetResponse { receipt: None, policy_set })
    }
}

/// The first command of a new log: the policy set that ships is published and put in force, and the log starts at a
/// feature level. Later, when a log of a development node goes into production: the set takes the place of the one with the
/// powers of development.
#[derive(Debug, Clone)]
pub struct PublishShippedPolicySet {
    policies: String,
    schema: String,
    description: String,
    feature_level: u32,
    ends_development: bool,
}

impl Command for PublishShippedPolicySet {
    type Request = v1::PublishShippedPolicySet;
    type Response = ();
    type Projection = Platform;
    const KIND: &'static str = "PublishShippedPolicySet";
    const INTERNAL: bool = true;

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        Ok(Self {
            policies: request.policies,
            schema: request.schema,
            description: request.description,
            feature_level: request.feature_level,
            ends_development: request.ends_development,
        })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(None)
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let before = tables.activation().get(())?;
        if before.is_some() && !self.ends_development {
            return Ok(Vec::new());
        }
        let set = published(ctx, &self.policies, &self.schema, &self.description)?;
        if let Some(before) = before {
            return production(tables, ctx, set, &before);
        }
        let activated = v1::PolicySetActivated {
            policy_set_hash: set.policy_set_hash.clone(),
            policies: set.policies.clone(),
            schema: set.schema.clone(),
            reason: "the set that ships, on a new log".to_owned(),
            revision: 1,
            partitions: ctx.partitions,
        };
        let mut events = vec![
            Event::PolicySetPublished(v1::PolicySetPublished { policy_set: Some(set) }),
            Event::PolicySetActivated(activated),
        ];
        if self.feature_level > 0 {
            let (level, partitions) = (self.feature_level, ctx.partitions);
            events.push(Event::FeatureLevelRaised(v1::FeatureLevelRaised { level, partitions, nodes: Vec::new() }));
        }
        Ok(events)
    }

    fn respond(_: &Tables<'_>, _: &[Event]) -> Result<(), Fault> {
        Ok(())
    }
}

/// Puts the set in force that ships for production.
fn production(
    tables: &Tables<'_>,
    ctx: &Context<'_>,
    set: v1::PolicySet,
    before: &v1::ActivationRow,
) -> Result<Vec<Event>, Refusal> {
    let hash = Hash::from_hex(&set.policy_set_hash).ok_or_else(|| Fault::Damaged("a set without hash".into()))?;
    if before.policy_set_hash == hash.as_bytes()[..] {
        return Ok(Vec::new());
    }
    let activated = v1::PolicySetActivated {
        policy_set_hash: set.policy_set_hash.clone(),
        policies: set.policies.clone(),
        schema: set.schema.clone(),
        reason: "development ended: the set that ships takes away the powers of a development node".to_owned(),
        revision: before.revision + 1,
        partitions: ctx.partitions,
    };
    let is_known = tables.policy_sets().contains((hash.as_bytes(),))?;
    let published = v1::PolicySetPublished { policy_set: Some(set) };
    let published = (!is_known).then_some(Event::PolicySetPublished(published));
    Ok(published.into_iter().chain([Event::PolicySetActivated(activated)]).collect())
}

fn schema_in_force(tables: &Tables<'_>) -> Result<String, Refusal> {
    let missing = || Rejection::new(codes::POLICY_SET_INVALID, "no schema is in force yet; give one with the policies");
    let active = tables.governance().active_policy().get(())?.ok_or_else(missing)?;
    let hash = Hash::from_slice(&active.policy_set_hash).ok_or_else(missing)?;
    Ok(tables.governance().policy_texts().get((hash.as_bytes(),))?.ok_or_else(missing)?.schema)
}

/// The set as it is kept, if it has no mistakes.
fn published(ctx: &Context<'_>, policies: &str, schema: &str, description: &str) -> Result<v1::PolicySet, Refusal> {
    let (policies, schema) = (canonical_text(policies), canonical_text(schema));
    let hash = ctx.load_policy_set(&policies, &schema).map_err(|problems| invalid(&problems))?;
    Ok(v1::PolicySet {
        policy_set_hash: hash.to_hex(),
        description: description.to_owned(),
        policies,
        schema,
        published_at: Some(ctx.now.to_proto()),
        published_by: ctx.actor.id.clone(),
        partitions: ctx.partitions,
        ..Default::default()
    })
}

/// The rejection of a set with mistakes, each with its place.
pub(crate) fn invalid(problems: &[PolicyProblem]) -> Rejection {
    let mut violations = Violations::default();
    for problem in problems {
        let place = if problem.line == 0 {
            problem.part.to_owned()
        } else {
            format!("{}:{}:{}", problem.part, problem.line, problem.column)
        };
        violations.add(place, problem.message.clone());
    }
    let first = violations.iter().next().map(|first| format!("{}: {}", first.field, first.description));
    let message = format!("the policy set has mistakes and was not published; {}", first.unwrap_or_default());
    Rejection { violations, ..Rejection::new(codes::POLICY_SET_INVALID, message) }
}
