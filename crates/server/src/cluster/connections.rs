//! Calls from this node to others.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use daybook_kernel::time::Timestamp;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::Full;
use parking_lot::Mutex;
use prost::Message;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Status};
use tower::{Service, ServiceExt};

use super::credentials::{self, ANSWER_HEADER, Body, Credentials, REQUEST_HEADER};
use super::wire::{self, NotRead};
use crate::config::TlsConfig;

/// The service that nodes have for each other.
pub(crate) const SERVICE: &str = "/daybook.cluster.v1.ClusterService/";

/// The largest answer that a node gives to another, or takes from it, in bytes.
pub(super) const ANSWER_BYTES_MAX: usize = 256 << 20;

/// How often a node that is not believed, or does not believe this one, is named in the log.
const COMPLAIN_EVERY: Duration = Duration::from_secs(30);

/// How gRPC writes bytes in headers.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Another node, to be asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Destination<'a> {
    pub(crate) node_id: &'a str,
    pub(crate) address: &'a str,
}

/// Connections to other nodes, by address, made when they are first needed.
pub(crate) struct Connections {
    credentials: Credentials,
    tls: TlsConfig,
    /// Authorities to trust beside the system's.
    ca: Option<PathBuf>,
    /// Whether every answer needs a code; see [`super::CODES_REQUIRED`].
    codes_required: Arc<AtomicBool>,
    channels: Mutex<BTreeMap<String, Channel>>,
    complained: Mutex<BTreeMap<String, Instant>>,
}

impl Connections {
    pub(crate) fn new(
        credentials: Credentials,
        tls: TlsConfig,
        ca: Option<PathBuf>,
        codes_required: Arc<AtomicBool>,
    ) -> Self {
        Self { credentials, tls, ca, codes_required, channels: Mutex::default(), complained: Mutex::default() }
    }

    /// Calls a method of another node.
    pub(crate) async fn call<Q: Message, R: Message + Default>(
        &self,
        to: Destination<'_>,
        method: &str,
        request: &Q,
        now: Timestamp,
        timeout: Duration,
    ) -> Result<R, Status> {
        let answered = tokio::time::timeout(timeout, self.ask(to, method, &request.encode_to_vec(), now)).await;
        let answer = answered.map_err(|_| {
            Status::deadline_exceeded(format!("no answer from {} within {} ms", to.address, timeout.as_millis()))
        })?;
        let answer = answer.map_err(|error| match error {
            NoAnswer::Refused(status) if status.code() == Code::Unauthenticated => {
                let text = format!("it takes no requests of this node: {}", status.message());
                self.complain(to, &text);
                // Not of the caller, whose token is good.
                Status::unavailable(text)
            }
            NoAnswer::Refused(status) | NoAnswer::Failed(status) => status,
            NoAnswer::NotBelieved(why) => {
                metrics::counter!("daybook_node_answers_refused_total").increment(1);
                let text = format!("its answer is not believed: {why}");
                self.complain(to, &text);
                Status::unavailable(text)
            }
        })?;
        R::decode(answer).map_err(|error| Status::internal(error.to_string()))
    }

    async fn ask(&self, to: Destination<'_>, method: &str, message: &[u8], now: Timestamp) -> Result<Bytes, NoAnswer> {
        let path = format!("{SERVICE}{method}");
        let (signed, code) = self.credentials.sign_request(to.node_id, &path, message, now);
        let codes_required = self.codes_required.load(Ordering::Relaxed);
        let mut request = Request::post(path.as_str())
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers")
            .header(REQUEST_HEADER, signed);
        // An older release looks for this one; an id with odd characters has never had a place in it.
        let old = HeaderValue::try_from(self.credentials.sign_old(&path, message, now)).ok();
        if let Some(old) = old.filter(|_| !codes_required) {
            request = request.header(header::AUTHORIZATION, old);
        }
        let body = tonic::body::Body::new(Full::new(wire::framed(message)));
        let request = request.body(body).map_err(|error| failed(&error))?;
        let mut channel = self.channel(to.address).map_err(NoAnswer::Failed)?;
        let channel = channel.ready().await.map_err(|error| NoAnswer::Failed(Status::from_error(error.into())))?;
        let response = channel.call(request).await;
        let (head, body) = response.map_err(|error| NoAnswer::Failed(Status::from_error(error.into())))?.into_parts();
        if head.status != StatusCode::OK {
            return Err(failed(&format!("it answers {}", head.status)));
        }
        let said = self.believed(&head.headers, &code, codes_required)?;
        match said {
            Some((0, expected)) => {
                // The code says how much there is, and a node of this log made it.
                if expected.length > ANSWER_BYTES_MAX {
                    return Err(failed(&format!("its answer has {} bytes", expected.length)));
                }
                let (message, _) = wire::read(body, expected.length).await.map_err(NoAnswer::not_read)?;
                if Body::of(&message) != expected {
                    return Err(NoAnswer::NotBelieved("it was changed on its way".to_owned()));
                }
                Ok(message)
            }
            Some((status, _)) => Err(NoAnswer::Refused(refusal(&head.headers, Some(status)))),
            None if head.headers.contains_key(Status::GRPC_STATUS) => {
                Err(NoAnswer::Refused(refusal(&head.headers, None)))
            }
            None => {
                let (message, trailers) = wire::read(body, ANSWER_BYTES_MAX).await.map_err(NoAnswer::not_read)?;
                match trailers.get(Status::GRPC_STATUS) {
                    Some(status) if status == "0" => Ok(message),
                    Some(_) => Err(NoAnswer::Refused(refusal(&trailers, None))),
                    None => Err(failed(&"its answer has no end")),
                }
            }
        }
    }

    /// What an answer says of itself, if the node that was asked has made it for this request; `None` if it is one of an
    /// older release, which may answer so.
    fn believed(
        &self,
        headers: &HeaderMap,
        request: &credentials::Code,
        codes_required: bool,
    ) -> Result<Option<(i32, Body)>, NoAnswer> {
        let raw = |name| headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default();
        match headers.get(ANSWER_HEADER).map(HeaderValue::to_str) {
            None if codes_required => {
                // For a person to read: a node that has another master key cannot say it with a code.
                let claimed: String = String::from_utf8_lossy(raw(Status::GRPC_MESSAGE)).chars().take(200).collect();
                Err(NoAnswer::NotBelieved(format!("it has no code; it says {claimed:?}")))
            }
            None => Ok(None),
            Some(Err(_)) => Err(NoAnswer::NotBelieved("its code cannot be read".to_owned())),
            Some(Ok(signed)) => {
                let (message, details) = (raw(Status::GRPC_MESSAGE), raw(Status::GRPC_STATUS_DETAILS));
                let said = self.credentials.verify_answer(signed, request, message, details);
                said.map(Some).map_err(|why| NoAnswer::NotBelieved(why.to_owned()))
            }
        }
    }

    /// Says in the log that two nodes do not trust each other: at once, and then from time to time.
    fn complain(&self, about: Destination<'_>, what: &str) {
        let mut complained = self.complained.lock();
        let now = Instant::now();
        complained.retain(|_, at| now.duration_since(*at) < COMPLAIN_EVERY);
        if !complained.contains_key(about.address) {
            complained.insert(about.address.to_owned(), now);
            tracing::warn!(node = about.node_id, address = about.address, what, "nodes do not trust each other");
        }
    }

    fn channel(&self, address: &str) -> Result<Channel, Status> {
        let mut channels = self.channels.lock();
        if let Some(channel) = channels.get(address) {
            return Ok(channel.clone());
        }
        let wrong = |error: &dyn Error| Status::internal(format!("{address} cannot be called: {error}"));
        let scheme = if self.tls.certificate.is_some() { "https" } else { "http" };
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))
            .map_err(|error| wrong(&error))?
            .connect_timeout(Duration::from_secs(1))
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(5))
            .keep_alive_timeout(Duration::from_secs(5))
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20);
        if let (Some(certificate), Some(key)) = (&self.tls.certificate, &self.tls.private_key) {
            let read = |path: &PathBuf| std::fs::read(path).map_err(|error| wrong(&error));
            let mut config = ClientTlsConfig::new().with_native_roots();
            if let Some(ca) = &self.ca {
                config = config.ca_certificate(Certificate::from_pem(read(ca)?));
            }
            config = config.identity(Identity::from_pem(read(certificate)?, read(key)?));
            endpoint = endpoint.tls_config(config).map_err(|error| wrong(&error))?;
        }
        let channel = endpoint.connect_lazy();
        channels.insert(address.to_owned(), channel.clone());
        Ok(channel)
    }

    /// Lets go of the connections to nodes that are not there any more.
    pub(crate) fn keep(&self, is_needed: impl Fn(&str) -> bool) {
        self.channels.lock().retain(|address, _| is_needed(address));
    }
}

/// Why there is no answer.
enum NoAnswer {
    /// The node refused.
    Refused(Status),
    /// Somebody answered, who may not be the node that was asked.
    NotBelieved(String),
    /// Nobody answered, or not to the end.
    Failed(Status),
}

impl NoAnswer {
    fn not_read(error: NotRead) -> Self {
        match error {
            NotRead::TooLarge => Self::NotBelieved("it is longer than it says, or than an answer may be".to_owned()),
            NotRead::Malformed(what) => failed(&format!("its answer cannot be read: {what}")),
        }
    }
}

fn failed(what: &dyn std::fmt::Display) -> NoAnswer {
    NoAnswer::Failed(Status::unavailable(what.to_string()))
}

/// A refusal, as its headers say it; its status where the code has another word than the header.
fn refusal(headers: &HeaderMap, status: Option<i32>) -> Status {
    let mut headers = headers.clone();
    // The library takes it that these can be read, and panics if not.
    let details = headers.get(Status::GRPC_STATUS_DETAILS);
    if details.is_some_and(|details| BASE64.decode(details.as_bytes()).is_err()) {
        headers.remove(Status::GRPC_STATUS_DETAILS);
    }
    if let Some(status) = status {
        headers.insert(Status::GRPC_STATUS, HeaderValue::from(status));
    }
    let read = |headers: &HeaderMap| Status::from_header_map(headers).filter(|status| status.code() != Code::Ok);
    let mut refusal = read(&headers);
    if refusal.as_ref().is_some_and(|refusal| refusal.code() == Code::Unknown) {
        // A text that cannot be read hides the code.
        headers.remove(Status::GRPC_MESSAGE);
        refusal = read(&headers);
    }
    refusal.unwrap_or_else(|| Status::unavailable("it answers without a response"))
}

/// Whether nobody listens at the other end: the node's process is gone. A node that cannot be reached, or is slow, is
/// another matter.
pub(crate) fn is_refused(status: &Status) -> bool {
    let mut cause: Option<&dyn Error> = status.source();
    while let Some(error) = cause {
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused) {
            return true;
        }
        cause = error.source();
    }
    status.code() == Code::Unavailable && status.message().contains("Connection refused")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_that_cannot_be_read_is_one_all_the_same() {
        for details in ["!!!", "AAA", "AAAA=", "=", "ä"] {
            let mut headers = HeaderMap::new();
            headers.insert(Status::GRPC_STATUS, "5".parse().unwrap());
            headers.insert(Status::GRPC_MESSAGE, HeaderValue::from_bytes(b"%ff%").unwrap());
            headers.insert(Status::GRPC_STATUS_DETAILS, HeaderValue::from_bytes(details.as_bytes()).unwrap());
            let _ = refusal(&headers, None);
            assert_eq!(refusal(&headers, Some(7)).code(), Code::PermissionDenied);
        }
        assert_eq!(refusal(&HeaderMap::new(), None).code(), Code::Unavailable);
        let mut zero = HeaderMap::new();
        zero.insert(Status::GRPC_STATUS, "0".parse().unwrap());
        assert_eq!(refusal(&zero, None).code(), Code::Unavailable);
        assert_eq!(refusal(&zero, Some(9)).code(), Code::FailedPrecondition);
    }
}
