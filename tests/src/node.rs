//! A real node in this process, with its doors open on ports of its own, and the ways to knock.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use daybook_kernel::hash::Hash;
use daybook_kernel::id::CommandId;
use daybook_kernel::state::{ProjectionId, Read, digest};
use daybook_proto::descriptors;
use daybook_proto::node::v1::{
    GetStateDigestRequest, GetStateDigestResponse, GetStatusRequest, GetStatusResponse, PartitionState,
};
use daybook_server::auth::development::{DevelopmentKey, TokenRequest};
use daybook_server::config::Config;
use daybook_server::http::AsBytes;
use daybook_server::serve::{Running, StartError};
use prost::{Message, Name};
use prost_reflect::{DynamicMessage, SerializeOptions};
use serde_json::Value;
use tempfile::TempDir;
use tonic::Status;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};

use crate::disk::SmallDisk;
use crate::eventually;
use crate::people::{Person, ROOT};
use crate::refusal::Refusal;

/// How many partitions the log of a test has.
pub const PARTITIONS: u32 = 3;

/// Where a node lives, whether it runs or not: its data folder and its configuration.
pub struct Home {
    /// A small disk for it, where it has one; unmounted before the folder goes.
    pub disk: Option<SmallDisk>,
    /// Removed when it is dropped.
    pub folder: TempDir,
    /// What the node is started with.
    pub config: Config,
    /// Where the key lies that signs the tokens of callers; a development node's own key unless it is changed.
    pub issuer: PathBuf,
}

impl Default for Home {
    fn default() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = Config::default();
        config.node.id = "node-under-test".to_owned();
        config.node.data_dir = folder.path().join("data");
        config.node.development = true;
        config.node.shutdown_seconds = Duration::from_secs(10);
        config.listen.address.set_port(0);
        config.listen.metrics_address.set_port(0);
        config.log.partitions = PARTITIONS;
        config.store.cache_mib = 8;
        config.store.write_buffer_mib = 8;
        config.store.disk_reserve_mib = 0;
        let issuer = config.node.data_dir.clone();
        Self { disk: None, folder, config, issuer }
    }
}

impl Home {
    /// A new home, configured otherwise.
    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut home = Self::default();
        change(&mut home.config);
        home
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.config.node.data_dir.clone()
    }

    /// Starts the node that lives here.
    pub async fn start(self) -> Node {
        match Running::start(self.config.clone(), None).await {
            Ok(running) => Node::new(self, running),
            Err(error) => panic!("the node does not start: {}: {error}", error.code),
        }
    }

    /// Why the node that lives here does not start.
    pub async fn start_error(&self) -> StartError {
        match Running::start(self.config.clone(), None).await {
            Ok(running) => {
                running.stop().await;
                panic!("the node starts")
            }
            Err(error) => error,
        }
    }
}

/// A running node. Stopped when it is dropped.
pub struct Node {
    open: Option<Open>,
}

/// What there is of a node while it runs.
pub struct Open {
    /// The node itself.
    pub running: Running,
    /// Where it lives.
    pub home: Home,
    channel: Channel,
    http: reqwest::Client,
}

impl Deref for Node {
    type Target = Open;

    fn deref(&self) -> &Open {
        self.open.as_ref().expect("it runs until it is stopped")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Its folder must not go while it still writes there. Needs a runtime of several threads.
        if let Some(open) = self.open.take() {
            let Open { running, home, .. } = open;
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(running.stop()));
            drop(home);
        }
    }
}

impl Node {
    /// Starts a node of its own.
    pub async fn start() -> Self {
        Home::default().start().await
    }

    /// Starts a node of its own, configured otherwise.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        Home::with(change).start().await
    }

    fn new(home: Home, running: Running) -> Self {
        let channel = Endpoint::from_shared(format!("http://{}", running.address)).expect("an address").connect_lazy();
        let http = reqwest::Client::builder().no_proxy().build().expect("an HTTP client");
        Self { open: Some(Open { running, home, channel, http }) }
    }

    /// Stops it as an operator would.
    pub async fn stop(mut self) -> Home {
        let Open { running, home, channel, http } = self.open.take().expect("it runs until it is stopped");
        drop((channel, http));
        running.stop().await;
        home
    }

    /// Stops it and starts it again on the same folder.
    pub async fn restart(self) -> Self {
        self.stop().await.start().await
    }

    /// A connection for gRPC.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// A client for HTTP.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The URL of a method, by its name.
    pub fn url(&self, method: &str) -> String {
        format!("http://{}{}", self.running.address, path_of_method(method))
    }

    /// The URL of a path.
    pub fn at(&self, path: &str) -> String {
        format!("http://{}/{path}", self.running.address)
    }

    /// A token of a development node.
    pub fn token(&self, who: &Person) -> String {
        let key = DevelopmentKey::open(&self.home.issuer).expect("the key that signs tokens");
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        let request = TokenRequest {
            subject: who.name,
            tenants: &texts(who.tenants),
            roles: &texts(who.roles),
            service: who.service,
            valid_for: Duration::from_secs(600),
        };
        key.mint(&request).expect("a token")
    }

    /// Asks by gRPC; the answer must be yes.
    #[track_caller]
    pub fn ask<Q, R>(&self, who: &Person, request: &Q) -> impl Future<Output = R>
    where
        Q: Message + Name + Clone + 'static,
        R: Message + Default + 'static,
    {
        let place = std::panic::Location::caller();
        async move {
            match self.try_ask(who, request).await {
                Ok(answer) => answer,
                Err(status) => panic!("{place}: {} of {} is refused: {status:?}", Q::full_name(), who.name),
            }
        }
    }

    /// Asks by gRPC.
    pub async fn try_ask<Q, R>(&self, who: &Person, request: &Q) -> Result<R, Status>
    where
        Q: Message + Name + Clone + 'static,
        R: Message + Default + 'static,
    {
        let answer = self.call_raw(Some(&self.token(who)), &path_of::<Q>(), request.encode_to_vec().into()).await?;
        Ok(R::decode(answer).expect("the answer is of its type"))
    }

    /// Calls by gRPC with whatever bytes.
    pub async fn call_raw(&self, token: Option<&str>, path: &str, request: Bytes) -> Result<Bytes, Status> {
        self.call_with(token, path, request, |_| {}).await
    }

    /// The same with more headers.
    pub async fn call_with(
        &self,
        token: Option<&str>,
        path: &str,
        request: Bytes,
        headers: impl FnOnce(&mut MetadataMap),
    ) -> Result<Bytes, Status> {
        let mut grpc = tonic::client::Grpc::new(self.channel()).max_decoding_message_size(usize::MAX);
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let mut request = tonic::Request::new(request);
        if let Some(token) = token {
            let bearer = format!("Bearer {token}").parse().expect("a header");
            request.metadata_mut().insert("authorization", bearer);
        }
        headers(request.metadata_mut());
        Ok(grpc.unary(request, path.parse().expect("a path"), AsBytes).await?.into_inner())
    }

    /// Asks by JSON, as `curl --json` would.
    pub async fn post(&self, who: &Person, method: &str, request: &Value) -> Answer {
        self.post_text(Some(&self.token(who)), method, request.to_string()).await
    }

    /// Posts whatever text.
    pub async fn post_text(&self, token: Option<&str>, method: &str, body: String) -> Answer {
        let mut request = self.http.post(self.url(method)).header("content-type", "application/json").body(body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        Answer::of(request.send().await.expect("an answer")).await
    }

    /// Asks something that changes nothing with GET.
    pub async fn get(&self, who: &Person, method: &str, request: &Value) -> Answer {
        let message: String = request.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
        let url = format!("{}?connect=v1&encoding=json&message={message}", self.url(method));
        let request = self.http.get(url).bearer_auth(self.token(who));
        Answer::of(request.send().await.expect("an answer")).await
    }

    /// How a request is refused: by gRPC and by JSON, which must say the same.
    #[track_caller]
    pub fn refusal<Q>(&self, who: &Person, request: &Q) -> impl Future<Output = Refusal>
    where
        Q: Message + Name + Clone + 'static,
    {
        let place = std::panic::Location::caller();
        async move {
            let by_grpc = match self.try_ask::<Q, ()>(who, request).await {
                Ok(()) => panic!("{place}: {} of {} is not refused by gRPC", Q::full_name(), who.name),
                Err(status) => Refusal::of_grpc(&status),
            };
            let answer = self.post(who, method_of::<Q>(), &to_json(request)).await;
            assert_ne!(answer.status, 200, "{place}: not refused by JSON: {}", answer.body);
            let by_json = Refusal::of_json(answer.status, &answer.body);
            assert_eq!(by_grpc.clone().without_place(), by_json.without_place(), "{place}: the doors differ");
            by_grpc
        }
    }

    /// How the node stands.
    pub async fn status(&self) -> GetStatusResponse {
        self.ask(&ROOT, &GetStatusRequest {}).await
    }

    /// Waits until the node has nothing left to do: every command is decided, every effect is done.
    pub async fn settle(&self) -> GetStatusResponse {
        eventually("the node has nothing left to do", async || {
            let status = self.status().await;
            let rests = |partition: &daybook_proto::node::v1::PartitionStatus| {
                partition.state() == PartitionState::Leading && partition.apply_lag == 0 && partition.open_effects == 0
            };
            let is_settled = status.partitions.iter().all(rests);
            is_settled.then_some(status)
        })
        .await
    }

    /// All that a node knows, in short: where log and state of every partition stand, and the hash of every row.
    pub async fn mark(&self) -> Mark {
        let status = self.settle().await;
        let mut mark = Mark::default();
        for partition in status.partitions {
            let digest: GetStateDigestResponse =
                self.ask(&ROOT, &GetStateDigestRequest { partition: partition.partition }).await;
            mark.0.insert(partition.partition, (partition.command_tail, partition.next_decision, digest));
        }
        mark
    }
}

impl Node {
    /// The hashes of all that the domains know, by partition. What the partition loop keeps for itself, such as which
    /// commands were decided, is left out.
    pub async fn domain_digests(&self) -> Vec<Hash> {
        self.settle().await;
        let registry = daybook_domains::registry();
        let of_domains: Vec<_> =
            registry.projections().into_iter().filter(|projection| *projection != ProjectionId::SYSTEM).collect();
        let read = |state: &dyn Read| digest(state, of_domains.clone()).expect("the state can be read").0;
        let partitions = self.running.node.partitions().iter();
        partitions.map(|partition| partition.read(|state, _| read(state)).expect("a state")).collect()
    }
}

/// All that a node knows, in short: by partition the ends of both topics and the digest of the state.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mark(pub BTreeMap<u32, (u64, u64, GetStateDigestResponse)>);

impl Mark {
    /// How many commands are on the log.
    pub fn commands(&self) -> u64 {
        self.0.values().map(|(commands, _, _)| commands).sum()
    }
}

/// An answer by HTTP.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The body, `null` if it is no JSON.
    pub body: Value,
    /// The body as it is.
    pub bytes: Bytes,
}

impl Answer {
    /// Reads a response.
    pub async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await.expect("a body");
        Self { status, headers, body: serde_json::from_slice(&bytes).unwrap_or_default(), bytes }
    }

    /// The body of an answer that is not an error.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/json");
        self.body
    }

    /// The error.
    #[track_caller]
    pub fn refusal(&self) -> Refusal {
        assert_ne!(self.status, 200, "not refused: {}", self.body);
        assert_eq!(self.headers["content-type"], "application/json");
        Refusal::of_json(self.status, &self.body)
    }
}

/// A new command id.
pub fn new_id() -> String {
    CommandId::generate().to_string()
}

/// A message as JSON has it.
pub fn to_json<M: Message + Name>(message: &M) -> Value {
    let descriptor = descriptors().get_message_by_name(&M::full_name()).expect("a message of ours");
    let mut dynamic = DynamicMessage::new(descriptor);
    dynamic.transcode_from(message).expect("the same message");
    let json = serde_json::value::Serializer;
    dynamic.serialize_with_options(json, &SerializeOptions::new()).expect("a message that JSON can hold")
}

/// The path of the method that takes a request.
pub fn path_of<Q: Name>() -> String {
    path_of_method(method_of::<Q>())
}

/// The name of the method that takes a request.
fn method_of<Q: Name>() -> &'static str {
    Q::NAME.strip_suffix("Request").expect("requests are named after their methods")
}

/// The path of a method, by its name.
pub fn path_of_method(method: &str) -> String {
    let services = descriptors().services();
    let mut found = services.filter(|service| service.methods().any(|one| one.name() == method));
    match found.next() {
        Some(service) => format!("/{}/{method}", service.full_name()),
        None => format!("/daybook.legal_hold.v1.LegalHoldService/{method}"),
    }
}
