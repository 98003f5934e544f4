//! Commands that come twice, too late, or contradict what was decided.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_is_sent_again_is_decided_once_and_gets_the_same_answer() {
    let node = node().await;
    let request = RegisterItemRequest { command_id: new_id(), ..register(item("b", "century", ADA)) };
    let first: RegisterItemResponse = node.ask(&RITA, &request).await;
    let known = node.domain_digests().await;
    for _ in 0..3 {
        let again: RegisterItemResponse = node.ask(&RITA, &request).await;
        let (first, again) = (first.receipt.clone().unwrap(), again.receipt.unwrap());
        assert!(!first.duplicate && again.duplicate);
        assert_eq!((first.position, first.command_hash), (again.position, again.command_hash));
    }
    let by_json = node.post(&RITA, "RegisterItem", &to_json(&request)).await.ok();
    assert_eq!(by_json["receipt"]["duplicate"], true, "whichever door it comes through");
    assert_eq!(node.domain_digests().await, known, "decided once");
    goes_on(&node).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_with_one_command_get_one_decision() {
    let node = node().await;
    let request = PlaceHoldRequest { command_id: new_id(), ..place("h", on(ADA)) };
    let asked = (0..32).map(|_| node.try_ask::<_, PlaceHoldResponse>(&LEA, &request));
    let answers = futures_util::future::join_all(asked).await;
    let receipts: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().receipt.unwrap()).collect();
    assert!(receipts.iter().all(|receipt| receipt.position == receipts[0].position), "{receipts:?}");
    let audit: ListAuditEntriesResponse =
        node.ask(&LEA, &ListAuditEntriesRequest { hold_id: "h".into(), ..Default::default() }).await;
    assert_eq!(audit.entries.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_id_is_not_good_for_another_command() {
    let node = node().await;
    let id = new_id();
    let first = RegisterItemRequest { command_id: id.clone(), ..register(item("b", "century", ADA)) };
    let _: RegisterItemResponse = node.ask(&RITA, &first).await;
    only_rejections_are_written(&node, async || {
        let other_content = RegisterItemRequest { command_id: id.clone(), ..register(item("c", "century", ADA)) };
        is(&node.refusal(&RITA, &other_content).await, Code::AlreadyExists, "COMMAND_ID_REUSED");
        let other_kind = PlaceHoldRequest { command_id: id.clone(), ..place("h", on(ADA)) };
        is(&node.refusal(&LEA, &other_kind).await, Code::AlreadyExists, "COMMAND_ID_REUSED");
    })
    .await;
    nothing_is_written(&node, async || {
        for odd in ["7", "00000000-0000-4000-8000-000000000000", "not-a-uuid"] {
            let request = PlaceHoldRequest { command_id: odd.into(), ..place("h", on(ADA)) };
            names(&node.refusal(&LEA, &request).await, &["command_id"]);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_is_released_once() {
    let node = node().await;
    let _: PlaceHoldResponse = node.ask(&LEA, &place("h", on(ADA))).await;
    let asked: ReleaseHoldResponse = node.ask(&LEA, &release("h")).await;
    let change = asked.hold.unwrap().pending_change.unwrap().change_id;
    only_rejections_are_written(&node, async || {
        let again = node.refusal(&LEA, &release("h")).await;
        is(&again, Code::FailedPrecondition, "HOLD_CHANGE_PENDING");
        assert_eq!(again.metadata["change_id"], change, "what to approve or decline first");
        is(&node.refusal(&LEA, &approve("h", &change)).await, Code::PermissionDenied, "SECOND_PERSON_REQUIRED");
        is(&node.refusal(&LEO, &approve("h", "change-x")).await, Code::FailedPrecondition, "HOLD_CHANGE_NOT_PENDING");
        let cancel = CancelReleaseRequest { hold_id: "h".into(), reason: "no".into(), ..Default::default() };
        is(&node.refusal(&LEA, &cancel).await, Code::FailedPrecondition, "HOLD_RELEASE_NOT_SCHEDULED");
    })
    .await;
    let _: ApproveHoldChangeResponse = node.ask(&LEO, &approve("h", &change)).await;
    only_rejections_are_written(&node, async || {
        is(&node.refusal(&LEA, &release("h")).await, Code::FailedPrecondition, "HOLD_ALREADY_RELEASED");
        is(&node.refusal(&LEO, &approve("h", &change)).await, Code::FailedPrecondition, "HOLD_ALREADY_RELEASED");
        is(&node.refusal(&LEA, &place("h", on(ADA))).await, Code::AlreadyExists, "HOLD_ALREADY_EXISTS");
        is(&node.refusal(&LEA, &release("never")).await, Code::NotFound, "HOLD_NOT_FOUND");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_item_is_what_it_was_registered_as_and_does_not_come_back() {
    let node = node().await;
    only_rejections_are_written(&node, async || {
        let other = Item { data_category: "hr".into(), ..item("a", "century", ADA) };
        is(&node.refusal(&RITA, &register(other)).await, Code::AlreadyExists, "ITEM_CONFLICT");
        let review = CompleteReviewRequest {
            item_id: "a".into(),
            outcome: ReviewOutcome::Keep.into(),
            reason: "seen".into(),
            ..Default::default()
        };
        is(&node.refusal(&RITA, &review).await, Code::FailedPrecondition, "REVIEW_NOT_DUE");
    })
    .await;
    let _: DisposeItemsResponse = node.ask(&RITA, &dispose(&["a"])).await;
    daybook_tests::story::purged(&node, "a").await;
    nothing_is_written(&node, async || {
        let back = register(item("a", "century", ADA));
        is(&node.refusal(&RITA, &back).await, Code::FailedPrecondition, "KEY_DESTROYED");
    })
    .await;
    only_rejections_are_written(&node, async || {
        let bare = Item { title: String::new(), body: String::new(), ..item("a", "century", ADA) };
        is(&node.refusal(&RITA, &register(bare)).await, Code::FailedPrecondition, "ITEM_DISPOSED");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn released_holds_hold_nothing_and_refused_commands_never_did() {
    let node = node().await;
    let _: PlaceHoldResponse = node.ask(&LEA, &place("h", on(ADA))).await;
    let refused = node.refusal(&LEA, &place("h", Scope { everything: true, ..Default::default() })).await;
    assert_eq!(refused.code, "HOLD_ALREADY_EXISTS");
    release_by_two(&node, "h").await;
    let gate: CheckDispositionResponse = node.ask(&LEA, &check(&["a"], None)).await;
    assert!(gate.results[0].allowed, "{gate:?}");
}
