//! A file with schemas of events, as people write it.

use daybook_event_rules::schema_rules::{breaks, check};
use daybook_instrument::{client, files, lint};

pub(super) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let files = match files::parse("events.yaml", &text) {
        Ok(files) => files,
        Err(findings) => {
            assert!(!findings.is_empty(), "a file that is refused has a reason");
            return;
        }
    };
    let problems = lint::lint(&files).iter().filter(|finding| finding.is_problem()).count();
    let schemas = files.schemas();
    for schema in &schemas {
        assert!(problems > 0 || check(schema).is_ok(), "what the linter passes is registered");
        assert!(breaks(schema, schema).is_empty(), "nothing breaks itself");
    }
    if problems == 0 {
        for language in client::Language::ALL {
            assert_eq!(client::generate(language, &schemas), client::generate(language, &schemas));
        }
    }
}
