//! Legal holds as `curl` asks for them: JSON over HTTP, by the unary convention of the Connect protocol.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use daybook_proto::legal_hold::v1::{GetHoldRequest, GetHoldResponse, HoldState};
use daybook_tests::eventually;
use daybook_tests::node::{Answer, Node, new_id, path_of};
use daybook_tests::people::{AUDREY, FEEDER, LEA, LEO, RITA, ROOT};
use http_body_util::{BodyExt, Full};
use prost::Message;
use serde_json::{Value, json};
use tower::{Service, ServiceExt};

fn item(id: &str, class: &str) -> Value {
    json!({
        "itemId": id,
        "kind": "ITEM_KIND_MESSAGE",
        "dataCategory": "email",
        "entities": [{ "id": "ada@example.org", "displayName": "Ada L.", "role": "ENTITY_ROLE_CUSTODIAN" }],
        "createdAt": "2025-01-31T12:00:00Z",
        "retentionClassId": class,
        "title": "Über die Engine ✓",
        "body": "line one\nline two",
    })
}

fn hold(id: &str) -> Value {
    json!({
        "holdId": id,
        "name": "Engine litigation",
        "matterId": "matter-1",
        "reason": "litigation",
        "scope": { "entities": [{ "id": "ADA@example.org" }] },
        "releaseDelay": "0s",
    })
}

async fn with_a_held_item(node: &Node) {
    let class = json!({ "retentionClass": {
        "retentionClassId": "century", "period": "3153600000s", "action": "RETENTION_ACTION_DELETE"
    } });
    node.post(&RITA, "SetRetentionClass", &class).await.ok();
    node.post(&RITA, "RegisterItem", &json!({ "item": item("a", "century") })).await.ok();
    node.post(&LEA, "PlaceHold", &hold("h")).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_stops_deletions_and_its_release_by_two_people_lets_them_happen() {
    let node = Node::start().await;
    let class = json!({ "retentionClass": {
        "retentionClassId": "century", "period": "3153600000s", "action": "RETENTION_ACTION_DELETE"
    } });
    node.post(&RITA, "SetRetentionClass", &class).await.ok();
    let items = json!({ "items": [item("a", "century"), item("b", "century")] });
    let registered = node.post(&RITA, "RegisterItems", &items).await.ok();
    assert_eq!(registered["createdCount"], 2);

    let placed = node.post(&LEA, "PlaceHold", &hold("h")).await.ok();
    assert_eq!(placed["hold"]["state"], "HOLD_STATE_ACTIVE");
    assert_eq!(placed["hold"]["placedBy"], "lea");
    assert_eq!(placed["hold"]["releaseDelay"], "0s");
    let position = placed["receipt"]["position"].clone();
    assert!(position["offset"].is_string(), "64-bit numbers are text in JSON: {position}");
    assert_eq!(placed["receipt"]["commandHash"].as_str().unwrap().len(), 64);
    let psn = placed["hold"]["scope"]["entities"][0]["id"].as_str().unwrap();
    assert!(psn.starts_with("psn_"), "people are pseudonyms: {psn}");

    let request = json!({ "itemIds": ["a"], "reason": "asked to" });
    let disposed = node.post(&RITA, "DisposeItems", &request).await.ok();
    assert_eq!(disposed["dispositions"], json!([{ "itemId": "a", "holdIds": ["h"] }]));

    let question = json!({ "minPosition": position, "checks": [{ "itemId": "a" }, { "itemId": "ghost" }] });
    // A program that deletes learns that it must not; which hold it is, those learn who may list holds.
    for (who, held) in [
        (&FEEDER, json!({ "verdict": "DISPOSITION_VERDICT_HELD" })),
        (&LEA, json!({ "verdict": "DISPOSITION_VERDICT_HELD", "holdIds": ["h"] })),
    ] {
        let gate = node.post(who, "CheckDisposition", &question).await.ok();
        assert_eq!(gate["results"], json!([held, { "verdict": "DISPOSITION_VERDICT_UNKNOWN_ITEM" }]));
    }

    let asked = node.post(&LEA, "ReleaseHold", &json!({ "holdId": "h", "reason": "settled" })).await.ok();
    let change = asked["hold"]["pendingChange"]["changeId"].as_str().unwrap();
    let approval = json!({ "holdId": "h", "changeId": change });
    let alone = node.post(&LEA, "ApproveHoldChange", &approval).await;
    assert_eq!((alone.status, alone.refusal().code.as_str()), (403, "SECOND_PERSON_REQUIRED"));
    let approved = node.post(&LEO, "ApproveHoldChange", &approval).await.ok();
    assert_eq!(approved["hold"]["state"], "HOLD_STATE_RELEASED");

    let gone = eventually("the deferred deletion happens", async || {
        let found = node.get(&RITA, "GetItem", &json!({ "itemId": "a" })).await.ok();
        (found["item"]["state"] == "ITEM_STATE_PURGED").then(|| found["item"].clone())
    })
    .await;
    assert_eq!(gone["keyDestruction"]["keyFingerprint"].as_str().unwrap().len(), 64);
    let reveal = |id: &str| json!({ "itemId": id, "purpose": "discovery" });
    let refused = node.post(&LEA, "RevealItem", &reveal("a")).await.refusal();
    assert_eq!(refused.code, "CONTENT_NOT_AVAILABLE");
    let revealed = node.post(&LEA, "RevealItem", &reveal("b")).await.ok();
    assert_eq!(revealed["item"]["title"], "Über die Engine ✓");
    assert_eq!(revealed["item"]["entities"][0]["displayName"], "Ada L.");

    let audit =
        node.get(&AUDREY, "ListAuditEntries", &json!({ "tenantId": "demo", "matterId": "matter-1" })).await.ok();
    let entries = audit["entries"].as_array().unwrap();
    let actions: Vec<_> = entries.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions.first(), Some(&"AUDIT_ACTION_HOLD_PLACED"));
    assert_eq!(actions.last(), Some(&"AUDIT_ACTION_HOLD_RELEASED"));
    let is_placed = |entry: &Value| entry["position"]["offset"].is_string();
    let is_hashed = |entry: &Value| entry["commandHash"].as_str().is_some_and(|hash| hash.len() == 64);
    assert!(entries.iter().all(|entry| is_placed(entry) && is_hashed(entry)), "{audit}");
}

fn concerning(id: &str, person: &str, name: &str) -> Value {
    let mut item = item(id, "century");
    item["entities"] = json!([{ "id": person, "displayName": name, "role": "ENTITY_ROLE_RECIPIENT" }]);
    item
}

fn on(id: &str, person: &str) -> Value {
    let mut hold = hold(id);
    hold["scope"] = json!({ "entities": [{ "id": person }] });
    hold
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_matches_every_spelling_of_an_address_and_what_earlier_releases_registered() {
    let node = Node::start().await;
    with_a_held_item(&node).await;
    let (u, a) = ("eva@bücher.example", "Eva@XN--BCHER-KVA.example");
    for (held, other) in [(u, a), (a, u)] {
        let id = format!("h-{}", held.is_ascii());
        let placed = node.post(&LEA, "PlaceHold", &on(&id, held)).await.ok();
        let pseudonyms: Vec<_> = placed["hold"]["scope"]["entities"].as_array().unwrap().clone();
        assert_eq!(pseudonyms.len(), 2, "its own, and the one of earlier releases: {placed}");
        // A release before this one registered under the pseudonym of the spelling: given as it is, it stays as it is.
        let former = pseudonyms.iter().map(|one| one["id"].as_str().unwrap());
        let mut items =
            vec![concerning(&format!("{id}-other"), other, ""), concerning(&format!("{id}-same"), held, "")];
        items.extend(former.enumerate().map(|(i, psn)| concerning(&format!("{id}-former-{i}"), psn, "")));
        let ids: Vec<_> = items.iter().map(|item| item["itemId"].clone()).collect();
        node.post(&RITA, "RegisterItems", &json!({ "items": items })).await.ok();
        let request = json!({ "itemIds": ids, "reason": "asked to" });
        let disposed = node.post(&RITA, "DisposeItems", &request).await.ok();
        for disposition in disposed["dispositions"].as_array().unwrap() {
            assert!(disposition["holdIds"].as_array().unwrap().contains(&json!(id)), "{disposition}");
        }
        // The gate, the preview and the list see the same.
        let check = json!({ "checks": [{ "attributes": {
            "entities": [{ "id": other }], "entitiesComplete": true, "caseIdsComplete": true, "dataCategory": "email",
            "kind": "ITEM_KIND_MESSAGE", "createdAt": "2025-01-31T12:00:00Z",
        } }] });
        let gate = node.post(&FEEDER, "CheckDisposition", &check).await.ok();
        assert_eq!(gate["results"][0]["verdict"], "DISPOSITION_VERDICT_HELD", "{gate}");
        let listed = node.get(&RITA, "ListItems", &json!({ "entity": { "id": other } })).await.ok();
        let listed: Vec<_> =
            listed["items"].as_array().unwrap().iter().map(|one| one["item"]["itemId"].clone()).collect();
        assert!(
            ids.iter().all(|id| listed.contains(id)) && listed.is_sorted_by(|a, b| a.as_str() < b.as_str()),
            "{listed:?}"
        );
        let scope = json!({ "scope": { "entities": [{ "id": other }] } });
        let preview = node.post(&LEA, "PreviewScope", &scope).await.ok();
        assert_eq!(preview["matchingItems"], json!(listed.len().to_string()), "{preview}");
    }
    // A page at a time, over both pseudonyms.
    let mut pages = Vec::new();
    let mut token = String::new();
    loop {
        let page = json!({ "entity": { "id": u }, "pageSize": 3, "pageToken": token });
        let page = node.get(&RITA, "ListItems", &page).await.ok();
        pages.extend(
            page["items"].as_array().unwrap().iter().map(|one| one["item"]["itemId"].as_str().unwrap().to_owned()),
        );
        token = page["nextPageToken"].as_str().unwrap_or_default().to_owned();
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(pages.len(), 8);
    assert!(pages.is_sorted_by(|a, b| a < b), "{pages:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_message_reveals_its_own_name_of_a_person() {
    let node = Node::start().await;
    with_a_held_item(&node).await;
    let names = [("m1", "Mallory Jones"), ("m2", "Chief Executive"), ("m3", ""), ("m4", "Mallory Jones")];
    let items: Vec<_> = names.iter().map(|(id, name)| concerning(id, "mallory@example.org", name)).collect();
    node.post(&RITA, "RegisterItems", &json!({ "items": items })).await.ok();
    let registered = node.post(&RITA, "RegisterItems", &json!({ "items": items })).await.ok();
    assert_eq!(registered["unchangedCount"], 4, "the same again: {registered}");
    for (id, name) in names {
        let revealed = node.post(&LEA, "RevealItem", &json!({ "itemId": id, "purpose": "discovery" })).await.ok();
        let person = &revealed["item"]["entities"][0];
        assert_eq!(person["displayName"].as_str().unwrap_or_default(), name, "{person}");
        assert_eq!(person["id"], "mallory@example.org");
    }
    // The names of a deleted item go with it; the others stay.
    node.post(&RITA, "DisposeItems", &json!({ "itemIds": ["m1", "m2"], "reason": "asked to" })).await.ok();
    let revealed = node.post(&LEA, "RevealItem", &json!({ "itemId": "m4", "purpose": "discovery" })).await.ok();
    assert_eq!(revealed["item"]["entities"][0]["displayName"], "Mallory Jones");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_plain_about_an_item_is_shown_with_it() {
    let node = Node::start().await;
    with_a_held_item(&node).await;
    let mut remarked = item("r", "century");
    let remarks =
        ["ITEM_REMARK_ADDRESS_UNREADABLE", "ITEM_REMARK_CREATED_AT_FROM_RECEIVED", "ITEM_REMARK_ADDRESS_UNREADABLE"];
    remarked["remarks"] = json!(remarks);
    remarked["location"] = json!("maria keller/inbox");
    node.post(&RITA, "RegisterItem", &json!({ "item": remarked })).await.ok();
    let found = node.get(&RITA, "GetItem", &json!({ "itemId": "r" })).await.ok();
    assert_eq!(found["item"]["item"]["remarks"], json!([remarks[1], remarks[0]]));
    assert!(!found.to_string().contains("maria"), "where it lay is sealed: {found}");
    let revealed = node.post(&LEA, "RevealItem", &json!({ "itemId": "r", "purpose": "discovery" })).await.ok();
    assert_eq!(revealed["item"]["location"], "maria keller/inbox");
    // A release that has more to say about the same item does not make another one of it.
    remarked["remarks"] = json!([]);
    let again = node.post(&RITA, "RegisterItem", &json!({ "item": remarked })).await.ok();
    assert!(again["created"].as_bool().is_none_or(|created| !created), "{again}");
    remarked["itemId"] = json!("s");
    remarked["remarks"] = json!(["ITEM_REMARK_UNSPECIFIED"]);
    let refused = node.post(&RITA, "RegisterItem", &json!({ "item": remarked })).await.refusal();
    assert_eq!((refused.code.as_str(), refused.field_names()), ("INVALID_ARGUMENT", vec!["item.remarks"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_has_code_message_and_details_as_connect_clients_expect_them() {
    let node = Node::start().await;
    let answer = node.post(&LEA, "PlaceHold", &json!({ "holdId": "not an id", "scope": {} })).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.body["code"], "invalid_argument");
    let refusal = answer.refusal();
    assert_eq!(refusal.code, "INVALID_ARGUMENT");
    assert_eq!(refusal.field_names(), ["hold_id", "name", "reason", "scope"]);
    // Each detail is there in plain JSON as well, for those who read it with `curl`, in the caller's names.
    let debug = &answer.body["details"][1]["debug"]["fieldViolations"];
    assert_eq!(debug[0]["field"], "holdId", "{}", answer.body);
    assert_eq!(answer.body["details"][0]["debug"]["reason"], "INVALID_ARGUMENT");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_can_be_asked_with_get_and_commands_cannot() {
    let node = Node::start().await;
    with_a_held_item(&node).await;
    let found = node.get(&LEA, "GetHold", &json!({ "holdId": "h" })).await.ok();
    assert_eq!(found["hold"]["name"], "Engine litigation");

    let token = node.token(&LEA);
    let get = async |method: &str, query: &str| {
        let request = node.http().get(format!("{}?{query}", node.url(method))).bearer_auth(&token);
        Answer::of(request.send().await.unwrap()).await
    };
    let message = STANDARD.encode(r#"{"holdId":"h"}"#).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let found = get("GetHold", &format!("connect=v1&encoding=json&base64=1&message={message}")).await.ok();
    assert_eq!(found["hold"]["holdId"], "h", "base64 with padding");
    let message = URL_SAFE_NO_PAD.encode(GetHoldRequest { hold_id: "h".into(), ..Default::default() }.encode_to_vec());
    let found = get("GetHold", &format!("connect=v1&encoding=proto&base64=1&message={message}")).await;
    assert_eq!((found.status, &found.headers["content-type"]), (200, &"application/proto".parse().unwrap()));
    let found = GetHoldResponse::decode(found.bytes).unwrap().hold.unwrap();
    assert_eq!((found.hold_id.as_str(), found.state()), ("h", HoldState::Active));

    let unreadable = get("GetHold", "encoding=json&base64=1&message=%25%25").await.refusal();
    assert_eq!(unreadable.code, "MALFORMED_REQUEST");
    let other = get("GetHold", "encoding=xml&message=x").await;
    assert_eq!((other.status, other.refusal().code.as_str()), (415, "MALFORMED_REQUEST"));

    let before = node.mark().await;
    let refused = get("PlaceHold", "encoding=json&message=%7B%7D").await;
    assert_eq!((refused.status, refused.refusal().code.as_str()), (405, "MALFORMED_REQUEST"));
    assert_eq!(node.mark().await, before, "nothing was recorded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_go_by_their_json_names_and_by_those_of_the_schema() {
    let node = Node::start().await;
    with_a_held_item(&node).await;
    for request in [json!({ "holdId": "h" }), json!({ "hold_id": "h" }), json!({ "hold_id": "h", "tenantId": null })] {
        let found = node.post(&LEA, "GetHold", &request).await.ok();
        assert_eq!(found["hold"]["matterId"], "matter-1");
    }
    let empty = node.post_text(Some(&node.token(&LEA)), "ListHolds", String::new()).await.ok();
    assert_eq!(empty["holds"].as_array().unwrap().len(), 1, "no body is an empty request");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connect_headers_are_accepted_and_other_content_types_are_not() {
    let node = Node::start().await;
    with_a_held_item(&node).await;
    let token = node.token(&LEA);
    let post = async |headers: &[(&str, &str)], body: Vec<u8>| {
        let mut request = node.http().post(node.url("GetHold")).bearer_auth(&token).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::of(request.send().await.unwrap()).await
    };
    let body = || br#"{"holdId":"h"}"#.to_vec();
    let connect =
        [("content-type", "application/json"), ("connect-protocol-version", "1"), ("connect-timeout-ms", "5000")];
    assert_eq!(post(&connect, body()).await.ok()["hold"]["holdId"], "h");
    let charset = [("content-type", "application/json; charset=utf-8"), ("accept-encoding", "gzip, br")];
    assert_eq!(post(&charset, body()).await.ok()["hold"]["holdId"], "h");

    let proto = GetHoldRequest { hold_id: "h".into(), ..Default::default() }.encode_to_vec();
    let answer = post(&[("content-type", "application/proto")], proto).await;
    assert_eq!(answer.headers["content-type"], "application/proto");
    assert_eq!(GetHoldResponse::decode(answer.bytes).unwrap().hold.unwrap().hold_id, "h");

    for headers in
        [&[("content-type", "text/plain")][..], &[("content-type", "application/x-www-form-urlencoded")], &[]]
    {
        let answer = post(headers, body()).await;
        assert_eq!((answer.status, answer.refusal().code.as_str()), (415, "MALFORMED_REQUEST"), "{headers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_that_passes_is_told_with_what_to_do() {
    let node = Node::start().await;
    with_a_held_item(&node).await;
    let question = json!({ "holdId": "h", "minPosition": position_ahead(&node).await });
    let request = node.http().post(node.url("GetHold")).bearer_auth(node.token(&LEA));
    let request = request.header("content-type", "application/json").header("connect-timeout-ms", "50");
    let answer = Answer::of(request.body(question.to_string()).send().await.unwrap()).await;
    let refusal = answer.refusal();
    assert_eq!((answer.status, refusal.code.as_str()), (504, "OUTCOME_UNKNOWN"));
    assert!(refusal.message.contains("same id"), "{}", refusal.message);
}

/// A position that is not reached yet, of the tenant's partition.
async fn position_ahead(node: &Node) -> Value {
    let found = node.post(&LEA, "GetHold", &json!({ "holdId": "h" })).await.ok();
    let partition = found["position"]["partition"].as_u64().unwrap_or_default();
    json!({ "partition": partition, "offset": "1000000" })
}

/// `curl --http2-prior-knowledge`, and the Connect clients that speak HTTP/2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_works_over_http_2_as_well() {
    let node = Node::start().await;
    with_a_held_item(&node).await;
    let request = http::Request::post(format!("http://{}{}", node.running.address, path_of::<GetHoldRequest>()))
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {}", node.token(&LEA)))
        .body(tonic::body::Body::new(Full::new(Bytes::from_static(br#"{"holdId":"h"}"#))))
        .unwrap();
    let mut channel = node.channel();
    let answer = channel.ready().await.unwrap().call(request).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2));
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["hold"]["holdId"], "h");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_in_an_encoding_that_is_not_supported_is_refused_as_such() {
    let node = Node::start().await;
    let before = node.mark().await;
    let request = node.http().post(node.url("PlaceHold")).bearer_auth(node.token(&LEA));
    let request = request.header("content-type", "application/json").header("content-encoding", "br");
    let answer = Answer::of(request.body(hold("h").to_string()).send().await.unwrap()).await;
    assert_eq!(answer.body["code"], "unimplemented", "as the Connect protocol has it: {}", answer.body);
    assert_eq!((answer.status, answer.refusal().code.as_str()), (501, "ENCODING_NOT_SUPPORTED"));
    assert_eq!(node.mark().await, before, "nothing was recorded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_method_is_there_and_asks_for_a_token() {
    let node = Node::start().await;
    let before = node.mark().await;
    let mut methods = 0;
    // What nodes ask of each other has a door of its own, which a node with a log of its own does not have.
    let is_for_callers = |name: &str| name.starts_with("daybook.") && !name.starts_with("daybook.cluster.");
    for service in daybook_proto::descriptors().services().filter(|one| is_for_callers(one.full_name())) {
        for method in service.methods() {
            let url = format!("http://{}/{}/{}", node.running.address, service.full_name(), method.name());
            let request = node.http().post(url).header("content-type", "application/json").body("{}");
            let answer = Answer::of(request.send().await.unwrap()).await;
            let code = answer.refusal().code;
            assert_eq!((answer.status, code.as_str()), (401, "TOKEN_MISSING"), "{}", method.full_name());
            methods += 1;
        }
    }
    assert!(methods >= 40, "all of them: {methods}");
    assert_eq!(node.mark().await, before, "nothing was recorded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_go_on_where_the_page_before_ended() {
    let node = Node::start().await;
    let ids: Vec<_> = (0..7).map(|i| format!("h{i}")).collect();
    for id in &ids {
        node.post(&LEA, "PlaceHold", &hold(id)).await.ok();
    }
    let pages = async |method: &str, list: &str, id: &str, tenant: &str| {
        let (mut token, mut found) = (String::new(), Vec::new());
        loop {
            let request = json!({ "tenantId": tenant, "pageSize": 3, "pageToken": token });
            let page = node.post(&AUDREY, method, &request).await.ok();
            let rows = page[list].as_array().cloned().unwrap_or_default();
            assert!(rows.len() <= 3);
            found.extend(rows.iter().map(|row| row.pointer(id).unwrap().to_string()));
            match page["nextPageToken"].as_str() {
                Some(next) => token = next.to_owned(),
                None => return found,
            }
        }
    };
    let holds = pages("ListHolds", "holds", "/holdId", "demo").await;
    assert_eq!(holds, ids.iter().map(|id| format!("\"{id}\"")).collect::<Vec<_>>());
    let audit = pages("ListAuditEntries", "entries", "/position/offset", "demo").await;
    assert_eq!(audit.len(), 7);
    let advance = async || node.post(&ROOT, "AdvanceClock", &json!({ "commandId": new_id(), "by": "1s" })).await.ok();
    advance().await;
    let tenants = pages("ListTenants", "tenants", "/tenantId", "platform").await;
    assert_eq!(tenants, ["\"demo\""]);
}
