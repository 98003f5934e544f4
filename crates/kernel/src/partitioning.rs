//! From stream key to partition.
//!
//! `partition = first 8 bytes, big-endian, of BLAKE3(tenant || 0x00 || stream key), modulo the number of partitions`,
//! BLAKE3 in the derivation context "daybook.log.v1 partition". A key of the form `partition/<n>` of the platform's
//! tenant names partition n itself.
//!
//! The function never changes: a log whose commands were placed by another one could not be read.

use crate::id::{PartitionId, StreamKey, TenantId};

/// The partition in which a stream's commands are decided. `partitions` must not be 0.
pub fn partition_of(tenant: &TenantId, stream_key: &StreamKey, partitions: u32) -> PartitionId {
    assert!(partitions > 0, "a log has at least one partition");
    if tenant.is_platform()
        && let Some(named) = stream_key.named_partition()
        && named.0 < partitions
    {
        return named;
    }
    let mut hasher = blake3::Hasher::new_derive_key("daybook.log.v1 partition");
    hasher.update(tenant.as_str().as_bytes());
    hasher.update(&[0]);
    hasher.update(stream_key.as_str().as_bytes());
    let mut first = [0; 8];
    hasher.finalize_xof().fill(&mut first);
    let partition = u64::from_be_bytes(first) % u64::from(partitions);
    PartitionId(u32::try_from(partition).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(tenant: &str, key: &str, partitions: u32) -> u32 {
        partition_of(&TenantId::parse(tenant).unwrap(), &StreamKey::parse(key).unwrap(), partitions).0
    }

    /// These values are part of the log's format. They were computed with another implementation of BLAKE3.
    #[test]
    fn frozen() {
        assert_eq!(place("acme", "acme", 8), 4);
        assert_eq!(place("demo", "demo", 8), 7);
        assert_eq!(place("platform", "platform", 8), 7);
        assert_eq!(place("acme", "project/alpha", 8), 5);
        assert_eq!(place("acme", "project/alpha", 64), 5);
        assert_eq!(place("globex", "globex", 8), 5);
        assert_eq!(place("platform", "partition/5", 8), 5);
        assert_eq!(place("acme", "partition/5", 8), 2);
    }

    #[test]
    fn keys_spread_evenly() {
        let mut counts = [0_u32; 8];
        for i in 0..8_000 {
            counts[place("acme", &format!("key-{i}"), 8) as usize] += 1;
        }
        assert!(counts.iter().all(|&count| (850..1_150).contains(&count)), "{counts:?}");
    }
}
