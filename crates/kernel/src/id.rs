//! Names of things. What parses into one of these types is well formed wherever it goes.

use std::fmt;
use std::sync::{Arc, LazyLock};

use uuid::Uuid;

/// A string that cannot be one of our names, with the rule it breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidName(pub &'static str);

/// A tenant: 1 to 63 characters of `a-z 0-9 -`, the first of them a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantId(Arc<str>);

impl TenantId {
    const RULE: &'static str = "must be 1 to 63 characters of a-z 0-9 and -, the first a letter or digit";

    /// Checks the form of a tenant id.
    pub fn parse(id: &str) -> Result<Self, InvalidName> {
        let first = id.bytes().next().ok_or(InvalidName(Self::RULE))?;
        let well_formed = id.len() <= 63
            && (first.is_ascii_lowercase() || first.is_ascii_digit())
            && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if well_formed { Ok(Self(id.into())) } else { Err(InvalidName(Self::RULE)) }
    }

    /// The tenant under which the platform governs itself: tenants, policy sets, the clock.
    pub fn platform() -> &'static Self {
        static PLATFORM: LazyLock<TenantId> = LazyLock::new(|| TenantId("platform".into()));
        &PLATFORM
    }

    /// What a partition keeps for itself (timers that are due, effects that are open). No caller can name it: the
    /// underscore is outside the rule.
    pub fn partition() -> &'static Self {
        static PARTITION: LazyLock<TenantId> = LazyLock::new(|| TenantId("_partition".into()));
        &PARTITION
    }

    /// Whether this is [`TenantId::platform`].
    pub fn is_platform(&self) -> bool {
        &*self.0 == "platform"
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What must be decided one after the other. With its tenant it determines the partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamKey(String);

impl StreamKey {
    const RULE: &'static str = "must be 1 to 200 bytes without control characters";
    const PARTITION_PREFIX: &'static str = "partition/";

    /// Checks the form of a stream key.
    pub fn parse(key: &str) -> Result<Self, InvalidName> {
        if key.is_empty() || key.len() > 200 || key.chars().any(char::is_control) {
            return Err(InvalidName(Self::RULE));
        }
        Ok(Self(key.to_owned()))
    }

    /// The stream of a whole tenant.
    pub fn of_tenant(tenant: &TenantId) -> Self {
        Self(tenant.as_str().to_owned())
    }

    /// The stream of one partition itself: what every partition must be told goes here.
    pub fn of_partition(partition: PartitionId) -> Self {
        Self(format!("{}{}", Self::PARTITION_PREFIX, partition.0))
    }

    /// The partition that the key names literally, for a key made by [`StreamKey::of_partition`].
    pub fn named_partition(&self) -> Option<PartitionId> {
        self.0.strip_prefix(Self::PARTITION_PREFIX)?.parse().ok().map(PartitionId)
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id that a caller gives a command: a UUIDv7. The same id is decided once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId([u8; 16]);

impl CommandId {
    /// A new id from the clock and randomness. For callers and doors: never inside a decision.
    pub fn generate() -> Self {
        Self(*Uuid::now_v7().as_bytes())
    }

    /// The id that Daybook gives a command of its own: a UUIDv7 made of what the command follows from, so that
    /// sending it again sends the same id.
    pub fn derived(unix_ms: u64, from: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("daybook.log.v1 derived command id");
        for part in from {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let mut random = [0; 10];
        hasher.finalize_xof().fill(&mut random);
        Self(*uuid::Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid().as_bytes())
    }

    /// Reads the text form, with or without hyphens.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let uuid = Uuid::try_parse(text).map_err(|_| InvalidName("must be a UUID, version 7"))?;
        Self::checked(uuid)
    }

    /// Reads the 16 bytes of the log.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, InvalidName> {
        let uuid = Uuid::from_slice(bytes).map_err(|_| InvalidName("must be 16 bytes"))?;
        Self::checked(uuid)
    }

    fn checked(uuid: Uuid) -> Result<Self, InvalidName> {
        if uuid.get_version_num() != 7 {
            return Err(InvalidName("must be a UUID, version 7"));
        }
        Ok(Self(*uuid.as_bytes()))
    }

    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).hyphenated().fmt(f)
    }
}

impl fmt::Debug for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A partition, from 0. How many there are is fixed when the log is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(pub u32);

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A place in one topic of one partition, from 0 and without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Offset(pub u64);

impl Offset {
    /// The place after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The term of a partition's owner: each takeover is one more than the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u64);

/// The command at `offset` of `partition`; as a state, the one after it was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The partition.
    pub partition: PartitionId,
    /// Offset in the commands topic.
    pub offset: Offset,
}

impl From<Position> for daybook_proto::log::v1::Position {
    fn from(position: Position) -> Self {
        Self { partition: position.partition.0, offset: position.offset.0 }
    }
}

impl From<&daybook_proto::log::v1::Position> for Position {
    fn from(position: &daybook_proto::log::v1::Position) -> Self {
        Self { partition: PartitionId(position.partition), offset: Offset(position.offset) }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.partition, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenant_ids() {
        for good in ["a", "acme", "0-9", "a23456789012345678901234567890123456789012345678901234567890123"] {
            assert!(TenantId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "Acme", "a_b", "a b", "ä", &"a".repeat(64)] {
            assert!(TenantId::parse(bad).is_err(), "{bad}");
        }
        assert!(TenantId::parse(TenantId::platform().as_str()).is_ok());
        assert!(TenantId::parse(TenantId::partition().as_str()).is_err(), "no caller can name it");
    }

    #[test]
    fn only_version_7_is_a_command_id() {
        assert!(CommandId::parse("0190a5d4-7b1c-7f43-9d0e-5b6d0c1a2b3c").is_ok());
        assert!(CommandId::parse("936da01f-9abd-4d9d-80c7-02af85c822a8").is_err(), "version 4");
        assert!(CommandId::parse("nonsense").is_err());
        assert!(CommandId::from_slice(&[0; 16]).is_err());
        assert!(CommandId::from_slice(&[0; 3]).is_err());
    }

    #[test]
    fn derived_ids_are_a_function_of_what_they_follow_from() {
        let id = CommandId::derived(1_700_000_000_000, &[b"effect", b"7"]);
        assert_eq!(id, CommandId::derived(1_700_000_000_000, &[b"effect", b"7"]));
        assert_ne!(id, CommandId::derived(1_700_000_000_000, &[b"effec", b"t7"]), "parts do not run together");
        assert_eq!(CommandId::parse(&id.to_string()), Ok(id));
    }

    #[test]
    fn a_partition_stream_names_its_partition() {
        assert_eq!(StreamKey::of_partition(PartitionId(7)).named_partition(), Some(PartitionId(7)));
        assert_eq!(StreamKey::parse("partition/x").unwrap().named_partition(), None);
        assert!(StreamKey::parse("a\u{0}b").is_err());
    }
}
