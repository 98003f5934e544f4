//! The text of a policy set as its author sends it: policies, a line `----`, a schema. Without one, the schema that ships.

use std::sync::LazyLock;

use daybook_kernel::authorisation::{Attribute, Authorisation, Authority, PolicyProblem, policy_set_hash};
use daybook_kernel::id::TenantId;
use daybook_policy::{Cedar, diff};
use daybook_proto::log::v1::{Actor, actor::Kind};

static SHIPPED: LazyLock<(String, String)> = LazyLock::new(|| {
    let registry = daybook_domains::registry();
    (registry.shipped_policies(), registry.shipped_schema())
});

pub(super) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (policies, schema) = text.split_once("\n----\n").unwrap_or((text, &SHIPPED.1));
    let (cedar, other) = (Cedar::new(), Cedar::new());
    let loaded = cedar.load(policies, schema);
    assert_eq!(other.load(policies, schema), loaded, "it is judged the same again: the judgement is recorded");
    match &loaded {
        Err(problems) => {
            assert!(!problems.is_empty(), "who is refused is told why");
            problems.iter().for_each(|problem| has_its_place(problem, policies, schema));
        }
        Ok(hash) => {
            assert_eq!(*hash, policy_set_hash(policies, schema));
            let question = Authorisation::new("LegalHold", "PlaceHold", "Hold", "hold-1")
                .attribute("tenant", "acme")
                .context("count", Attribute::Number(i64::MAX));
            let ask = |cedar: &Cedar| cedar.ask(*hash, &actor(), &tenant(), &question).expect("it was loaded");
            assert_eq!(ask(&cedar), ask(&other), "it answers the same again");
        }
    }
    if let Ok(changes) = diff(policies, &SHIPPED.0) {
        assert_eq!(diff(policies, &SHIPPED.0).as_ref(), Ok(&changes));
        assert_eq!(diff(policies, policies).map(|none| none.len()), Ok(0), "nothing differs from itself");
    }
}

fn has_its_place(problem: &PolicyProblem, policies: &str, schema: &str) {
    let text = if problem.part == "schema" { schema } else { policies };
    let lines = text.lines().count() + 1;
    assert!(problem.line <= lines, "line {} of {lines}: {}", problem.line, problem.message);
}

fn actor() -> Actor {
    Actor { kind: Kind::User.into(), id: "lea".into(), roles: vec!["legal".into()], tenant_ids: vec!["acme".into()] }
}

fn tenant() -> TenantId {
    TenantId::parse("acme").expect("a tenant")
}
