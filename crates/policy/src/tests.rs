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
    assert_eq!(verdict, Verdict { permitted: false, determining: vec![] });
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
