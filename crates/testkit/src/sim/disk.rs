//! Stores of a simulated node: they keep what was flushed and forget, after a crash, some of what was written since. Each
//! commit is shown to the oracle.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use daybook_kernel::chain::Head;
use daybook_kernel::id::PartitionId;
use daybook_kernel::state::{Direction, Fault, MemoryState, ProjectionId, Read, Rows, Span, WriteSet};
use daybook_store::{Building, ProjectionVersion, Store, StoreError, Stores};
use parking_lot::Mutex;

use super::events::Shared;

/// Disks of a node, one for each partition. They outlive what runs on the node.
#[derive(Clone, Default)]
pub(super) struct Disks(Arc<Mutex<BTreeMap<PartitionId, Disk>>>);

#[derive(Clone)]
struct Disk {
    flushed: Arc<MemoryState>,
    flushed_head: Head,
    /// Commits since the last flush.
    since: Vec<(WriteSet, Head)>,
    rows: Arc<MemoryState>,
    head: Head,
    projections: Vec<ProjectionVersion>,
}

impl Disk {
    fn flush(&mut self) {
        self.flushed = Arc::clone(&self.rows);
        self.flushed_head = self.head.clone();
        self.since.clear();
    }
}

impl Disks {
    /// The machine failed, or the process was killed: every store is at some commit since its last flush.
    pub(super) fn crash(&self, rng: &mut fastrand::Rng) {
        for disk in self.0.lock().values_mut() {
            let kept = rng.usize(0..=disk.since.len());
            disk.since.truncate(kept);
            let mut rows = (*disk.flushed).clone();
            disk.head = disk.flushed_head.clone();
            for (writes, head) in &disk.since {
                rows.apply(writes);
                disk.head = head.clone();
            }
            disk.rows = Arc::new(rows);
        }
    }

    /// The disk was exchanged for an empty one.
    pub(super) fn wipe(&self) {
        self.0.lock().clear();
    }

    /// What a store holds now.
    pub(super) fn rows(&self, partition: PartitionId) -> Option<(Arc<MemoryState>, Head)> {
        self.0.lock().get(&partition).map(|disk| (Arc::clone(&disk.rows), disk.head.clone()))
    }
}

/// Opens a node's stores.
pub(super) struct NodeStores {
    pub(super) shared: Shared,
    pub(super) node: usize,
    pub(super) disks: Disks,
}

impl Stores for NodeStores {
    fn open(
        &self,
        partition: PartitionId,
        genesis: &Head,
        projections: &[ProjectionVersion],
    ) -> Result<(Arc<dyn Store>, Head), StoreError> {
        let projections = projections.iter().map(|one| ProjectionVersion { generation: 1, ..one.clone() }).collect();
        let mut disks = self.disks.0.lock();
        let disk = disks.entry(partition).or_insert_with(|| Disk {
            flushed: Arc::default(),
            flushed_head: genesis.clone(),
            since: Vec::new(),
            rows: Arc::default(),
            head: genesis.clone(),
            projections,
        });
        let head = disk.head.clone();
        let (shared, node, disks) = (self.shared.clone(), self.node, self.disks.clone());
        Ok((Arc::new(NodeStore { shared, node, disks, partition }), head))
    }
}

struct NodeStore {
    shared: Shared,
    node: usize,
    disks: Disks,
    partition: PartitionId,
}

impl NodeStore {
    fn disk<T>(&self, with: impl FnOnce(&mut Disk) -> T) -> Result<T, StoreError> {
        let mut disks = self.disks.0.lock();
        let disk = disks.get_mut(&self.partition).ok_or_else(|| StoreError::Failed("the disk is gone".to_owned()))?;
        Ok(with(disk))
    }

    fn check_space(&self) -> Result<(), StoreError> {
        if self.shared.lock().nodes[self.node].disk_full {
            return Err(StoreError::Failed("no space left on the simulated disk".to_owned()));
        }
        Ok(())
    }
}

impl Store for NodeStore {
    fn commit(&self, writes: &[&WriteSet], head: &Head) -> Result<(), StoreError> {
        self.check_space()?;
        let mut merged = WriteSet::default();
        for one in writes {
            merged.merge((*one).clone());
        }
        let before = self.disk(|disk| disk.head.clone())?;
        {
            let mut sim = self.shared.lock();
            let understands = sim.nodes[self.node].understands;
            sim.oracle.committed(self.node, understands, self.partition, &before, head, &merged);
        }
        self.disk(|disk| {
            Arc::make_mut(&mut disk.rows).apply(&merged);
            disk.head = head.clone();
            disk.since.push((merged, head.clone()));
        })
    }

    fn live(&self) -> Box<dyn Read + '_> {
        Box::new(Frozen(self.disk(|disk| Arc::clone(&disk.rows)).unwrap_or_default()))
    }

    fn snapshot(&self) -> Result<(Box<dyn Read + '_>, Head), StoreError> {
        let (rows, head) = self.disk(|disk| (Arc::clone(&disk.rows), disk.head.clone()))?;
        Ok((Box::new(Frozen(rows)), head))
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.check_space()?;
        self.disk(Disk::flush)
    }

    fn outdated(&self) -> Vec<ProjectionId> {
        Vec::new()
    }

    fn projections(&self) -> Vec<ProjectionVersion> {
        self.disk(|disk| disk.projections.clone()).unwrap_or_default()
    }

    fn estimated_rows(&self, projection: ProjectionId) -> Result<u64, StoreError> {
        self.disk(|disk| disk.rows.iter().filter(|(of, ..)| *of == projection).count() as u64)
    }

    fn build(self: Arc<Self>, projection: ProjectionId) -> Result<Box<dyn Building>, StoreError> {
        let serving = self.disk(|disk| disk.projections.iter().find(|one| one.id == projection).cloned())?;
        let serving = serving.ok_or_else(|| StoreError::Failed(format!("there is no projection {}", projection.0)))?;
        let built = ProjectionVersion { generation: serving.generation + 1, ..serving };
        Ok(Box::new(NodeBuilding { store: self, built, rows: Mutex::default() }))
    }
}

/// Rows that do not change.
struct Frozen(Arc<MemoryState>);

impl Read for Frozen {
    fn get(&self, projection: ProjectionId, key: &[u8]) -> Result<Option<Bytes>, Fault> {
        self.0.get(projection, key)
    }

    fn scan(&self, projection: ProjectionId, span: Span, direction: Direction) -> Rows<'_> {
        self.0.scan(projection, span, direction)
    }
}

struct NodeBuilding {
    store: Arc<NodeStore>,
    built: ProjectionVersion,
    rows: Mutex<MemoryState>,
}

impl Read for NodeBuilding {
    fn get(&self, projection: ProjectionId, key: &[u8]) -> Result<Option<Bytes>, Fault> {
        self.rows.lock().get(projection, key)
    }

    fn scan(&self, projection: ProjectionId, span: Span, direction: Direction) -> Rows<'_> {
        let rows: Vec<_> = self.rows.lock().scan(projection, span, direction).collect();
        Box::new(rows.into_iter())
    }
}

impl Building for NodeBuilding {
    fn projection(&self) -> &ProjectionVersion {
        &self.built
    }

    fn write(&self, writes: &WriteSet) -> Result<(), StoreError> {
        let mut mine = WriteSet::default();
        for (_, key, value) in writes.iter().filter(|(of, ..)| *of == self.built.id) {
            match value {
                Some(value) => mine.put(self.built.id, key.to_vec(), value.to_vec()),
                None => mine.delete(self.built.id, key.to_vec()),
            }
        }
        self.rows.lock().apply(&mine);
        Ok(())
    }

    fn estimated_rows(&self) -> Result<u64, StoreError> {
        Ok(self.rows.lock().iter().count() as u64)
    }

    fn swap_in(self: Box<Self>) -> Result<(), StoreError> {
        self.store.check_space()?;
        let built = self.rows.lock().clone();
        self.store.disk(|disk| {
            let mut exchange = WriteSet::default();
            for (of, key, _) in disk.rows.iter().filter(|(of, ..)| *of == self.built.id) {
                exchange.delete(of, key.to_vec());
            }
            for (of, key, value) in built.iter() {
                exchange.put(of, key.to_vec(), value.to_vec());
            }
            Arc::make_mut(&mut disk.rows).apply(&exchange);
            for projection in disk.projections.iter_mut().filter(|one| one.id == self.built.id) {
                *projection = self.built.clone();
            }
            disk.flush();
        })
    }
}
