//! An export of decisions that somebody hands to a third party, who checks it without the log.

use daybook_kernel::id::PartitionId;
use daybook_proto::node::v1::ExportDecisionsResponse;
use daybook_replay::proof::Chain;
use prost::Message;

pub(super) fn run(bytes: &[u8]) {
    let Ok(export) = ExportDecisionsResponse::decode(bytes) else { return };
    let mut chain = Chain::new("golden", 2, PartitionId(0));
    for link in &export.links {
        let before = chain.head();
        match chain.follow(link) {
            Ok(proven) => {
                assert_ne!(chain.head(), before, "a link moves the head");
                for one in proven {
                    assert_eq!(one.decision.command_hash, one.command_hash.as_bytes()[..]);
                }
            }
            Err(_) => assert_eq!(chain.head(), before, "what is not proven moves nothing"),
        }
    }
}
