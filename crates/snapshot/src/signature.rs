//! Who has written a manifest. A snapshot is the state that a node goes on from: whoever can write to the object store
//! could put another state there, with holds missing from it, and checksums that fit. So a manifest, which holds the checksum
//! of every file, carries a code that only a node with the master key can make.

use std::fmt;

use crate::manifest::SnapshotManifest;

/// The key that manifests are signed with: 32 bytes that follow from the master key and tell nothing about it.
#[derive(Clone)]
pub struct ManifestKey([u8; 32]);

impl ManifestKey {
    /// What the key is for, for whoever derives it.
    pub const PURPOSE: &'static str = "snapshot manifests";

    /// A key.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The code of a manifest: a BLAKE3 keyed hash over everything else in it.
    pub(crate) fn sign(&self, manifest: &SnapshotManifest) -> Result<blake3::Hash, String> {
        let unsigned = SnapshotManifest { signature: String::new(), ..manifest.clone() };
        let bytes = serde_json::to_vec(&unsigned).map_err(|error| error.to_string())?;
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(b"daybook snapshot manifest\0").update(&bytes);
        Ok(hasher.finalize())
    }
}

impl fmt::Debug for ManifestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ManifestKey")
    }
}

/// What the signature of a manifest says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// A node with this master key has written it.
    Good,
    /// There is none: an older release has written it, or somebody else.
    Missing,
    /// It is not that of a node with this master key, or the manifest was changed since.
    Wrong,
    /// It cannot be told without the master key.
    Unchecked,
}

impl Signature {
    /// Of a manifest.
    pub(crate) fn of(manifest: &SnapshotManifest, key: Option<&ManifestKey>) -> Self {
        let Some(key) = key else { return Self::Unchecked };
        if manifest.signature.is_empty() {
            return Self::Missing;
        }
        let found = blake3::Hash::from_hex(&manifest.signature);
        // Comparing two of these hashes takes the same time wherever they differ.
        match (found, key.sign(manifest)) {
            (Ok(found), Ok(right)) if found == right => Self::Good,
            _ => Self::Wrong,
        }
    }

    /// Why the state may not be believed, if it may not.
    pub(crate) fn objection(self, accept_unsigned: bool) -> Option<&'static str> {
        match self {
            Self::Good => None,
            Self::Wrong => Some("its manifest was not signed with this master key, or was changed since"),
            Self::Missing | Self::Unchecked if accept_unsigned => None,
            Self::Missing => Some(
                "its manifest is not signed: set snapshots.accept_unsigned if a release before there were signatures has \
                 written it",
            ),
            Self::Unchecked => Some("whether its manifest is signed cannot be told without the master key"),
        }
    }
}
