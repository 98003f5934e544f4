//! The TypeScript client: what it looks like, that right use compiles and wrong use does not, and what it sends.
//!
//! The compiler is the one that `tests/setup/typescript.sh` prints, in the environment variable DAYBOOK_TYPESCRIPT.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{Server, awkward, check_requests, golden, named_by, run};
use daybook_instrument::client::{Language, generate};

const STRICT: &[&str] = &[
    "--strict",
    "--exactOptionalPropertyTypes",
    "--noUncheckedIndexedAccess",
    "--noUnusedLocals",
    "--noImplicitReturns",
    "--pretty",
    "false",
    "--target",
    "ES2022",
];

fn compile(folder: &Path, file: &str, options: &[&str]) -> (bool, String) {
    let compiler = named_by("DAYBOOK_TYPESCRIPT", "typescript.sh");
    run(Command::new("node").arg(compiler).args(STRICT).args(options).arg(file).current_dir(folder))
}

const HEAD: &str = r#"import { DaybookEvents } from "./events";
const events = new DaybookEvents({ url: "http://localhost", token: "secret" });
"#;

#[test]
fn typescript_client_compiles_in_browsers_and_in_node() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(golden(Language::TypeScript), folder.path().join("events.ts")).unwrap();
    let right = r#"
events.caseExported({ case_id: "case-7", format: "pdf", document_count: 12 });
events.caseExported({ case_id: "case-7", format: "pdf", document_count: 12, took: 1500 }, { actor: "bob" });
events.safetySignalRaised({ signal: "data_leak", severity: 4, was_blocked: true }, {});
"#;
    fs::write(folder.path().join("use.ts"), format!("{HEAD}{right}")).unwrap();
    for libraries in ["ES2022", "ES2022,DOM"] {
        let (is_good, said) = compile(folder.path(), "use.ts", &["--noEmit", "--lib", libraries]);
        assert!(is_good, "{libraries}: {said}");
    }
}

#[test]
fn typescript_client_that_is_wrong_does_not_compile() {
    // A line each, and the number of the error that the compiler must have for it.
    let wrong = [
        ("events.caseExportd({ case_id: \"c\", format: \"pdf\", document_count: 1 });", "TS2551"),
        ("events.caseExported({ case_id: \"c\", format: \"pdf\" });", "TS2345"),
        ("events.caseExported({ case_id: \"c\", format: \"pfd\", document_count: 1 });", "TS2322"),
        ("events.caseExported({ case_id: \"c\", format: \"pdf\", document_count: \"1\" });", "TS2322"),
        ("events.caseExported({ case_id: \"c\", format: \"pdf\", document_count: 1, name: \"Ann\" });", "TS2353"),
        ("events.caseExported({ case_id: 7, format: \"pdf\", document_count: 1 });", "TS2322"),
        ("events.caseExported();", "TS2554"),
        ("events.copilotAnswerUsed({ answer_id: \"a\" }, { consent: [\"x\"] });", "TS2561"),
        ("events.safetySignalRaised({ signal: \"data_leak\", severity: 1, was_blocked: \"no\" });", "TS2322"),
    ];
    let folder = tempfile::tempdir().unwrap();
    fs::copy(golden(Language::TypeScript), folder.path().join("events.ts")).unwrap();
    let lines: Vec<&str> = wrong.iter().map(|(line, _)| *line).collect();
    fs::write(folder.path().join("wrong.ts"), format!("{HEAD}{}\n", lines.join("\n"))).unwrap();
    let (is_good, said) = compile(folder.path(), "wrong.ts", &["--noEmit", "--lib", "ES2022"]);
    assert!(!is_good);
    for (at, (line, code)) in wrong.iter().enumerate() {
        let begins = format!("wrong.ts({},", at + 3);
        let found = said.lines().find(|said| said.starts_with(&begins)).unwrap_or_else(|| panic!("{line} compiles"));
        assert!(found.contains(code), "{line}: {found}");
    }
    assert_eq!(said.lines().filter(|line| line.starts_with("wrong.ts(")).count(), wrong.len(), "{said}");
}

#[test]
fn typescript_client_has_no_name_twice() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("events.ts"), generate(Language::TypeScript, &awkward())).unwrap();
    let (is_good, said) = compile(folder.path(), "events.ts", &["--noEmit", "--lib", "ES2022"]);
    assert!(is_good, "{said}");
}

#[test]
fn typescript_client_sends_a_batch_again_until_it_is_answered() {
    let answer = r#"{"acceptedCount": 1, "refused": [
        {"reason": "REFUSAL_TOO_LATE"}, {"index": 1, "reason": "REFUSAL_NO_CONSENT"}]}"#;
    let server = Server::start(&[(503, "busy"), (200, answer)]);
    let folder = tempfile::tempdir().unwrap();
    fs::copy(golden(Language::TypeScript), folder.path().join("events.ts")).unwrap();
    let program = r#"import { DaybookEvents } from "./events";
declare const process: { argv: string[] };
declare const console: { log(text: string): void };
const events = new DaybookEvents({
  url: process.argv[2] + "/",
  token: async () => "secret",
  tenantId: "demo",
  onError: (text) => console.log("heard: " + text),
});
events.setContext({ actor: "ann", consents: ["product_improvement"] });
events.caseExported({ case_id: "case-7", format: "pdf", document_count: 12, took: 1500, with_redactions: true });
events.pageViewed({ page: "case_list", case_id: undefined }, { actor: "bob" });
for (const [count, id] of [[0, "c"], [1.5, "c"], [1_000_001, "c"], [1, "Ann Lee"]] as const) {
  try {
    events.caseExported({ case_id: id, format: "pdf", document_count: count });
  } catch (error) {
    console.log(String(error));
  }
}
events.flush().then((isEmpty) => console.log("empty: " + isEmpty));
"#;
    fs::write(folder.path().join("program.ts"), program).unwrap();
    let (is_good, said) = compile(folder.path(), "program.ts", &["--lib", "ES2022", "--module", "commonjs"]);
    assert!(is_good, "{said}");
    let (is_good, said) = run(Command::new("node").arg(folder.path().join("program.js")).arg(&server.url));
    let expected = "RangeError: case.exported: document_count is 0; give it a whole number from 1 to 1000000
RangeError: case.exported: document_count is 1.5; give it a whole number from 1 to 1000000
RangeError: case.exported: document_count is 1000001; give it a whole number from 1 to 1000000
RangeError: case.exported: case_id is no id; give it 1 to 64 characters of A-Z a-z 0-9 . _ : -
heard: case.exported was refused: REFUSAL_TOO_LATE
empty: true
";
    assert_eq!((is_good, said.as_str()), (true, expected));
    check_requests(&server.requests());
}

#[test]
fn typescript_client_sends_large_buffers_in_batches_and_what_is_left_when_a_page_is_left() {
    let server = Server::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    fs::copy(golden(Language::TypeScript), folder.path().join("events.ts")).unwrap();
    let program = r#"import { DaybookEvents } from "./events";
declare const process: { argv: string[] };
const page = globalThis as unknown as { addEventListener?: (event: string, run: () => void) => void };
const heard: Record<string, () => void> = {};
page.addEventListener = (event, run) => (heard[event] = run);
const events = new DaybookEvents({ url: process.argv[2] ?? "", token: () => "secret" });
for (let i = 0; i < 1_200; i++) events.copilotAnswerUsed({ answer_id: "a" + i });
events.flush().then(() => {
  events.copilotAnswerUsed({ answer_id: "last" });
  heard["pagehide"]?.();
  // Recorded by whoever hears of it later than the client.
  events.copilotAnswerUsed({ answer_id: "after" });
});
"#;
    fs::write(folder.path().join("program.ts"), program).unwrap();
    let (is_good, said) = compile(folder.path(), "program.ts", &["--lib", "ES2022", "--module", "commonjs"]);
    assert!(is_good, "{said}");
    let (is_good, said) = run(Command::new("node").arg(folder.path().join("program.js")).arg(&server.url));
    assert_eq!((is_good, said.as_str()), (true, ""));
    let requests = server.requests();
    let sent: Vec<&serde_json::Value> =
        requests.iter().flat_map(|(_, body)| body["events"].as_array().expect("events")).collect();
    let ids: Vec<&str> = sent.iter().map(|event| event["properties"]["answer_id"].as_str().expect("an id")).collect();
    assert_eq!((ids.len(), ids[0], ids[1_199]), (1_202, "a0", "a1199"));
    assert!(ids[1_200..].contains(&"last") && ids[1_200..].contains(&"after"), "{:?}", &ids[1_200..]);
    assert!(requests.iter().all(|(_, body)| body["events"].as_array().is_some_and(|events| events.len() <= 500)));
    assert!(requests.iter().all(|(_, body)| body.to_string().len() < 64 << 10), "a browser sends no more at the end");
}
