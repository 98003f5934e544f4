//! Record batches put together byte by byte, as Kafka's protocol guide describes them, and put on a topic by a request of
//! our own: what no ordinary client would write.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};

/// Bytes before the records of a batch.
pub(super) const HEADER_BYTES: usize = 61;

/// Codecs by their numbers in the attributes of a batch.
pub const ZSTD: i16 = 4;

/// A record.
#[derive(Debug, Clone, Default)]
pub struct RawRecord {
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its content; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its headers. A name need not be text, and a value may be missing.
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl RawRecord {
    /// A record with these headers.
    pub fn new(headers: &[(&str, &[u8])], value: Option<&[u8]>) -> Self {
        let header = |(name, value): &(&str, &[u8])| (name.as_bytes().to_vec(), Some(value.to_vec()));
        Self { key: None, value: value.map(<[u8]>::to_vec), headers: headers.iter().map(header).collect() }
    }

    fn encode(&self, offset_delta: i64) -> Vec<u8> {
        let mut body = vec![0];
        varint(&mut body, 0);
        varint(&mut body, offset_delta);
        bytes(&mut body, self.key.as_deref());
        bytes(&mut body, self.value.as_deref());
        varint(&mut body, self.headers.len() as i64);
        for (name, value) in &self.headers {
            bytes(&mut body, Some(name));
            bytes(&mut body, value.as_deref());
        }
        let mut record = Vec::new();
        varint(&mut record, body.len() as i64);
        record.extend(body);
        record
    }
}

/// A batch of records that are not compressed.
pub fn batch(records: &[RawRecord]) -> Vec<u8> {
    let encoded = (0..).zip(records).flat_map(|(delta, record)| record.encode(delta)).collect::<Vec<_>>();
    sealed(&encoded, records.len(), 0)
}

/// A batch of so many records with this much zeros in each, compressed by zstd: a few KB that brokers take, and that a
/// client has to open to its full size.
pub fn zstd_bomb(records: usize, bytes_each: usize) -> Vec<u8> {
    const BLOCK_BYTES_MAX: usize = 128 << 10;
    const RAW: u32 = 0;
    const RUN: u32 = 1;
    let (mut blocks, mut size) = (Vec::<u8>::new(), 0_usize);
    let mut block = |kind: u32, length: usize, content: &[u8], is_last: bool| {
        let header = u32::from(is_last) | kind << 1 | (length as u32) << 3;
        blocks.extend(&header.to_le_bytes()[..3]);
        blocks.extend(content);
        size += length;
    };
    for number in 0..records {
        // Everything up to the value; the zeros of the value are followed by the number of headers, which is zero.
        let mut head = vec![0];
        varint(&mut head, 0);
        varint(&mut head, number as i64);
        varint(&mut head, -1);
        varint(&mut head, bytes_each as i64);
        let mut zeros = bytes_each + 1;
        let mut start = Vec::new();
        varint(&mut start, (head.len() + zeros) as i64);
        start.extend(head);
        block(RAW, start.len(), &start, false);
        while zeros > 0 {
            let length = zeros.min(BLOCK_BYTES_MAX);
            zeros -= length;
            block(RUN, length, &[0], zeros == 0 && number + 1 == records);
        }
    }
    // One segment, its size in four bytes.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
    frame.extend((size as u32).to_le_bytes());
    frame.extend(blocks);
    sealed(&frame, records, ZSTD)
}

/// A batch with its header and checksum.
fn sealed(records: &[u8], count: usize, attributes: i16) -> Vec<u8> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as i64;
    let mut checked = Vec::new();
    checked.extend(attributes.to_be_bytes());
    checked.extend((count as i32 - 1).to_be_bytes());
    checked.extend(now.to_be_bytes());
    checked.extend(now.to_be_bytes());
    // No producer id, epoch and sequence.
    checked.extend((-1_i64).to_be_bytes());
    checked.extend((-1_i16).to_be_bytes());
    checked.extend((-1_i32).to_be_bytes());
    checked.extend((count as i32).to_be_bytes());
    checked.extend(records);
    let mut batch = 0_i64.to_be_bytes().to_vec();
    batch.extend((checked.len() as i32 + 9).to_be_bytes());
    batch.extend((-1_i32).to_be_bytes());
    batch.push(2);
    batch.extend(crc32c(&checked).to_be_bytes());
    batch.extend(checked);
    batch
}

/// Puts a batch on a topic and says at which offset it begins.
pub fn produce(address: &str, topic: &str, partition: u32, batch: &[u8]) -> Result<u64> {
    let text = |text: &str| [&(text.len() as i16).to_be_bytes()[..], text.as_bytes()].concat();
    let mut request = Vec::new();
    // Produce, version 7: the first that takes zstd, and before lengths became variable.
    request.extend(0_i16.to_be_bytes());
    request.extend(7_i16.to_be_bytes());
    request.extend(1_i32.to_be_bytes());
    request.extend(text("raw"));
    // No transaction; all replicas; 30 seconds; one topic with one partition.
    request.extend((-1_i16).to_be_bytes());
    request.extend((-1_i16).to_be_bytes());
    request.extend(30_000_i32.to_be_bytes());
    request.extend(1_i32.to_be_bytes());
    request.extend(text(topic));
    request.extend(1_i32.to_be_bytes());
    request.extend((partition as i32).to_be_bytes());
    request.extend((batch.len() as i32).to_be_bytes());
    request.extend(batch);
    let mut connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(Duration::from_secs(60)))?;
    connection.write_all(&(request.len() as i32).to_be_bytes())?;
    connection.write_all(&request)?;
    let mut length = [0; 4];
    connection.read_exact(&mut length)?;
    let mut answer = vec![0; i32::from_be_bytes(length) as usize];
    connection.read_exact(&mut answer)?;
    // Request number, number of topics, name of the topic, number of partitions, partition, error, offset.
    let rest = answer.get(4 + 4 + 2 + topic.len() + 4 + 4..).context("the answer is too short")?;
    let (error, rest) = rest.split_first_chunk::<2>().context("the answer is too short")?;
    let (offset, _) = rest.split_first_chunk::<8>().context("the answer is too short")?;
    match i16::from_be_bytes(*error) {
        0 => Ok(i64::from_be_bytes(*offset) as u64),
        code => bail!("the broker refuses the batch with error {code}"),
    }
}

fn bytes(to: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => varint(to, -1),
        Some(bytes) => {
            varint(to, bytes.len() as i64);
            to.extend(bytes);
        }
    }
}

/// Zigzag, seven bits a byte.
fn varint(to: &mut Vec<u8>, number: i64) {
    let mut rest = (number << 1 ^ number >> 63) as u64;
    while rest >= 0x80 {
        to.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    to.push(rest as u8);
}

/// Castagnoli's polynomial, bit by bit.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_and_lengths_are_as_the_protocol_has_them() {
        // RFC 3720, B.4, and the protocol's own examples of variable lengths.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        let encoded = |number| {
            let mut bytes = Vec::new();
            varint(&mut bytes, number);
            bytes
        };
        assert_eq!([encoded(0), encoded(-1), encoded(1), encoded(-64)], [vec![0], vec![1], vec![2], vec![0x7f]]);
        assert_eq!(encoded(300), [0xd8, 0x04]);
    }
}
