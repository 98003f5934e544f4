//! A record of the commands topic, decided in the middle of a log's life.

use bytes::Bytes;
use daybook_proto::log::v1::CommandRecord;
use prost::Message;

use crate::world::world;

pub(super) fn run(bytes: &[u8]) {
    let command = CommandRecord::decode(bytes).unwrap_or_default();
    let world = world();
    world.decide(world.partition_of(&command), &Bytes::copy_from_slice(bytes));
}
