//! What other nodes may ask of this one.
//!
//! It is on the port that everybody reaches. So a request is looked at in this order: its headers, which say who asks, whom,
//! when, and for what body; then the size of the body; then the body, as long as it should be and no longer. Whoever is not
//! a node of this log is refused before one byte of a body is read.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use daybook_kernel::id::{CommandId, TenantId};
use daybook_log::RECORD_BYTES_MAX;
use daybook_proto::cluster::v1::{
    AnswerRequest, AnswerResponse, DecideRequest, DecideResponse, FindRequest, FindResponse,
};
use daybook_proto::log::v1::{CommandRecord, decision::Outcome as Decided};
use daybook_runtime::Role;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Full};
use prost::Message;
use prost_reflect::DynamicMessage;
use tonic::Status;

use super::connections::ANSWER_BYTES_MAX;
use super::credentials::{self, ANSWER_HEADER, AnswerParts, OldRequest, REQUEST_HEADER, SignedRequest};
use super::peers::decided;
use super::wire::{self, NotRead};
use super::{Cluster, SERVICE};
use crate::auth::Caller;
use crate::door::Handler;
use crate::error::{CallError, codes};
use crate::http::App;

/// How long the body of a request may take to arrive.
const BODY_WAIT_MAX: Duration = Duration::from_secs(10);
/// What a request may be larger than the command or query in it: who asks, for which tenant.
const SLACK_BYTES: usize = 256 << 10;
/// A request that holds neither command nor query.
const SMALL_BYTES_MAX: usize = 64 << 10;
/// Bodies of older releases that are read at once: who sent them is known only afterwards.
pub(super) const OLD_BODIES_MAX: usize = 16;

/// What nodes ask of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Decide,
    Answer,
    Find,
    GetNode,
}

impl Asked {
    fn of(path: &str) -> Option<Self> {
        Some(match path.strip_prefix(SERVICE)? {
            "Decide" => Self::Decide,
            "Answer" => Self::Answer,
            "Find" => Self::Find,
            "GetNode" => Self::GetNode,
            _ => return None,
        })
    }

    /// The largest request.
    fn bytes_max(self, app: &App) -> usize {
        match self {
            // What one node's door took, another node takes: whatever fits the log.
            Self::Decide => RECORD_BYTES_MAX + SLACK_BYTES,
            Self::Answer => app.bodies.bytes_max.saturating_add(SLACK_BYTES),
            Self::Find | Self::GetNode => SMALL_BYTES_MAX,
        }
    }
}

/// Who asks, as far as headers tell.
enum Asker<'a> {
    /// A node of this log.
    Node(SignedRequest),
    /// A node of an older release, if the body fits.
    OldNode(OldRequest<'a>),
}

impl Asker<'_> {
    fn code(&self) -> Option<&credentials::Code> {
        match self {
            Self::Node(request) => Some(&request.code),
            Self::OldNode(_) => None,
        }
    }
}

/// Answers a request of another node.
pub(crate) async fn serve(app: Arc<App>, cluster: Arc<Cluster>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let asker = match identify(&app, &cluster, &head) {
        Ok(asker) => asker,
        Err(why) => return refusal(&cluster, None, &not_a_node(why)),
    };
    let answered = match cluster.check_for_this_node(&asker, &app) {
        Ok(()) => answer(&app, &cluster, &head, &asker, body).await,
        Err(why) => Err(not_a_node(why)),
    };
    match answered {
        Ok(message) => response(&cluster, asker.code(), &message),
        Err(error) => refusal(&cluster, asker.code(), &error),
    }
}

/// Who asks, from the headers alone.
fn identify<'a>(app: &App, cluster: &Cluster, head: &'a Parts) -> Result<Asker<'a>, &'static str> {
    const NOBODY: &str = "the request does not come from a node of this log";
    let text = |name| head.headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
    if head.method != Method::POST {
        return Err(NOBODY);
    }
    if let Some(signed) = text(REQUEST_HEADER) {
        return cluster.credentials.verify_request(signed, head.uri.path()).map(Asker::Node);
    }
    let authorization = text(header::AUTHORIZATION.as_str()).ok_or(NOBODY)?;
    let old = cluster.credentials.look_at_old(authorization, app.door.node.now())?;
    if cluster.codes_required() {
        return Err(
            "the request has the form of an older release, which this log has left behind: run the release that \
                    the others run",
        );
    }
    Ok(Asker::OldNode(old))
}

fn not_a_node(why: &str) -> CallError {
    CallError::new(codes::TOKEN_INVALID, format!("{why}; nothing was recorded"))
}

async fn answer(app: &App, cluster: &Cluster, head: &Parts, asker: &Asker<'_>, body: Body) -> Result<Bytes, CallError> {
    let path = head.uri.path();
    let unknown = || CallError::new(codes::METHOD_UNKNOWN, format!("there is no method {path}"));
    let asked = Asked::of(path).ok_or_else(unknown)?;
    let message = read(app, cluster, &head.headers, asked, asker, body).await?;
    let node = match asker {
        Asker::Node(request) => {
            if credentials::Body::of(&message) != request.body {
                return Err(not_a_node("the body of the request was changed on its way"));
            }
            cluster.replays.note(request, app.door.node.now()).map_err(not_a_node)?;
            request.from.clone()
        }
        Asker::OldNode(request) => {
            cluster.credentials.verify_old(request, path, &message).map_err(not_a_node)?;
            request.from.to_owned()
        }
    };
    tracing::trace!(node, path, "another node asks");
    let answer: Bytes = match asked {
        Asked::Decide => app.decide_for_peer(decode(message)?).await?.encode_to_vec(),
        Asked::Answer => app.answer_for_peer(decode(message)?).await?.encode_to_vec(),
        Asked::Find => app.find_for_peer(decode(message)?).await?.encode_to_vec(),
        Asked::GetNode => {
            cluster.was_asked_by(node, decode(message)?);
            cluster.stands(&app.door.node).encode_to_vec()
        }
    }
    .into();
    if answer.len() > ANSWER_BYTES_MAX {
        let message = format!(
            "the answer has {} bytes, and nodes pass on {ANSWER_BYTES_MAX} at most; nothing was changed; ask for less at \
             once",
            answer.len()
        );
        return Err(CallError::new(codes::REQUEST_TOO_LARGE, message));
    }
    Ok(answer)
}

/// Reads the body, as long as it should be.
async fn read(
    app: &App,
    cluster: &Cluster,
    headers: &HeaderMap,
    asked: Asked,
    asker: &Asker<'_>,
    body: Body,
) -> Result<Bytes, CallError> {
    let max = asked.bytes_max(app);
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let expected = match asker {
        Asker::Node(request) => request.body.length,
        Asker::OldNode(_) => announced.map_or(0, |announced| announced.saturating_sub(wire::PREFIX_BYTES)),
    };
    if expected > max {
        return Err(CallError::too_large(max));
    }
    let (max, _permit) = match asker {
        Asker::Node(request) => (request.body.length, None),
        Asker::OldNode(_) => (max, Some(cluster.old_bodies.try_acquire().map_err(|_| overloaded())?)),
    };
    let read = tokio::time::timeout(BODY_WAIT_MAX, wire::read(body, max)).await;
    let late = |_| malformed(&format!("the request did not arrive within {} s", BODY_WAIT_MAX.as_secs()));
    match read.map_err(late)? {
        Ok((message, _)) => Ok(message),
        Err(NotRead::TooLarge) => Err(CallError::too_large(max)),
        Err(NotRead::Malformed(what)) => Err(malformed(&what)),
    }
}

fn overloaded() -> CallError {
    let message = "too many requests of nodes of an older release are being read; nothing was recorded; try again";
    CallError::new(daybook_runtime::codes::OVERLOADED, message).retry_after(Some(Duration::from_millis(100)))
}

/// A response in gRPC's form: with its code in front, and gRPC's status behind.
fn response(cluster: &Cluster, request: Option<&credentials::Code>, message: &Bytes) -> Response {
    let trailers = HeaderMap::from_iter([(Status::GRPC_STATUS, HeaderValue::from_static("0"))]);
    let body = Full::new(wire::framed(message)).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    let parts = AnswerParts { status: 0, message: b"", details: b"" };
    cluster.sign(&mut response, request, parts, message);
    response
}

/// A refusal in gRPC's form: headers, and no body.
fn refusal(cluster: &Cluster, request: Option<&credentials::Code>, error: &CallError) -> Response {
    tracing::debug!(code = error.code, error.message, "a request of a node is refused");
    let status = error.to_grpc();
    let code = i32::from(status.code());
    let mut response: Response = status.into_http();
    let raw = |name| response.headers().get(name).map(|value| value.as_bytes().to_vec()).unwrap_or_default();
    let (message, details) = (raw(Status::GRPC_MESSAGE), raw(Status::GRPC_STATUS_DETAILS));
    let parts = AnswerParts { status: code, message: &message, details: &details };
    cluster.sign(&mut response, request, parts, b"");
    response
}

impl Cluster {
    /// Whether the headers of a request are for this node, and of now.
    fn check_for_this_node(&self, asker: &Asker<'_>, app: &App) -> Result<(), &'static str> {
        match asker {
            Asker::Node(request) => request.check(self.credentials.node_id(), app.door.node.now()),
            Asker::OldNode(_) => Ok(()),
        }
    }

    /// Puts the code of an answer on it, if the request had one.
    fn sign(
        &self,
        response: &mut Response,
        request: Option<&credentials::Code>,
        parts: AnswerParts<'_>,
        message: &[u8],
    ) {
        let Some(request) = request else { return };
        if let Ok(signed) = HeaderValue::try_from(self.credentials.sign_answer(request, parts, message)) {
            response.headers_mut().insert(ANSWER_HEADER, signed);
        }
    }
}

fn decode<M: Message + Default>(body: Bytes) -> Result<M, CallError> {
    M::decode(body).map_err(|error| malformed(&error))
}

fn malformed(error: &dyn std::fmt::Display) -> CallError {
    CallError::new(codes::MALFORMED_REQUEST, error.to_string())
}
impl App {
    async fn decide_for_peer(&self, request: DecideRequest) -> Result<DecideResponse, CallError> {
        self.door.check_fit()?;
        let record = CommandRecord::decode(request.command_record).map_err(|error| malformed(&error))?;
        let outcome = self.door.node.submit_here(&record).await?;
        let tenant = TenantId::parse(&record.tenant_id).map_err(|problem| malformed(&problem.0))?;
        let response = match &outcome.decision.outcome {
            Some(Decided::Accepted(accepted)) => {
                let domain = self.door.domain(&outcome.decision.domain)?;
                self.door.respond(domain, &tenant, &outcome, &accepted.events)?
            }
            _ => Bytes::new(),
        };
        Ok(DecideResponse { decided: Some(decided(&outcome)), response })
    }

    async fn answer_for_peer(&self, request: AnswerRequest) -> Result<AnswerResponse, CallError> {
        let domain = self.door.domain(&request.domain)?;
        let path = format!("/{}/{}", domain.service, request.method);
        let method = self.methods.get(&path);
        let unknown = || CallError::new(codes::METHOD_UNKNOWN, format!("there is no query {path}"));
        let method = method.ok_or_else(unknown)?;
        let Handler::Query { query, .. } = method.handler else { return Err(unknown()) };
        let message =
            DynamicMessage::decode(method.input.clone(), request.request).map_err(|error| malformed(&error))?;
        let tenant = TenantId::parse(&request.tenant_id).map_err(|problem| malformed(&problem.0))?;
        let caller = Caller::passed_on(&request.actor.unwrap_or_default());
        let asked = self.door.asked(domain, query, caller, tenant, &message)?;
        let response = self.door.answer_here(asked).await?;
        Ok(AnswerResponse { response })
    }

    async fn find_for_peer(&self, request: FindRequest) -> Result<FindResponse, CallError> {
        let tenant = TenantId::parse(&request.tenant_id).map_err(|problem| malformed(&problem.0))?;
        let id = CommandId::from_slice(&request.command_id).map_err(|problem| malformed(&problem.0))?;
        for partition in self.door.node.partitions().iter().filter(|partition| partition.role() == Role::Lead) {
            if let Some(outcome) = partition.find(&tenant, id).await? {
                return Ok(FindResponse { decided: Some(decided(&outcome)) });
            }
        }
        Ok(FindResponse { decided: None })
    }
}
