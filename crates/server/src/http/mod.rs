//! gRPC and JSON on one port. A request is told by its content type; the table of methods does the rest.

mod arrow;
mod body;
mod budget;
mod connections;
mod cors;
mod decoding;
mod grpc;
mod json;
mod rates;
mod sources;
mod tls;
mod trace;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use daybook_kernel::time::Timestamp;
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Version, header};
use tracing::Instrument;

use crate::auth::{Authenticator, Caller};
use crate::cluster;
use crate::door::{Call, Door, Incoming, Method, Methods};
use crate::error::{CallError, codes};

use cors::Cors;

pub use body::BodyLimits;
pub use budget::Budget;
pub(crate) use budget::Room;
pub use connections::{ConnectionLimits, LimitedAcceptor};
pub use cors::cors_origins;
pub use decoding::Decoding;
pub use grpc::AsBytes;
pub(crate) use json::error_body;
pub use json::{NotRead, read_get};
pub use rates::{RateLimits, Rates};
pub use tls::server_config as tls_server_config;

/// What requests are answered with.
pub struct App {
    /// The door.
    pub door: Door,
    /// The table of methods.
    pub methods: Methods,
    /// Who comes in.
    pub authenticator: Authenticator,
    /// Limits of what comes in.
    pub bodies: BodyLimits,
    /// Limits of how often somebody may ask.
    pub rates: Rates,
    /// Where requests are decoded.
    pub decoding: Decoding,
    /// Other origins whose pages may call.
    pub cors_origins: Vec<HeaderValue>,
}

/// A caller whose token was checked, before the request is read.
pub(crate) struct Identified {
    caller: Caller,
    /// Of tenant and bytes nothing is known before the request is read.
    limited: bool,
}

impl Identified {
    /// Who it is.
    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }
}

/// The routes: gRPC's own services (reflection, health), and everything else by the table of methods.
pub fn router(app: Arc<App>, own: axum::Router) -> axum::Router {
    let cors = Cors::of(&app.cors_origins);
    let sources = axum::Router::new().route("/v1/{name}", any(dispatch)).layer(cors.sources);
    let methods = axum::Router::new().fallback(dispatch);
    let methods = match cors.methods {
        Some(layer) => methods.layer(layer),
        None => methods,
    };
    own.merge(sources.merge(methods).with_state(app))
}

async fn dispatch(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    if let Err(error) = check_host(&request) {
        return json::refused(json::status(&error), &error);
    }
    if let Some(cluster) = app.door.cluster.clone().filter(|_| request.uri().path().starts_with(cluster::SERVICE)) {
        return cluster::serve(app, cluster, request).await;
    }
    let content_type = content_type(request.headers());
    if is_grpc(&content_type) {
        grpc::serve(app, request).await
    } else if content_type.starts_with("application/grpc-web") {
        let message = "gRPC-Web is not served here; call the same path with JSON (application/json), or with gRPC";
        let error = CallError::new(codes::ENCODING_NOT_SUPPORTED, message);
        json::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, &error)
    } else if sources::is_source(request.uri().path()) {
        sources::serve(app, request).await
    } else {
        json::serve(app, request).await
    }
}

/// The media type of a request, without its parameters. It has no case (RFC 9110, 8.3.1).
fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// gRPC in any of its encodings, but not gRPC-Web, whose frames are others.
fn is_grpc(content_type: &str) -> bool {
    content_type.strip_prefix("application/grpc").is_some_and(|rest| rest.is_empty() || rest.starts_with('+'))
}

/// HTTP/1.1 wants exactly one Host (RFC 9112, 3.2): with none or two, a proxy and this node may mean different ones.
fn check_host(request: &Request<Body>) -> Result<(), CallError> {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    if request.version() != Version::HTTP_11 || hosts == 1 {
        return Ok(());
    }
    let message = format!("a request of HTTP/1.1 has one Host header, and this one has {hosts}; nothing was recorded");
    Err(CallError::new(codes::MALFORMED_REQUEST, message))
}

impl App {
    /// Who asks, from the headers alone, and whether they could be permitted to. Nothing of the request is read before.
    async fn identify(&self, method: &Method, headers: &HeaderMap) -> Result<Identified, CallError> {
        let started = Instant::now();
        let identified = async {
            let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
            let caller = self.authenticator.check(authorization).await?;
            self.rates.ask(&caller)?;
            self.door.check_may_ask(method, &caller)?;
            Ok(Identified { caller, limited: true })
        };
        let span = trace::span(&method.path, headers);
        let identified = identified.instrument(span.clone()).await;
        if let Err(error) = &identified {
            note(&span, method, error, started);
        }
        identified
    }

    /// The same for a record that was put on an inbox topic at some time: then the token must have been good.
    pub(crate) async fn identify_as_of(
        &self,
        headers: &HeaderMap,
        sent_at: Timestamp,
    ) -> Result<Identified, CallError> {
        let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let caller = self.authenticator.check_as_of(authorization, Some(sent_at)).await?;
        // The brokers have their own limits.
        Ok(Identified { caller, limited: false })
    }

    /// Answers a request that was read, within the time that the caller gives. Never panics.
    pub(crate) async fn answer(
        &self,
        method: &Method,
        identified: Identified,
        headers: &HeaderMap,
        request: Result<Incoming, CallError>,
        timeout: Option<Duration>,
    ) -> Result<Bytes, CallError> {
        let started = Instant::now();
        let span = trace::span(&method.path, headers);
        let Identified { caller, limited } = identified;
        let call = async {
            let request = request?;
            if limited {
                self.rates.bring(&caller, &request)?;
            }
            let call = Call { caller, trace: trace::context(headers) };
            self.door.call(method, &call, request).await
        };
        let call = AssertUnwindSafe(call).catch_unwind().map(|answered| {
            let defect =
                |_| CallError::new(codes::INTERNAL_ERROR, "a defect of Daybook; please report it with its logs");
            answered.map_err(defect).and_then(|answer| answer)
        });
        let answered = match timeout {
            None => call.instrument(span.clone()).await,
            Some(timeout) => match tokio::time::timeout(timeout, call.instrument(span.clone())).await {
                Ok(answered) => answered,
                Err(_) => Err(CallError::new(
                    daybook_runtime::codes::OUTCOME_UNKNOWN,
                    format!(
                        "no answer within the {} ms that the caller gave; a command may still be carried out: ask for \
                         its outcome by its id, or send it again under the same id",
                        timeout.as_millis()
                    ),
                )),
            },
        };
        match &answered {
            Ok(_) => {
                span.record("code", "OK");
                count(method, "OK", started);
            }
            Err(error) => note(&span, method, error, started),
        }
        answered
    }
}

/// Notes a request that was refused.
fn note(span: &tracing::Span, method: &Method, error: &CallError, started: Instant) {
    span.record("code", error.code.as_str());
    // Not the message: it may quote the request.
    tracing::debug!(parent: span, error.code, "refused");
    count(method, &error.code, started);
}

fn count(method: &Method, code: &str, started: Instant) {
    let (method, code) = (method.path.clone(), code.to_owned());
    metrics::histogram!("daybook_request_seconds", "method" => method, "code" => code)
        .record(started.elapsed().as_secs_f64());
}
