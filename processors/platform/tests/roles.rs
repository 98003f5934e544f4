//! Who may do what on the platform, under the policies that ship and those of development nodes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use bytes::Bytes;
use common::*;
use daybook_kernel::authorisation::{Authorisation, Authority};
use daybook_kernel::domain::Query;
use daybook_kernel::governance;
use daybook_kernel::hash::Hash;
use daybook_kernel::id::TenantId;
use daybook_kernel::state::MemoryState;
use daybook_policy::Cedar;
use daybook_proto::log::v1 as log;
use daybook_proto::platform::v1;
use platform_projection::{GetFeatureLevel, GetPolicySet, GetTenant, ListParkedStreams, ListPolicySets, ListTenants};
use prost::Message;

/// Everybody who might ask.
fn people() -> Vec<(&'static str, log::Actor)> {
    let platform = &["platform"][..];
    let service = log::Actor { kind: log::actor::Kind::Service.into(), ..user("pipeline", &["admin"], platform) };
    vec![
        ("an admin", user("root", &["admin"], platform)),
        ("an admin of several tenants", user("ruth", &["auditor", "admin"], &["acme", "platform"])),
        ("an admin that is a service", service),
        ("an auditor", user("ada", &["auditor"], platform)),
        ("legal", user("lea", &["legal"], platform)),
        ("a records manager", user("rita", &["records-manager"], platform)),
        ("a service", user("sync", &["service"], platform)),
        ("a role of another name", user("al", &["Admin", "administrator", "admin "], platform)),
        ("nobody", user("nemo", &[], platform)),
        ("an admin of another tenant", user("carl", &["admin"], &["acme"])),
        ("an admin without a tenant", user("carl", &["admin"], &[])),
    ]
}

const ADMINS: [&str; 3] = ["an admin", "an admin of several tenants", "an admin that is a service"];

#[test]
fn only_admins_of_the_platform_change_it() {
    let raise = v1::RaiseFeatureLevelRequest {
        nodes: vec![v1::NodeRelease { newest_feature_level: 9, ..Default::default() }],
        ..Default::default()
    };
    let commands: [(&str, Vec<u8>); 8] = [
        ("CreateTenant", create("globex").encode_to_vec()),
        ("SuspendTenant", suspend("acme").encode_to_vec()),
        ("ResumeTenant", resume("acme").encode_to_vec()),
        ("PublishPolicySet", publish(&shipped_and("// the same, once more")).encode_to_vec()),
        ("ActivatePolicySet", activate(&Site::new().activation().0).encode_to_vec()),
        ("UnparkStream", unpark("acme", "acme").encode_to_vec()),
        ("AdvanceClock", advance(HOUR).encode_to_vec()),
        ("RaiseFeatureLevel", raise.encode_to_vec()),
    ];
    let public = registry().get("platform").unwrap().public_kinds.clone();
    assert_eq!(public.len(), commands.len(), "every command is tried: {public:?}");
    for (who, actor) in people() {
        for (kind, payload) in &commands {
            assert!(public.contains(kind));
            // Everything is in the state that the command wants, so that only the policies can say no.
            let mut site = Site::of_development();
            if *kind == "ResumeTenant" {
                site.suspend("acme").accepted();
            }
            if *kind == "UnparkStream" {
                assert_eq!(site.bell("acme", "Break", "b").code(), "DECIDER_PANICKED");
            }
            let before = site.solo.state.clone();
            let answer = site.ask_as(&actor, kind, payload.clone());
            let expected = if ADMINS.contains(&who) { "ACCEPTED" } else { "POLICY_DENIED" };
            assert_eq!(answer.code(), expected, "{who} asks for {kind}");
            if expected == "POLICY_DENIED" {
                let outside = actor.tenant_ids.iter().all(|tenant| tenant != "platform");
                let because = if outside { vec!["tenant-boundary".to_owned()] } else { vec![] };
                assert_eq!(answer.0.determining_policies, because, "{who} asks for {kind}");
                assert_eq!(answer.0.actor_id, actor.id, "who was refused is on record");
                assert_eq!(platforms(&before), platforms(&site.solo.state), "nothing was changed");
            }
        }
    }
}

/// Every row of the platform: all but what remembers that the command came.
fn platforms(state: &MemoryState) -> Vec<(&Bytes, &Bytes)> {
    let rows = state.iter().filter(|(projection, _, _)| *projection == governance::PLATFORM);
    rows.map(|(_, key, value)| (key, value)).collect()
}

#[test]
fn admins_and_auditors_read_and_nobody_else() {
    let cedar = Cedar::new();
    let registry = registry();
    let set = cedar.load(&registry.shipped_policies(), &registry.shipped_schema()).unwrap();
    let questions = [
        GetTenant::authorisation(&v1::GetTenantRequest { target_tenant_id: "acme".into(), ..Default::default() }),
        ListTenants::authorisation(&Default::default()),
        GetPolicySet::authorisation(&Default::default()),
        ListPolicySets::authorisation(&Default::default()),
        ListParkedStreams::authorisation(&Default::default()),
        GetFeatureLevel::authorisation(&Default::default()),
    ];
    assert_eq!(registry.get("platform").unwrap().queries.len(), questions.len(), "every query is tried");
    for (who, actor) in people() {
        let reads = ADMINS.contains(&who) || who == "an auditor";
        for question in &questions {
            let verdict = cedar.ask(set, &actor, TenantId::platform(), question).unwrap();
            assert_eq!(verdict.permitted, reads, "{who} asks for {}", question.action);
        }
    }
}

/// Actions of the node itself, which the platform's policies rule as well.
#[test]
fn rebuilding_and_snapshots_are_for_admins_and_exports_are_for_auditors_and_legal_of_the_tenant() {
    let cedar = Cedar::new();
    let set = cedar.load(&registry().shipped_policies(), &registry().shipped_schema()).unwrap();
    let permitted = |set: Hash, actor: &log::Actor, tenant: &str, question: &Authorisation| {
        cedar.ask(set, actor, &TenantId::parse(tenant).unwrap(), question).unwrap().permitted
    };
    let rebuild = Authorisation::new("Platform", "RebuildProjection", "Projection", "legal_hold");
    let export = Authorisation::new("Platform", "ExportDecisions", "Log", "acme");
    let snapshots = Authorisation::new("Platform", "TakeSnapshots", "Installation", "this");
    for (who, actor) in people() {
        for question in [&rebuild, &snapshots] {
            assert_eq!(permitted(set, &actor, "platform", question), ADMINS.contains(&who), "{who}: {question:?}");
        }
    }
    for (roles, tenants, may) in [
        (&["auditor"][..], &["acme"][..], true),
        (&["legal"], &["acme"], true),
        (&["admin"], &["acme"], false),
        (&["records-manager"], &["acme"], false),
        (&[], &["acme"], false),
        (&["auditor", "legal"], &["globex"], false),
        (&["auditor", "legal"], &["platform"], false),
    ] {
        let actor = user("ada", roles, tenants);
        assert_eq!(permitted(set, &actor, "acme", &export), may, "{roles:?} of {tenants:?}");
    }
}
