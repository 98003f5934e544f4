//! An object store: named objects in a local folder or in an S3 bucket.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::SnapshotError;
use crate::files::Sum;
use crate::folder::Folder;
use crate::s3::{Bucket, S3Options};

/// A place for objects. Names have parts, with a slash between them.
///
/// What both kinds keep: an object is there whole or not at all; what was put is durable; listing a place that does not
/// exist is an error and not an empty list, so that "there is nothing" is never said of a disk that is not mounted or of
/// a bucket whose name is mistyped.
#[derive(Debug, Clone)]
pub struct Objects {
    place: Place,
    url: String,
}

#[derive(Debug, Clone)]
enum Place {
    Folder(Folder),
    S3(Bucket),
}

/// Why an object store does not do what it is asked.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The object store's side.
    There(String),
    /// A file on this machine.
    Here(PathBuf, std::io::Error),
}

impl Objects {
    /// Opens a place by its URL: `file:///folder`, or `s3://bucket/prefix`. Asks nothing yet.
    pub fn open(url: &str, s3: &S3Options) -> Result<Self, SnapshotError> {
        let wrong = |what: String| SnapshotError::Unavailable { url: url.to_owned(), what };
        let place = if let Some(folder) = url.strip_prefix("file://").filter(|folder| folder.starts_with('/')) {
            Place::Folder(Folder::new(folder))
        } else if let Some(bucket) = url.strip_prefix("s3://") {
            Place::S3(Bucket::new(bucket, s3).map_err(wrong)?)
        } else {
            return Err(wrong("it must be file:///FOLDER or s3://BUCKET/PREFIX".to_owned()));
        };
        Ok(Self { place, url: url.trim_end_matches('/').to_owned() })
    }

    /// Where it is, for people.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Puts an object, in place of the one that had this name.
    pub async fn put(&self, name: &str, bytes: Bytes) -> Result<(), SnapshotError> {
        self.told(match &self.place {
            Place::Folder(folder) => folder.put(name, bytes).await,
            Place::S3(bucket) => bucket.put(name, bytes).await,
        })
    }

    /// Puts a local file. Says what was sent.
    pub(crate) async fn put_file(&self, name: &str, file: &Path) -> Result<Sum, SnapshotError> {
        self.told(match &self.place {
            Place::Folder(folder) => folder.put_file(name, file).await,
            Place::S3(bucket) => bucket.put_file(name, file).await,
        })
    }

    /// An object; `None` when there is none of this name.
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>, SnapshotError> {
        self.told(match &self.place {
            Place::Folder(folder) => folder.get(name).await,
            Place::S3(bucket) => bucket.get(name).await,
        })
    }

    /// Writes an object into a local file, which is on the disk when this returns. Says what was received.
    pub(crate) async fn get_file(&self, name: &str, file: &Path) -> Result<Option<Sum>, SnapshotError> {
        self.told(match &self.place {
            Place::Folder(folder) => folder.get_file(name, file).await,
            Place::S3(bucket) => bucket.get_file(name, file).await,
        })
    }

    /// The names of all objects below one, in order.
    pub async fn list(&self, below: &str) -> Result<Vec<String>, SnapshotError> {
        let mut names = self.told(match &self.place {
            Place::Folder(folder) => folder.list(below).await,
            Place::S3(bucket) => bucket.list(below).await,
        })?;
        names.sort();
        Ok(names)
    }

    /// Removes an object; one that is not there is removed already.
    pub async fn delete(&self, name: &str) -> Result<(), SnapshotError> {
        self.told(match &self.place {
            Place::Folder(folder) => folder.delete(name).await,
            Place::S3(bucket) => bucket.delete(name).await,
        })
    }

    fn told<T>(&self, result: Result<T, Refused>) -> Result<T, SnapshotError> {
        result.map_err(|refused| match refused {
            Refused::There(what) => SnapshotError::Unavailable { url: self.url.clone(), what },
            Refused::Here(file, error) => SnapshotError::file(&file, error),
        })
    }
}
