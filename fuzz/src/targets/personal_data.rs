//! A text, or a JSON document, that the detectors of personal data look through.

use daybook_privacy::detect::{Detector, Sensitivity};

pub(super) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for sensitivity in [Sensitivity::Balanced, Sensitivity::Strict] {
        let detector = Detector::new(sensitivity);
        let found = detector.text(&text);
        for finding in &found {
            assert!(text.get(finding.range.clone()).is_some_and(|piece| !piece.is_empty()), "{finding:?}");
        }
        assert!(found.windows(2).all(|two| two[0].range.end <= two[1].range.start), "{found:?}");
        if let Ok(document) = serde_json::from_str::<serde_json::Value>(&text) {
            for located in detector.json(&document) {
                // Inside a string that holds a document, it points to what that document has.
                assert!(located.pointer.is_empty() || located.pointer.starts_with('/'), "{located:?}");
            }
        }
    }
}
