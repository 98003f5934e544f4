//! Policy sets with mistakes, and such as would lock everybody out.

use super::*;

fn publish(policies: String) -> PublishPolicySetRequest {
    PublishPolicySetRequest { policies, description: "a test".into(), ..Default::default() }
}

fn activate(hash: &str) -> ActivatePolicySetRequest {
    ActivatePolicySetRequest { policy_set_hash: hash.into(), reason: "a test".into(), ..Default::default() }
}

fn shipped() -> String {
    daybook_domains::shipped_policies(&daybook_domains::registry(), true)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistake_in_a_policy_set_is_told_with_its_place() {
    let node = node().await;
    only_rejections_are_written(&node, async || {
        let no_such_action =
            "@id(\"one\")\npermit (\n  principal,\n  action == LegalHold::Action::\"BurnItem\",\n  resource\n);\n";
        let refusal = node.refusal(&ROOT, &publish(no_such_action.into())).await;
        is(&refusal, Code::InvalidArgument, "POLICY_SET_INVALID");
        assert!(refusal.field_names()[0].starts_with("policies:4:"), "{refusal:?}");
        assert!(refusal.message.contains("policies:4:"), "{}", refusal.message);

        let refusal = node.refusal(&ROOT, &publish("permit (principal, action, resource)\n\nforbid".into())).await;
        is(&refusal, Code::InvalidArgument, "POLICY_SET_INVALID");
        assert!(refusal.field_names()[0].starts_with("policies:3:"), "{refusal:?}");

        let bad_schema = PublishPolicySetRequest { schema: "entity User;\nentity".into(), ..publish(shipped()) };
        let refusal = node.refusal(&ROOT, &bad_schema).await;
        is(&refusal, Code::InvalidArgument, "POLICY_SET_INVALID");
        assert!(refusal.field_names()[0].starts_with("schema:"), "{refusal:?}");
    })
    .await;
    nothing_is_written(&node, async || {
        names(&node.refusal(&ROOT, &publish(" \n".into())).await, &["policies"]);
        names(&node.refusal(&ROOT, &publish("x".repeat(100_001))).await, &["policies"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_set_that_locks_out_every_administrator_does_not_get_into_force() {
    let node = node().await;
    let nobody = "@id(\"nobody\")\nforbid (principal, action in [Platform::Action::\"PublishPolicySet\", \
                  Platform::Action::\"ActivatePolicySet\"], resource);\n";
    let published: PublishPolicySetResponse = node.ask(&ROOT, &publish(format!("{}\n{nobody}", shipped()))).await;
    let hash = published.policy_set.unwrap().policy_set_hash;
    let before: GetPolicySetResponse = node.ask(&ROOT, &GetPolicySetRequest::default()).await;
    only_rejections_are_written(&node, async || {
        is(&node.refusal(&ROOT, &activate(&hash)).await, Code::FailedPrecondition, "POLICY_LOCKS_OUT_ADMINS");
    })
    .await;
    let after: GetPolicySetResponse = node.ask(&ROOT, &GetPolicySetRequest::default()).await;
    assert_eq!(after.policy_set.unwrap().policy_set_hash, before.policy_set.unwrap().policy_set_hash);
    let other: PublishPolicySetResponse = node.ask(&ROOT, &publish(format!("{}\n// another\n", shipped()))).await;
    assert!(other.policy_set.is_some(), "the administrator still administrates");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policy_sets_are_found_by_their_hash_and_published_once() {
    let node = node().await;
    only_rejections_are_written(&node, async || {
        is(&node.refusal(&ROOT, &publish(shipped())).await, Code::AlreadyExists, "POLICY_SET_ALREADY_PUBLISHED");
        is(&node.refusal(&ROOT, &activate(&"0".repeat(64))).await, Code::NotFound, "POLICY_SET_NOT_FOUND");
        names(&node.refusal(&ROOT, &activate("1234567")).await, &["policy_set_hash"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_policy_set_decides_from_its_activation_on() {
    let node = node().await;
    let no_holds = "@id(\"no-holds\")\nforbid (principal, action == LegalHold::Action::\"PlaceHold\", resource);\n";
    let published: PublishPolicySetResponse = node.ask(&ROOT, &publish(format!("{}\n{no_holds}", shipped()))).await;
    let _: PlaceHoldResponse = node.ask(&LEA, &place("before", on(ADA))).await;
    let hash = published.policy_set.unwrap().policy_set_hash;
    let _: ActivatePolicySetResponse = node.ask(&ROOT, &activate(&hash[..12])).await;
    eventually("the set is in force on every partition", async || {
        let active: GetPolicySetResponse = node.ask(&ROOT, &GetPolicySetRequest::default()).await;
        let active = active.policy_set.unwrap();
        (active.policy_set_hash == hash && active.active_partitions == active.partitions).then_some(())
    })
    .await;
    is(&node.refusal(&LEA, &place("after", on(ADA))).await, Code::PermissionDenied, "POLICY_DENIED");
    goes_on(&node).await;
    let placed: GetHoldResponse = node.ask(&LEA, &get_hold("before")).await;
    assert_eq!(placed.hold.unwrap().state(), HoldState::Active, "what was decided stays");
}
