//! Configuration: one TOML file, environment overrides, defaults that work with neither.
//!
//! A key `section.key` is overridden by the environment variable `DAYBOOK_SECTION__KEY`. Unknown keys are errors, in the
//! file and in the environment.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use daybook_kernel::feature_level::FeatureLevel;
use serde::{Deserialize, Serialize};

use crate::auth::KeySource;
pub use crate::limits::LimitsConfig;
use crate::secrets::{self, KafkaProperties};

/// Prefix of environment overrides.
pub const ENV_PREFIX: &str = "DAYBOOK_";
/// The environment variable that may hold the master key.
pub const MASTER_KEY_ENV: &str = "DAYBOOK_MASTER_KEY";

/// By how much the keys for tokens may be older than they are between two readings.
const STALE_MARGIN: Duration = Duration::from_secs(60);

/// What is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// The configuration of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub struct Config {
    /// The node itself.
    pub node: NodeConfig,
    /// Where it listens.
    pub listen: ListenConfig,
    /// TLS; off unless a certificate is given.
    pub tls: TlsConfig,
    /// Who may come in.
    pub auth: AuthConfig,
    /// The log.
    pub log: LogConfig,
    /// Several nodes on one log; only on Kafka.
    pub cluster: ClusterConfig,
    /// Commands from Kafka topics; only with a log on Kafka.
    pub inbox: InboxConfig,
    /// Events for others to consume; only with a log on Kafka.
    pub outbox: OutboxConfig,
    /// Memory for log and stores.
    pub store: StoreConfig,
    /// The key ring.
    pub keys: KeysConfig,
    /// Signed checkpoints.
    pub checkpoints: CheckpointsConfig,
    /// Snapshots of the partitions' states.
    pub snapshots: SnapshotsConfig,
    /// The archived beginning of the log.
    pub archive: ArchiveConfig,
    /// How the object stores of both are reached.
    pub objects: ObjectsConfig,
    /// Events of product use.
    pub analytics: AnalyticsConfig,
    /// Limits.
    pub limits: LimitsConfig,
    /// Logs and traces.
    pub telemetry: TelemetryConfig,
}

/// The node itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NodeConfig {
    /// The node's id, written into takeover records. Default: the host's name.
    pub id: String,
    /// Where log, stores and keys lie.
    pub data_dir: PathBuf,
    /// Development mode: the node mints its own tokens, makes its own master key and lets the clock be moved. Never on
    /// a node that is to be trusted.
    pub development: bool,
    /// Who may read what the node writes: "owner", or "group" as well, for containers that share a volume by a group.
    pub file_access: String,
    /// Takes the powers of development away from data that a development node made, and serves it. No setting: it is
    /// said once, at a start.
    #[serde(skip)]
    pub leave_development: bool,
    /// How long a shutdown may take before the node gives up what it waits for.
    #[serde(with = "seconds")]
    pub shutdown_seconds: Duration,
    /// The newest feature level that the node understands. No setting: it comes with the release.
    #[serde(skip)]
    pub understands: FeatureLevel,
}

impl Default for NodeConfig {
    fn default() -> Self {
        let home = std::env::var_os("XDG_DATA_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share")));
        Self {
            id: hostname(),
            data_dir: home.map_or_else(|| PathBuf::from("daybook-data"), |home| home.join("daybook")),
            development: false,
            file_access: "owner".to_owned(),
            leave_development: false,
            shutdown_seconds: Duration::from_secs(20),
            understands: FeatureLevel::NEWEST,
        }
    }
}

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "daybook".to_owned() } else { name.to_owned() }
}

/// Where the node listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenConfig {
    /// gRPC and JSON.
    pub address: SocketAddr,
    /// Metrics and health over plain HTTP: /metrics, /livez, /readyz.
    pub metrics_address: SocketAddr,
    /// Other origins whose pages may call JSON methods and send events, for example `https://app.example.com`.
    pub cors_origins: Vec<String>,
}

impl Default for ListenConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 7420)),
            metrics_address: SocketAddr::from(([127, 0, 0, 1], 7421)),
            cors_origins: Vec::new(),
        }
    }
}

/// TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// Certificate chain, PEM. Switches TLS on.
    pub certificate: Option<PathBuf>,
    /// Its private key, PEM.
    pub private_key: Option<PathBuf>,
    /// Certificates of the authorities whose clients are let in, PEM. Switches mutual TLS on.
    pub client_ca: Option<PathBuf>,
}

/// Who may come in: bearer tokens (JWT) that one of these keys has signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// The keys: path of a JWKS file, or its https URL. Needed unless the node is in development mode.
    pub jwks: String,
    /// How often the JWKS is read again; every 5 seconds at most. It is read at once when a token names a key that is not
    /// known.
    #[serde(with = "seconds")]
    pub jwks_refresh_seconds: Duration,
    /// How old the keys may become while the JWKS cannot be read again. Older ones let nobody in.
    #[serde(with = "seconds")]
    pub jwks_stale_max_seconds: Duration,
    /// Permits http:// for the JWKS of another machine. Anybody who can change what is sent there can sign tokens.
    pub jwks_allow_http: bool,
    /// The issuer that tokens must name. Needed unless the node is in development mode.
    pub issuer: String,
    /// The audience that tokens must name. Needed unless the node is in development mode.
    pub audience: String,
    /// How long a token may be good, from when it was issued. 0: as long as it says.
    #[serde(with = "seconds")]
    pub token_life_max_seconds: Duration,
    /// The claim with the tenant, or tenants, that a token speaks for. Dots lead into objects.
    pub tenants_claim: String,
    /// The claim with the roles of each tenant: an object whose keys are tenants. Dots lead into objects.
    pub tenant_roles_claim: String,
    /// The claim with a list of roles that names no tenant. Dots lead into objects, for example realm_access.roles.
    pub roles_claim: String,
    /// Where the list that names no tenant counts: "one-tenant": in tokens that speak for one tenant; "every-tenant": in
    /// every tenant of the token.
    pub flat_roles: String,
    /// The claim that says "service" of tokens that belong to programs.
    pub kind_claim: String,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            jwks: String::new(),
            jwks_refresh_seconds: Duration::from_secs(300),
            jwks_stale_max_seconds: Duration::from_secs(86_400),
            jwks_allow_http: false,
            issuer: String::new(),
            audience: String::new(),
            token_life_max_seconds: Duration::from_secs(86_400),
            tenants_claim: "tenants".to_owned(),
            tenant_roles_claim: "tenant_roles".to_owned(),
            roles_claim: "roles".to_owned(),
            flat_roles: "one-tenant".to_owned(),
            kind_claim: "kind".to_owned(),
        }
    }
}

/// The log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// Where it lies: "embedded" (in the data folder), or "kafka://host:port,host:port".
    pub url: String,
    /// Its name: the first part of Kafka's topic names, and part of the first hash of every partition. Fixed when the
    /// log is created.
    pub name: String,
    /// How many partitions. Fixed when the log is created.
    pub partitions: u32,
    /// Embedded: what to do about damage in the write-ahead log: "strict" refuses to start, "truncate" drops what
    /// follows the damage, which may have been acknowledged.
    pub recovery: String,
    /// Kafka: replication factor of topics that the node creates. -1: as many as there are brokers, three at most, but one
    /// more than kafka_min_insync_replicas where that is above 1. 0: it creates none.
    pub kafka_replication: i16,
    /// Kafka: the least min.insync.replicas that the topics may have. Those that the node creates on three brokers or more
    /// have it above half of their replication factor.
    pub kafka_min_insync_replicas: u16,
    /// Kafka: how long the brokers may take to answer at the start.
    #[serde(with = "seconds")]
    pub kafka_connect_seconds: Duration,
    /// Kafka: how often the settings of the log's topics are looked at while the node runs.
    #[serde(with = "seconds")]
    pub kafka_check_seconds: Duration,
    /// Kafka: settings for librdkafka, for example "security.protocol" and "sasl.mechanism".
    pub kafka_properties: KafkaProperties,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            url: "embedded".to_owned(),
            name: "daybook".to_owned(),
            partitions: 8,
            recovery: "strict".to_owned(),
            kafka_replication: -1,
            kafka_min_insync_replicas: 1,
            kafka_connect_seconds: Duration::from_secs(30),
            kafka_check_seconds: Duration::from_secs(60),
            kafka_properties: KafkaProperties::default(),
        }
    }
}

/// Several nodes on one log. Nodes that have the same log on Kafka, and the same master key, form a cluster by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterConfig {
    /// Where other nodes reach this one, "host:port". Empty: where it listens.
    pub advertise: String,
    /// How many nodes follow a partition beside its owner, ready to take over without rebuilding anything.
    pub standbys: usize,
    /// Certificates of the authorities that the other nodes' certificates come from, PEM. Used when TLS is on.
    pub ca: Option<PathBuf>,
    /// How long a node that stops waits for others to take over what it led.
    #[serde(with = "seconds")]
    pub hand_over_seconds: Duration,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self { advertise: String::new(), standbys: 1, ca: None, hand_over_seconds: Duration::from_secs(5) }
    }
}

/// Inbox topics: any Kafka client puts commands on them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InboxConfig {
    /// The topics. None: there is no inbox.
    pub topics: Vec<String>,
    /// How long a topic that the node creates keeps records, which are not sealed there. At most 7 days.
    #[serde(with = "seconds")]
    pub retention_seconds: Duration,
    /// What the names of topics begin with on which answers may be asked for. `{tenant}` in it stands for a tenant that the
    /// producer's token speaks for, `{inbox}` for the inbox topic; one of them must be there. Empty: there are no answers.
    pub reply_topic_prefix: String,
    /// How long records may wait on a partition of which none is dealt with until the node says that it stands still.
    #[serde(with = "seconds")]
    pub stalled_seconds: Duration,
}

impl Default for InboxConfig {
    fn default() -> Self {
        Self {
            topics: Vec::new(),
            retention_seconds: Duration::from_secs(86_400),
            reply_topic_prefix: String::new(),
            stalled_seconds: Duration::from_secs(60),
        }
    }
}

/// Outbox topics: accepted events in order, for others to consume.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutboxConfig {
    /// The domains whose events are published. None: there is no outbox.
    pub domains: Vec<String>,
    /// How long a topic that the node creates keeps events. 0: for good.
    #[serde(with = "seconds")]
    pub retention_seconds: Duration,
}

/// Memory for log and stores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Cached blocks, in MiB.
    pub cache_mib: usize,
    /// Rows that are not yet written to files, in MiB.
    pub write_buffer_mib: usize,
    /// The node takes no commands while less than this is free on the disk, in MiB.
    pub disk_reserve_mib: u64,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { cache_mib: 64, write_buffer_mib: 128, disk_reserve_mib: 256 }
    }
}

/// The key ring.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeysConfig {
    /// File with the master key: 64 hexadecimal digits. The environment variable DAYBOOK_MASTER_KEY comes first. A
    /// development node makes one in its data folder.
    pub master_key_file: Option<PathBuf>,
    /// Makes a new key ring for a log that has records but whose key ring is lost for good.
    pub start_over: bool,
}

/// Signed checkpoints, written while the node serves.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointsConfig {
    /// How often one is written, if anything was decided since the last one. 0: never.
    #[serde(with = "seconds")]
    pub every_seconds: Duration,
    /// The key to sign with: PKCS#8 in PEM, or a seed of 32 bytes. Needed when checkpoints are written.
    pub key_file: Option<PathBuf>,
    /// Where they are written. Default: `checkpoints` in the data folder.
    pub folder: Option<PathBuf>,
}

/// Snapshots of the partitions' states, taken while the node serves and restored where a store is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SnapshotsConfig {
    /// Where they are: "file:///FOLDER", "s3://BUCKET/PREFIX". Empty: none are taken.
    pub url: String,
    /// How often one is taken of each partition that has moved on.
    #[serde(with = "seconds")]
    pub every_seconds: Duration,
    /// How many of each partition are kept; at least 3.
    pub keep: usize,
    /// Restores snapshots that no node with this master key has signed, such as those of releases before there were
    /// signatures.
    pub accept_unsigned: bool,
}

impl Default for SnapshotsConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            every_seconds: Duration::from_secs(3_600),
            keep: daybook_snapshot::KEEP_MIN,
            accept_unsigned: false,
        }
    }
}

/// The archived beginning of the log.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ArchiveConfig {
    /// Where it is: "file:///FOLDER", "s3://BUCKET/PREFIX". Empty: there is none.
    pub url: String,
}

/// How S3 is reached. Credentials come from the environment, as for every S3 client: AWS_ACCESS_KEY_ID and so on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ObjectsConfig {
    /// URL of an S3 service other than Amazon's.
    pub endpoint: String,
    /// The region.
    pub region: String,
}

/// Events of product use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AnalyticsConfig {
    /// Records what Daybook itself is used for, for tenants that have registered these events.
    pub own_usage: bool,
    /// Where exports go: "file:///FOLDER", "s3://BUCKET/PREFIX". Empty: with a log on the local disk into `exports` in the
    /// data folder; nodes that share a log need a place that they share.
    pub export_url: String,
}

impl Default for AnalyticsConfig {
    fn default() -> Self {
        Self { own_usage: true, export_url: String::new() }
    }
}

/// Logs and traces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// "text" or "json".
    pub log_format: String,
    /// What is logged, in the form of tracing's EnvFilter, for example "info,daybook_runtime=debug".
    pub log_filter: String,
    /// What is traced, in the form of tracing's EnvFilter. Only Daybook's own spans, whatever log_filter says.
    pub trace_filter: String,
    /// Where traces go, by OTLP over gRPC, for example "http://127.0.0.1:4317". Empty: nowhere.
    pub otlp_endpoint: String,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            log_format: "text".to_owned(),
            log_filter: "info".to_owned(),
            trace_filter: "off,daybook=info".to_owned(),
            otlp_endpoint: String::new(),
        }
    }
}

impl Config {
    /// Reads the file, if one is given, and the environment.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut table = match file {
            None => toml::Table::new(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| ConfigError(format!("{}: {error}", path.display())))?;
                // Read once as it stands, so that mistakes are shown with their place in the file.
                toml::from_str::<Self>(&text).map_err(|error| in_file(path, &text, &error))?;
                text.parse().map_err(|error| in_file(path, &text, &error))?
            }
        };
        for (name, value) in environment {
            let Some(key) = name.strip_prefix(ENV_PREFIX).filter(|_| name != MASTER_KEY_ENV) else { continue };
            // Variables of other programs that start alike have no section.
            let Some((section, key)) = key.split_once("__") else { continue };
            set(&mut table, &section.to_lowercase(), &key.to_lowercase(), &value)
                .and_then(|()| table.clone().try_into::<Self>().map_err(|error| ConfigError(error.to_string())))
                .map_err(|error| ConfigError(format!("environment variable {name}: {error}")))?;
        }
        let config: Self = table.try_into().map_err(|error| ConfigError(error.to_string()))?;
        config.check()?;
        Ok(config)
    }

    /// What is in force, as people may see it: without passwords, keys and tokens.
    pub fn shown(&self) -> Result<toml::Table, ConfigError> {
        let table = toml::Table::try_from(self).map_err(|error| ConfigError(error.to_string()))?;
        let mut shown = toml::Value::Table(table);
        secrets::redact(&mut shown);
        Ok(shown.try_into().unwrap_or_default())
    }

    /// Where exports of events go if no place is named: into the data folder, unless other nodes have a part in the log.
    pub(crate) fn own_export_folder(&self) -> Option<PathBuf> {
        let is_alone = self.log.kafka_brokers().is_none();
        let folder = || std::path::absolute(self.node.data_dir.join("exports")).ok();
        (self.analytics.export_url.is_empty() && is_alone).then(folder).flatten()
    }

    /// Checks what no type can say.
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = |what: &str| Err(ConfigError(what.to_owned()));
        crate::http::cors_origins(&self.listen.cors_origins)?;
        if self.log.partitions == 0 || self.log.partitions > 4_096 {
            return wrong("log.partitions must be 1 to 4096");
        }
        if self.log.name.is_empty()
            || !self.log.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        {
            return wrong("log.name must consist of letters, digits and . _ -");
        }
        if self.log.url != "embedded" && self.log.kafka_brokers().is_none() {
            return wrong("log.url must be \"embedded\" or \"kafka://host:port\"");
        }
        if self.log.kafka_brokers().is_some_and(|brokers| brokers.contains('@')) {
            return wrong("log.url must hold no credentials: it is shown; set them in log.kafka_properties");
        }
        if self.log.kafka_replication < -1 {
            return wrong("log.kafka_replication must be -1, 0 or the number of replicas");
        }
        if self.log.kafka_check_seconds.is_zero() {
            return wrong("log.kafka_check_seconds must be at least 1");
        }
        if !matches!(self.log.recovery.as_str(), "strict" | "truncate") {
            return wrong("log.recovery must be \"strict\" or \"truncate\"");
        }
        if !matches!(self.auth.flat_roles.as_str(), "one-tenant" | "every-tenant") {
            return wrong("auth.flat_roles must be \"one-tenant\" or \"every-tenant\"");
        }
        if !matches!(self.node.file_access.as_str(), "owner" | "group") {
            return wrong("node.file_access must be \"owner\" or \"group\"");
        }
        if !matches!(self.telemetry.log_format.as_str(), "text" | "json") {
            return wrong("telemetry.log_format must be \"text\" or \"json\"");
        }
        if self.tls.certificate.is_some() != self.tls.private_key.is_some() {
            return wrong("tls.certificate and tls.private_key must be given together");
        }
        if self.tls.client_ca.is_some() && self.tls.certificate.is_none() {
            return wrong("tls.client_ca needs tls.certificate");
        }
        KeySource::parse(&self.auth.jwks, self.auth.jwks_allow_http)?;
        if self.auth.jwks_stale_max_seconds < self.auth.jwks_refresh_seconds.saturating_add(STALE_MARGIN) {
            return wrong(
                "auth.jwks_stale_max_seconds must be at least 60 more than auth.jwks_refresh_seconds: keys would be too old \
                 before they are read again",
            );
        }
        if !self.checkpoints.every_seconds.is_zero() && self.checkpoints.key_file.is_none() {
            return wrong("checkpoints.every_seconds needs checkpoints.key_file");
        }
        let export_url = ("analytics.export_url", &self.analytics.export_url);
        for (key, url) in [("snapshots.url", &self.snapshots.url), ("archive.url", &self.archive.url), export_url] {
            if !(url.is_empty() || url.starts_with("file:///") || url.starts_with("s3://")) {
                return wrong(&format!("{key} must be \"file:///FOLDER\" or \"s3://BUCKET/PREFIX\""));
            }
        }
        if self.snapshots.keep < daybook_snapshot::KEEP_MIN {
            return wrong("snapshots.keep must be at least 3: a damaged snapshot must have older ones behind it");
        }
        if self.snapshots.every_seconds.is_zero() {
            return wrong("snapshots.every_seconds must be at least 1; an empty snapshots.url switches snapshots off");
        }
        if let Some(problem) = self.limits.problem() {
            return wrong(problem);
        }
        self.check_inbox().map_or(Ok(()), |what| wrong(&what))
    }

    /// What is wrong with inbox and outbox, if something is.
    fn check_inbox(&self) -> Option<String> {
        let InboxConfig { topics, retention_seconds, reply_topic_prefix: prefix, .. } = &self.inbox;
        let needs_kafka = !topics.is_empty() || !self.outbox.domains.is_empty();
        if needs_kafka && self.log.kafka_brokers().is_none() {
            return Some("inbox.topics and outbox.domains need a log on Kafka: set log.url".to_owned());
        }
        let name = &self.log.name;
        let own = ["commands", "decisions", "keys", "inbox.rejected"].map(|topic| format!("{name}.{topic}"));
        let outbox = format!("{name}.outbox.");
        if topics.iter().any(|topic| own.contains(topic) || topic.starts_with(&outbox) || topic.is_empty()) {
            return Some("inbox.topics must not name a topic of the log itself".to_owned());
        }
        if retention_seconds.is_zero() || *retention_seconds > crate::inbox::RETENTION_MAX {
            let why = "inbox.retention_seconds must be 1 to 604800: records are not sealed on an inbox topic";
            return Some(why.to_owned());
        }
        let replies = match crate::inbox::ReplyTopics::parse(prefix, topics) {
            Ok(replies) => replies,
            Err(why) => return Some(format!("inbox.reply_topic_prefix {why}")),
        };
        let outboxes = self.outbox.domains.iter().map(|domain| format!("{outbox}{domain}"));
        let mut others = own.iter().chain(topics).cloned().chain(outboxes).chain([outbox.clone()]);
        if others.any(|topic| replies.reaches(&topic, topics)) || prefix.starts_with(&outbox) {
            return Some("inbox.reply_topic_prefix must fit no inbox topic and no topic of the log itself".to_owned());
        }
        None
    }
}

impl LogConfig {
    /// The brokers, for a log on Kafka.
    pub fn kafka_brokers(&self) -> Option<&str> {
        self.url.strip_prefix("kafka://").filter(|brokers| !brokers.is_empty())
    }
}

/// A mistake in a file with its place. The line itself is not shown: it may hold a password.
fn in_file(path: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let (line, column) = (before.matches('\n').count() + 1, before.rsplit('\n').next().unwrap_or_default().len() + 1);
    ConfigError(format!("{}: line {line}, column {column}: {}", path.display(), error.message()))
}

/// Sets a key; the value is read as TOML, or else taken as text.
fn set(table: &mut toml::Table, section: &str, key: &str, value: &str) -> Result<(), ConfigError> {
    let parsed = format!("v = {value}").parse::<toml::Table>().ok().and_then(|mut table| table.remove("v"));
    let value = parsed.unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let section = table.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
    let section = section.as_table_mut().ok_or_else(|| ConfigError("is not a section".to_owned()))?;
    section.insert(key.to_owned(), value);
    Ok(())
}

/// Durations as whole seconds.
pub(crate) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(duration.as_secs())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str, value: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), value.to_owned())]
    }

    #[test]
    fn defaults_work_with_no_file_at_all() {
        let config = Config::load(None, []).unwrap();
        assert_eq!(config.log.partitions, 8);
        assert!(config.listen.address.ip().is_loopback());
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("daybook.toml");
        std::fs::write(&file, "[log]\npartitions = 4\nname = \"books\"\n").unwrap();
        let config = Config::load(Some(&file), env("DAYBOOK_LOG__PARTITIONS", "16")).unwrap();
        assert_eq!((config.log.partitions, config.log.name.as_str()), (16, "books"));
        let text = Config::load(None, env("DAYBOOK_LOG__URL", "kafka://127.0.0.1:9092")).unwrap();
        assert_eq!(text.log.kafka_brokers(), Some("127.0.0.1:9092"));
        assert!(Config::load(None, env("DAYBOOK_MASTER_KEY", "x")).is_ok(), "not a setting");
        assert!(Config::load(None, env("DAYBOOK_KAFKA_LIBS", "x")).is_ok(), "not a setting");
    }

    #[test]
    fn a_jwks_without_tls_is_for_this_machine_or_said_to_be_wanted() {
        for jwks in ["http://127.0.0.1:8080/jwks", "http://[::1]:8080/jwks", "http://localhost/jwks", "/etc/jwks.json"]
        {
            Config::load(None, env("DAYBOOK_AUTH__JWKS", jwks)).unwrap();
        }
        let allowed = env("DAYBOOK_AUTH__JWKS_ALLOW_HTTP", "true");
        let named = env("DAYBOOK_AUTH__JWKS", "http://id.example.com/jwks.json");
        Config::load(None, [allowed, named].concat()).unwrap();
        for other in ["http://127.0.0.1.example.com/jwks", "http://localhost.example.com/jwks"] {
            assert!(Config::load(None, env("DAYBOOK_AUTH__JWKS", other)).is_err(), "{other}");
        }
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("daybook.toml");
        std::fs::write(&file, "[log]\npartitons = 4\n").unwrap();
        let error = Config::load(Some(&file), []).unwrap_err().to_string();
        assert!(error.contains("partitons") && error.contains("line 2"), "{error}");
        for (name, value, says) in [
            ("DAYBOOK_LOG__PARTITONS", "4", "DAYBOOK_LOG__PARTITONS"),
            ("DAYBOOK_NOSUCH__KEY", "4", "nosuch"),
            ("DAYBOOK_LOG__PARTITIONS", "many", "DAYBOOK_LOG__PARTITIONS"),
            ("DAYBOOK_LISTEN__CORS_ORIGINS", "[\"*\"]", "listen.cors_origins"),
            ("DAYBOOK_LISTEN__CORS_ORIGINS", "[\"https://app.example.com/\"]", "has a path"),
            ("DAYBOOK_LOG__PARTITIONS", "0", "log.partitions"),
            ("DAYBOOK_LOG__URL", "postgres://x", "log.url"),
            ("DAYBOOK_TLS__CERTIFICATE", "x.pem", "tls.private_key"),
            ("DAYBOOK_CHECKPOINTS__EVERY_SECONDS", "60", "checkpoints.key_file"),
            ("DAYBOOK_SNAPSHOTS__KEEP", "1", "snapshots.keep"),
            ("DAYBOOK_AUTH__FLAT_ROLES", "all", "auth.flat_roles"),
            ("DAYBOOK_NODE__FILE_ACCESS", "everybody", "node.file_access"),
            ("DAYBOOK_SNAPSHOTS__URL", "/mnt/folder", "file:///FOLDER"),
            ("DAYBOOK_ARCHIVE__URL", "ftp://x", "archive.url"),
            ("DAYBOOK_AUTH__JWKS", "http://id.example.com/jwks.json", "https://"),
            ("DAYBOOK_AUTH__JWKS", "HTTP://id.example.com/jwks.json", "https://"),
            ("DAYBOOK_AUTH__JWKS", "https://me:secret@id.example.com/jwks.json", "user name"),
            ("DAYBOOK_AUTH__JWKS", "file:///etc/jwks.json", "path of a file"),
            ("DAYBOOK_AUTH__JWKS", "https://", "no URL"),
            ("DAYBOOK_AUTH__JWKS_STALE_MAX_SECONDS", "300", "auth.jwks_stale_max_seconds"),
            ("DAYBOOK_INBOX__TOPICS", "[\"orders\"]", "log.url"),
            ("DAYBOOK_OUTBOX__DOMAINS", "[\"legal_hold\"]", "log.url"),
            ("DAYBOOK_INBOX__RETENTION_SECONDS", "604801", "inbox.retention_seconds"),
            ("DAYBOOK_INBOX__REPLY_TOPIC_PREFIX", "daybook.", "inbox.reply_topic_prefix"),
        ] {
            let error = Config::load(None, env(name, value)).unwrap_err().to_string();
            assert!(error.contains(says), "{name}={value}: {error}");
        }
    }
}
