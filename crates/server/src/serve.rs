//! A node, put together from its configuration.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use daybook_checkpoint::CheckpointError;
use daybook_kernel::authorisation::Authority;
use daybook_kernel::code::{Code, RELEASE_TOO_OLD};
use daybook_kernel::decide::Decider;
use daybook_kernel::registry::Registry;
use daybook_log::{
    EmbeddedLog, EmbeddedOptions, KafkaLog, KafkaOptions, Log, LogError, Membership, Recovery, Replication,
};
use daybook_policy::Cedar;
use daybook_privacy::{EpochKeys, Opener, PrivacyError, Sealer};
use daybook_proto::FILE_DESCRIPTOR_SET;
use daybook_rocks::Memory;
use daybook_runtime::{
    Clock, EffectHandlers, Limits, NoPeers, Node, NodeOptions, PartitionState, Role, Roles, SubmitError, SystemClock,
};
use daybook_snapshot::SnapshotError;
use daybook_store::{RocksStores, StoreError};
use http::StatusCode;
use hyper_util::rt::TokioTimer;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::task::JoinHandle;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::auth::development::DevelopmentKey;
use crate::auth::{Authenticator, KeySource};
use crate::bootstrap;
use crate::checkpoints::{self, Checkpoints};
use crate::cluster::{self, Cluster};
use crate::config::{Config, ConfigError, LogConfig};
use crate::data_dir::{log_folder, master_key, refuse_unfinished_import};
use crate::disk;
use crate::door::{Door, DoorLimits, Methods, Minimisers};
use crate::effects::{DestroyKeysHandler, ExportEventsHandler};
use crate::error::{CallError, codes};
use crate::http::{App, cors_origins, router, tls_server_config};
use crate::inbox::{OpenInbox, ServedInbox};
use crate::key_ring;
use crate::node_service::NodeService;
use crate::outbox::Outbox;
use crate::own_usage::OwnUsage;
use crate::settings_watch::WrongSettings;
use crate::snapshots::{self, Keeper};

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StartError {
    /// The stable code.
    pub code: Code,
    /// What happened and what to do.
    pub message: String,
}

impl From<LogError> for StartError {
    fn from(error: LogError) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

impl From<PrivacyError> for StartError {
    fn from(error: PrivacyError) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

impl From<SubmitError> for StartError {
    fn from(error: SubmitError) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

impl From<CheckpointError> for StartError {
    fn from(error: CheckpointError) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

impl From<SnapshotError> for StartError {
    fn from(error: SnapshotError) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> Self {
        Self { code: codes::CONFIG_INVALID, message: error.to_string() }
    }
}

impl From<CallError> for StartError {
    fn from(error: CallError) -> Self {
        Self { code: codes::TOKEN_KEYS_UNAVAILABLE, message: error.message }
    }
}

/// A node that runs.
pub struct Running {
    /// Where gRPC and JSON are.
    pub address: SocketAddr,
    /// Where metrics and health are.
    pub metrics_address: SocketAddr,
    /// The node.
    pub node: Arc<Node>,
    cluster: Option<Arc<Cluster>>,
    inbox: Option<ServedInbox>,
    handle: Handle<SocketAddr>,
    metrics_handle: Handle<SocketAddr>,
    background: Vec<JoinHandle<()>>,
    door: JoinHandle<()>,
    metrics_door: JoinHandle<()>,
    shutdown: Duration,
    hand_over: Duration,
}

/// How long a start waits until every partition has an owner.
const OWNERS_WAIT_MAX: Duration = Duration::from_secs(30);

impl Running {
    /// Starts a node: opens its log, keys and stores, waits until every partition leads, sets a new log up, opens the
    /// doors.
    pub async fn start(config: Config, metrics: Option<PrometheusHandle>) -> Result<Self, StartError> {
        // Listening comes first: an address that is taken should not cost a takeover.
        let listener = bind(config.listen.address)?;
        let metrics_listener = bind(config.listen.metrics_address)?;
        let data_dir = config.node.data_dir.clone();
        std::fs::create_dir_all(&data_dir)
            .map_err(|error| ConfigError(format!("node.data_dir {}: {error}", data_dir.display())))?;
        refuse_unfinished_import(&data_dir)?;
        let tls = tls_server_config(&config.tls)?;
        let cors_origins = cors_origins(&config.listen.cors_origins)?;
        let checkpoints = Checkpoints::of(&config)?;
        let memory = Memory::new(config.store.cache_mib << 20, config.store.write_buffer_mib << 20);
        let authenticator = authenticator(&config).await?;
        let log = snapshots::through_archive(&config, open_log(&config, &memory).await?)?;
        let kafka = kafka_options(&config);
        let inbox = match &kafka {
            Some(options) => OpenInbox::open(&config, options).await?,
            None => None,
        };
        let outbox = match &kafka {
            Some(options) => Outbox::open(&config, options, &daybook_domains::registry()).await?,
            None => None,
        };
        let keys = key_ring::open(&config, || master_key(&config), &*log, &memory).await?;
        let snapshots = snapshots::snapshots(&config)?;
        if let Some(snapshots) = &snapshots {
            snapshots::restore_missing(&config, snapshots, &*log).await?;
        }

        let registry = daybook_domains::registry();
        let authority: Arc<dyn Authority> = Arc::new(Cedar::new());
        let decider = Decider::new(Arc::clone(&registry), Arc::clone(&authority), log.partitions())
            .understanding(config.node.understands);
        let destroy = Arc::new(DestroyKeysHandler { keys: Arc::clone(&keys) });
        let export = Arc::new(ExportEventsHandler::new(&config, log.partitions())?);
        let effects = EffectHandlers::new()
            .with(daybook_kernel::system::Effect::DESTROY_KEYS, destroy)
            .with(daybook_kernel::system::Effect::EXPORT_EVENTS, export);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let started_at = clock.now();
        let address = match config.cluster.advertise.as_str() {
            "" => local(&listener)?.to_string(),
            advertised => advertised.to_owned(),
        };
        let nearly_full = Arc::new(AtomicBool::new(false));
        let (roles, cluster) = join_cluster(&config, &registry, log.partitions(), &address, &nearly_full)?;
        let options = NodeOptions {
            node_id: config.node.id.clone(),
            address,
            stores: Arc::new(RocksStores { folder: data_dir.join("store"), memory }),
            roles,
            peers: match &cluster {
                Some(cluster) => Arc::<Cluster>::clone(cluster),
                None => Arc::new(NoPeers),
            },
            limits: limits(&config),
            effects,
        };
        let node = Node::start(Arc::clone(&log), decider.clone(), clock, options)?;
        let mut background = Vec::new();
        if let Some(cluster) = &cluster {
            cluster.attach(&node);
            background.push(tokio::spawn(Arc::clone(cluster).coordinate()));
            if !cluster.wait_for_owners(OWNERS_WAIT_MAX).await {
                tracing::warn!("not every partition has an owner yet; the others are served");
            }
        }
        if let Err(reason) = node.ready().await {
            if let Some(outdated) = node.outdated() {
                background.iter().for_each(JoinHandle::abort);
                node.stop(config.node.shutdown_seconds).await;
                return Err(StartError { code: RELEASE_TOO_OLD, message: outdated });
            }
            // Whatever can be read is still served: an operator wants to see how it stands.
            tracing::error!(reason, "not every partition can be led");
        } else if let Err(error) = set_up(&config, &node, &registry).await {
            // Afterwards the data folder is free again.
            background.iter().for_each(JoinHandle::abort);
            node.stop(config.node.shutdown_seconds).await;
            return Err(error);
        }

        let reserve = config.store.disk_reserve_mib << 20;
        let watching = tokio::spawn(disk::watch(data_dir.clone(), reserve, Arc::clone(&nearly_full)));
        let wrong_settings = WrongSettings::default();
        let settings = wrong_settings.clone().watch(Arc::clone(&log), config.log.kafka_check_seconds);
        background.push(tokio::spawn(settings));
        background.extend(outbox.map(|outbox| outbox.publish(&node, &log)));
        let keeper = snapshots.map(|snapshots| Arc::new(Keeper::new(config.clone(), snapshots)));
        let node_service = NodeService {
            node_id: config.node.id.clone(),
            development: config.node.development,
            snapshots: keeper.clone(),
            data_dir,
            started_at,
            log,
            decider,
        };
        let (own_usage, sending) = config.analytics.own_usage.then(OwnUsage::new).unzip();
        let methods = Methods::new(&registry);
        let services = methods.services().to_vec();
        let app = Arc::new(App {
            door: Door {
                node: Arc::clone(&node),
                registry,
                authority,
                sealer: Sealer::new(Arc::clone(&keys)),
                minimisers: Minimisers::new(EpochKeys::new(Arc::clone(&keys))),
                opener: Opener::new(keys),
                node_service,
                cluster: cluster.clone(),
                limits: DoorLimits {
                    command_bytes_max: config.limits.command_kib << 10,
                    query_wait_max: config.limits.query_wait_seconds,
                },
                disk_nearly_full: nearly_full,
                wrong_settings,
                own_usage,
            },
            methods,
            authenticator,
            request_bytes_max: config.limits.request_kib << 10,
            cors_origins,
        });
        background.extend(sending.map(|sending| tokio::spawn(sending.send_for_ever(Arc::clone(&app)))));
        let (reporter, health) = tonic_health::server::health_reporter();
        let no_reflection = |error: tonic_reflection::server::Error| ConfigError(format!("reflection: {error}"));
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                // The details of errors, so that grpcurl can show them.
                .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
        };
        let own = tonic::service::Routes::new(health)
            .add_service(reflection().build_v1().map_err(no_reflection)?)
            .add_service(reflection().build_v1alpha().map_err(no_reflection)?)
            .into_axum_router()
            .reset_fallback();
        background.extend([watching, tokio::spawn(report(Arc::clone(&node), reporter, services))]);
        background.extend(keeper.map(|keeper| tokio::spawn(keeper.take_for_ever(Arc::clone(&node)))));
        background.extend(checkpoints.map(|it| tokio::spawn(checkpoints::write_for_ever(it, Arc::clone(&node)))));

        let (address, metrics_address) = (local(&listener)?, local(&metrics_listener)?);
        let (handle, metrics_handle) = (Handle::new(), Handle::new());
        let inbox = inbox.map(|inbox| inbox.serve(Arc::clone(&app)));
        let door = open_door(listener, tls, router(app, own), handle.clone(), &config)?;
        let metrics_door = open_metrics(metrics_listener, Arc::clone(&node), metrics, metrics_handle.clone())?;
        let shutdown = config.node.shutdown_seconds;
        let hand_over = config.cluster.hand_over_seconds;
        Ok(Self {
            address,
            metrics_address,
            node,
            cluster,
            inbox,
            handle,
            metrics_handle,
            background,
            door,
            metrics_door,
            shutdown,
            hand_over,
        })
    }

    /// Waits until the log reaches a feature level that this release does not understand, and says so. The node is of no
    /// use from then on: it is to be stopped, so that nodes of a newer release lead what it led.
    pub async fn outdated(&self) -> StartError {
        StartError { code: RELEASE_TOO_OLD, message: self.node.until_outdated().await }
    }

    /// Stops: what this node leads is handed over to others, if there are any; then no new requests, those under way are
    /// answered, what is appended is applied. Never longer than configured. Afterwards the data folder is free for the
    /// next node.
    pub async fn stop(self) {
        // Other nodes go on with it while this one hands over.
        if let Some(inbox) = self.inbox {
            inbox.stop().await;
        }
        if let Some(cluster) = &self.cluster {
            cluster.leave(self.hand_over).await;
        }
        self.handle.graceful_shutdown(Some(self.shutdown / 2));
        // A door that panicked is closed as well.
        if tokio::time::timeout(self.shutdown / 2 + Duration::from_secs(1), self.door).await.is_err() {
            tracing::warn!("some requests were not answered before the stop");
        }
        self.node.stop(self.shutdown / 2).await;
        self.metrics_handle.shutdown();
        self.background.iter().for_each(JoinHandle::abort);
        // Each holds a part of the node until it has ended.
        let ended = futures_util::future::join_all(self.background.into_iter().chain([self.metrics_door]));
        if tokio::time::timeout(Duration::from_secs(1), ended).await.is_err() {
            tracing::warn!("metrics were still being read at the stop");
        }
    }
}

/// Joins the others that have the same log, if there can be others: then nothing is led before the group says so.
fn join_cluster(
    config: &Config,
    registry: &Arc<Registry>,
    partitions: u32,
    address: &str,
    nearly_full: &Arc<AtomicBool>,
) -> Result<(Roles, Option<Arc<Cluster>>), StartError> {
    let Some(options) = kafka_options(config) else { return Ok((Roles::all(partitions, Role::Lead), None)) };
    let roles = Roles::all(partitions, Role::Rest);
    let cluster = Cluster::new(cluster::Parts {
        node_id: config.node.id.clone(),
        address: address.to_owned(),
        registry: Arc::clone(registry),
        master: master_key(config)?,
        tls: config.tls.clone(),
        ca: config.cluster.ca.clone(),
        membership: Membership::join(&options, &config.node.id, address)?,
        roles: roles.clone(),
        standbys: config.cluster.standbys,
        understands: config.node.understands,
        disk_nearly_full: Arc::clone(nearly_full),
    });
    Ok((roles, Some(cluster)))
}

fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    let unavailable = |error: std::io::Error| StartError {
        code: codes::ADDRESS_UNAVAILABLE,
        message: format!("cannot listen on {address}: {error}; stop what listens there, or configure another address"),
    };
    let listener = TcpListener::bind(address).map_err(unavailable)?;
    listener.set_nonblocking(true).map_err(unavailable)?;
    Ok(listener)
}

fn local(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|error| StartError { code: codes::ADDRESS_UNAVAILABLE, message: error.to_string() })
}

async fn authenticator(config: &Config) -> Result<Authenticator, StartError> {
    let source = match (config.auth.jwks.as_str(), config.node.development) {
        ("", true) => {
            let key = DevelopmentKey::open_or_create(&config.node.data_dir).map_err(ConfigError)?;
            key.source().map_err(ConfigError)?
        }
        ("", false) => {
            let message = "auth.jwks is not set: nobody could come in; give the JWKS of your identity provider, or start \
                           with --dev to try things out";
            return Err(ConfigError(message.to_owned()).into());
        }
        (jwks, _) => KeySource::parse(jwks),
    };
    Ok(Authenticator::new(source, config.auth.clone()).await?)
}

/// Opens the log that the configuration names.
pub async fn open_log(config: &Config, memory: &Memory) -> Result<Arc<dyn Log>, LogError> {
    if let Some(options) = kafka_options(config) {
        return Ok(Arc::new(KafkaLog::open(options).await?));
    }
    let LogConfig { name, partitions, .. } = config.log.clone();
    let recovery = if config.log.recovery == "truncate" { Recovery::TruncateDamage } else { Recovery::Strict };
    let folder = log_folder(&config.node.data_dir);
    Ok(Arc::new(EmbeddedLog::open(EmbeddedOptions { folder, name, partitions, recovery }, memory)?))
}

/// How to reach the brokers, if the log is on Kafka.
pub fn kafka_options(config: &Config) -> Option<KafkaOptions> {
    let brokers = config.log.kafka_brokers()?;
    Some(KafkaOptions {
        brokers: brokers.to_owned(),
        name: config.log.name.clone(),
        partitions: config.log.partitions,
        create_with_replication: match config.log.kafka_replication {
            0 => None,
            replication => Some(u16::try_from(replication).map_or(Replication::ByBrokers, Replication::Exactly)),
        },
        min_insync_replicas: config.log.kafka_min_insync_replicas,
        connect_timeout: config.log.kafka_connect_seconds,
        properties: config.log.kafka_properties.clone(),
    })
}

fn limits(config: &Config) -> Limits {
    Limits {
        in_flight_commands_max: config.limits.in_flight_commands,
        in_flight_per_tenant_max: config.limits.in_flight_per_tenant,
        in_flight_per_stream_max: config.limits.in_flight_per_stream,
        decision_wait_max: config.limits.decision_wait_seconds,
        ..Limits::default()
    }
}

/// What a new log needs before anybody can use it.
async fn set_up(config: &Config, node: &Arc<Node>, registry: &Registry) -> Result<(), StartError> {
    bootstrap::governance(node, registry, config.node.understands, config.node.development).await?;
    welcome(config, node).await
}

/// Says what kind of node this is, and gives a development node its first tenant.
async fn welcome(config: &Config, node: &Arc<Node>) -> Result<(), StartError> {
    if config.node.development {
        tracing::warn!(
            "DEVELOPMENT MODE: this node signs tokens with a key in {}/development; whoever can read it can be anybody",
            config.node.data_dir.display()
        );
        if bootstrap::first_tenant(node).await? {
            tracing::info!(tenant = bootstrap::FIRST_TENANT, "a first tenant was created");
        }
    } else if !bootstrap::has_tenants(node).unwrap_or(true) {
        tracing::info!(
            "there is no tenant yet: create one with `daybook tenant create` as an administrator of the platform"
        );
    }
    Ok(())
}

/// Opens the door. Answers leave at once: an answer in several small segments would wait for the caller's delayed
/// acknowledgement, 40 ms, before each but the first.
fn open_door(
    listener: TcpListener,
    tls: Option<rustls::ServerConfig>,
    router: axum::Router,
    handle: Handle<SocketAddr>,
    config: &Config,
) -> Result<JoinHandle<()>, StartError> {
    let failed = |error: std::io::Error| StartError { code: codes::ADDRESS_UNAVAILABLE, message: error.to_string() };
    let streams = config.limits.streams_per_connection;
    macro_rules! serve {
        ($server:expr) => {{
            let mut server = $server.handle(handle);
            server
                .http_builder()
                .http2()
                .timer(TokioTimer::new())
                .max_concurrent_streams(streams)
                .keep_alive_interval(Some(Duration::from_secs(20)))
                .keep_alive_timeout(Duration::from_secs(20))
                .initial_stream_window_size(1 << 20)
                .initial_connection_window_size(4 << 20);
            tokio::spawn(async move {
                if let Err(error) = server.serve(router.into_make_service()).await {
                    tracing::error!(%error, "the door is closed");
                }
            })
        }};
    }
    Ok(match tls {
        Some(tls) => {
            let tls = RustlsAcceptor::new(RustlsConfig::from_config(Arc::new(tls))).acceptor(NoDelayAcceptor::new());
            serve!(axum_server::from_tcp(listener).map_err(failed)?.acceptor(tls))
        }
        None => serve!(axum_server::from_tcp(listener).map_err(failed)?.acceptor(NoDelayAcceptor::new())),
    })
}

fn open_metrics(
    listener: TcpListener,
    node: Arc<Node>,
    metrics: Option<PrometheusHandle>,
    handle: Handle<SocketAddr>,
) -> Result<JoinHandle<()>, StartError> {
    let failed = |error: std::io::Error| StartError { code: codes::ADDRESS_UNAVAILABLE, message: error.to_string() };
    let show = move || {
        let text = metrics.as_ref().map(|metrics| {
            metrics.run_upkeep();
            metrics.render()
        });
        async move { text.unwrap_or_default() }
    };
    let router = axum::Router::new()
        .route("/metrics", axum::routing::get(show))
        .route("/livez", axum::routing::get(|| async { "alive\n" }))
        .route("/readyz", axum::routing::get(ready))
        .with_state(node);
    let server = axum_server::from_tcp(listener).map_err(failed)?.handle(handle);
    Ok(tokio::spawn(async move {
        if let Err(error) = server.serve(router.into_make_service()).await {
            tracing::error!(%error, "metrics are not shown any more");
        }
    }))
}

/// Ready when every partition leads and none is stuck.
async fn ready(State(node): State<Arc<Node>>) -> Response {
    let mut problems = String::new();
    for partition in node.partitions() {
        match partition.status().await {
            Ok(status) if status.is_healthy() => {}
            Ok(status) => {
                let (state, lag) = (status.state, status.apply_lag());
                problems += &format!("partition {}: {state:?}, lag {lag} {}\n", partition.id(), status.detail);
            }
            Err(error) => problems += &format!("partition {}: {error}\n", partition.id()),
        }
    }
    if problems.is_empty() {
        (StatusCode::OK, "ready\n".to_owned()).into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, problems).into_response()
    }
}

/// Keeps gRPC's health service and the gauges up to date.
async fn report(node: Arc<Node>, reporter: HealthReporter, services: Vec<String>) {
    loop {
        let mut healthy = true;
        for partition in node.partitions() {
            let label = partition.id().to_string();
            let status = partition.status().await;
            let leads = status.as_ref().is_ok_and(|status| status.state == PartitionState::Leading);
            healthy &= status.as_ref().is_ok_and(daybook_runtime::PartitionStatus::is_healthy);
            metrics::gauge!("daybook_partition_leading", "partition" => label.clone()).set(f64::from(u8::from(leads)));
            if let Ok(status) = status {
                metrics::gauge!("daybook_apply_lag", "partition" => label).set(status.apply_lag() as f64);
            }
        }
        let serving = if healthy { ServingStatus::Serving } else { ServingStatus::NotServing };
        reporter.set_service_status("", serving).await;
        for service in &services {
            reporter.set_service_status(service, serving).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
