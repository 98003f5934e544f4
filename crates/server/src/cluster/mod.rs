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
//! | `coordinator` | keeps what it knows up to date, and the roles with it |
//! | `connections`, `credentials` | calls to other nodes, and how they know each other |
//! | `peers` | commands and queries that other nodes have to decide or answer |
//! | `door` | what other nodes may ask of this one |
//!
//! None of it is needed for safety: the decision chain keeps owners apart, whatever is believed here.

mod connections;
mod coordinator;
mod credentials;
mod door;
mod peers;
mod roles;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use daybook_kernel::feature_level::FeatureLevel;
use daybook_kernel::registry::Registry;
use daybook_log::{Member, Membership};
use daybook_privacy::MasterKey;
use daybook_proto::cluster::v1::GetNodeResponse;
use daybook_runtime::{Node, Roles};
use parking_lot::Mutex;

use crate::config::TlsConfig;

use connections::Connections;
pub use credentials::Credentials;

pub(crate) use connections::SERVICE;
pub(crate) use door::serve;

/// This node's part in a cluster.
pub(crate) struct Cluster {
    node_id: String,
    registry: Arc<Registry>,
    credentials: Credentials,
    connections: Connections,
    membership: Mutex<Option<Arc<Membership>>>,
    /// The node, once it runs. It holds this cluster, so it is not held back.
    node: OnceLock<Weak<Node>>,
    roles: Roles,
    standbys: usize,
    understands: FeatureLevel,
    leaving: AtomicBool,
    known: Mutex<Known>,
}

/// What is known of the others.
#[derive(Default)]
struct Known {
    members: Vec<Member>,
    /// How long they have been assigned what they are, in microseconds since 1970; 0 before anything is known.
    assigned_since_us: i64,
    peers: BTreeMap<String, Seen>,
}

/// Another node, as it was seen last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) address: String,
    /// Calls in a row that found nobody listening.
    pub(crate) refused: u32,
    /// Calls in a row without an answer, for whatever reason.
    pub(crate) unanswered: u32,
    pub(crate) says: Option<GetNodeResponse>,
}

/// What a cluster is made of.
pub(crate) struct Parts {
    pub(crate) node_id: String,
    pub(crate) registry: Arc<Registry>,
    pub(crate) master: MasterKey,
    pub(crate) tls: TlsConfig,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) membership: Membership,
    pub(crate) roles: Roles,
    pub(crate) standbys: usize,
    pub(crate) understands: FeatureLevel,
}

impl Cluster {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let credentials = Credentials::new(&parts.master, &parts.node_id);
        Arc::new(Self {
            connections: Connections::new(credentials.clone(), parts.tls, parts.ca),
            credentials,
            node_id: parts.node_id,
            registry: parts.registry,
            membership: Mutex::new(Some(Arc::new(parts.membership))),
            node: OnceLock::new(),
            roles: parts.roles,
            standbys: parts.standbys,
            understands: parts.understands,
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
