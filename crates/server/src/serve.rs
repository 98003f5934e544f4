//! A node, put together from its configuration.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use daybook_kernel::authorisation::Authority;
use daybook_kernel::code::RELEASE_TOO_OLD;
use daybook_kernel::decide::Decider;
use daybook_kernel::registry::Registry;
use daybook_kernel::time::Timestamp;
use daybook_log::{
    BesideTopics, EmbeddedLog, EmbeddedOptions, KafkaLog, KafkaOptions, Log, LogError, Membership, Recovery,
    Replication,
};
use daybook_policy::Cedar;
use daybook_privacy::{EpochKeys, Opener, Sealer};
use daybook_proto::FILE_DESCRIPTOR_SET;
use daybook_rocks::Memory;
use daybook_runtime::{
    Clock, EffectHandlers, Limits, NoPeers, Node, NodeOptions, PartitionState, Role, Roles, SystemClock,
};
use daybook_store::RocksStores;
use http::StatusCode;
use hyper_util::rt::TokioTimer;
use metrics_exporter_prometheus::PrometheusHandle;
use rustix::process::{Signal, getpid, kill_process};
use tokio::task::JoinHandle;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::auth::development::{self, DevelopmentKey};
use crate::auth::{Authenticator, KeySource};
use crate::bootstrap;
use crate::checkpoints::{self, Checkpoints};
use crate::cluster::{self, Cluster};
use crate::config::{Config, ConfigError, LogConfig};
use crate::data_dir::{
    check_secret, close_data_folder, development_data, forget_development_key, log_folder, make_data_folder,
    master_key, refuse_development_data, refuse_unfinished_import,
};
use crate::deciding::Deciding;
use crate::disk;
use crate::door::{Door, DoorLimits, Methods, Minimisers};
use crate::effects::{DestroyKeysHandler, ExportEventsHandler};
use crate::error::codes;
use crate::http::{
    App, BodyLimits, ConnectionLimits, Decoding, LimitedAcceptor, Rates, cors_origins, router, tls_server_config,
};
use crate::inbox::{InboxStatus, OpenInbox, ServedInbox};
use crate::key_ring;
use crate::limits::LimitsConfig;
use crate::node_service::NodeService;
use crate::open_files::OpenFiles;
use crate::outbox::Outbox;
use crate::own_usage::OwnUsage;
use crate::running::{RunningFile, RunningNode};
use crate::settings_watch::{Watched, WrongSettings};
use crate::snapshots::{self, Keeper};
pub use crate::start_error::StartError;

/// A node that runs.
pub struct Running {
    /// Where gRPC and JSON are.
    pub address: SocketAddr,
    /// Where metrics and health are.
    pub metrics_address: SocketAddr,
    /// The node.
    pub node: Arc<Node>,
    log: Arc<dyn Log>,
    cluster: Option<Arc<Cluster>>,
    inbox: Option<ServedInbox>,
    handle: Handle<SocketAddr>,
    metrics_handle: Handle<SocketAddr>,
    background: Vec<JoinHandle<()>>,
    door: JoinHandle<()>,
    metrics_door: JoinHandle<()>,
    deciding: Arc<Deciding>,
    shutdown: Duration,
    hand_over: Duration,
    /// Tells the commands on this machine where the node is.
    found_at: Option<RunningFile>,
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
        make_data_folder(&config)?;
        refuse_unfinished_import(&data_dir)?;
        refuse_development_data(&config)?;
        let tls = tls_server_config(&config.tls)?;
        let cors_origins = cors_origins(&config.listen.cors_origins)?;
        if let Some(file) = &config.checkpoints.key_file {
            check_secret(&config, file)?;
        }
        let checkpoints = Checkpoints::of(&config)?;
        // Log, keys, and the stores of the partitions; twice as many while projections are built anew.
        let databases = 2 + 2 * config.log.partitions as usize;
        let files = OpenFiles::plan(databases, config.limits.connections);
        let memory = Memory::new(config.store.cache_mib << 20, config.store.write_buffer_mib << 20)
            .with_open_files(files.per_database);
        let authenticator = authenticator(&config).await?;
        let log = snapshots::through_archive(&config, open_log(&config, &memory).await?)?;
        // The log is this process's own by now, and the folder with it.
        close_data_folder(&config);
        let deciding = Deciding::start(&data_dir, &*log, config.limits.deciding_seconds, Box::new(end_process)).await?;
        let kafka = kafka_options(&config);
        let inbox = match &kafka {
            Some(options) => OpenInbox::open(&config, options).await?,
            None => None,
        };
        let outbox = match &kafka {
            Some(options) => Outbox::open(&config, options, &daybook_domains::registry()).await?,
            None => None,
        };
        let (keys, keyed_log) = key_ring::open(&config, || master_key(&config), &*log, &memory).await?;
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
        let (roles, cluster) =
            join_cluster(&config, &registry, log.partitions(), (&address, started_at), &nearly_full)?;
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
            deciding: Arc::<Deciding>::clone(&deciding),
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
        let watched = Watched {
            log: Arc::clone(&log),
            keys: keyed_log,
            inbox: inbox.as_ref().map(OpenInbox::settings),
            outbox: outbox.as_ref().map(|outbox| outbox.topics(log.name())).unwrap_or_default(),
            beside: kafka.map(|options| BesideTopics::connect(options, false)).transpose()?,
        };
        background.push(tokio::spawn(wrong_settings.clone().watch(watched, config.log.kafka_check_seconds)));
        background.extend(outbox.map(|outbox| outbox.publish(&node, &log, &wrong_settings)));
        let inbox_status = Arc::new(InboxStatus::default());
        let keeper = snapshots.map(|snapshots| Arc::new(Keeper::new(config.clone(), snapshots)));
        let node_service = NodeService {
            node_id: config.node.id.clone(),
            development: config.node.development,
            snapshots: keeper.clone(),
            data_dir,
            started_at,
            log,
            decider,
            token_keys: authenticator.key_watch(),
            inbox: Arc::clone(&inbox_status),
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
            bodies: BodyLimits::new(
                config.limits.request_kib << 10,
                config.limits.body_seconds,
                config.limits.receiving_mib << 20,
            ),
            rates: Rates::new(&config.limits.rates()),
            decoding: Decoding::new(config.limits.decoded_mib << 20),
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
        let own = limited(own, config.limits.header_seconds);
        background.extend([watching, tokio::spawn(report(Arc::clone(&node), reporter, services))]);
        background.extend(keeper.map(|keeper| tokio::spawn(keeper.take_for_ever(Arc::clone(&node)))));
        background.extend(checkpoints.map(|it| tokio::spawn(checkpoints::write_for_ever(it, Arc::clone(&node)))));

        let (address, metrics_address) = (local(&listener)?, local(&metrics_listener)?);
        let (handle, metrics_handle) = (Handle::new(), Handle::new());
        let inbox = inbox.map(|inbox| inbox.serve(Arc::clone(&app), Arc::clone(&inbox_status)));
        let log_failure = Arc::clone(&app.door.node_service.log);
        let door = open_door(listener, tls, router(app, own), handle.clone(), &config, files.connections)?;
        let stands = (Arc::clone(&node), inbox_status);
        let metrics_door = open_metrics(metrics_listener, stands, metrics, metrics_handle.clone(), &config.limits)?;
        let here = RunningNode::here(address, config.tls.certificate.is_some(), &config.node.id);
        let found_at = RunningFile::write(&config.node.data_dir, &here).inspect_err(
            |error| tracing::warn!(%error, "commands with --data-dir do not find this node; give them --server"),
        );
        let shutdown = config.node.shutdown_seconds;
        let hand_over = config.cluster.hand_over_seconds;
        Ok(Self {
            address,
            metrics_address,
            log: log_failure,
            node,
            cluster,
            inbox,
            handle,
            metrics_handle,
            background,
            door,
            metrics_door,
            deciding,
            shutdown,
            hand_over,
            found_at: found_at.ok(),
        })
    }

    /// Waits until the log reaches a feature level that this release does not understand, and says so. The node is of no
    /// use from then on: it is to be stopped, so that nodes of a newer release lead what it led.
    pub async fn outdated(&self) -> StartError {
        StartError { code: RELEASE_TOO_OLD, message: self.node.until_outdated().await }
    }

    /// Waits until the log can take nothing more, and says so. What was acknowledged is on the disk, and only a start reads it
    /// back: the node is to be stopped, so that its supervisor starts it again. Not where the disk is full: another start
    /// would not make space, and queries are still answered.
    pub async fn log_failed(&self) -> StartError {
        const LOOK_EVERY: Duration = Duration::from_secs(1);
        loop {
            match self.log.failure() {
                Some(LogError::Full { .. }) | None => tokio::time::sleep(LOOK_EVERY).await,
                Some(failure) => {
                    let message = format!(
                        "the log cannot be written any more ({failure}); what was acknowledged is kept; this node ends, and \
                         reads the log back when it is started again"
                    );
                    return StartError { code: failure.code(), message };
                }
            }
        }
    }

    /// Waits until a store could not open a file, and says so. Its partition stands still until the node is started again.
    pub async fn out_of_files(&self) -> StartError {
        let message =
            format!("{}; this node ends, and goes on when it is started again", self.node.until_out_of_files().await);
        StartError { code: daybook_store::codes::STORE_OUT_OF_FILES, message }
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
        drop(self.found_at);
        self.handle.graceful_shutdown(Some(self.shutdown / 2));
        // A door that panicked is closed as well.
        if tokio::time::timeout(self.shutdown / 2 + Duration::from_secs(1), self.door).await.is_err() {
            tracing::warn!("some requests were not answered before the stop");
        }
        self.node.stop(self.shutdown / 2).await;
        self.deciding.stopped_cleanly();
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
    (address, started_at): (&str, Timestamp),
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
        started_at,
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
    let mut auth = config.auth.clone();
    if config.node.development {
        // Tokens for trying out may be good for long.
        auth.token_life_max_seconds = Duration::ZERO;
    } else if !auth.jwks.is_empty() && (auth.issuer.is_empty() || auth.audience.is_empty()) {
        let message = "auth.issuer and auth.audience must be set: otherwise any token of that identity provider would \
                       count, whatever it was made for; give what your provider writes into iss and aud of tokens for \
                       Daybook, or start with --dev to try things out";
        return Err(ConfigError(message.to_owned()).into());
    }
    let source = match (config.auth.jwks.as_str(), config.node.development) {
        ("", true) => {
            let key = DevelopmentKey::open_or_create(&config.node.data_dir).map_err(ConfigError)?;
            auth.issuer = development::ISSUER.to_owned();
            auth.audience = development::AUDIENCE.to_owned();
            key.source().map_err(ConfigError)?
        }
        ("", false) => {
            let message = "auth.jwks is not set: nobody could come in; give the JWKS of your identity provider, or start \
                           with --dev to try things out";
            return Err(ConfigError(message.to_owned()).into());
        }
        (jwks, _) => KeySource::parse(jwks, config.auth.jwks_allow_http)?,
    };
    Ok(Authenticator::new(source, auth).await?)
}

/// A process that cannot decide a command ends, so that its supervisor starts another one, which parks it. Not by an orderly
/// exit: the thread that decides would hold it up.
fn end_process() {
    let _ = kill_process(getpid(), Signal::KILL);
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
        properties: config.log.kafka_properties.reveal().clone(),
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
    if !config.node.development {
        enter_production(config, node, registry).await?;
    }
    welcome(config, node).await
}

/// Data of a development node does not become data of production without a word.
async fn enter_production(config: &Config, node: &Arc<Node>, registry: &Registry) -> Result<(), StartError> {
    if config.node.leave_development {
        bootstrap::end_development(node, registry).await?;
        forget_development_key(&config.node.data_dir)?;
        tracing::warn!("development has ended: the policies that ship for production are in force");
    } else if bootstrap::is_of_development(node)? {
        let what = "the policies of a development node are in force on this log";
        return Err(development_data(what));
    }
    Ok(())
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

/// Bodies of gRPC's own services, which ask for no token, are small and short.
fn limited(own: axum::Router, time: Duration) -> axum::Router {
    const BYTES_MAX: usize = 64 << 10;
    let bodies = BodyLimits::new(BYTES_MAX, time, 16 << 20);
    own.layer(axum::middleware::map_request(move |request: http::Request<axum::body::Body>| {
        let bodies = bodies.clone();
        async move { bodies.limit(request) }
    }))
}

/// Bytes of the headers of one request.
const HEADERS_BYTES_MAX: u32 = 16 << 10;

/// Serves connections until the handle says to stop. A macro, because servers differ in their type by what accepts.
macro_rules! serve {
    ($server:expr, $router:expr, $handle:expr, $limits:expr) => {{
        let limits: &LimitsConfig = $limits;
        let mut server = $server.handle($handle).first_request_timeout(limits.header_seconds);
        let builder = server.http_builder();
        builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_seconds).max_buf_size(64 << 10);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams_per_connection)
            .max_header_list_size(HEADERS_BYTES_MAX)
            .keep_alive_interval(Some(Duration::from_secs(20)))
            .keep_alive_timeout(Duration::from_secs(20))
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20);
        let router: axum::Router = $router;
        tokio::spawn(async move {
            if let Err(error) = server.serve(router.into_make_service()).await {
                tracing::error!(%error, "the listener is closed");
            }
        })
    }};
}

/// Opens the door. Answers leave at once: an answer in several small segments would wait for the caller's delayed
/// acknowledgement, 40 ms, before each but the first.
fn open_door(
    listener: TcpListener,
    tls: Option<rustls::ServerConfig>,
    router: axum::Router,
    handle: Handle<SocketAddr>,
    config: &Config,
    connections: usize,
) -> Result<JoinHandle<()>, StartError> {
    let failed = |error: std::io::Error| StartError { code: codes::ADDRESS_UNAVAILABLE, message: error.to_string() };
    let limits = &config.limits;
    let acceptor = LimitedAcceptor::new(ConnectionLimits {
        all: connections,
        per_address: match limits.connections_per_address {
            0 => connections.div_ceil(2),
            per_address => per_address.min(connections),
        },
        silence: limits.silence_seconds,
    });
    let server = axum_server::from_tcp(listener).map_err(failed)?;
    Ok(match tls {
        Some(tls) => {
            let tls = RustlsAcceptor::new(RustlsConfig::from_config(Arc::new(tls))).acceptor(acceptor);
            serve!(server.acceptor(tls), router, handle, limits)
        }
        None => serve!(server.acceptor(acceptor), router, handle, limits),
    })
}

fn open_metrics(
    listener: TcpListener,
    stands: (Arc<Node>, Arc<InboxStatus>),
    metrics: Option<PrometheusHandle>,
    handle: Handle<SocketAddr>,
    limits: &LimitsConfig,
) -> Result<JoinHandle<()>, StartError> {
    /// Those who read metrics and health are few.
    const CONNECTIONS_MAX: usize = 64;
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
        .with_state(stands);
    let acceptor = LimitedAcceptor::new(ConnectionLimits {
        all: CONNECTIONS_MAX,
        per_address: CONNECTIONS_MAX,
        silence: limits.silence_seconds,
    });
    let server = axum_server::from_tcp(listener).map_err(failed)?.acceptor(acceptor);
    Ok(serve!(server, router, handle, limits))
}

/// Ready when every partition leads and none is stuck. An inbox that stands still is told, and is no reason to send callers
/// elsewhere.
async fn ready(State((node, inbox)): State<(Arc<Node>, Arc<InboxStatus>)>) -> Response {
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
        let inbox = inbox.problems().into_iter().map(|problem| format!("{problem}\n")).collect::<String>();
        (StatusCode::OK, format!("ready\n{inbox}")).into_response()
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
                metrics::gauge!("daybook_apply_lag", "partition" => label.clone()).set(status.apply_lag() as f64);
                metrics::gauge!("daybook_alarms", "partition" => label).set(status.waiting.alarms as f64);
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
