//! Restoring the newest whole snapshot.

use std::fs;
use std::path::{Path, PathBuf};

use daybook_kernel::id::PartitionId;

use crate::files::{blocking, sync_folder};
use crate::manifest::SnapshotManifest;
use crate::snapshots::head_inside;
use crate::{Kept, SnapshotError, Snapshots};

/// What became of a restore that could be carried through.
#[derive(Debug, Clone)]
pub enum Restored {
    /// There is no snapshot: the partition is folded from the log.
    None,
    /// The newest whole one was restored.
    From {
        /// Its name.
        name: String,
        /// What it says.
        manifest: Box<SnapshotManifest>,
        /// Newer ones that are damaged.
        skipped: Vec<Skipped>,
    },
}

/// A snapshot that is not whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    pub what: String,
}

impl Snapshots {
    /// Restores the newest whole snapshot of a partition into a folder that must not exist. Its manifest must be signed with
    /// the key of these snapshots, every file is checked against
    /// its checksum, and where the snapshot stands is read from inside; a snapshot that is not whole is passed over for
    /// the next older one. The folder is there whole or not at all.
    ///
    /// # Errors
    /// [`SnapshotError::Unavailable`] when the object store does not answer, [`SnapshotError::Damaged`] when there are
    /// snapshots and none is whole. Neither says that there is none: that is [`Restored::None`].
    pub async fn restore(&self, partition: PartitionId, into: &Path) -> Result<Restored, SnapshotError> {
        if into.exists() {
            return Err(SnapshotError::StoreExists { folder: into.to_owned() });
        }
        let kept = self.list(partition).await?;
        let mut skipped = Vec::new();
        for Kept { name, manifest, signature } in kept {
            let tried = match (manifest, signature.objection(self.accept_unsigned)) {
                (Err(what), _) => Err(Fault::Damaged(what)),
                (Ok(_), Some(objection)) => Err(Fault::Damaged(objection.to_owned())),
                (Ok(manifest), None) => self.try_restore(partition, &name, manifest, into).await,
            };
            match tried {
                Ok(manifest) => return Ok(Restored::From { name, manifest: Box::new(manifest), skipped }),
                Err(Fault::Damaged(what)) => skipped.push(Skipped { name, what }),
                Err(Fault::Stops(error)) => return Err(error),
            }
        }
        if skipped.is_empty() {
            return Ok(Restored::None);
        }
        let what: Vec<_> = skipped.iter().map(|skipped| format!("{}: {}", skipped.name, skipped.what)).collect();
        Err(SnapshotError::Damaged { url: self.url().to_owned(), partition, what: what.join("; ") })
    }

    /// Reads all of a snapshot and checks it, without restoring it anywhere.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`] when it is not whole.
    pub async fn check(&self, partition: PartitionId, kept: &Kept, scratch: &Path) -> Result<(), SnapshotError> {
        let damaged = |what: String| SnapshotError::Damaged {
            url: self.url().to_owned(),
            partition,
            what: format!("{}: {what}", kept.name),
        };
        let manifest = kept.manifest.clone().map_err(damaged)?;
        if let Some(objection) = kept.signature.objection(self.accept_unsigned) {
            return Err(damaged(objection.to_owned()));
        }
        let into = scratch.join(format!("check-{:04}", partition.0));
        let checked = self.try_restore(partition, &kept.name, manifest, &into).await;
        // Nothing of it is needed any more, whole or not.
        let _ = fs::remove_dir_all(&into);
        match checked {
            Ok(_) => Ok(()),
            Err(Fault::Damaged(what)) => Err(damaged(what)),
            Err(Fault::Stops(error)) => Err(error),
        }
    }

    async fn try_restore(
        &self,
        partition: PartitionId,
        name: &str,
        manifest: SnapshotManifest,
        into: &Path,
    ) -> Result<SnapshotManifest, Fault> {
        let wanted = format!("{} with {} partitions", self.log, self.partitions);
        if manifest.of_log() != wanted || manifest.partition() != partition {
            let found = format!("{}, partition {}", manifest.of_log(), manifest.partition);
            let wanted = format!("{wanted}, partition {partition}");
            return Err(Fault::Stops(SnapshotError::OfAnotherLog { name: name.to_owned(), found, wanted }));
        }
        // Beside its place, so that it is moved there in one step.
        let half = half_of(into);
        let made = half.clone();
        blocking(&half, move || {
            if made.exists() {
                fs::remove_dir_all(&made)?;
            }
            fs::create_dir_all(&made)
        })
        .await?;
        let downloaded = self.download(partition, name, &manifest, &half).await;
        let (from, to) = (half.clone(), into.to_owned());
        let is_whole = downloaded.is_ok();
        blocking(&half, move || {
            if !is_whole {
                return fs::remove_dir_all(&from);
            }
            sync_folder(&from)?;
            fs::rename(&from, &to)?;
            to.parent().map_or(Ok(()), sync_folder)
        })
        .await?;
        downloaded.map(|()| manifest)
    }

    async fn download(
        &self,
        partition: PartitionId,
        name: &str,
        manifest: &SnapshotManifest,
        half: &Path,
    ) -> Result<(), Fault> {
        for file in &manifest.files {
            let received =
                self.objects.get_file(&format!("{name}/files/{}", file.name), &half.join(&file.name)).await?;
            match received {
                None => return Err(Fault::Damaged(format!("{} is missing", file.name))),
                Some(sum) if sum.bytes != file.bytes => {
                    return Err(Fault::Damaged(format!(
                        "{} has {} bytes and not {}",
                        file.name, sum.bytes, file.bytes
                    )));
                }
                Some(sum) if sum.blake3 != file.blake3 => {
                    return Err(Fault::Damaged(format!("{} has not the checksum that the manifest says", file.name)));
                }
                Some(_) => {}
            }
        }
        let genesis = self.genesis(partition);
        let folder = half.to_owned();
        let head = tokio::task::spawn_blocking(move || head_inside(&folder, genesis)).await;
        let head = head.map_err(|error| SnapshotError::file(half, error))?;
        let inside = head.map_err(|error| Fault::Damaged(error.to_string()))?;
        match inside {
            Some(head)
                if head.hash.to_hex() == manifest.head_hash
                    && head.next_record.0 == manifest.next_record
                    && head.next_command.0 == manifest.next_command =>
            {
                Ok(())
            }
            _ => Err(Fault::Damaged("it does not stand where its manifest says".to_owned())),
        }
    }
}

/// Why one snapshot was not restored.
enum Fault {
    /// It is not whole: an older one may be.
    Damaged(String),
    /// No other one would do better.
    Stops(SnapshotError),
}

impl From<SnapshotError> for Fault {
    fn from(error: SnapshotError) -> Self {
        Self::Stops(error)
    }
}

fn half_of(into: &Path) -> PathBuf {
    let name = into.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    into.with_file_name(format!(".{name}.restoring"))
}
