//! Objects as files below a local folder. Not by the library that speaks S3: its local files are not synced, and the
//! snapshot must be on the disk before the log is trimmed.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::files::{Sum, copy_summed, sync_folder};
use crate::objects::Refused;

/// Files that are being written end so, and are no objects.
const HALF: &str = "half";

#[derive(Debug, Clone)]
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    pub(crate) fn new(root: &str) -> Self {
        Self { root: PathBuf::from(root) }
    }

    pub(crate) async fn put(&self, name: &str, bytes: Bytes) -> Result<(), Refused> {
        self.do_there(name, move |root, file| write(root, file, &bytes[..]).map(|_| ())).await
    }

    pub(crate) async fn put_file(&self, name: &str, from: &Path) -> Result<Sum, Refused> {
        let from = from.to_owned();
        self.do_there(name, move |root, file| write(root, file, File::open(from)?)).await
    }

    pub(crate) async fn get(&self, name: &str) -> Result<Option<Bytes>, Refused> {
        self.do_there(name, |_, file| found(fs::read(file).map(Bytes::from))).await
    }

    pub(crate) async fn get_file(&self, name: &str, into: &Path) -> Result<Option<Sum>, Refused> {
        let into = into.to_owned();
        self.do_there(name, move |_, file| {
            let Some(from) = found(File::open(file))? else { return Ok(None) };
            copy_summed(from, &into).map(Some)
        })
        .await
    }

    pub(crate) async fn list(&self, below: &str) -> Result<Vec<String>, Refused> {
        self.do_there(below, |root, file| {
            fs::metadata(root)?;
            let mut names = Vec::new();
            files_below(root, file, &mut names)?;
            Ok(names)
        })
        .await
    }

    pub(crate) async fn delete(&self, name: &str) -> Result<(), Refused> {
        self.do_there(name, |root, file| {
            found(fs::remove_file(file))?;
            // Folders that are empty now go as well; one that is not stays, and says so.
            for folder in file.ancestors().skip(1).take_while(|folder| *folder != root) {
                if fs::remove_dir(folder).is_err() {
                    break;
                }
            }
            Ok(())
        })
        .await
    }

    async fn do_there<T: Send + 'static>(
        &self,
        name: &str,
        what: impl FnOnce(&Path, &Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Refused> {
        let (root, file) = (self.root.clone(), self.root.join(name));
        let done = tokio::task::spawn_blocking(move || what(&root, &file)).await;
        let done = done.map_err(io::Error::other).and_then(|done| done);
        done.map_err(|error| Refused::There(format!("{}: {error}", self.root.join(name).display())))
    }
}

fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn write(root: &Path, file: &Path, from: impl io::Read) -> io::Result<Sum> {
    // The folder itself is made by whoever sets the place up: a disk that is not mounted must not be written beside.
    fs::metadata(root)?;
    let folder = file.parent().unwrap_or(root);
    fs::create_dir_all(folder)?;
    let half = file.with_extension(HALF);
    let sum = copy_summed(from, &half)?;
    fs::rename(&half, file)?;
    for folder in folder.ancestors().take_while(|folder| folder.starts_with(root)) {
        sync_folder(folder)?;
    }
    Ok(sum)
}

fn files_below(root: &Path, folder: &Path, names: &mut Vec<String>) -> io::Result<()> {
    let Some(entries) = found(fs::read_dir(folder))? else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            files_below(root, &path, names)?;
        } else if path.extension().is_none_or(|extension| extension != HALF)
            && let Ok(name) = path.strip_prefix(root)
        {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    Ok(())
}
