//! gRPC, for any method of the table: messages pass as bytes.

mod stream;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::{Buf, BufMut, Bytes};
use http::{HeaderMap, Request};
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Status};
use tower::service_fn;

use super::App;
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
    let max = app.request_bytes_max;
    let mut grpc = server(max);
    let timeout = timeout(request.headers());
    let headers = request.headers().clone();
    let service = service_fn(move |message: tonic::Request<Bytes>| {
        let (app, method, headers) = (Arc::clone(&app), method.clone(), headers.clone());
        async move { call(&app, &method, &headers, message.into_inner(), timeout).await }
    });
    let response = grpc.unary(service, request).await;
    with_a_code(response.map(Body::new), max)
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
    match refused.code() {
        Code::OutOfRange => CallError::too_large(max),
        Code::Unimplemented => CallError::new(codes::ENCODING_NOT_SUPPORTED, refused.message()),
        _ => CallError::new(codes::MALFORMED_REQUEST, refused.message()),
    }
}

async fn call(
    app: &App,
    method: &Method,
    headers: &HeaderMap,
    message: Bytes,
    timeout: Option<Duration>,
) -> Result<tonic::Response<Bytes>, Status> {
    let answered = answer(app, method, headers, message, timeout).await;
    answered.map(tonic::Response::new).map_err(|error| error.to_grpc())
}

async fn answer(
    app: &App,
    method: &Method,
    headers: &HeaderMap,
    message: Bytes,
    timeout: Option<Duration>,
) -> Result<Bytes, CallError> {
    let request =
        Incoming::decode(method, message).map_err(|error| CallError::new(codes::MALFORMED_REQUEST, error.to_string()));
    app.answer(method, headers, request, timeout).await
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
