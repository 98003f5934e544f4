//! Tenants that are not there, not meant, or not the caller's.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_that_is_not_known_is_refused() {
    const STRANGER: Person = Person { tenants: &["nowhere"], ..LEA };
    let node = node().await;
    nothing_is_written(&node, async || {
        is(&node.refusal(&STRANGER, &place("h", on(ADA))).await, Code::NotFound, "TENANT_UNKNOWN");
        is(&node.refusal(&STRANGER, &get_hold("h")).await, Code::NotFound, "TENANT_UNKNOWN");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_does_not_reach_into_tenants_that_it_does_not_speak_for() {
    let node = node().await;
    nothing_is_written(&node, async || {
        let command = PlaceHoldRequest { tenant_id: "globex".into(), ..place("h", on(ADA)) };
        is(&node.refusal(&LEA, &command).await, Code::PermissionDenied, "TENANT_NOT_IN_TOKEN");
        let query = GetHoldRequest { tenant_id: "globex".into(), ..get_hold("h") };
        is(&node.refusal(&LEA, &query).await, Code::PermissionDenied, "TENANT_NOT_IN_TOKEN");
        let create = CreateTenantRequest { new_tenant_id: "mine".into(), ..Default::default() };
        is(&node.refusal(&LEA, &create).await, Code::PermissionDenied, "TENANT_NOT_IN_TOKEN");
        let export = ExportDecisionsRequest { tenant_id: "globex".into(), ..Default::default() };
        is(&node.refusal(&LEA, &export).await, Code::PermissionDenied, "TENANT_NOT_IN_TOKEN");
        let outcome = GetCommandRequest { tenant_id: "globex".into(), command_id: new_id() };
        is(&node.refusal(&LEA, &outcome).await, Code::PermissionDenied, "TENANT_NOT_IN_TOKEN");
        let digest = GetStateDigestRequest { partition: 0 };
        is(&node.refusal(&LEA, &digest).await, Code::PermissionDenied, "TENANT_NOT_IN_TOKEN");
        let elsewhere = CreateTenantRequest { tenant_id: "demo".into(), ..create };
        names(&node.refusal(&ROOT, &elsewhere).await, &["tenant_id"]);
        // Nor into one that a hold is to reach: nothing is made a pseudonym with the keys of that tenant.
        let there = TenantScope { tenant_id: "globex".into(), scope: Some(on(ADA)) };
        let hold = PlaceHoldRequest { other_tenants: vec![there], ..place("h", on(ADA)) };
        is(&node.refusal(&LEA, &hold).await, Code::PermissionDenied, "TENANT_NOT_IN_TOKEN");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_for_several_tenants_must_say_which_one_is_meant() {
    const BOTH: Person = Person { tenants: &["demo", "globex"], ..LEA };
    const NONE: Person = Person { tenants: &[], ..LEA };
    let node = node().await;
    nothing_is_written(&node, async || {
        is(&node.refusal(&BOTH, &place("h", on(ADA))).await, Code::InvalidArgument, "TENANT_REQUIRED");
        // Roles are those of a tenant: without one there is none.
        is(&node.refusal(&NONE, &place("h", on(ADA))).await, Code::PermissionDenied, "POLICY_DENIED");
        let odd = GetHoldRequest { tenant_id: "Not A Tenant!".into(), ..get_hold("h") };
        names(&node.refusal(&LEA, &odd).await, &["tenant_id"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_tenants_commands_are_refused_until_it_is_resumed() {
    let node = node().await;
    let target_tenant_id = || "demo".to_owned();
    let suspend =
        SuspendTenantRequest { target_tenant_id: target_tenant_id(), reason: "unpaid".into(), ..Default::default() };
    let _: SuspendTenantResponse = node.ask(&ROOT, &suspend).await;
    node.settle().await;
    is(&node.refusal(&RITA, &register(item("b", "century", ADA))).await, Code::FailedPrecondition, "TENANT_SUSPENDED");
    is(&node.refusal(&ROOT, &suspend).await, Code::FailedPrecondition, "TENANT_STATE_UNCHANGED");
    let resume =
        ResumeTenantRequest { target_tenant_id: target_tenant_id(), reason: "paid".into(), ..Default::default() };
    let _: ResumeTenantResponse = node.ask(&ROOT, &resume).await;
    node.settle().await;
    goes_on(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_is_created_once_and_with_a_name_that_is_one() {
    let node = node().await;
    only_rejections_are_written(&node, async || {
        let again = CreateTenantRequest { new_tenant_id: "demo".into(), ..Default::default() };
        is(&node.refusal(&ROOT, &again).await, Code::AlreadyExists, "TENANT_ALREADY_EXISTS");
    })
    .await;
    nothing_is_written(&node, async || {
        let odd = CreateTenantRequest { new_tenant_id: "Ada & Co".into(), ..Default::default() };
        names(&node.refusal(&ROOT, &odd).await, &["new_tenant_id"]);
        let missing = GetTenantRequest { target_tenant_id: "nobody".into(), ..Default::default() };
        is(&node.refusal(&ROOT, &missing).await, Code::NotFound, "TENANT_NOT_FOUND");
    })
    .await;
}
