//! Fields whose values cannot be.

use super::*;

fn time(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds, nanos: 0 })
}

fn delay(seconds: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds, nanos: 0 })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_and_ranges_that_cannot_be_are_refused() {
    let node = node().await;
    nothing_is_written(&node, async || {
        let backwards = PlaceHoldRequest { start_time: time(20), end_time: time(10), ..place("h", on(ADA)) };
        names(&node.refusal(&LEA, &backwards).await, &["end_time"]);
        let empty = TimeRange { start_time: time(10), end_time: time(10) };
        let empty = Scope { item_time: Some(empty), ..Default::default() };
        names(&node.refusal(&LEA, &place("h", empty)).await, &["scope.item_time.end_time"]);
        let open = Scope { item_time: Some(TimeRange::default()), ..Default::default() };
        names(&node.refusal(&LEA, &place("h", open)).await, &["scope.item_time"]);
        let never = PlaceHoldRequest { release_delay: delay(4_000 * 86_400), ..place("h", on(ADA)) };
        names(&node.refusal(&LEA, &never).await, &["release_delay"]);
        let back = PlaceHoldRequest { release_delay: delay(-1), ..place("h", on(ADA)) };
        names(&node.refusal(&LEA, &back).await, &["release_delay"]);
        let mut too_long = class("longer", 1);
        too_long.retention_class.as_mut().unwrap().period = delay(201 * 366 * 86_400);
        names(&node.refusal(&RITA, &too_long).await, &["retention_class.period"]);
        let undated = Item { created_at: None, ..item("b", "century", ADA) };
        names(&node.refusal(&RITA, &register(undated)).await, &["item.created_at"]);
        let standing_still = AdvanceClockRequest { by: delay(0), ..Default::default() };
        names(&node.refusal(&ROOT, &standing_still).await, &["by"]);

        // What JSON cannot even write.
        for (seconds, nanos) in [(0, -1), (0, 1_000_000_000), (i64::MAX, 0), (253_402_300_800, 0)] {
            let created_at = Some(prost_types::Timestamp { seconds, nanos });
            let request = register(Item { created_at, ..item("b", "century", ADA) });
            let refused = node.try_ask::<_, RegisterItemResponse>(&RITA, &request).await;
            names(&Refusal::of_grpc(&refused.unwrap_err()), &["item.created_at"]);
        }
    })
    .await;
    only_rejections_are_written(&node, async || {
        let over = PlaceHoldRequest { end_time: time(10), ..place("h", on(ADA)) };
        names(&node.refusal(&LEA, &over).await, &["end_time"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scope_that_would_hold_everything_must_say_so() {
    let node = node().await;
    nothing_is_written(&node, async || {
        names(&node.refusal(&LEA, &place("h", Scope::default())).await, &["scope"]);
        let missing = PlaceHoldRequest { scope: None, ..place("h", on(ADA)) };
        names(&node.refusal(&LEA, &missing).await, &["scope"]);
        let both = Scope { everything: true, ..on(ADA) };
        names(&node.refusal(&LEA, &place("h", both)).await, &["scope.everything"]);
        let nobody = Scope { entities: vec![Entity::default()], ..Default::default() };
        names(&node.refusal(&LEA, &place("h", nobody)).await, &["scope.entities[0].id"]);
        let elsewhere = TenantScope { tenant_id: "demo".into(), scope: Some(Scope::default()) };
        let elsewhere = PlaceHoldRequest { other_tenants: vec![elsewhere], ..place("h", on(ADA)) };
        names(&node.refusal(&LEA, &elsewhere).await, &["other_tenants[0].scope"]);
    })
    .await;
    let everything = Scope { everything: true, ..Default::default() };
    let placed: PlaceHoldResponse = node.ask(&LEA, &place("h", everything)).await;
    assert_eq!(placed.hold.unwrap().state(), HoldState::Active);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_wrong_fields_are_named_at_once() {
    let node = node().await;
    nothing_is_written(&node, async || {
        let wrong = Item {
            item_id: "b".into(),
            kind: 99,
            data_category: "e mail".into(),
            retention_class_id: String::new(),
            reference: "x".repeat(2_001),
            entities: vec![Entity { id: ADA.into(), ..Default::default() }],
            ..Default::default()
        };
        let refusal = node.refusal(&RITA, &register(wrong)).await;
        let fields = ["kind", "data_category", "entities[0].role", "created_at", "retention_class_id", "reference"];
        names(&refusal, &fields.map(|field| format!("item.{field}")).each_ref().map(String::as_str));
        let no_id = Item { item_id: "not an id".into(), ..item("b", "century", ADA) };
        names(&node.refusal(&RITA, &register(no_id)).await, &["item.item_id"]);
        let sealed = daybook_proto::privacy::v1::Sealed::default();
        let own_seal = Item { sealed: Some(sealed), ..item("b", "century", ADA) };
        names(&node.refusal(&RITA, &register(own_seal)).await, &["item.sealed"]);
        let silent = DisposeItemsRequest { reason: " ".into(), ..dispose(&["a"]) };
        names(&node.refusal(&RITA, &silent).await, &["reason"]);
        let bell = DisposeItemsRequest { reason: "\u{7}".into(), ..dispose(&["a"]) };
        names(&node.refusal(&RITA, &bell).await, &["reason"]);
        names(&node.refusal(&RITA, &dispose(&[])).await, &["item_ids"]);
        names(&node.refusal(&LEA, &CheckDispositionRequest::default()).await, &["checks"]);
        let empty = CheckDispositionRequest { checks: vec![DispositionCheck::default()], ..Default::default() };
        names(&node.refusal(&LEA, &empty).await, &["checks[0]"]);
        names(&node.refusal(&LEA, &PreviewScopeRequest::default()).await, &["scope"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_taken_whole_or_not_at_all() {
    let node = node().await;
    only_rejections_are_written(&node, async || {
        let bad = item("bad", "no-such-class", ADA);
        let batch = RegisterItemsRequest { items: vec![item("good", "century", ADA), bad], ..Default::default() };
        is(&node.refusal(&RITA, &batch).await, Code::NotFound, "RETENTION_CLASS_NOT_FOUND");
        is(&node.refusal(&RITA, &dispose(&["a", "ghost"])).await, Code::NotFound, "ITEM_NOT_FOUND");
    })
    .await;
    is(&node.refusal(&RITA, &get_item("good")).await, Code::NotFound, "ITEM_NOT_FOUND");
    assert_eq!(state(&node, "a").await, ItemState::Active);
    nothing_is_written(&node, async || {
        let too_many = (0..1_001).map(|i| Item {
            title: String::new(),
            body: String::new(),
            ..item(&format!("{i}"), "century", ADA)
        });
        let too_many = RegisterItemsRequest { items: too_many.collect(), ..Default::default() };
        let refusal = node.refusal(&RITA, &too_many).await;
        assert!(["INVALID_ARGUMENT", "REQUEST_TOO_LARGE"].contains(&refusal.code.as_str()), "{refusal:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn page_sizes_and_tokens_are_checked() {
    let node = node().await;
    nothing_is_written(&node, async || {
        for page_size in [-1, 1_001, i32::MAX, i32::MIN] {
            let lists = [
                node.refusal(&RITA, &ListItemsRequest { page_size, ..Default::default() }).await,
                node.refusal(&LEA, &ListHoldsRequest { page_size, ..Default::default() }).await,
                node.refusal(&LEA, &ListAuditEntriesRequest { page_size, ..Default::default() }).await,
                node.refusal(&LEA, &ListRetentionClassesRequest { page_size, ..Default::default() }).await,
                node.refusal(&ROOT, &ListTenantsRequest { page_size, ..Default::default() }).await,
                node.refusal(&ROOT, &ListPolicySetsRequest { page_size, ..Default::default() }).await,
                node.refusal(&ROOT, &ListParkedStreamsRequest { page_size, ..Default::default() }).await,
            ];
            lists.iter().for_each(|refusal| names(refusal, &["page_size"]));
        }
        for page_size in [0, 1, 1_000] {
            let page: ListItemsResponse = node.ask(&RITA, &ListItemsRequest { page_size, ..Default::default() }).await;
            assert_eq!(page.items.len(), 1);
        }
        for page_token in ["nonsense", "1", "1-", "-1-0", "1-x", "99999999999999999999-0"].map(str::to_owned) {
            let request = ListAuditEntriesRequest { page_token, ..Default::default() };
            names(&node.refusal(&LEA, &request).await, &["page_token"]);
        }
        let request = ListPolicySetsRequest { page_token: "nonsense".into(), ..Default::default() };
        names(&node.refusal(&ROOT, &request).await, &["page_token"]);
        for page_token in ["nonsense".to_owned(), URL_SAFE_NO_PAD.encode("nonsense"), "x".repeat(10_000)] {
            let request = ExportDecisionsRequest { page_token, ..Default::default() };
            names(&node.refusal(&LEA, &request).await, &["page_token"]);
        }
        // Where a token is an id to go on from, one that was made up leads nowhere and harms nobody.
        for page_token in ["zzz".to_owned(), "\u{0}\u{ff}".to_owned(), "~".repeat(10_000)] {
            let request = ListItemsRequest { page_token: page_token.clone(), ..Default::default() };
            let _: ListItemsResponse = node.ask(&RITA, &request).await;
            let request = ListHoldsRequest { page_token, ..Default::default() };
            let _: ListHoldsResponse = node.ask(&LEA, &request).await;
        }
        let two = ListItemsRequest { case_id: "case-7".into(), deferred_by_hold_id: "h".into(), ..Default::default() };
        names(&node.refusal(&RITA, &two).await, &["case_id"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_position_that_is_not_there_yet_is_not_waited_for_without_end() {
    let node = Node::start_with(|config| config.limits.query_wait_seconds = Duration::ZERO).await;
    with_an_item(&node).await;
    let found: GetItemResponse = node.ask(&RITA, &get_item("a")).await;
    let now = found.position.unwrap();
    nothing_is_written(&node, async || {
        let ahead = Position { offset: now.offset + 1_000, ..now };
        let request = GetItemRequest { min_position: Some(ahead), ..get_item("a") };
        let refusal = node.refusal(&RITA, &request).await;
        is(&refusal, Code::Unavailable, "POSITION_NOT_REACHED");
        assert_eq!(refusal.retry_after, Some(Duration::from_millis(500)));
        for partition in [now.partition + 1, u32::MAX] {
            let elsewhere = Position { partition, ..now };
            let request = GetItemRequest { min_position: Some(elsewhere), ..get_item("a") };
            names(&node.refusal(&RITA, &request).await, &["min_position"]);
        }
        let never = Position { offset: u64::MAX, ..now };
        let request = GetItemRequest { min_position: Some(never), ..get_item("a") };
        is(&node.refusal(&RITA, &request).await, Code::Unavailable, "POSITION_NOT_REACHED");
    })
    .await;
    let request = GetItemRequest { min_position: Some(now), ..get_item("a") };
    let _: GetItemResponse = node.ask(&RITA, &request).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_of_this_log_or_node_is_refused() {
    let node = node().await;
    nothing_is_written(&node, async || {
        names(&node.refusal(&ROOT, &GetStateDigestRequest { partition: 99 }).await, &["partition"]);
        let parked = ListParkedStreamsRequest { partition: 99, ..Default::default() };
        names(&node.refusal(&ROOT, &parked).await, &["partition"]);
        names(
            &node.refusal(&LEA, &ExportDecisionsRequest { partition: 99, ..Default::default() }).await,
            &["partition"],
        );
        let rebuild = RebuildProjectionRequest { projection: "nonsense".into(), ..Default::default() };
        is(&node.refusal(&ROOT, &rebuild).await, Code::NotFound, "PROJECTION_NOT_FOUND");
        names(
            &node.refusal(&LEA, &GetCommandRequest { command_id: "x".into(), ..Default::default() }).await,
            &["command_id"],
        );
    })
    .await;
}
