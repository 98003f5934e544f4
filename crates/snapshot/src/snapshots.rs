//! Taking snapshots, listing them, and keeping no more than are wanted.
//!
//! ```text
//! <log>/snapshots/<partition>/<next record>-<time>-<node>/manifest.json     written last
//! <log>/snapshots/<partition>/<next record>-<time>-<node>/files/<file>
//! ```
//!
//! Names sort by the place in the log. Each node writes below names of its own, so several may take snapshots of one
//! partition.

use std::fs;
use std::path::Path;

use daybook_kernel::chain::Head;
use daybook_kernel::hash::Hash;
use daybook_kernel::id::PartitionId;
use daybook_kernel::time::Timestamp;
use daybook_rocks::Memory;
use daybook_store::{Inspected, StoreError, inspect};

use crate::files::blocking;
use crate::manifest::{SnapshotFile, SnapshotManifest};
use crate::{ManifestKey, Objects, Signature, SnapshotError};

/// At least so many snapshots of a partition are kept: a damaged one must have older ones behind it.
pub const KEEP_MIN: usize = 3;

/// An unfinished snapshot is removed after so long, in microseconds: until then somebody may be writing it.
const UNFINISHED_AFTER_US: i64 = 24 * 3_600 * 1_000_000;

/// The snapshots of a log.
#[derive(Debug, Clone)]
pub struct Snapshots {
    pub(crate) objects: Objects,
    pub(crate) log: String,
    pub(crate) partitions: u32,
    keep: usize,
    key: Option<ManifestKey>,
    pub(crate) accept_unsigned: bool,
}

/// A snapshot that is there.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Its name in the object store.
    pub name: String,
    /// What it says, or why that cannot be read.
    pub manifest: Result<SnapshotManifest, String>,
    /// Who says so.
    pub signature: Signature,
}

impl Kept {
    fn is_signed(&self) -> bool {
        self.signature == Signature::Good
    }
}

impl Snapshots {
    /// Those of a log. `keep` of each partition are kept, and never fewer than [`KEEP_MIN`].
    pub fn new(objects: Objects, log: &str, partitions: u32, keep: usize) -> Self {
        let (key, accept_unsigned) = (None, false);
        Self { objects, log: log.to_owned(), partitions, keep: keep.max(KEEP_MIN), key, accept_unsigned }
    }

    /// The same, signed with a key, without which they are worth nothing.
    #[must_use]
    pub fn signed_with(self, key: ManifestKey) -> Self {
        Self { key: Some(key), ..self }
    }

    /// The same, where snapshots count that nobody has signed.
    #[must_use]
    pub fn accepting_unsigned(self, accept_unsigned: bool) -> Self {
        Self { accept_unsigned, ..self }
    }

    /// Where they are, for people.
    pub fn url(&self) -> &str {
        self.objects.url()
    }

    pub(crate) fn genesis(&self, partition: PartitionId) -> Hash {
        Head::genesis(&self.log, self.partitions, partition).hash
    }

    fn below(&self, partition: PartitionId) -> String {
        format!("{}/snapshots/{:04}", self.log, partition.0)
    }

    /// The names below a partition: finished snapshots and unfinished ones, newest first, each with its objects.
    async fn names(&self, partition: PartitionId) -> Result<Vec<(String, Vec<String>)>, SnapshotError> {
        let below = self.below(partition);
        let mut all: Vec<(String, Vec<String>)> = Vec::new();
        for object in self.objects.list(&below).await? {
            let Some(rest) = object.strip_prefix(&below).and_then(|rest| rest.strip_prefix('/')) else { continue };
            let Some((id, _)) = rest.split_once('/') else { continue };
            let name = format!("{below}/{id}");
            match all.last_mut() {
                Some((last, objects)) if *last == name => objects.push(object),
                _ => all.push((name, vec![object])),
            }
        }
        all.reverse();
        Ok(all)
    }

    /// The finished snapshots of a partition, newest first. An empty list says that there is none.
    pub async fn list(&self, partition: PartitionId) -> Result<Vec<Kept>, SnapshotError> {
        let mut kept = Vec::new();
        for (name, objects) in self.names(partition).await? {
            let manifest = manifest_of(&name);
            if !objects.contains(&manifest) {
                continue;
            }
            // Gone meanwhile: another node has pruned it.
            let Some(text) = self.objects.get(&manifest).await? else { continue };
            kept.push(self.kept(name, SnapshotManifest::parse(&text)));
        }
        Ok(kept)
    }

    fn kept(&self, name: String, manifest: Result<SnapshotManifest, String>) -> Kept {
        let key = self.key.as_ref();
        let signature = manifest.as_ref().map_or(Signature::Wrong, |manifest| Signature::of(manifest, key));
        Kept { name, manifest, signature }
    }

    /// Takes a snapshot of a partition's store, unless the newest one stands where the store stands. `copy_to` writes the
    /// copy into a folder that does not exist yet; `scratch` is where, on the disk of the store. Where the snapshot
    /// stands is read from inside the copy.
    pub async fn take(
        &self,
        partition: PartitionId,
        copy_to: impl FnOnce(&Path) -> Result<(), StoreError> + Send + 'static,
        scratch: &Path,
        node: &str,
        now: Timestamp,
    ) -> Result<Option<Kept>, SnapshotError> {
        fs::create_dir_all(scratch).map_err(|error| SnapshotError::file(scratch, error))?;
        let held = tempfile::Builder::new().prefix("snapshot-").tempdir_in(scratch);
        let held = held.map_err(|error| SnapshotError::file(scratch, error))?;
        let copy = held.path().join("copy");
        let (head, files) = {
            let (copy, genesis) = (copy.clone(), self.genesis(partition));
            let copied = tokio::task::spawn_blocking(move || copied(&copy, genesis, copy_to)).await;
            copied.map_err(|error| SnapshotError::file(scratch, error))??
        };
        let Some(head) = head else { return Ok(None) };
        // What somebody else has put there does not keep a node from taking its own.
        let own = self.list(partition).await?.into_iter().filter(|kept| self.key.is_none() || kept.is_signed());
        let newest = own.filter_map(|kept| kept.manifest.ok()).next();
        if newest.is_some_and(|newest| newest.next_record >= head.next_record.0) {
            return Ok(None);
        }
        let by = &blake3::hash(node.as_bytes()).to_hex()[..8];
        let name = format!("{}/{:020}-{:020}-{by}", self.below(partition), head.next_record.0, now.as_micros());
        let mut sent = Vec::new();
        for file in files {
            let sum = self.objects.put_file(&format!("{name}/files/{file}"), &copy.join(&file)).await?;
            sent.push(SnapshotFile { name: file, bytes: sum.bytes, blake3: sum.blake3 });
        }
        let (format, version, written_by) = SnapshotManifest::format(self.key.is_some());
        let mut manifest = SnapshotManifest {
            format,
            version,
            written_by,
            log: self.log.clone(),
            partitions: self.partitions,
            partition: partition.0,
            genesis: self.genesis(partition).to_hex(),
            head_hash: head.hash.to_hex(),
            next_record: head.next_record.0,
            next_command: head.next_command.0,
            epoch: head.epoch.0,
            node: node.to_owned(),
            taken_at_us: now.as_micros(),
            files: sent,
            signature: String::new(),
        };
        if let Some(key) = &self.key {
            let signature = key.sign(&manifest).map_err(|what| SnapshotError::file(&copy, what))?;
            manifest.signature = signature.to_hex().to_string();
        }
        let text = manifest.to_text().map_err(|what| SnapshotError::file(&copy, what))?;
        self.objects.put(&manifest_of(&name), text.into()).await?;
        // A large folder goes where it does not hold up others.
        blocking(scratch, move || held.close()).await?;
        Ok(Some(self.kept(name, Ok(manifest))))
    }

    /// Removes the oldest snapshots of a partition beyond those that are kept, and what was never finished. Says how many
    /// went. Those that others have put there count for nothing, and stay for an operator to look at: else whoever can write
    /// there could have the good ones removed.
    pub async fn prune(&self, partition: PartitionId, now: Timestamp) -> Result<usize, SnapshotError> {
        let (mut finished, mut removed) = (0, 0);
        for (name, objects) in self.names(partition).await? {
            let manifest = manifest_of(&name);
            let goes = if objects.contains(&manifest) {
                let Some(text) = self.objects.get(&manifest).await? else { continue };
                match self.kept(name.clone(), SnapshotManifest::parse(&text)).signature {
                    Signature::Good | Signature::Unchecked => {
                        finished += 1;
                        finished > self.keep
                    }
                    // Of a release before there were signatures: kept until there are enough with one.
                    Signature::Missing => finished >= self.keep,
                    Signature::Wrong => false,
                }
            } else {
                let taken_at = name.rsplit('-').nth(1).and_then(|micros| micros.parse::<i64>().ok());
                taken_at.is_none_or(|taken_at| now.as_micros().saturating_sub(taken_at) > UNFINISHED_AFTER_US)
            };
            if goes {
                removed += 1;
                // First: what is half removed must not look finished.
                self.objects.delete(&manifest).await?;
                for object in objects.iter().filter(|object| **object != manifest) {
                    self.objects.delete(object).await?;
                }
            }
        }
        Ok(removed)
    }
}

pub(crate) fn manifest_of(name: &str) -> String {
    format!("{name}/manifest.json")
}

/// Makes the copy, and reads from inside it where it stands. `None`: nothing was ever applied.
fn copied(
    copy: &Path,
    genesis: Hash,
    copy_to: impl FnOnce(&Path) -> Result<(), StoreError>,
) -> Result<(Option<Head>, Vec<String>), SnapshotError> {
    copy_to(copy)?;
    let head = head_inside(copy, genesis)?;
    let mut files = Vec::new();
    for entry in fs::read_dir(copy).map_err(|error| SnapshotError::file(copy, error))? {
        let entry = entry.map_err(|error| SnapshotError::file(copy, error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // What RocksDB writes for people and for itself while it is open.
        if name != "LOCK" && name != "IDENTITY" && !name.starts_with("LOG") && entry.path().is_file() {
            files.push(name);
        }
    }
    files.sort();
    Ok((head, files))
}

/// Where the store in a folder stands, read from its own rows.
pub(crate) fn head_inside(folder: &Path, genesis: Hash) -> Result<Option<Head>, SnapshotError> {
    let Inspected { genesis: found, head, .. } = inspect(folder, &[], None, &Memory::new(1 << 20, 1 << 20))?;
    match found {
        Some(found) if found != genesis => Err(StoreError::OfAnotherLog { folder: folder.to_owned() }.into()),
        _ => Ok(head),
    }
}
