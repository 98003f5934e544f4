//! A collector of traces that keeps the bytes that are sent to it (OTLP over gRPC), to be searched.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use daybook_server::http::AsBytes;
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tower::Service;

/// A collector that listens on a port of its own.
#[derive(Debug, Clone, Default)]
pub struct Collector {
    received: Arc<Mutex<Vec<Bytes>>>,
}

impl Collector {
    /// Starts it on the current runtime, and says where.
    pub async fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let collector = Self::default();
        let server = Server::builder().add_service(collector.clone());
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        (collector, address)
    }

    /// Everything that was received.
    pub fn received(&self) -> Vec<u8> {
        self.received.lock().expect("nobody panics with it").concat()
    }

    /// How often some bytes were received.
    pub fn count(&self, wanted: &str) -> usize {
        let received = self.received();
        received.windows(wanted.len()).filter(|window| *window == wanted.as_bytes()).count()
    }
}

impl NamedService for Collector {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

impl UnaryService<Bytes> for Collector {
    type Response = Bytes;
    type Future = BoxFuture<'static, Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        self.received.lock().expect("nobody panics with it").push(request.into_inner());
        Box::pin(async { Ok(Response::new(Bytes::new())) })
    }
}

impl Service<http::Request<Body>> for Collector {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let collector = self.clone();
        Box::pin(async move { Ok(Grpc::new(AsBytes).unary(collector, request).await) })
    }
}
