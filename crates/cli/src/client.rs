//! One method call on a node, by gRPC.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use daybook_kernel::id::CommandId;
use daybook_proto::descriptors;
use prost::{Message, Name};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Status};
use tonic_types::StatusExt;

use crate::failure::{Failure, Outcome};

/// How often a command without an answer is sent again. Its id stays the same, so it is decided once.
const ATTEMPTS_MAX: u32 = 5;

/// A connection to a node, for one caller.
pub(crate) struct Client {
    server: String,
    channel: Channel,
    token: MetadataValue<Ascii>,
    /// The data folder whose key the token was made with, if it was made here.
    minted_in: Option<PathBuf>,
}

/// Certificates that a connection needs.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClientTls {
    /// Authorities to trust beside the system's.
    pub(crate) ca: Option<std::path::PathBuf>,
    /// The client's own certificate and key, for mutual TLS.
    pub(crate) identity: Option<(std::path::PathBuf, std::path::PathBuf)>,
}

impl Client {
    /// Prepares a connection; it is made with the first call.
    pub(crate) fn new(server: &str, token: &str, tls: &ClientTls) -> Outcome<Self> {
        let wrong =
            |error: tonic::transport::Error| Failure::new(format!("{server} cannot be used as a server: {error}"));
        let mut endpoint = Endpoint::from_shared(server.to_owned())
            .map_err(wrong)?
            .connect_timeout(Duration::from_secs(5))
            .tcp_nodelay(true)
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20);
        if server.starts_with("https://") {
            let mut config = ClientTlsConfig::new().with_native_roots();
            if let Some(ca) = &tls.ca {
                config = config.ca_certificate(Certificate::from_pem(read(ca)?));
            }
            if let Some((certificate, key)) = &tls.identity {
                config = config.identity(Identity::from_pem(read(certificate)?, read(key)?));
            }
            endpoint = endpoint.tls_config(config).map_err(wrong)?;
        }
        let channel = endpoint.connect_lazy();
        Ok(Self { server: server.to_owned(), channel, token: bearer(token)?, minted_in: None })
    }

    /// The same with a token that was made with the key of a development node.
    pub(crate) fn minted_in(self, data_dir: Option<PathBuf>) -> Self {
        Self { minted_in: data_dir, ..self }
    }

    /// Asks something that changes nothing.
    pub(crate) async fn ask<Q, R>(&self, request: &Q) -> Outcome<R>
    where
        Q: Message + Name + Clone + 'static,
        R: Message + Default + 'static,
    {
        self.call(request).await.map_err(|status| self.failure(status))
    }

    /// Sends a command, again if there is no answer. `command_id` is what the request has in its first field.
    pub(crate) async fn command<Q, R>(&self, command_id: &str, request: &Q) -> Outcome<R>
    where
        Q: Message + Name + Clone + 'static,
        R: Message + Default + 'static,
    {
        for attempt in 1.. {
            let status = match self.call(request).await {
                Ok(response) => return Ok(response),
                Err(status) => status,
            };
            let details = status.get_error_details();
            let delay = details.retry_info().and_then(|info| info.retry_delay);
            match delay {
                Some(delay) if attempt < ATTEMPTS_MAX => tokio::time::sleep(delay).await,
                // The connection broke before the answer came: it may have been decided.
                None if details.error_info().is_none() && attempt > 1 => {
                    let failure = self.failure(status);
                    return Err(failure.hint(format!("what became of it: daybook outcome {command_id}")));
                }
                None if details.error_info().is_none() && is_broken_connection(&status) => {}
                _ => {
                    let failure = self.failure(status);
                    let is_unknown = failure.code() == Some(daybook_runtime::codes::OUTCOME_UNKNOWN.name);
                    let hint = format!("what became of it: daybook outcome {command_id}");
                    return Err(if is_unknown { failure.hint(hint) } else { failure });
                }
            }
        }
        Err(Failure::new("the command was not answered"))
    }

    async fn call<Q, R>(&self, request: &Q) -> Result<R, Status>
    where
        Q: Message + Name + Clone + 'static,
        R: Message + Default + 'static,
    {
        let path = paths().get(&Q::full_name()).cloned();
        let path = path.ok_or_else(|| Status::unimplemented(format!("no method takes {}", Q::full_name())))?;
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(usize::MAX);
        grpc.ready().await.map_err(|error| Status::unavailable(chain(&error)))?;
        let mut request = Request::new(request.clone());
        request.metadata_mut().insert("authorization", self.token.clone());
        let codec = tonic_prost::ProstCodec::<Q, R>::default();
        Ok(grpc.unary(request, path, codec).await?.into_inner())
    }

    fn failure(&self, status: Status) -> Failure {
        let is_transport = status.get_error_details().error_info().is_none();
        if is_transport && status.code() == tonic::Code::Unavailable {
            let why = std::error::Error::source(&status).map_or_else(|| status.message().to_owned(), chain);
            return Failure::new(format!("the node at {} cannot be reached: {why}", self.server))
                .hint("start one with `daybook serve --dev`, or name another with --server");
        }
        let failure = Failure::from(status);
        match &self.minted_in {
            Some(folder) if failure.code() == Some(daybook_server::error::codes::TOKEN_INVALID.name) => {
                failure.hint(format!(
                    "the token was made with the key in {}, and the node at {} knows another: name its own folder with \
                     --data-dir, or give a token",
                    folder.display(),
                    self.server
                ))
            }
            _ => failure,
        }
    }
}

/// A new command id.
pub(crate) fn new_id() -> String {
    CommandId::generate().to_string()
}

fn read(path: &std::path::Path) -> Outcome<Vec<u8>> {
    std::fs::read(path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

fn bearer(token: &str) -> Outcome<MetadataValue<Ascii>> {
    format!("Bearer {token}").parse().map_err(|_| Failure::new("the token has characters that no token has"))
}

/// Whether a connection that stood was lost, as opposed to one that could not be made.
fn is_broken_connection(status: &Status) -> bool {
    let text = std::error::Error::source(status).map(chain).unwrap_or_default();
    !text.contains("connect error") && matches!(status.code(), tonic::Code::Unavailable | tonic::Code::Unknown)
}

/// An error with its causes, without those that only repeat the one before.
fn chain(error: &dyn std::error::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if texts.last().is_none_or(|last| !last.contains(&text)) {
            texts.push(text);
        }
        next = cause.source();
    }
    texts.join(": ")
}

/// The path of the method that takes a request, by the name of the request's type.
fn paths() -> &'static HashMap<String, PathAndQuery> {
    static PATHS: OnceLock<HashMap<String, PathAndQuery>> = OnceLock::new();
    PATHS.get_or_init(|| {
        let services: Vec<_> = descriptors().services().collect();
        let methods = services.iter().flat_map(|service| service.methods().collect::<Vec<_>>());
        methods
            .filter(|method| !method.is_client_streaming())
            .filter_map(|method| {
                let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
                Some((method.input().full_name().to_owned(), path.parse().ok()?))
            })
            .collect()
    })
}
