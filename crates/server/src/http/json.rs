//! JSON over HTTP for any method of the table, by the unary convention of the
//! [Connect protocol](https://connectrpc.com/docs/protocol/): `POST /package.Service/Method` with the request as JSON;
//! queries also as `GET` with the request in the URL. `curl` is enough, and Connect clients work.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, Method as HttpMethod, Request, StatusCode, header};
use prost::Message;
use serde_json::{Value, json};

use super::{App, arrow, content_type};
use crate::door::{Method, StreamMethod};
use crate::encoding::Encoding;
use crate::error::{CallError, codes};

pub(super) async fn serve(app: Arc<App>, request: Request<Body>) -> Response {
    let path = request.uri().path();
    let Some(method) = app.methods.get(path).cloned() else {
        if let Some(stream) = app.methods.stream(path) {
            return no_stream(&app, stream, path, request.headers()).await;
        }
        let message = format!("there is no method {path}; a path is /package.Service/Method");
        return refused(StatusCode::NOT_FOUND, &CallError::new(codes::METHOD_UNKNOWN, message));
    };
    let is_asked_with = match *request.method() {
        HttpMethod::POST => true,
        HttpMethod::GET => method.is_query,
        _ => false,
    };
    if !is_asked_with {
        let message = format!("{path} is called with POST{}", if method.is_query { " or GET" } else { "" });
        return refused(StatusCode::METHOD_NOT_ALLOWED, &CallError::new(codes::MALFORMED_REQUEST, message));
    }
    let headers = request.headers().clone();
    // Nothing is read of a request before its sender is known.
    let identified = match app.identify(&method, &headers).await {
        Ok(identified) => identified,
        Err(error) => return refused(status(&error), &error),
    };
    let read = match *request.method() {
        HttpMethod::POST => read_post(&app, request).await,
        _ => read_get(request.uri().query().unwrap_or_default()),
    };
    let (encoding, bytes) = match read {
        Ok(read) => read,
        Err(NotRead::ContentType) => {
            let message = "the content type must be application/json or application/proto";
            return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, &CallError::new(codes::MALFORMED_REQUEST, message));
        }
        Err(NotRead::Refused(error)) => return refused(status(&error), &error),
    };
    let (of_method, memory) = (method.clone(), app.decoding.memory.clone());
    let message = app.decoding.run(bytes.len(), move || encoding.read(&of_method, bytes, &memory)).await;
    match app.answer(&method, identified, &headers, message, timeout(&headers)).await {
        Ok(response) if arrow::is_wanted(&method, &headers) => arrow::answered(response),
        Ok(response) => answered(&method, encoding, response),
        Err(error) => refused(status(&error), &error),
    }
}

/// Streaming methods are gRPC only; the caller is still authenticated.
async fn no_stream(app: &App, stream: &StreamMethod, path: &str, headers: &HeaderMap) -> Response {
    let message = format!(
        "{path} takes a stream, which JSON has not; nothing was recorded; call {} for each batch, or this method by gRPC",
        stream.command.path
    );
    let error = match app.identify(&stream.command, headers).await {
        Ok(_) => CallError::new(codes::METHOD_UNKNOWN, message),
        Err(error) => error,
    };
    refused(status(&error), &error)
}

/// Why there is no request.
#[derive(Debug)]
pub enum NotRead {
    /// It is written down in no way that is known.
    ContentType,
    /// Something else is wrong with it.
    Refused(CallError),
}

async fn read_post(app: &App, request: Request<Body>) -> Result<(Encoding, Bytes), NotRead> {
    let encoding = match content_type(request.headers()).as_str() {
        "application/json" => Encoding::Json,
        "application/proto" => Encoding::Proto,
        _ => return Err(NotRead::ContentType),
    };
    let (parts, body) = request.into_parts();
    let body = app.bodies.read(&parts.headers, body).await.map_err(NotRead::Refused)?;
    Ok((encoding, body))
}

/// The request in the query of a URL: `encoding=json&message={...}`, with `base64=1` when the message is base64.
///
/// # Errors
/// [`NotRead`] when the query of the URL holds no request.
pub fn read_get(query: &str) -> Result<(Encoding, Bytes), NotRead> {
    let mut encoding = Encoding::Json;
    let (mut message, mut is_base64) = (Vec::new(), false);
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "encoding" if value == "proto" => encoding = Encoding::Proto,
            "encoding" if value != "json" => return Err(NotRead::ContentType),
            "message" => message = percent_decoded(value),
            "base64" => is_base64 = value == "1",
            _ => {}
        }
    }
    if is_base64 {
        let text: Vec<u8> = message.iter().copied().filter(|byte| *byte != b'=').collect();
        let wrong = |_| NotRead::Refused(CallError::new(codes::MALFORMED_REQUEST, "the message is not base64"));
        message = URL_SAFE_NO_PAD.decode(&text).or_else(|_| STANDARD_NO_PAD.decode(&text)).map_err(wrong)?;
    }
    Ok((encoding, message.into()))
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match (byte, digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(value)) => {
                decoded.push(value);
                rest = &after[2..];
            }
            (b'+', _) => {
                decoded.push(b' ');
                rest = after;
            }
            _ => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    decoded
}

fn answered(method: &Method, encoding: Encoding, response: Bytes) -> Response {
    match encoding.encode(method, response) {
        Ok(body) => ([(header::CONTENT_TYPE, encoding.content_type())], body).into_response(),
        Err(error) => refused(status(&error), &error),
    }
}

/// Connect's names of gRPC's codes, and the HTTP status that goes with each.
fn connect_code(code: tonic::Code) -> (&'static str, StatusCode) {
    match code {
        tonic::Code::InvalidArgument => ("invalid_argument", StatusCode::BAD_REQUEST),
        tonic::Code::NotFound => ("not_found", StatusCode::NOT_FOUND),
        tonic::Code::AlreadyExists => ("already_exists", StatusCode::CONFLICT),
        tonic::Code::FailedPrecondition => ("failed_precondition", StatusCode::BAD_REQUEST),
        tonic::Code::PermissionDenied => ("permission_denied", StatusCode::FORBIDDEN),
        tonic::Code::Unauthenticated => ("unauthenticated", StatusCode::UNAUTHORIZED),
        tonic::Code::ResourceExhausted => ("resource_exhausted", StatusCode::TOO_MANY_REQUESTS),
        tonic::Code::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE),
        tonic::Code::DeadlineExceeded => ("deadline_exceeded", StatusCode::GATEWAY_TIMEOUT),
        tonic::Code::Unimplemented => ("unimplemented", StatusCode::NOT_IMPLEMENTED),
        tonic::Code::DataLoss => ("data_loss", StatusCode::INTERNAL_SERVER_ERROR),
        _ => ("internal", StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// The HTTP status of an error. A request that is too large or too slow is told so: 429 would have it sent again as it is.
pub(super) fn status(error: &CallError) -> StatusCode {
    if error.code == codes::REQUEST_TOO_LARGE.name {
        return StatusCode::PAYLOAD_TOO_LARGE;
    }
    if error.code == codes::REQUEST_TOO_SLOW.name {
        return StatusCode::REQUEST_TIMEOUT;
    }
    connect_code(error.to_grpc().code()).1
}

/// An error as Connect has it: code, message, and the same details as gRPC, each also in plain JSON.
pub(super) fn refused(status: StatusCode, error: &CallError) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], error_body(error)).into_response()
}

/// The body of such an error.
pub(crate) fn error_body(error: &CallError) -> String {
    let grpc = error.to_grpc();
    let packed = tonic_types::pb::Status::decode(grpc.details()).unwrap_or_default();
    let plain = plain_details(error);
    let details: Vec<Value> = packed
        .details
        .iter()
        .map(|detail| {
            let name = detail.type_url.rsplit('/').next().unwrap_or_default();
            let mut json = json!({ "type": name, "value": STANDARD_NO_PAD.encode(&detail.value) });
            if let (Some(json), Some((_, plain))) = (json.as_object_mut(), plain.iter().find(|(of, _)| *of == name)) {
                json.insert("debug".to_owned(), plain.clone());
            }
            json
        })
        .collect();
    json!({ "code": connect_code(grpc.code()).0, "message": error.message, "details": details }).to_string()
}

/// The details in plain JSON. Field names as JSON has them.
fn plain_details(error: &CallError) -> Vec<(&'static str, Value)> {
    let mut details = vec![(
        "google.rpc.ErrorInfo",
        json!({ "reason": error.code, "domain": crate::error::ERROR_DOMAIN, "metadata": error.metadata }),
    )];
    if !error.violations.is_empty() {
        let violations: Vec<_> = error
            .violations
            .iter()
            .map(|(field, description)| json!({ "field": camel_case(field), "description": description }))
            .collect();
        details.push(("google.rpc.BadRequest", json!({ "fieldViolations": violations })));
    }
    if let Some(delay) = error.retry_after {
        details.push(("google.rpc.RetryInfo", json!({ "retryDelay": format!("{}s", delay.as_secs_f64()) })));
    }
    details
}

fn camel_case(field: &str) -> String {
    let mut upper = false;
    let mut camel = String::with_capacity(field.len());
    for c in field.chars() {
        if c == '_' {
            upper = true;
        } else {
            camel.push(if upper { c.to_ascii_uppercase() } else { c });
            upper = false;
        }
    }
    camel
}

/// The Connect-Timeout-Ms header.
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("connect-timeout-ms")?.to_str().ok()?;
    value.parse().ok().filter(|_| value.len() <= 10).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_paths_are_as_the_caller_wrote_them() {
        assert_eq!(camel_case("scope.item_time.start_time"), "scope.itemTime.startTime");
        assert_eq!(camel_case("other_tenants[3].tenant_id"), "otherTenants[3].tenantId");
        assert_eq!(camel_case("policies:3:14"), "policies:3:14");
    }

    #[test]
    fn percent_encoding() {
        assert_eq!(percent_decoded("%7B%22a%22%3A1%7D"), br#"{"a":1}"#);
        assert_eq!(percent_decoded("a+b%2"), b"a b%2");
        assert_eq!(percent_decoded("%zz%"), b"%zz%");
        assert_eq!(percent_decoded("%+1"), b"% 1", "a sign is no digit");
    }
}
