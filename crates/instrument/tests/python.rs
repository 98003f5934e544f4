//! The Python client: what it looks like, that its types hold, and what it sends.
//!
//! mypy is the one that `tests/setup/mypy.sh` prints, in the environment variable DAYBOOK_MYPY.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{Server, awkward, check_requests, golden, named_by, run};
use daybook_instrument::client::{Language, generate};

fn check_types(folder: &Path, file: &str) -> (bool, String) {
    let mypy = named_by("DAYBOOK_MYPY", "mypy.sh");
    run(Command::new(mypy)
        .args(["--strict", "--no-error-summary", "--cache-dir", "/dev/null", file])
        .current_dir(folder))
}

const HEAD: &str = "from events import Context, DaybookEvents

events = DaybookEvents(\"http://localhost\", \"secret\")
";

#[test]
fn python_client_has_types_that_hold() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(golden(Language::Python), folder.path().join("events.py")).unwrap();
    let right = r#"
events.case_exported(case_id="case-7", format="pdf", document_count=12)
events.case_exported(case_id="case-7", format="pdf", document_count=12, took=1500, context=Context(actor="bob"))
events.case_printed(class_="draft")
"#;
    fs::write(folder.path().join("use.py"), format!("{HEAD}{right}")).unwrap();
    assert_eq!(check_types(folder.path(), "use.py"), (true, String::new()));
}

#[test]
fn python_client_that_is_wrong_does_not_pass_the_type_checker() {
    let wrong = [
        ("events.case_exportd(case_id=\"c\", format=\"pdf\", document_count=1)", "[attr-defined]"),
        ("events.case_exported(case_id=\"c\", format=\"pdf\")", "[call-arg]"),
        ("events.case_exported(case_id=\"c\", format=\"pfd\", document_count=1)", "[arg-type]"),
        ("events.case_exported(case_id=\"c\", format=\"pdf\", document_count=\"1\")", "[arg-type]"),
        ("events.case_exported(case_id=\"c\", format=\"pdf\", document_count=1, name=\"Ann\")", "[call-arg]"),
        ("events.case_exported(\"c\", \"pdf\", 1)", "[call-arg]"),
        ("events.copilot_answer_used(answer_id=\"a\", context=Context(consents=7))", "[arg-type]"),
    ];
    let folder = tempfile::tempdir().unwrap();
    fs::copy(golden(Language::Python), folder.path().join("events.py")).unwrap();
    let lines: Vec<&str> = wrong.iter().map(|(line, _)| *line).collect();
    fs::write(folder.path().join("wrong.py"), format!("{HEAD}{}\n", lines.join("\n"))).unwrap();
    let (is_good, said) = check_types(folder.path(), "wrong.py");
    assert!(!is_good);
    for (at, (line, code)) in wrong.iter().enumerate() {
        let begins = format!("wrong.py:{}: error:", at + 4);
        let found =
            said.lines().find(|said| said.starts_with(&begins)).unwrap_or_else(|| panic!("{line} passes: {said}"));
        assert!(said.lines().any(|said| said.starts_with(&begins) && said.contains(code)), "{line}: {found}");
    }
    assert!(said.lines().filter(|line| line.contains("error:")).all(|line| line.starts_with("wrong.py:")), "{said}");
}

#[test]
fn python_client_has_no_name_twice() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("events.py"), generate(Language::Python, &awkward())).unwrap();
    assert_eq!(check_types(folder.path(), "events.py"), (true, String::new()));
    let (is_good, said) =
        run(Command::new("python3").args(["-W", "error", "-m", "py_compile", "events.py"]).current_dir(&folder));
    assert!(is_good, "{said}");
}

#[test]
fn python_client_sends_a_batch_again_until_it_is_answered() {
    let answer = r#"{"acceptedCount": 1, "refused": [
        {"reason": "REFUSAL_TOO_LATE"}, {"index": 1, "reason": "REFUSAL_NO_CONSENT"}]}"#;
    let server = Server::start(&[(503, "busy"), (200, answer)]);
    let folder = tempfile::tempdir().unwrap();
    fs::copy(golden(Language::Python), folder.path().join("events.py")).unwrap();
    let program = r#"import sys

from events import Context, DaybookEvents

events = DaybookEvents(
    sys.argv[1] + "/", lambda: "secret", tenant_id="demo", on_error=lambda text: print("heard:", text, flush=True)
)
events.set_context(Context(actor="ann", consents=["product_improvement"]))
events.case_exported(case_id="case-7", format="pdf", document_count=12, took=1500, with_redactions=True)
events.page_viewed(page="case_list", context=Context(actor="bob"))
counts = [{"document_count": 0}, {"document_count": 1.5}, {"document_count": True}]
for wrong in [*counts, {"format": "pfd"}, {"case_id": "Ann Lee"}]:
    try:
        events.case_exported(**{"case_id": "c", "format": "pdf", "document_count": 1, **wrong})
    except ValueError as error:
        print(error, flush=True)
print("empty:", events.flush(), flush=True)
"#;
    fs::write(folder.path().join("program.py"), program).unwrap();
    let (is_good, said) =
        run(Command::new("python3").arg("program.py").arg(&server.url).current_dir(&folder).env("no_proxy", "*"));
    let expected = "document_count is 0; give it a whole number from 1 to 1000000
document_count is 1.5; give it a whole number from 1 to 1000000
document_count is True; give it a whole number from 1 to 1000000
format is 'pfd'; give it one of pdf, docx, load_file, native
case_id is no id; give it 1 to 64 characters of A-Z a-z 0-9 . _ : -
heard: case.exported was refused: REFUSAL_TOO_LATE
empty: True
";
    assert_eq!((is_good, said.as_str()), (true, expected));
    check_requests(&server.requests());
}

#[test]
fn python_client_sends_what_is_left_when_the_program_ends() {
    let server = Server::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    fs::copy(golden(Language::Python), folder.path().join("events.py")).unwrap();
    let program = r#"import sys
from events import DaybookEvents
events = DaybookEvents(sys.argv[1], "secret")
for i in range(1_200):
    events.copilot_answer_used(answer_id=f"a{i}")
"#;
    fs::write(folder.path().join("program.py"), program).unwrap();
    let (is_good, said) =
        run(Command::new("python3").arg("program.py").arg(&server.url).current_dir(&folder).env("no_proxy", "*"));
    assert_eq!((is_good, said.as_str()), (true, ""));
    let counts: Vec<usize> =
        server.requests().iter().map(|(_, body)| body["events"].as_array().expect("events").len()).collect();
    assert_eq!((counts.iter().sum::<usize>(), counts.iter().max()), (1_200, Some(&500)), "{counts:?}");
}
