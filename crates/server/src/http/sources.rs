//! Events of product use as programs send them that know nothing of Daybook: calls of Segment's SDKs, log records of
//! OpenTelemetry (OTLP/HTTP), and what a page sends on its way out (`navigator.sendBeacon`). Each is mapped to events and
//! takes the road of `RecordEvents`.
//!
//! | path | body | answered with |
//! | --- | --- | --- |
//! | `POST /v1/track`, `identify`, `page`, `screen`, `group`, `alias`, `batch` | Segment's JSON | `{"success":true}` |
//! | `POST /v1/logs` | OTLP, protobuf or JSON | `ExportLogsServiceResponse` |
//! | `POST /v1/beacon` | a `RecordEventsRequest` in JSON with `token` beside it, as text | nothing (204) |
//!
//! Who sends is told by a token, as everywhere: `Authorization: Bearer TOKEN`; for Segment's SDKs the token is the write key
//! (user name of Basic, or `writeKey` in the body); a beacon has no headers. `?tenant=` names the tenant where the token
//! speaks for several.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use daybook_event_shapes::{Mapped, NotMapped, SegmentCall, Why, otlp_json, otlp_protobuf, segment};
use daybook_proto::product_analytics::v1::{RecordEventsRequest, RecordEventsResponse, Refusal};
use http::{HeaderMap, HeaderValue, Method as HttpMethod, Request, StatusCode, header};
use prost::Message;
use serde_json::{Value, json};

use super::App;
use super::body::read_body;
use super::json::{refused, status};
use crate::door::Incoming;
use crate::error::{CallError, codes};

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
    let (mut headers, tenant) = (request.headers().clone(), tenant(&request));
    let body = json_body(&read_body(app, request).await?)?;
    if let Some(key) = write_key(&headers).or_else(|| body.get("writeKey").and_then(Value::as_str).map(str::to_owned)) {
        set_token(&mut headers, &key)?;
    }
    let mapped = segment(kind, &body, app.door.node.now().to_proto()).map_err(not_mapped)?;
    record(app, &headers, tenant, mapped).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], json!({ "success": true }).to_string()).into_response())
}

async fn beacon(app: &App, request: Request<Body>) -> Result<Response, CallError> {
    let (mut headers, tenant) = (request.headers().clone(), tenant(&request));
    let mut body = json_body(&read_body(app, request).await?)?;
    if let Some(Value::String(token)) = body.as_object_mut().and_then(|body| body.remove("token")) {
        set_token(&mut headers, &token)?;
    }
    let method = app.methods.get(RECORD_EVENTS).ok_or_else(no_method)?;
    if let Some(body) = body.as_object_mut().filter(|_| !tenant.is_empty()) {
        body.entry("tenantId").or_insert(Value::String(tenant));
    }
    let message = crate::encoding::Encoding::Json.decode(method, body.to_string().as_bytes())?;
    app.answer(method, &headers, Ok(message.into()), None).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// OTLP/HTTP, as <https://opentelemetry.io/docs/specs/otlp/#otlphttp> has it.
async fn otlp(app: &App, request: Request<Body>) -> Response {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json = match content_type.map(|value| value.split(';').next().unwrap_or_default().trim()) {
        Some("application/json") => true,
        Some("application/x-protobuf") => false,
        _ => {
            let message = "the content type must be application/x-protobuf or application/json";
            let error = CallError::new(codes::MALFORMED_REQUEST, message);
            return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, &error);
        }
    };
    let answered = async {
        let (headers, tenant) = (request.headers().clone(), tenant(&request));
        let body = read_body(app, request).await?;
        let mapped = if is_json { otlp_json(&json_body(&body)?) } else { otlp_protobuf(&body) };
        let mapped = mapped.map_err(not_mapped)?;
        // Records that are no events are none of ours, and no mistake.
        let skipped = mapped.skipped.iter().filter(|skipped| skipped.why != Why::NotAnEvent).count();
        let response = record(app, &headers, tenant, mapped).await?;
        let is_mistake = |reason: Refusal| !matches!(reason, Refusal::Duplicate | Refusal::NoConsent);
        let refused = response.refused.iter().filter(|refused| is_mistake(refused.reason())).count();
        Ok::<_, CallError>(skipped + refused)
    };
    match answered.await {
        Ok(rejected) if is_json => {
            let partial = json!({ "rejectedLogRecords": rejected.to_string(), "errorMessage": REJECTED });
            let answer = if rejected == 0 { json!({}) } else { json!({ "partialSuccess": partial }) };
            ([(header::CONTENT_TYPE, "application/json")], answer.to_string()).into_response()
        }
        Ok(rejected) => {
            let partial = (rejected > 0).then(|| PartialSuccess {
                rejected_log_records: i64::try_from(rejected).unwrap_or(i64::MAX),
                error_message: REJECTED.to_owned(),
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

const REJECTED: &str = "daybook analytics refused says why, by name";

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

async fn record(
    app: &App,
    headers: &HeaderMap,
    tenant: String,
    mapped: Mapped,
) -> Result<RecordEventsResponse, CallError> {
    if mapped.events.is_empty() {
        return Ok(RecordEventsResponse::default());
    }
    let method = app.methods.get(RECORD_EVENTS).ok_or_else(no_method)?;
    let request = RecordEventsRequest { tenant_id: tenant, events: mapped.events, ..Default::default() };
    let incoming = Incoming::decode(method, request.encode_to_vec().into());
    let incoming = incoming.map_err(|error| CallError::new(codes::MALFORMED_REQUEST, error.to_string()));
    let answer = app.answer(method, headers, incoming, None).await?;
    RecordEventsResponse::decode(answer).map_err(|error| CallError::new(codes::INTERNAL_ERROR, error.to_string()))
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
