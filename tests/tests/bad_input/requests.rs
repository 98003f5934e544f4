//! What is no request at all, too large, or for nobody.

use super::*;

async fn refused_text(node: &Node, who: &Person, method: &str, body: &str) -> Refusal {
    node.post_text(Some(&node.token(who)), method, body.to_owned()).await.refusal()
}

async fn refused_bytes<Q: Name>(node: &Node, who: &Person, body: Vec<u8>) -> Refusal {
    let refused = node.call_raw(Some(&node.token(who)), &path_of::<Q>(), body.into()).await;
    Refusal::of_grpc(&refused.unwrap_err())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fields_that_a_message_does_not_have_are_refused() {
    let node = node().await;
    nothing_is_written(&node, async || {
        let mut request = to_json(&place("h", on(ADA)));
        request["holdEverybody"] = json!(true);
        let refusal = refused_text(&node, &LEA, "PlaceHold", &request.to_string()).await;
        is(&refusal, Code::InvalidArgument, "UNKNOWN_FIELD");
        assert!(refusal.message.contains("holdEverybody"), "{}", refusal.message);
        let mut request = to_json(&place("h", on(ADA)));
        request["scope"]["people"] = json!(["ada"]);
        let refusal = refused_text(&node, &LEA, "PlaceHold", &request.to_string()).await;
        is(&refusal, Code::InvalidArgument, "UNKNOWN_FIELD");

        // The same by gRPC: a field with a number that the message does not have, at the top and inside.
        let unknown = |message: &mut Vec<u8>| prost::encoding::string::encode(999, &"secret".to_owned(), message);
        let mut request = place("h", on(ADA)).encode_to_vec();
        unknown(&mut request);
        let refusal = refused_bytes::<PlaceHoldRequest>(&node, &LEA, request).await;
        is(&refusal, Code::InvalidArgument, "UNKNOWN_FIELD");
        assert!(refusal.message.contains("999"), "{}", refusal.message);
        let mut inside = item("b", "century", ADA).encode_to_vec();
        unknown(&mut inside);
        let mut request = Vec::new();
        prost::encoding::bytes::encode(3, &inside, &mut request);
        let refusal = refused_bytes::<RegisterItemRequest>(&node, &RITA, request).await;
        is(&refusal, Code::InvalidArgument, "UNKNOWN_FIELD");
        assert!(refusal.message.contains("item"), "{}", refusal.message);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_a_message_is_refused() {
    let node = node().await;
    nothing_is_written(&node, async || {
        for body in [
            "{",
            "nonsense",
            "[]",
            "null",
            "\"text\"",
            r#"{"holdId":"h"} and more"#,
            r#"{"holdId":7}"#,
            r#"{"scope":{"kinds":["ITEM_KIND_NO_SUCH"]}}"#,
            r#"{"scope":{"everything":"yes"}}"#,
            r#"{"endTime":"tomorrow"}"#,
            r#"{"endTime":"2025-02-30T00:00:00Z"}"#,
            r#"{"endTime":"12025-01-01T00:00:00Z"}"#,
            r#"{"releaseDelay":"-"}"#,
            r#"{"releaseDelay":"30 days"}"#,
            "\u{0}",
        ] {
            let refusal = refused_text(&node, &LEA, "PlaceHold", body).await;
            assert_eq!((refusal.status, refusal.code.as_str()), (Code::InvalidArgument, "MALFORMED_REQUEST"), "{body}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let refusal = refused_text(&node, &LEA, "PlaceHold", &format!(r#"{{"scope":{deep}}}"#)).await;
        is(&refusal, Code::ResourceExhausted, "REQUEST_TOO_LARGE");
        assert!(refusal.message.contains("deeper than 32 levels"), "{}", refusal.message);

        let not_text = {
            let mut bytes = Vec::new();
            prost::encoding::bytes::encode(3, &vec![0xff, 0xfe], &mut bytes);
            bytes
        };
        let deep_group = [0x0b].repeat(100_000);
        for body in [vec![0xff; 20], vec![0x0a, 0xff, 0xff], not_text, deep_group] {
            let refusal = refused_bytes::<PlaceHoldRequest>(&node, &LEA, body).await;
            is(&refusal, Code::InvalidArgument, "MALFORMED_REQUEST");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_larger_than_a_command_may_be_is_refused() {
    let node = node().await;
    nothing_is_written(&node, async || {
        let large = Item { body: "x".repeat(300 << 10), ..item("large", "century", ADA) };
        let refusal = node.refusal(&RITA, &register(large)).await;
        is(&refusal, Code::ResourceExhausted, "REQUEST_TOO_LARGE");
        assert!(refusal.message.contains("262144"), "it names the limit: {}", refusal.message);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_larger_than_a_request_may_be_is_refused_before_it_is_read() {
    let node = Node::start_with(|config| config.limits.request_kib = 64).await;
    with_an_item(&node).await;
    nothing_is_written(&node, async || {
        let large = Item { body: "x".repeat(80 << 10), ..item("large", "century", ADA) };
        let refusal = node.refusal(&RITA, &register(large)).await;
        is(&refusal, Code::ResourceExhausted, "REQUEST_TOO_LARGE");
        assert!(refusal.message.contains("65536"), "it names the limit: {}", refusal.message);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_method_that_does_not_exist_is_told_as_such() {
    let node = node().await;
    nothing_is_written(&node, async || {
        for path in ["/daybook.legal_hold.v1.LegalHoldService/BurnEverything", "/no.such.Service/PlaceHold"] {
            let status = node.call_raw(Some(&node.token(&LEA)), path, Bytes::new()).await.unwrap_err();
            is(&Refusal::of_grpc(&status), Code::Unimplemented, "METHOD_UNKNOWN");
        }
        let answer = node.post(&LEA, "BurnEverything", &json!({})).await;
        assert_eq!(answer.status, 404);
        is(&answer.refusal(), Code::Unimplemented, "METHOD_UNKNOWN");
        // What only Daybook itself may send has no method.
        let answer = node.post(&ROOT, "PublishShippedPolicySet", &json!({})).await;
        assert_eq!((answer.status, answer.refusal().code.as_str()), (404, "METHOD_UNKNOWN"));
    })
    .await;
}
