//! Calls from this node to others.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::time::Timestamp;
use parking_lot::Mutex;
use prost::Message;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};

use super::credentials::Credentials;
use crate::config::TlsConfig;
use crate::http::AsBytes;

/// The service that nodes have for each other.
pub(crate) const SERVICE: &str = "/daybook.cluster.v1.ClusterService/";

/// Connections to other nodes, by address, made when they are first needed.
pub(crate) struct Connections {
    credentials: Credentials,
    tls: TlsConfig,
    /// Authorities to trust beside the system's.
    ca: Option<PathBuf>,
    channels: Mutex<BTreeMap<String, Channel>>,
}

impl Connections {
    pub(crate) fn new(credentials: Credentials, tls: TlsConfig, ca: Option<PathBuf>) -> Self {
        Self { credentials, tls, ca, channels: Mutex::default() }
    }

    /// Calls a method of another node.
    pub(crate) async fn call<Q: Message, R: Message + Default>(
        &self,
        address: &str,
        method: &str,
        request: &Q,
        now: Timestamp,
        timeout: Duration,
    ) -> Result<R, Status> {
        let path = format!("{SERVICE}{method}");
        let body = Bytes::from(request.encode_to_vec());
        let authorization = self.credentials.sign(&path, &body, now);
        let mut request = Request::new(body);
        request.set_timeout(timeout);
        let malformed = |what: String| Status::internal(what);
        let authorization = authorization.parse().map_err(|_| malformed("the node's id has odd characters".into()))?;
        request.metadata_mut().insert("authorization", authorization);
        let path: PathAndQuery = path.parse().map_err(|_| malformed(format!("{path} is no path")))?;
        let mut grpc = Grpc::new(self.channel(address)?).max_decoding_message_size(usize::MAX);
        let answered = tokio::time::timeout(timeout, async {
            grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
            grpc.unary(request, path, AsBytes).await
        });
        let timed_out =
            |_| Status::deadline_exceeded(format!("no answer from {address} within {} ms", timeout.as_millis()));
        let response = answered.await.map_err(timed_out)??;
        R::decode(response.into_inner()).map_err(|error| malformed(error.to_string()))
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
