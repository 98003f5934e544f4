//! Legal holds through the door of gRPC.

use daybook_kernel::id::PartitionId;
use daybook_proto::descriptors;
use daybook_proto::legal_hold::v1::*;
use daybook_proto::log::v1::{Accepted, decision::Outcome};
use daybook_proto::node::v1::*;
use daybook_proto::platform::v1::*;
use daybook_replay::proof::Chain;
use daybook_tests::eventually;
use daybook_tests::node::{Home, Node, new_id, path_of};
use daybook_tests::people::{AUDREY, FEEDER, LEA, Person, RITA, ROOT};
use daybook_tests::refusal::Refusal;
use daybook_tests::requests::*;
use daybook_tests::story::{position, purged, release_by_two, state, tell};
use prost::Message;
use tokio_stream::StreamExt;
use tonic::Code;
use tonic::codec::CompressionEncoding;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_stops_deletions_and_its_release_by_two_people_lets_them_happen() {
    let node = Node::start().await;
    tell(&node).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_it_survives_a_restart() {
    let node = Node::start().await;
    let _: SetRetentionClassResponse = node.ask(&RITA, &class("century", 36_500)).await;
    for id in ["held", "free"] {
        let _: RegisterItemResponse =
            node.ask(&RITA, &register(item(id, "century", &format!("{id}@example.org")))).await;
    }
    let _: PlaceHoldResponse = node.ask(&LEA, &place("h", on("held@example.org"))).await;
    let _: DisposeItemsResponse = node.ask(&RITA, &dispose(&["held"])).await;
    let before = node.mark().await;

    let node = node.restart().await;
    let after = node.mark().await;
    for (partition, (commands, decisions, digest)) in &after.0 {
        let (commands_before, decisions_before, digest_before) = &before.0[partition];
        assert_eq!(commands, commands_before, "nothing was asked meanwhile");
        assert_eq!(*decisions, decisions_before + 1, "the takeover");
        assert_eq!((&digest.digest, digest.rows), (&digest_before.digest, digest_before.rows), "the very same state");
    }
    assert_eq!(state(&node, "held").await, ItemState::Deferred);
    release_by_two(&node, "h").await;
    purged(&node, "held").await;
    let free: RevealItemResponse = node.ask(&LEA, &reveal("free")).await;
    assert_eq!(free.item.unwrap().body, "body of free", "its key is still there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_sees_what_was_acknowledged_before() {
    let node = Node::start().await;
    let _: SetRetentionClassResponse = node.ask(&RITA, &class("century", 36_500)).await;
    for round in 0..50 {
        let id = format!("item-{round}");
        let _: RegisterItemResponse = node.ask(&RITA, &register(item(&id, "century", "ada@example.org"))).await;
        let placed: PlaceHoldResponse = node.ask(&LEA, &place(&format!("h{round}"), on("ada@example.org"))).await;
        let since = position(&placed.receipt);
        let gate: CheckDispositionResponse = node.ask(&LEA, &check(&[&id], Some(since))).await;
        assert_eq!(gate.results[0].hold_ids.len(), (round + 1).min(20));
        assert!(gate.position.unwrap().offset >= since.offset);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_items_are_checked_in_one_question() {
    let node = Node::start().await;
    let _: PlaceHoldResponse = node.ask(&LEA, &place("h", on("ada@example.org"))).await;
    let attributes = |who: String| ItemAttributes {
        kind: ItemKind::Message.into(),
        data_category: "email".into(),
        case_ids_complete: true,
        entities: vec![person(&who)],
        entities_complete: true,
        ..Default::default()
    };
    let checks = (0..10_000).map(|i| {
        let who = if i % 100 == 0 { "ada@example.org".to_owned() } else { format!("{i}@example.org") };
        DispositionCheck { target: Some(disposition_check::Target::Attributes(attributes(who))) }
    });
    let mut question = CheckDispositionRequest { checks: checks.collect(), ..Default::default() };
    let gate: CheckDispositionResponse = node.ask(&FEEDER, &question).await;
    assert_eq!(gate.results.len(), 10_000);
    for (i, result) in gate.results.iter().enumerate() {
        assert_eq!(result.allowed, i % 100 != 0, "item {i}");
    }
    question.checks.push(question.checks[0].clone());
    let refused = node.refusal(&FEEDER, &question).await;
    assert_eq!((refused.code.as_str(), refused.field_names()), ("INVALID_ARGUMENT", vec!["checks"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_over_two_tenants_holds_in_both() {
    const BOTH: &[&str] = &["demo", "globex", "platform"];
    let of_both = |person: Person| Person { tenants: BOTH, ..person };
    let (rita, lea, leo) = (of_both(RITA), of_both(LEA), of_both(daybook_tests::people::LEO));
    let node = Node::start().await;
    let create = CreateTenantRequest { new_tenant_id: "globex".into(), ..Default::default() };
    let _: CreateTenantResponse = node.ask(&ROOT, &create).await;
    eventually("the tenant is known everywhere", async || {
        let get = GetTenantRequest { target_tenant_id: "globex".into(), ..Default::default() };
        let found: GetTenantResponse = node.ask(&ROOT, &get).await;
        found.tenant.filter(|tenant| tenant.state() == TenantState::Active)
    })
    .await;
    let set = SetRetentionClassRequest { tenant_id: "globex".into(), ..class("century", 36_500) };
    let _: SetRetentionClassResponse = node.ask(&rita, &set).await;
    let register =
        RegisterItemRequest { tenant_id: "globex".into(), ..register(item("g", "century", "ada@example.org")) };
    let _: RegisterItemResponse = node.ask(&rita, &register).await;

    let there = TenantScope { tenant_id: "globex".into(), scope: Some(on("ada@example.org")) };
    let hold = PlaceHoldRequest {
        tenant_id: "demo".into(),
        other_tenants: vec![there],
        ..place("both", on("ada@example.org"))
    };
    let _: PlaceHoldResponse = node.ask(&lea, &hold).await;
    let get = GetHoldRequest { tenant_id: "demo".into(), ..get_hold("both") };
    let standing = |wanted: TenantHoldState| {
        let (node, get, lea) = (&node, &get, &lea);
        async move {
            eventually("the other tenant has confirmed", async || {
                let found: GetHoldResponse = node.ask(lea, get).await;
                let hold = found.hold.unwrap();
                (hold.other_tenants[0].state() == wanted).then_some(hold)
            })
            .await
        }
    };
    standing(TenantHoldState::Active).await;
    let dispose = DisposeItemsRequest { tenant_id: "globex".into(), ..dispose(&["g"]) };
    let answered: DisposeItemsResponse = node.ask(&rita, &dispose).await;
    assert_eq!(answered.dispositions[0].hold_ids, ["@demo/1/both"]);

    let asked: ReleaseHoldResponse =
        node.ask(&lea, &ReleaseHoldRequest { tenant_id: "demo".into(), ..release("both") }).await;
    let change = asked.hold.unwrap().pending_change.unwrap().change_id;
    let approve = ApproveHoldChangeRequest { tenant_id: "demo".into(), ..approve("both", &change) };
    let _: ApproveHoldChangeResponse = node.ask(&leo, &approve).await;
    standing(TenantHoldState::Released).await;
    let get = GetItemRequest { tenant_id: "globex".into(), ..get_item("g") };
    eventually("the deletion in the other tenant happens", async || {
        let found: GetItemResponse = node.ask(&rita, &get).await;
        (found.item.unwrap().state() == ItemState::Purged).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_audit_lists_can_be_exported_and_checked_without_the_node() {
    let node = Node::start().await;
    let _: SetRetentionClassResponse = node.ask(&RITA, &class("century", 36_500)).await;
    let _: RegisterItemResponse = node.ask(&RITA, &register(item("a", "century", "ada@example.org"))).await;
    let _: PlaceHoldResponse = node.ask(&LEA, &place("h", on("ada@example.org"))).await;
    let _: DisposeItemsResponse = node.ask(&RITA, &dispose(&["a"])).await;
    release_by_two(&node, "h").await;
    purged(&node, "a").await;
    let status = node.settle().await;

    let audit: ListAuditEntriesResponse =
        node.ask(&AUDREY, &ListAuditEntriesRequest { tenant_id: "demo".into(), ..Default::default() }).await;
    let partition = audit.entries[0].position.unwrap().partition;
    let mut offsets: Vec<_> = audit.entries.iter().map(|entry| entry.position.unwrap().offset).collect();
    offsets.dedup();
    assert!(offsets.len() >= 6, "{offsets:?}");
    let request = ExportDecisionsRequest {
        tenant_id: "demo".into(),
        partition,
        command_offsets: offsets.clone(),
        ..Default::default()
    };
    let export: ExportDecisionsResponse = node.ask(&AUDREY, &request).await;
    assert_eq!(export.next_page_token, "");

    let follow = |export: &ExportDecisionsResponse| {
        let mut chain = Chain::new(&export.log_name, export.partitions, PartitionId(partition));
        let proven: Vec<_> = export.links.iter().flat_map(|link| chain.follow(link).unwrap()).collect();
        (chain.head().to_hex(), proven)
    };
    let (head, proven) = follow(&export);
    assert_eq!(head, status.partitions[partition as usize].head_hash, "the export ends where the node stands");
    assert_eq!(proven.iter().map(|one| one.command_offset.0).collect::<Vec<_>>(), offsets);
    for entry in &audit.entries {
        let offset = entry.position.unwrap().offset;
        let one = proven.iter().find(|one| one.command_offset.0 == offset).unwrap();
        assert_eq!(one.command_hash.to_hex(), entry.command_hash);
        assert_eq!(one.decision.actor_id, entry.actor_id);
    }

    // Whoever changes a word of it ends at another head, or is caught before.
    let mut forged = export.clone();
    let record = forged.links.iter_mut().find_map(|link| match &mut link.link {
        Some(chain_link::Link::Record(record)) => Some(record),
        _ => None,
    });
    let decision = record.unwrap().decisions.iter_mut().find_map(|decision| match &mut decision.decision {
        Some(disclosed_decision::Decision::Disclosed(shown)) => Some(shown),
        _ => None,
    });
    let shown = decision.unwrap();
    let mut decided = daybook_proto::log::v1::Decision::decode(shown.decision.clone()).unwrap();
    decided.outcome = Some(Outcome::Accepted(Accepted::default()));
    shown.decision = decided.encode_to_vec().into();
    assert_ne!(follow(&forged).0, head);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_callers_trace_context_is_kept_with_the_command() {
    const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let node = Node::start().await;
    let request = place("traced", on("ada@example.org")).encode_to_vec();
    let token = node.token(&LEA);
    let answer = node
        .call_with(Some(&token), &path_of::<PlaceHoldRequest>(), request.into(), |headers| {
            headers.insert("traceparent", TRACEPARENT.parse().unwrap());
            headers.insert("tracestate", "vendor=1".parse().unwrap());
        })
        .await
        .unwrap();
    let placed = PlaceHoldResponse::decode(answer).unwrap();
    let at = position(&placed.receipt);
    let request =
        ExportDecisionsRequest { partition: at.partition, command_offsets: vec![at.offset], ..Default::default() };
    let export: ExportDecisionsResponse = node.ask(&LEA, &request).await;
    let mut chain = Chain::new(&export.log_name, export.partitions, PartitionId(at.partition));
    let proven: Vec<_> = export.links.iter().flat_map(|link| chain.follow(link).unwrap()).collect();
    let trace = proven[0].command.trace_context.clone().unwrap();
    assert_eq!((trace.traceparent.as_str(), trace.tracestate.as_str()), (TRACEPARENT, "vendor=1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_outcome_of_a_command_can_be_asked_for_by_its_id() {
    let node = Node::start().await;
    let outcome = async |command_id: &str| -> GetCommandResponse {
        let request = GetCommandRequest { command_id: command_id.to_owned(), ..Default::default() };
        node.ask(&LEA, &request).await
    };
    let (accepted, rejected, never) = (new_id(), new_id(), new_id());
    let request = PlaceHoldRequest { command_id: accepted.clone(), ..place("h", on("ada@example.org")) };
    let placed: PlaceHoldResponse = node.ask(&LEA, &request).await;
    let request = PlaceHoldRequest { command_id: rejected.clone(), ..place("h", on("ada@example.org")) };
    let _: Result<PlaceHoldResponse, _> = node.try_ask(&LEA, &request).await;

    let found = outcome(&accepted).await;
    assert_eq!((found.outcome(), found.kind.as_str()), (CommandOutcome::Accepted, "PlaceHold"));
    assert_eq!(found.receipt, placed.receipt);
    assert_eq!((found.determining_policies, found.policy_set_hash.len()), (vec!["legal-holds".to_owned()], 64));
    let found = outcome(&rejected).await;
    assert_eq!(found.outcome(), CommandOutcome::Rejected);
    assert_eq!(found.rejected.unwrap().code, "HOLD_ALREADY_EXISTS");
    assert_eq!(outcome(&never).await.outcome(), CommandOutcome::Unknown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpcurl_finds_the_services_by_reflection_and_their_health() {
    let node = Node::start().await;
    let mut reflection = ServerReflectionClient::new(node.channel());
    let ask = async |reflection: &mut ServerReflectionClient<_>, request| {
        let request = ServerReflectionRequest { message_request: Some(request), ..Default::default() };
        let mut answers = reflection.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();
        answers.next().await.unwrap().unwrap().message_response.unwrap()
    };
    let listed = ask(&mut reflection, MessageRequest::ListServices(String::new())).await;
    let MessageResponse::ListServicesResponse(listed) = listed else { panic!("{listed:?}") };
    let listed: Vec<_> = listed.service.into_iter().map(|service| service.name).collect();
    let ours: Vec<_> = descriptors().services().map(|service| service.full_name().to_owned()).collect();
    let ours: Vec<_> = ours.iter().filter(|name| name.starts_with("daybook.")).collect();
    assert_eq!(ours.len(), 5, "three domains, the node, and what nodes ask of each other: {ours:?}");
    assert!(ours.iter().all(|name| listed.contains(name)), "{listed:?}");
    let symbol = MessageRequest::FileContainingSymbol("daybook.legal_hold.v1.LegalHoldService.PlaceHold".into());
    assert!(matches!(ask(&mut reflection, symbol).await, MessageResponse::FileDescriptorResponse(_)));

    let mut health = HealthClient::new(node.channel());
    eventually("the node says that it serves", async || {
        let request = HealthCheckRequest { service: "daybook.legal_hold.v1.LegalHoldService".into() };
        let answer = health.check(request).await.ok()?.into_inner();
        (answer.status() == ServingStatus::Serving).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_and_readiness_are_shown_on_a_port_of_their_own() {
    let metrics = daybook_server::telemetry::metrics_recorder().unwrap();
    let home = Home::default();
    let running = daybook_server::serve::Running::start(home.config.clone(), Some(metrics)).await.unwrap();
    let get = async |path: &str| {
        let answer = reqwest::get(format!("http://{}{path}", running.metrics_address)).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(get("/livez").await, (200, "alive\n".to_owned()));
    assert_eq!(get("/readyz").await, (200, "ready\n".to_owned()));
    eventually("gauges are set", async || {
        let (status, text) = get("/metrics").await;
        assert_eq!(status, 200);
        let told =
            ["daybook_decisions_total", "daybook_apply_lag", "daybook_partition_leading", "daybook_disk_free_bytes"];
        told.iter().all(|name| text.contains(name)).then_some(())
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_may_be_compressed_with_gzip_and_with_nothing_else() {
    let node = Node::start().await;
    let before = node.mark().await;
    let token = node.token(&LEA);
    let request = place("h", on("ada@example.org"));
    let bytes = request.encode_to_vec().into();
    let refused = node
        .call_with(Some(&token), &path_of::<PlaceHoldRequest>(), bytes, |headers| {
            headers.insert("grpc-encoding", "zstd".parse().unwrap());
        })
        .await;
    let status = refused.unwrap_err();
    let refusal = Refusal::of_grpc(&status);
    assert_eq!((refusal.status, refusal.code.as_str()), (Code::Unimplemented, "ENCODING_NOT_SUPPORTED"));
    assert!(status.metadata().get("grpc-accept-encoding").unwrap().to_str().unwrap().contains("gzip"));
    assert_eq!(node.mark().await, before, "nothing was recorded");

    let mut grpc = tonic::client::Grpc::new(node.channel())
        .send_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Gzip);
    grpc.ready().await.unwrap();
    let mut request = tonic::Request::new(request);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let codec = tonic_prost::ProstCodec::<PlaceHoldRequest, PlaceHoldResponse>::default();
    let answer = grpc.unary(request, path_of::<PlaceHoldRequest>().parse().unwrap(), codec).await.unwrap();
    assert_eq!(answer.get_ref().hold.as_ref().unwrap().hold_id, "h");
}
