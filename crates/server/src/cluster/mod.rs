//! Several nodes on one log.
//!
//! ```text
//!   consumer group: who should own what --+
//!                                          +--> roles --> each partition leads, follows or rests
//!   other nodes: who leads what, how close-+         \--> routes: where commands and queries go
//! ```
//!
//! | file | what it does |
//! | --- | --- |
//! | `roles` | what this node should do with a partition, from what it knows; pure |
//! | `coordinator` | keeps the roles up to date with what it knows |
//! | `known` | what it knows: the group's word, the other nodes' own, and which of them is newer |
//! | `connections` | calls to other nodes |
//! | `credentials`, `replays` | how nodes know each other, and each other's answers; each request is answered once |
//! | `wire` | one message on the wire, within a limit |
//! | `peers` | commands and queries that other nodes have to decide or answer |
//! | `door` | what other nodes may ask of this one |
//!
//! The log does not need it: the decision chain keeps owners apart, whatever is believed here. Callers do: what another
//! node answers is what they are told.

mod connections;
mod coordinator;
mod credentials;
mod door;
mod known;
mod peers;
mod replays;
mod roles;
mod wire;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use daybook_kernel::feature_level::FeatureLevel;
use daybook_kernel::governance;
use daybook_kernel::registry::Registry;
use daybook_kernel::time::Timestamp;
use daybook_log::Membership;
use daybook_privacy::MasterKey;
use daybook_runtime::{Node, Partition, Roles};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::config::TlsConfig;

use connections::Connections;
pub use credentials::{AnswerParts, Body, Code, Credentials, OldRequest, SignedRequest};
use known::Known;
use replays::Replays;

pub(crate) use connections::{Destination, SERVICE};
pub(crate) use door::serve;
pub(crate) use known::Seen;

/// From this level of the log on, requests and answers between nodes need codes in headers. Nodes of the releases before
/// know no such headers, and the level says that there are none left.
pub(crate) const CODES_REQUIRED: FeatureLevel = FeatureLevel(3);

/// This node's part in a cluster.
pub(crate) struct Cluster {
    node_id: String,
    address: String,
    registry: Arc<Registry>,
    credentials: Credentials,
    connections: Connections,
    membership: Mutex<Option<Arc<Membership>>>,
    /// The node, once it runs. It holds this cluster, so it is not held back.
    node: OnceLock<Weak<Node>>,
    roles: Roles,
    standbys: usize,
    understands: FeatureLevel,
    disk_nearly_full: Arc<AtomicBool>,
    leaving: AtomicBool,
    known: Mutex<Known>,
    /// Whether the log has reached [`CODES_REQUIRED`].
    codes_required: Arc<AtomicBool>,
    replays: Replays,
    /// Bodies of nodes of an older release that may be read at once.
    old_bodies: Semaphore,
}

/// What a cluster is made of.
pub(crate) struct Parts {
    pub(crate) node_id: String,
    pub(crate) address: String,
    pub(crate) registry: Arc<Registry>,
    pub(crate) master: MasterKey,
    pub(crate) tls: TlsConfig,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) membership: Membership,
    pub(crate) roles: Roles,
    pub(crate) standbys: usize,
    pub(crate) understands: FeatureLevel,
    pub(crate) disk_nearly_full: Arc<AtomicBool>,
    /// When this node started.
    pub(crate) started_at: Timestamp,
}

impl Cluster {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let credentials = Credentials::new(&parts.master, &parts.node_id, parts.started_at);
        let codes_required = Arc::new(AtomicBool::new(false));
        let known_to_calls = Arc::clone(&codes_required);
        Arc::new(Self {
            connections: Connections::new(credentials.clone(), parts.tls, parts.ca, known_to_calls),
            credentials,
            node_id: parts.node_id,
            address: parts.address,
            registry: parts.registry,
            membership: Mutex::new(Some(Arc::new(parts.membership))),
            node: OnceLock::new(),
            roles: parts.roles,
            standbys: parts.standbys,
            understands: parts.understands,
            disk_nearly_full: parts.disk_nearly_full,
            leaving: AtomicBool::new(false),
            known: Mutex::default(),
            codes_required,
            replays: Replays::default(),
            old_bodies: Semaphore::new(door::OLD_BODIES_MAX),
        })
    }

    /// The node that runs.
    pub(crate) fn attach(&self, node: &Arc<Node>) {
        let _ = self.node.set(Arc::downgrade(node));
        self.look_at_level(node);
    }

    /// Notes the level that the log has reached, as the stores of this node have it: it never goes back.
    fn look_at_level(&self, node: &Node) {
        if self.codes_required() {
            return;
        }
        let has_reached = |partition: &Arc<Partition>| {
            let level = governance::feature_level(&*partition.store().live());
            level.is_ok_and(|level| level >= CODES_REQUIRED)
        };
        if node.partitions().iter().any(has_reached) {
            tracing::info!(level = CODES_REQUIRED.0, "requests and answers between nodes need codes from now on");
            self.codes_required.store(true, Ordering::Relaxed);
        }
    }

    fn codes_required(&self) -> bool {
        self.codes_required.load(Ordering::Relaxed)
    }

    fn node(&self) -> Option<Arc<Node>> {
        self.node.get()?.upgrade()
    }

    fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// The other nodes, as they were seen last, by id.
    pub(crate) fn peers(&self) -> BTreeMap<String, Seen> {
        self.known.lock().peers.clone()
    }
}
