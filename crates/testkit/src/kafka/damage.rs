//! Damage to what a broker has on its disk, where a batch of records lies in a file as it was sent. The broker must be
//! stopped, and stopped well: one that was killed checks its files at the start and cuts off what is damaged.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::raw::{HEADER_BYTES, crc32c};

/// What is done to a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// It says that it is compressed by this codec, and is not. Its checksum is right.
    Compression(u8),
    /// A bit of its records is another. Its checksum is wrong.
    Checksum,
}

/// Damages the batch that holds an offset; says which offsets it holds, first and last.
pub fn damage(data: &Path, topic: &str, partition: u32, offset: u64, damage: Damage) -> Result<(u64, u64)> {
    let folder = data.join(format!("{topic}-{partition}"));
    let segments = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    for segment in segments {
        let file = segment?.path();
        if file.extension().is_none_or(|extension| extension != "log") {
            continue;
        }
        let mut bytes = fs::read(&file)?;
        if let Some(found) = damage_in(&mut bytes, offset, damage) {
            fs::write(&file, bytes)?;
            return Ok(found);
        }
    }
    anyhow::bail!("offset {offset} is in no file of {}", folder.display())
}

fn damage_in(bytes: &mut [u8], offset: u64, damage: Damage) -> Option<(u64, u64)> {
    let mut at = 0;
    while bytes.len() >= at + HEADER_BYTES {
        let base = u64::from_be_bytes(bytes[at..at + 8].try_into().ok()?);
        let length = u32::from_be_bytes(bytes[at + 8..at + 12].try_into().ok()?) as usize;
        let last = base + u64::from(u32::from_be_bytes(bytes[at + 23..at + 27].try_into().ok()?));
        let end = at + 12 + length;
        if (base..=last).contains(&offset) {
            let batch = bytes.get_mut(at..end)?;
            match damage {
                Damage::Checksum => *batch.last_mut()? ^= 1,
                Damage::Compression(codec) => {
                    batch[22] = batch[22] & !7 | codec;
                    batch[HEADER_BYTES..].fill(0xa5);
                    let crc = crc32c(&batch[21..]).to_be_bytes();
                    batch[17..21].copy_from_slice(&crc);
                }
            }
            return Some((base, last));
        }
        at = end;
    }
    None
}
