//! What policy sets promise.

use daybook_proto::log::v1::actor::Kind;

use super::*;

const SCHEMA: &str = r#"
entity Role;
entity User in [Role] { id: String, roles: Set<String>, tenants: Set<String> };
entity Service in [Role] { id: String, roles: Set<String>, tenants: Set<String> };
namespace LegalHold {
  entity Hold { tenant: String, categories: Set<String> };
  action read;
  action PlaceHold appliesTo { principal: [User, Service], resource: Hold };
  action GetHold in [read] appliesTo { principal: [User, Service], resource: Hold, context: { urgent: Bool } };
}
"#;

fn actor(id: &str, roles: &[&str]) -> Actor {
    let roles = roles.iter().map(ToString::to_string).collect();
    Actor { id: id.into(), kind: Kind::User.into(), roles, tenant_ids: vec!["acme".into()] }
}

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn place(hold: &str) -> Authorisation {
    Authorisation::new("LegalHold", "PlaceHold", "Hold", hold)
        .attribute("categories", ["hr"].into_iter().collect::<daybook_kernel::authorisation::Attribute>())
}

fn get(hold: &str) -> Authorisation {
    Authorisation { action: "GetHold", ..place(hold) }.context("urgent", false)
}

fn ask(policies: &str, actor: &Actor, question: &Authorisation) -> Verdict {
    let cedar = Cedar::new();
    let set = cedar.load(policies, SCHEMA).unwrap();
    cedar.ask(set, actor, &acme(), question).unwrap()
}

#[test]
fn what_nothing_permits_is_denied() {
    let verdict = ask(r#"permit(principal in Role::"legal", action, resource);"#, &actor("eve", &[]), &place("h"));
    assert_eq!(verdict, Verdict::denied());
}

#[test]
fn a_verdict_names_the_policies_that_determined_it() {
    let policies = r#"
        @id("legal") permit(principal in Role::"legal", action, resource);
        @id("all-read") permit(principal, action in LegalHold::Action::"read", resource);
        @id("not-mallory") forbid(principal == User::"mallory", action, resource);
    "#;
    let permitted = |who: &Actor, question: &Authorisation| {
        let verdict = ask(policies, who, question);
        (verdict.permitted, verdict.determining)
    };
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(permitted(&actor("ada", &["legal"]), &place("h")), (true, names(&["legal"])));
    assert_eq!(permitted(&actor("ada", &["legal"]), &get("h")), (true, names(&["all-read", "legal"])));
    assert_eq!(permitted(&actor("mallory", &["legal"]), &place("h")), (false, names(&["not-mallory"])));
}

#[test]
fn policies_see_attributes_tenant_and_context() {
    let policies = r#"
        @id("hr") permit(principal, action, resource) when { resource.categories.contains("hr") };
        @id("own") forbid(principal, action, resource) unless { principal.tenants.contains(resource.tenant) };
    "#;
    assert!(ask(policies, &actor("ada", &[]), &place("h")).permitted);
    let mut elsewhere = actor("ada", &[]);
    elsewhere.tenant_ids = vec!["globex".into()];
    assert!(!ask(policies, &elsewhere, &place("h")).permitted);
    let urgent = r#"permit(principal, action == LegalHold::Action::"GetHold", resource) when { context.urgent };"#;
    assert!(!ask(urgent, &actor("ada", &[]), &get("h")).permitted);
    assert!(ask(urgent, &actor("ada", &[]), &get("h").context("urgent", true)).permitted);
}

#[test]
fn a_resource_that_a_policy_names_is_told_apart() {
    let cedar = Cedar::new();
    let policies = r#"
        permit(principal, action, resource);
        @id("not-h7") forbid(principal, action, resource == LegalHold::Hold::"h7");
    "#;
    let set = cedar.load(policies, SCHEMA).unwrap();
    let permitted = |hold| cedar.ask(set, &actor("ada", &[]), &acme(), &place(hold)).unwrap().permitted;
    // In an order that would be wrong if a remembered verdict were given for another resource.
    assert_eq!(["h1", "h7", "h2", "h7"].map(permitted), [true, false, true, false]);
}

#[test]
fn remembered_verdicts_are_the_asked_ones() {
    let cedar = Cedar::new();
    let policies = r#"@id("hr") permit(principal in Role::"legal", action, resource)
        when { resource.categories.contains("hr") };"#;
    let set = cedar.load(policies, SCHEMA).unwrap();
    for round in 0..3 {
        for (roles, category, expected) in
            [(vec!["legal"], "hr", true), (vec!["legal"], "it", false), (vec![], "hr", false)]
        {
            let categories = [category].into_iter().collect::<daybook_kernel::authorisation::Attribute>();
            let question = place("h").attribute("categories", categories);
            let verdict = cedar.ask(set, &actor("ada", &roles), &acme(), &question).unwrap();
            assert_eq!(verdict.permitted, expected, "round {round}, {roles:?}, {category}");
        }
    }
}

#[test]
fn mistakes_are_reported_with_their_place() {
    let cedar = Cedar::new();
    let report = |policies: &str, schema: &str| {
        let problems = cedar.load(policies, schema).unwrap_err();
        let lines = problems.iter().map(|p| format!("{} {}:{} {}", p.part, p.line, p.column, p.message));
        lines.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(report(
        "permit(principal, action, resource);\npermit(principal action, resource);",
        SCHEMA
    ));
    insta::assert_snapshot!(report(
        "\n@id(\"x\") permit(principal, action == LegalHold::Action::\"PlaceHodl\", resource);",
        SCHEMA
    ));
    insta::assert_snapshot!(report("permit(principal, action, resource) when { resource.colour == 3 };", SCHEMA));
    insta::assert_snapshot!(report("permit(principal, action, resource);", "entity User in [Rolle];"));
    insta::assert_snapshot!(report(
        "@id(\"a\") permit(principal, action, resource);\n@id(\"a\") forbid(principal, action, resource);",
        SCHEMA
    ));
    insta::assert_snapshot!(report("permit(principal == ?principal, action, resource);", SCHEMA));
}

/// An overflow is found only when the policy is evaluated; so is an attribute that the schema promises and a question lacks.
const OVERFLOWS: &str = "9223372036854775807 + 1 == 0";

#[test]
fn a_policy_that_fails_is_named_and_one_that_forbids_denies() {
    let all = r#"@id("all") permit(principal, action, resource);"#;
    let verdict = |policy: &str| ask(&format!("{all}{policy}"), &actor("ada", &[]), &place("h"));
    let failed = |verdict: &Verdict| verdict.failed.iter().map(|it| (it.id.clone(), it.denies)).collect::<Vec<_>>();
    let forbids = verdict(&format!("@id(\"no\") forbid(principal, action, resource) when {{ {OVERFLOWS} }};"));
    assert!(forbids.permitted, "Cedar alone skips it");
    assert_eq!(failed(&forbids), [("no".to_owned(), true)]);
    let denied = forbids.failures_deny();
    assert_eq!((denied.permitted, denied.determining), (false, vec!["no".to_owned()]));

    let permits = verdict(&format!("@id(\"may\") permit(principal, action, resource) when {{ {OVERFLOWS} }};"));
    assert_eq!(failed(&permits), [("may".to_owned(), false)]);
    assert!(permits.failures_deny().permitted, "another policy permits it");
    let alone = format!("@id(\"may\") permit(principal, action, resource) when {{ {OVERFLOWS} }};");
    assert!(!ask(&alone, &actor("ada", &[]), &place("h")).permitted, "what fails permits nothing");

    for (policy, denies) in [("@on_error(\"skip\") forbid", false), ("@on_error(\"deny\") permit", true)] {
        let policy = format!("@id(\"x\") {policy}(principal, action, resource) when {{ {OVERFLOWS} }};");
        assert_eq!(verdict(&policy).failures_deny().permitted, !denies, "{policy}");
    }
    let wrong = "@on_error(\"ignore\") permit(principal, action, resource);";
    let problems = Cedar::new().load(wrong, SCHEMA).unwrap_err();
    assert!(problems[0].message.contains("@on_error must be"), "{problems:?}");
}

#[test]
fn an_attribute_that_the_schema_promises_and_a_question_lacks_fails_the_policy() {
    let policies = r#"
        permit(principal, action, resource);
        @id("hr") forbid(principal, action, resource) when { resource.categories.contains("hr") };
    "#;
    let question = Authorisation::new("LegalHold", "PlaceHold", "Hold", "h");
    let verdict = ask(policies, &actor("ada", &[]), &question);
    assert_eq!(verdict.failed.len(), 1);
    assert!(!verdict.failures_deny().permitted);
}

/// `principals` times `resources` combinations for one action.
fn product(principals: usize, resources: usize) -> String {
    let names = |prefix: &str, count| (0..count).map(|n| format!("{prefix}{n}")).collect::<Vec<_>>().join(", ");
    let (principals, resources) = (names("P", principals), names("R", resources));
    format!(
        "entity {principals};\nentity {resources};\naction Do appliesTo {{ principal: [{principals}], resource: \
         [{resources}] }};"
    )
}

/// The poison pill: 70 policies and 3,000 times 3,000 combinations kept a node from deciding anything, after every restart.
#[test]
fn a_schema_with_too_many_combinations_is_refused_before_it_is_checked() {
    let policy = "permit(principal, action, resource) when { principal == resource };\n";
    for (types, policies) in [(100, 70), (120, 70), (125, 1_000)] {
        let problems = Cedar::new().load(&policy.repeat(policies), &product(types, types)).unwrap_err();
        assert!(problems[0].message.contains("combinations"), "{types}: {problems:?}");
    }
    for (types, what) in [(300, "entity types"), (900, "entity types"), (3_000, "words and signs")] {
        let problems = Cedar::new().load(&policy.repeat(70), &product(types, types)).unwrap_err();
        assert!(problems[0].message.contains(what), "{types}: {problems:?}");
    }
}

#[test]
fn names_and_texts_that_would_be_compared_for_ever_are_refused() {
    let long = "x".repeat(1_000);
    for (policies, schema) in [
        (format!("permit(principal, action, resource) when {{ principal.{long} }};"), SCHEMA.to_owned()),
        (format!("permit(principal, action == Action::\"{long}\", resource);"), SCHEMA.to_owned()),
        (format!("permit(principal == User::\"{long}\", action, resource);"), SCHEMA.to_owned()),
        ("permit(principal, action, resource);".to_owned(), format!("entity {long};")),
        ("permit(principal, action, resource);".to_owned(), format!("entity A {{ \"{long}\": String }};")),
    ] {
        let problems = Cedar::new().load(&policies, &schema).unwrap_err();
        assert!(problems[0].message.contains("bytes, and may have 256"), "{problems:?}");
    }
    let explained = format!("@id(\"a\") @why(\"{long}\") permit(principal, action, resource);");
    assert!(Cedar::new().load(&explained, SCHEMA).is_ok(), "an annotation may be long");
}

#[test]
fn what_a_decision_put_in_force_stays_readable_whatever_is_checked_today() {
    let cedar = Cedar::new();
    // Larger than a set may be today, and with an attribute that the schema does not have.
    let policies = r#"permit(principal, action, resource) when { principal has nothing && principal.nothing };"#;
    let schema = product(130, 130);
    let set = cedar.load_decided(policies, &schema).unwrap();
    assert!(cedar.is_loaded(set));
    assert!(cedar.load(policies, &schema).is_err(), "what was only read is not taken for checked");
    assert!(cedar.is_loaded(set));
}

#[test]
fn the_set_that_was_asked_longest_ago_is_forgotten() {
    let cedar = Cedar::new();
    let load = |number: usize| {
        cedar.load(&format!("@id(\"p{number}\") permit(principal, action, resource);"), SCHEMA).unwrap()
    };
    let first = load(0);
    let second = load(1);
    for number in 2..SETS_MAX + 20 {
        load(number);
        assert!(cedar.ask(first, &actor("ada", &[]), &acme(), &place("h")).is_ok(), "it is asked all the while");
    }
    assert!(!cedar.is_loaded(second));
    assert!(cedar.sets.read().len() <= SETS_MAX);
}

#[test]
fn a_set_that_is_not_loaded_cannot_be_asked() {
    let cedar = Cedar::new();
    let set = policy_set_hash("permit(principal, action, resource);", SCHEMA);
    assert_eq!(cedar.ask(set, &actor("ada", &[]), &acme(), &place("h")), Err(NotLoaded(set)));
}

#[test]
fn names_that_are_no_cedar_names_are_not_permitted_and_do_not_panic() {
    let policies = "permit(principal, action, resource);";
    assert!(ask(policies, &actor("a\"b\\\u{0}\n", &["x\"y"]), &place("h\"\u{7f}")).permitted, "any text is an id");
    let question = Authorisation::new("no namespace!", "PlaceHold", "Hold", "h");
    assert!(!ask(policies, &actor("ada", &[]), &question).permitted);
}

#[test]
fn two_sets_are_compared_policy_by_policy() {
    let before = "@id(\"a\") permit(principal, action, resource);\n@id(\"b\") permit(principal, action, resource);";
    let after = "@id(\"b\") forbid(principal, action, resource);\n@id(\"c\") permit(principal, action, resource);";
    let changes = diff(before, after).unwrap();
    assert!(matches!(&changes[..], [
        PolicyChange::Removed { id: a, .. },
        PolicyChange::Changed { id: b, .. },
        PolicyChange::Added { id: c, .. },
    ] if (a.as_str(), b.as_str(), c.as_str()) == ("a", "b", "c")));
    assert_eq!(diff(before, before), Ok(vec![]));
}

#[test]
fn who_could_be_permitted_nothing_is_told_by_the_heads_of_the_policies() {
    let policies = r#"
        @id("legal") permit(principal in Role::"legal", action == LegalHold::Action::"PlaceHold", resource)
            when { resource.categories.contains("hr") };
        @id("readers") permit(principal, action in [LegalHold::Action::"read"], resource)
            when { principal in Role::"auditor" };
        @id("ada") permit(principal == User::"ada", action == LegalHold::Action::"PlaceHold", resource);
        @id("never") forbid(principal in Role::"legal", action, resource);
    "#;
    let cedar = Cedar::new();
    let set = cedar.load(policies, SCHEMA).unwrap();
    let could = |who: &Actor, action: &str| cedar.could_permit(set, who, "LegalHold", action).unwrap();
    let (lea, eve, ada) = (actor("lea", &["legal"]), actor("eve", &[]), actor("ada", &[]));
    assert!(could(&lea, "PlaceHold"), "on some resource, as far as the head tells");
    assert!(!could(&eve, "PlaceHold"));
    assert!(could(&ada, "PlaceHold"));
    assert!(!could(&Actor { kind: Kind::Service.into(), ..ada.clone() }, "PlaceHold"), "another kind of principal");
    assert!(could(&eve, "GetHold"), "the condition is not looked at");
    assert!(!could(&lea, "NoSuchAction"));
    for who in [&lea, &eve, &ada] {
        for question in [place("h"), get("h")] {
            let permitted = cedar.ask(set, who, &acme(), &question).unwrap().permitted;
            assert!(!permitted || could(who, question.action), "never no of what is permitted");
        }
    }
}
