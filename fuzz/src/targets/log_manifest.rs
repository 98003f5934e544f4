//! The manifest of an exported or archived log.

use daybook_log::Topic;
use daybook_segments::{Manifest, segment_file};

pub(super) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(manifest) = Manifest::parse(text) else { return };
    let again = Manifest::parse(&manifest.to_text().expect("it can be written"));
    assert_eq!(again.as_ref(), Ok(&manifest));
    for partition in 0..manifest.partitions {
        for topic in Topic::ALL {
            let lane = manifest.lane(topic, partition).expect("both topics of every partition are there");
            assert!(lane.first <= lane.next);
            let mut next = lane.first;
            for segment in &lane.segments {
                assert_eq!(segment.file, segment_file(topic, partition, next), "it points nowhere else");
                next = segment.next();
            }
            assert_eq!(next, lane.next);
        }
    }
}
