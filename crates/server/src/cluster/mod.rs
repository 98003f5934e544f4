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
//! | `connections`, `credentials` | calls to other nodes, and how they know each other |
//! | `peers` | commands and queries that other nodes have to decide or answer |
//! | `door` | what other nodes may ask of this one |
//!
//! None of it is needed for safety: the decision chain keeps owners apart, whatever is believed here.

mod connections;
mod coordinator;
mod credentials;
mod door;
mod known;
mod peers;
mod roles;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use daybook_kernel::feature_level::FeatureLevel;
use daybook_kernel::registry::Registry;
use daybook_log::Membership;
use daybook_privacy::MasterKey;
use daybook_runtime::{Node, Roles};
use parking_lot::Mutex;

use crate::config::TlsConfig;

use connections::Connections;
pub use credentials::Credentials;
use known::Known;

pub(crate) use connections::SERVICE;
pub(crate) use door::serve;
pub(crate) use known::Seen;

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
}

impl Cluster {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let credentials = Credentials::new(&parts.master, &parts.node_id);
        Arc::new(Self {
            connections: Connections::new(credentials.clone(), parts.tls, parts.ca),
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
        })
    }

    /// The node that runs.
    pub(crate) fn attach(&self, node: &Arc<Node>) {
        let _ = self.node.set(Arc::downgrade(node));
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
