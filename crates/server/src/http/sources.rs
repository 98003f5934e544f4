//! Events of product use as programs send them that know nothing of Daybook: calls of Segment's SDKs, log records of
//! OpenTelemetry (OTLP/HTTP), and what a page sends on its way out (`navigator.sendBeacon`). Each is mapped to events and
//! takes the road of `RecordEvents`.
//!
//! | path | body | answered with |
//! | --- | --- | --- |
//! | `POST /v1/track`, `identify`, `page`, `screen`, `group`, `alias`, `batch` | Segment's JSON | [`Recorded::to_segment`] |
//! | `POST /v1/logs` | OTLP, protobuf or JSON | `ExportLogsServiceResponse` |
//! | `POST /v1/beacon` | a `RecordEventsRequest` in JSON with `token` beside it, as text | nothing (204) |
//!
//! Who sends is told by a token, as everywhere: `Authorization: Bearer TOKEN`; for Segment's SDKs the token is the write key
//! (user name of Basic, or `writeKey` in the body); a beacon has no headers. `?tenant=` names the tenant where the token
//! speaks for several. The token is looked at before anything is mapped, also of a body without events.
//!
//! Nothing vanishes: every input of a body counts, is a duplicate, or is refused, and the answer says how many of each.

mod recorded;

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use daybook_event_shapes::{Mapped, NotMapped, SegmentCall, otlp_json, otlp_protobuf, segment};
use daybook_minimise::{Sent, Unmapped};
use daybook_proto::product_analytics::v1::RecordEventsResponse;
use http::{HeaderMap, HeaderValue, Method as HttpMethod, Request, StatusCode, header};
use prost::Message;
use serde_json::{Value, json};

use super::json::{refused, status};
use super::{App, Identified, content_type};
use crate::door::Incoming;
use crate::encoding::top_level_text;
use crate::error::{CallError, codes};
use recorded::Recorded;

const RECORD_EVENTS: &str = "/daybook.product_analytics.v1.ProductAnalyticsService/RecordEvents";
const PREFIX: &str = "/v1/";

/// Whether a path is one of these.
pub(super) fn is_source(path: &str) -> bool {
    let Some(name) = path.strip_prefix(PREFIX) else { return false };
    matches!(name, "logs" | "beacon") || SegmentCall::from_path(name).is_some()
}

pub(super) async fn serve(app: Arc<App>, request: Request<Body>) -> Response {
    let path = request.uri().path().to_owned();
    let name = path.strip_prefix(PREFIX).unwrap_or_default();
    if request.method() != HttpMethod::POST {
        let error = CallError::new(codes::MALFORMED_REQUEST, format!("{path} is called with POST"));
        return refused(StatusCode::METHOD_NOT_ALLOWED, &error);
    }
    let answered = match (name, SegmentCall::from_path(name)) {
        ("logs", _) => return otlp(&app, request).await,
        ("beacon", _) => beacon(&app, request).await,
        (_, kind) => from_segment(&app, kind, request).await,
    };
    answered.unwrap_or_else(|error| refused(status(&error), &error))
}

async fn from_segment(app: &App, kind: Option<SegmentCall>, request: Request<Body>) -> Result<Response, CallError> {
    let tenant = tenant(&request);
    let (parts, body) = request.into_parts();
    let mut headers = parts.headers;
    if let Some(key) = write_key(&headers) {
        set_token(&mut headers, &key)?;
    }
    let (identified, body) = identified_by(app, &mut headers, body, "writeKey").await?;
    let mapped = app
        .decoding
        .run(body.len(), {
            let now = app.door.node.now().to_proto();
            move || segment(kind, &json_body(&body)?, now).map_err(not_mapped)
        })
        .await?;
    let (status, answer) = record(app, identified, &headers, tenant, mapped).await?.to_segment();
    Ok((status, [(header::CONTENT_TYPE, "application/json")], answer.to_string()).into_response())
}

async fn beacon(app: &App, request: Request<Body>) -> Result<Response, CallError> {
    let tenant = tenant(&request);
    let (parts, body) = request.into_parts();
    let mut headers = parts.headers;
    let (identified, body) = identified_by(app, &mut headers, body, "token").await?;
    let method = app.methods.get(RECORD_EVENTS).ok_or_else(no_method)?.clone();
    let (of_method, memory) = (method.clone(), app.decoding.memory.clone());
    let read = move || {
        let mut body = json_body(&body)?;
        if let Some(body) = body.as_object_mut() {
            body.remove("token");
            if !tenant.is_empty() {
                body.entry("tenantId").or_insert(Value::String(tenant));
            }
        }
        crate::encoding::Encoding::Json.read(&of_method, body.to_string().into(), &memory)
    };
    let request = app.decoding.run(SENT_UNIDENTIFIED_MAX, read).await;
    app.answer(&method, identified, &headers, request, None).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Bytes of a body that must be read before its sender is known: those of Segment's largest batch.
const SENT_UNIDENTIFIED_MAX: usize = 512 << 10;

/// Who sends, and the body. Where the headers do not say who it is, the body may: it is read within a small limit, and
/// nothing is made of it but the text of one field, before the token in it is checked.
async fn identified_by(
    app: &App,
    headers: &mut HeaderMap,
    body: Body,
    field: &'static str,
) -> Result<(Identified, Bytes), CallError> {
    let method = app.methods.get(RECORD_EVENTS).ok_or_else(no_method)?;
    if headers.contains_key(header::AUTHORIZATION) {
        let identified = app.identify(method, headers).await?;
        return Ok((identified, app.bodies.read(headers, body).await?));
    }
    let body = app.bodies.of_at_most(SENT_UNIDENTIFIED_MAX).read(headers, body).await?;
    let of_body = body.clone();
    let found = app.decoding.run(body.len(), move || Ok(top_level_text(&of_body, field))).await?;
    if let Some(token) = found {
        set_token(headers, &token)?;
    }
    Ok((app.identify(method, headers).await?, body))
}

/// OTLP/HTTP, as <https://opentelemetry.io/docs/specs/otlp/#otlphttp> has it.
async fn otlp(app: &App, request: Request<Body>) -> Response {
    let is_json = match content_type(request.headers()).as_str() {
        "application/json" => true,
        "application/x-protobuf" => false,
        _ => {
            let message = "the content type must be application/x-protobuf or application/json";
            let error = CallError::new(codes::MALFORMED_REQUEST, message);
            return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, &error);
        }
    };
    let answered = async {
        let tenant = tenant(&request);
        let method = app.methods.get(RECORD_EVENTS).ok_or_else(no_method)?;
        let identified = app.identify(method, request.headers()).await?;
        let (parts, body) = request.into_parts();
        let headers = parts.headers;
        let body = app.bodies.read(&headers, body).await?;
        let map = move || {
            let mapped = if is_json { otlp_json(&json_body(&body)?) } else { otlp_protobuf(&body) };
            mapped.map_err(not_mapped)
        };
        let mapped = app.decoding.run(app.bodies.bytes_max, map).await?;
        record(app, identified, &headers, tenant, mapped).await
    };
    match answered.await {
        Ok(recorded) if is_json => {
            let answer = match recorded.rejected_records() {
                Some((rejected, message)) => {
                    // 64 bits are strings in the JSON of protobuf.
                    json!({ "partialSuccess": { "rejectedLogRecords": rejected.to_string(), "errorMessage": message } })
                }
                None => json!({}),
            };
            ([(header::CONTENT_TYPE, "application/json")], answer.to_string()).into_response()
        }
        Ok(recorded) => {
            let partial = recorded.rejected_records().map(|(rejected, message)| PartialSuccess {
                rejected_log_records: i64::try_from(rejected).unwrap_or(i64::MAX),
                error_message: message,
            });
            let answer = ExportLogsServiceResponse { partial_success: partial }.encode_to_vec();
            ([(header::CONTENT_TYPE, "application/x-protobuf")], answer).into_response()
        }
        Err(error) => {
            let answer = refused(status(&error), &error);
            if is_json {
                return answer;
            }
            let details = error.to_grpc().details().to_vec();
            (status(&error), [(header::CONTENT_TYPE, "application/x-protobuf")], details).into_response()
        }
    }
}

/// `opentelemetry.proto.collector.logs.v1.ExportLogsServiceResponse`.
#[derive(Clone, PartialEq, Message)]
struct ExportLogsServiceResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

/// Its `ExportLogsPartialSuccess`.
#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected_log_records: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// Records what a source has mapped, and counts what it could not map.
async fn record(
    app: &App,
    identified: Identified,
    headers: &HeaderMap,
    tenant: String,
    mapped: Mapped,
) -> Result<Recorded, CallError> {
    // A body without events is refused as well where its sender does not speak for the tenant.
    identified.caller.tenant(&tenant, None)?;
    if mapped.is_empty() {
        return Ok(Recorded::default());
    }
    let method = app.methods.get(RECORD_EVENTS).ok_or_else(no_method)?;
    let (count, skipped) = (mapped.len(), mapped.skipped.clone());
    let left_out = mapped.left_out.values().fold(0u32, |sum, count| sum.saturating_add(*count));
    let incoming = Incoming::of_source(method, tenant, sent(mapped), &app.decoding.memory);
    let answer = app.answer(method, identified, headers, incoming, None).await?;
    let response = RecordEventsResponse::decode(answer);
    let response = response.map_err(|error| CallError::new(codes::INTERNAL_ERROR, error.to_string()))?;
    Ok(Recorded::new(count, &skipped, response).without_properties(left_out))
}

/// What is minimised, and what is only counted.
fn sent(mapped: Mapped) -> Sent {
    let place = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
    let places: Vec<u32> = mapped.places().map(place).collect();
    let mut sent = Sent::default();
    for skipped in mapped.skipped {
        let reason = skipped.why.refusal();
        if skipped.why.is_no_event() {
            *sent.no_events.entry(reason).or_default() += 1;
        } else {
            sent.unmapped.push(Unmapped { index: place(skipped.index), reason, name: skipped.name });
        }
    }
    sent.events = places.into_iter().zip(mapped.events).collect();
    sent.left_out = mapped.left_out;
    sent
}

fn json_body(body: &[u8]) -> Result<Value, CallError> {
    serde_json::from_slice(body).map_err(|error| {
        let message = format!("the body is no JSON: {error}; nothing was recorded");
        CallError::new(codes::MALFORMED_REQUEST, message)
    })
}

fn not_mapped(error: NotMapped) -> CallError {
    CallError::new(codes::MALFORMED_REQUEST, format!("{error}; nothing was recorded"))
}

fn no_method() -> CallError {
    CallError::new(codes::METHOD_UNKNOWN, "events of product use are not part of this release")
}

/// The `tenant` of a URL.
fn tenant(request: &Request<Body>) -> String {
    let query = request.uri().query().unwrap_or_default();
    let named = query.split('&').find_map(|pair| pair.strip_prefix("tenant="));
    named.unwrap_or_default().to_owned()
}

/// The user name of Basic authentication (RFC 7617), which Segment's SDKs send their write key as.
fn write_key(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.trim().split_once(' ')?;
    let is_basic = scheme.eq_ignore_ascii_case("basic");
    let decoded = STANDARD.decode(encoded.trim()).ok().filter(|_| is_basic)?;
    let (user, _) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(user.to_owned())
}

fn set_token(headers: &mut HeaderMap, token: &str) -> Result<(), CallError> {
    let wrong = |_| CallError::new(codes::TOKEN_INVALID, "the token has characters that no token has");
    headers.insert(header::AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}")).map_err(wrong)?);
    Ok(())
}
