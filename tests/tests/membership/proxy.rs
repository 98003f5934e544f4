//! Somebody between two nodes, who hears what they say to each other, and can change it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::extract::State;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};
use tower::{Service, ServiceExt};

/// A request and its answer, as they pass.
#[derive(Debug, Clone, Default)]
pub struct Exchange {
    /// The path of the method.
    pub path: String,
    /// The headers of the request.
    pub asked: HeaderMap,
    /// Its body.
    pub request: Bytes,
    /// The headers of the answer.
    pub said: HeaderMap,
    /// Its body.
    pub answer: Bytes,
    /// What comes behind its body.
    pub trailers: Option<HeaderMap>,
}

type Change = Arc<dyn Fn(&mut Exchange) + Send + Sync>;

#[derive(Default)]
struct Interference {
    /// Changes what requests say.
    requests: Option<Change>,
    /// Changes what answers say.
    answers: Option<Change>,
    /// Of this method only.
    method: Option<&'static str>,
    /// How many answers are left to be changed.
    left: usize,
}

struct Shared {
    node: Channel,
    interference: Mutex<Interference>,
    changed: AtomicUsize,
    /// The last exchange of each method, as it was before it was changed.
    seen: Mutex<BTreeMap<String, Exchange>>,
}

/// A way to a node.
pub struct Proxy {
    /// Where the other nodes reach it.
    pub address: String,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Proxy {
    /// A way to the node that listens, or will listen, at an address.
    pub async fn to(address: &str) -> Self {
        let node = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        let shared = Arc::new(Shared {
            node,
            interference: Mutex::default(),
            changed: AtomicUsize::new(0),
            seen: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let router = axum::Router::new().fallback(pass).with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, shared, serving }
    }

    /// Changes nothing from now on.
    pub fn leave_alone(&self) {
        *self.shared.interference.lock().unwrap() = Interference::default();
    }

    /// Changes every request and every answer.
    pub fn change_all(
        &self,
        requests: impl Fn(&mut Exchange) + Send + Sync + 'static,
        answers: impl Fn(&mut Exchange) + Send + Sync + 'static,
    ) {
        *self.shared.interference.lock().unwrap() = Interference {
            requests: Some(Arc::new(requests)),
            answers: Some(Arc::new(answers)),
            method: None,
            left: usize::MAX,
        };
    }

    /// Changes the next so many answers of a method.
    pub fn change_answers(
        &self,
        method: &'static str,
        count: usize,
        change: impl Fn(&mut Exchange) + Send + Sync + 'static,
    ) {
        self.shared.changed.store(0, Ordering::Relaxed);
        *self.shared.interference.lock().unwrap() =
            Interference { requests: None, answers: Some(Arc::new(change)), method: Some(method), left: count };
    }

    /// How many answers were changed since that was asked for.
    pub fn changed(&self) -> usize {
        self.shared.changed.load(Ordering::Relaxed)
    }

    /// The last exchange of a method.
    pub fn last(&self, method: &str) -> Exchange {
        let seen = self.shared.seen.lock().unwrap();
        seen.iter().find(|(path, _)| path.ends_with(method)).map(|(_, exchange)| exchange.clone()).unwrap()
    }
}

impl Shared {
    fn change_request(&self, exchange: &mut Exchange) {
        let change = self.interference.lock().unwrap().requests.clone();
        if let Some(change) = change {
            change(exchange);
        }
    }

    fn change_answer(&self, exchange: &mut Exchange) {
        let change = {
            let mut interference = self.interference.lock().unwrap();
            let concerned = interference.method.is_none_or(|method| exchange.path.ends_with(method));
            let change = interference.answers.clone().filter(|_| concerned && interference.left > 0);
            if change.is_some() {
                interference.left -= 1;
            }
            change
        };
        if let Some(change) = change {
            change(exchange);
            self.changed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return unreachable() };
    let mut exchange = Exchange {
        path: head.uri.path().to_owned(),
        asked: head.headers,
        request: body.to_bytes(),
        ..Exchange::default()
    };
    shared.change_request(&mut exchange);
    let mut onward = Request::post(exchange.path.as_str()).body(full(exchange.request.clone())).unwrap();
    onward.headers_mut().extend(exchange.asked.clone());
    onward.headers_mut().remove(http::header::CONTENT_LENGTH);
    let mut node = shared.node.clone();
    let Ok(node) = node.ready().await else { return unreachable() };
    let Ok(answered) = node.call(onward).await else { return unreachable() };
    let (head, body) = answered.into_parts();
    let Ok(body) = body.collect().await else { return unreachable() };
    exchange.said = head.headers;
    exchange.trailers = body.trailers().cloned();
    exchange.answer = body.to_bytes();
    shared.seen.lock().unwrap().insert(exchange.path.clone(), exchange.clone());
    shared.change_answer(&mut exchange);
    let trailers = exchange.trailers.map(Ok);
    let body = Full::new(exchange.answer).with_trailers(std::future::ready(trailers));
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = head.status;
    *response.headers_mut() = exchange.said;
    response.headers_mut().remove(http::header::CONTENT_LENGTH);
    response
}

fn full(bytes: Bytes) -> tonic::body::Body {
    tonic::body::Body::new(Full::new(bytes))
}

fn unreachable() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}
