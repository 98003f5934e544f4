//! The manifest of a snapshot, from an object store.

use std::path::{Component, Path};

use daybook_snapshot::SnapshotManifest;

pub(super) fn run(bytes: &[u8]) {
    let Ok(manifest) = SnapshotManifest::parse(bytes) else { return };
    for file in &manifest.files {
        let parts: Vec<_> = Path::new(&file.name).components().collect();
        assert!(matches!(parts[..], [Component::Normal(_)]), "{:?} leads out of the folder", file.name);
        assert!(manifest.bytes() >= file.bytes);
    }
    let text = serde_json::to_vec(&manifest).expect("it can be written");
    assert_eq!(SnapshotManifest::parse(&text).as_ref(), Ok(&manifest));
}
