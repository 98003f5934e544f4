//! gRPC, for any method of the table: messages pass as bytes.

mod stream;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::{Buf, BufMut, Bytes};
use futures_util::TryStreamExt;
use http::{HeaderMap, Request};
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Status};
use tower::service_fn;

use super::body::Time;
use super::{App, Identified};
use crate::door::{Incoming, Method};
use crate::error::{CallError, codes};

pub(super) async fn serve(app: Arc<App>, request: Request<Body>) -> Response {
    let path = request.uri().path();
    if let Some(method) = app.methods.stream(path).cloned() {
        return stream::serve(app, method, request).await;
    }
    let Some(method) = app.methods.get(path).cloned() else {
        let error = CallError::new(codes::METHOD_UNKNOWN, format!("there is no method {path}"));
        return error.to_grpc().into_http();
    };
    let timeout = timeout(request.headers());
    let headers = request.headers().clone();
    // Nothing is read of a request before its sender is known.
    let mut identified = match app.identify(&method, &headers).await {
        Ok(identified) => Some(identified),
        Err(error) => return error.to_grpc().into_http(),
    };
    let max = app.bodies.bytes_max;
    let request = guarded(&app, request, Time::Whole);
    let service = service_fn(move |message: tonic::Request<Bytes>| {
        let (app, method, headers, identified) = (Arc::clone(&app), method.clone(), headers.clone(), identified.take());
        async move {
            let twice = || Status::internal("asked twice");
            let answered =
                answer(&app, &method, identified.ok_or_else(twice)?, &headers, message.into_inner(), timeout);
            answered.await.map(tonic::Response::new).map_err(|error| error.to_grpc())
        }
    });
    let response = server(max).unary(service, request).await;
    with_a_code(response.map(Body::new), max)
}

/// A request whose body is received within its limits. What breaks one ends the body with the status to answer.
fn guarded(app: &App, request: Request<Body>, time: Time) -> Request<Body> {
    request.map(|body| {
        let body = app.bodies.guard(body, time);
        Body::from_stream(body.map_err(|error| error.to_grpc()))
    })
}

fn server(request_bytes_max: usize) -> tonic::server::Grpc<AsBytes> {
    tonic::server::Grpc::new(AsBytes)
        .apply_max_message_size_config(Some(request_bytes_max), Some(usize::MAX))
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip)
}

/// What the library refuses before any code of ours sees it gets a code as well.
fn with_a_code(response: Response, max: usize) -> Response {
    let refused = Status::from_header_map(response.headers());
    let Some(refused) = refused.filter(|status| status.code() != Code::Ok && status.details().is_empty()) else {
        return response;
    };
    let mut status = refused_by_library(&refused, max).to_grpc();
    // Among it, which encodings are supported.
    *status.metadata_mut() = refused.metadata().clone();
    status.into_http()
}

fn refused_by_library(refused: &Status, max: usize) -> CallError {
    // What broke a limit of the body passes through the library.
    if let Some(error) = CallError::from_status(refused) {
        return error;
    }
    match refused.code() {
        Code::OutOfRange => CallError::too_large(max),
        Code::Unimplemented => CallError::new(codes::ENCODING_NOT_SUPPORTED, refused.message()),
        _ => CallError::new(codes::MALFORMED_REQUEST, refused.message()),
    }
}

async fn answer(
    app: &App,
    method: &Method,
    identified: Identified,
    headers: &HeaderMap,
    message: Bytes,
    timeout: Option<Duration>,
) -> Result<Bytes, CallError> {
    let (of_method, memory) = (method.clone(), app.decoding.memory.clone());
    let request = app.decoding.run(message.len(), move || Incoming::decode(&of_method, message, &memory)).await;
    app.answer(method, identified, headers, request, timeout).await
}

/// The grpc-timeout header: up to eight digits and a unit.
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let amount: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3_600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

/// Messages as they are.
#[derive(Debug, Clone, Copy, Default)]
pub struct AsBytes;

impl Codec for AsBytes {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for AsBytes {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(message);
        Ok(())
    }
}

impl Decoder for AsBytes {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", value.parse().unwrap());
            timeout(&headers)
        };
        assert_eq!(of("250m"), Some(Duration::from_millis(250)));
        assert_eq!(of("3S"), Some(Duration::from_secs(3)));
        for nonsense in ["", "S", "3", "3x", "123456789S", "-1S", "ä"] {
            let value = http::HeaderValue::from_bytes(nonsense.as_bytes()).unwrap();
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", value);
            assert_eq!(timeout(&headers), None, "{nonsense}");
        }
    }
}
