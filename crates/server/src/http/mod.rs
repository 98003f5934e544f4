//! gRPC and JSON on one port. A request is told by its content type; the table of methods does the rest.

mod arrow;
mod body;
mod cors;
mod grpc;
mod json;
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
use http::{HeaderMap, HeaderValue, Request, header};
use tracing::Instrument;

use crate::auth::Authenticator;
use crate::cluster;
use crate::door::{Call, Door, Incoming, Method, Methods};
use crate::error::{CallError, codes};

use cors::Cors;
pub use cors::cors_origins;
pub use grpc::AsBytes;
pub(crate) use json::error_body;
pub use json::{NotRead, read_get};
pub use tls::server_config as tls_server_config;

/// What requests are answered with.
pub struct App {
    /// The door.
    pub door: Door,
    /// The table of methods.
    pub methods: Methods,
    /// Who comes in.
    pub authenticator: Authenticator,
    /// The largest request, in bytes.
    pub request_bytes_max: usize,
    /// Other origins whose pages may call.
    pub cors_origins: Vec<HeaderValue>,
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
    if let Some(cluster) = app.door.cluster.clone().filter(|_| request.uri().path().starts_with(cluster::SERVICE)) {
        return cluster::serve(app, cluster, request).await;
    }
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if content_type.is_some_and(|value| value.starts_with("application/grpc")) {
        grpc::serve(app, request).await
    } else if sources::is_source(request.uri().path()) {
        sources::serve(app, request).await
    } else {
        json::serve(app, request).await
    }
}

impl App {
    /// Authenticates and answers, within the time that the caller gives. Never panics.
    async fn answer(
        &self,
        method: &Method,
        headers: &HeaderMap,
        request: Result<Incoming, CallError>,
        timeout: Option<Duration>,
    ) -> Result<Bytes, CallError> {
        self.answer_as_of(method, headers, None, request, timeout).await
    }

    /// The same for what was sent at another time than now: then the token must have been good.
    pub(crate) async fn answer_as_of(
        &self,
        method: &Method,
        headers: &HeaderMap,
        sent_at: Option<Timestamp>,
        request: Result<Incoming, CallError>,
        timeout: Option<Duration>,
    ) -> Result<Bytes, CallError> {
        let started = Instant::now();
        let span = trace::span(&method.path, headers);
        let call = async {
            let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
            let caller = self.authenticator.check_as_of(authorization, sent_at).await?;
            let call = Call { caller, trace: trace::context(headers) };
            self.door.call(method, &call, request?).await
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
        let code = answered.as_ref().map_or_else(|error| error.code.clone(), |_| "OK".to_owned());
        span.record("code", code.as_str());
        if let Err(error) = &answered {
            tracing::debug!(parent: &span, code, error.message, "refused");
        }
        let method = method.path.clone();
        metrics::histogram!("daybook_request_seconds", "method" => method, "code" => code)
            .record(started.elapsed().as_secs_f64());
        answered
    }
}
