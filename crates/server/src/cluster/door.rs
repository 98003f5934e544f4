//! What other nodes may ask of this one.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use daybook_kernel::id::{CommandId, TenantId};
use daybook_proto::cluster::v1::{
    AnswerRequest, AnswerResponse, DecideRequest, DecideResponse, FindRequest, FindResponse,
};
use daybook_proto::log::v1::{CommandRecord, decision::Outcome as Decided};
use daybook_runtime::Role;
use http::{HeaderMap, Request, header};
use prost::Message;
use prost_reflect::DynamicMessage;
use tower::service_fn;

use super::peers::decided;
use super::{Cluster, SERVICE};
use crate::auth::Caller;
use crate::door::Handler;
use crate::error::{CallError, codes};
use crate::http::{App, AsBytes};

/// Answers a request of another node.
pub(crate) async fn serve(app: Arc<App>, cluster: Arc<Cluster>, request: Request<Body>) -> Response {
    let path = request.uri().path().to_owned();
    let headers = request.headers().clone();
    // What one node's door took, another node's door takes.
    let mut grpc = tonic::server::Grpc::new(AsBytes).apply_max_message_size_config(Some(usize::MAX), Some(usize::MAX));
    let service = service_fn(move |message: tonic::Request<Bytes>| {
        let (app, cluster, path, headers) = (Arc::clone(&app), Arc::clone(&cluster), path.clone(), headers.clone());
        async move {
            let answered = call(&app, &cluster, &path, &headers, message.into_inner()).await;
            answered.map(tonic::Response::new).map_err(|error| error.to_grpc())
        }
    });
    grpc.unary(service, request).await.map(Body::new)
}

async fn call(app: &App, cluster: &Cluster, path: &str, headers: &HeaderMap, body: Bytes) -> Result<Bytes, CallError> {
    let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let node = cluster.credentials.verify(authorization, path, &body, app.door.node.now());
    let node = node.map_err(|why| CallError::new(codes::TOKEN_INVALID, format!("{why}; nothing was recorded")))?;
    tracing::trace!(node, path, "another node asks");
    let method = path.strip_prefix(SERVICE).unwrap_or_default();
    Ok(match method {
        "Decide" => app.decide_for_peer(decode(body)?).await?.encode_to_vec(),
        "Answer" => app.answer_for_peer(decode(body)?).await?.encode_to_vec(),
        "Find" => app.find_for_peer(decode(body)?).await?.encode_to_vec(),
        "GetNode" => {
            cluster.was_asked_by(node, decode(body)?);
            cluster.stands(&app.door.node).encode_to_vec()
        }
        _ => return Err(CallError::new(codes::METHOD_UNKNOWN, format!("there is no method {path}"))),
    }
    .into())
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
        let caller = Caller { actor: request.actor.unwrap_or_default() };
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
