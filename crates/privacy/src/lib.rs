//! What keeps personal data out of places where it does not belong: sealing, pseudonyms and the key ring, detection, and
//! the suppression of small groups.
//!
//! At the door, before anything is written, every message whose schema says that it carries content
//! (`daybook.options.v1.sealing`) has that content encrypted under a key made for the item or person concerned, and
//! identifiers of people become pseudonyms under a key of the tenant ([`Sealer`]). Keys lie in the [`KeyRing`], outside
//! log and store, wrapped by a master key. Destroying a key makes its content unreadable wherever it was copied, while
//! the log and its chain of hashes stay as they are.
//!
//! ```text
//! request ---> [ Sealer: collect keys -> KeyRing (durable) -> encrypt, pseudonymise ] ---> log
//! response <-- [ Opener: KeyRing -> decrypt ] <--- accepted reveal command
//! ```
//!
//! Beside that: [`detect`] finds personal data in text, [`RotatingPseudonyms`] let people be counted without being
//! followed, [`threshold`] keeps answers about groups from being answers about people. Not yet here: redaction profiles.
//!
//! Three rings: in memory, on a local disk ([`EmbeddedKeyRing`]), and shared by several nodes ([`SharedKeyRing`]).
//!
//! Architecture invariant: this crate knows the contract of a keyed log, and nothing of what such a log lies on. What a
//! field holds is said in `proto/`, and only there: this crate follows the schema and knows no domain.

mod cipher;
mod content;
mod error;
mod key_ring;
mod opener;
mod pseudonym;
mod rotation;
mod sealer;
mod secret_file;
mod spellings;

pub use daybook_detect as detect;
pub use daybook_disclosure as threshold;

pub use cipher::Key;
pub use error::{PrivacyError, codes};
pub use key_ring::{
    Destroyed, EmbeddedKeyRing, Imported, InspectedRing, KeyId, KeyRing, MasterKey, MemoryKeyRing, SharedKeyRing, Start,
};
pub use opener::Opener;
pub use pseudonym::is_pseudonym;
pub use rotation::{EpochKey, EpochKeys, RotatingPseudonyms, Rotation};
pub use sealer::{SealMode, Sealer};
pub use secret_file::exposed;

#[cfg(test)]
mod tests;
