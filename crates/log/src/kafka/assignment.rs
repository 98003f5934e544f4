//! What a member of a consumer group was given, as Kafka's classic protocol writes it (ConsumerProtocolAssignment of
//! Kafka's protocol guide): a version, then topics with their partitions, then bytes that are nobody's business here.

use std::collections::BTreeSet;

use daybook_kernel::id::PartitionId;

/// The partitions of one topic in an assignment; `None` if the bytes are no assignment. A member that has not been given
/// anything yet has no bytes at all.
pub(super) fn partitions_of(topic: &str, assignment: &[u8]) -> Option<BTreeSet<PartitionId>> {
    let mut partitions = BTreeSet::new();
    if assignment.is_empty() {
        return Some(partitions);
    }
    let mut rest = assignment;
    let _version = take::<2>(&mut rest)?;
    for _ in 0..count(&mut rest)? {
        let length = usize::try_from(i16::from_be_bytes(take(&mut rest)?)).ok()?;
        let (name, after) = rest.split_at_checked(length)?;
        rest = after;
        for _ in 0..count(&mut rest)? {
            let partition = u32::try_from(i32::from_be_bytes(take(&mut rest)?)).ok()?;
            if name == topic.as_bytes() {
                partitions.insert(PartitionId(partition));
            }
        }
    }
    Some(partitions)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*taken)
}

/// The length of an array; a missing array (-1) is an empty one.
fn count(rest: &mut &[u8]) -> Option<u32> {
    let count = i32::from_be_bytes(take(rest)?);
    if count == -1 { Some(0) } else { u32::try_from(count).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(topics: &[(&str, &[i32])]) -> Vec<u8> {
        let mut bytes = vec![0, 3];
        bytes.extend((topics.len() as i32).to_be_bytes());
        for (name, partitions) in topics {
            bytes.extend((name.len() as i16).to_be_bytes());
            bytes.extend(name.as_bytes());
            bytes.extend((partitions.len() as i32).to_be_bytes());
            partitions.iter().for_each(|partition| bytes.extend(partition.to_be_bytes()));
        }
        bytes.extend((-1_i32).to_be_bytes());
        bytes
    }

    fn ids(ids: &[u32]) -> Option<BTreeSet<PartitionId>> {
        Some(ids.iter().map(|id| PartitionId(*id)).collect())
    }

    #[test]
    fn the_partitions_of_the_topic_are_found() {
        let bytes = written(&[("a.decisions", &[7]), ("a.commands", &[0, 5, 2]), ("b.commands", &[9])]);
        assert_eq!(partitions_of("a.commands", &bytes), ids(&[0, 2, 5]));
        assert_eq!(partitions_of("c.commands", &bytes), ids(&[]));
        assert_eq!(partitions_of("a.commands", &[]), ids(&[]), "nothing was given yet");
    }

    #[test]
    fn bytes_that_are_no_assignment_are_told() {
        let bytes = written(&[("a.commands", &[0, 5, 2])]);
        for length in 1..bytes.len() - 4 {
            assert_eq!(partitions_of("a.commands", &bytes[..length]), None, "{length}");
        }
        assert_eq!(partitions_of("a.commands", &written(&[("a.commands", &[-1])])), None);
        assert_eq!(partitions_of("a.commands", &[127; 64]), None);
    }
}
