//! Documents: manifests, checkpoints, keys, tokens, policies, configuration, mail.

use std::fs;
use std::path::Path;

use daybook_checkpoint::{Checkpoint, Mark, SigningKey};
use daybook_kernel::id::PartitionId;
use daybook_kernel::time::Timestamp;
use daybook_testkit::personal::{KINDS, Personal};
use serde_json::json;

use super::Seed;
use crate::targets::development_keys;
use crate::world::world;

pub(super) fn seeds() -> Vec<Seed> {
    let mut seeds = vec![snapshot(), checkpoint()];
    seeds.extend(access());
    seeds.extend(policies());
    seeds.extend(configuration());
    seeds.extend(mail());
    seeds.extend(personal_data());
    seeds.extend(event_files());
    seeds.extend(event_sources());
    seeds
}

/// A text with each kind of value.
fn personal_data() -> impl Iterator<Item = Seed> {
    let mut personal = Personal::new(1);
    KINDS.iter().map(move |kind| {
        let name: String =
            kind.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
        let value = json!({ "note": format!("it was {}", personal.value(kind)), "again": personal.value(kind) });
        Seed::new("personal_data", name.trim_end_matches('-'), value.to_string())
    })
}

/// The schema files of the documentation.
fn event_files() -> impl Iterator<Item = Seed> {
    let names = ["cases", "copilot", "profile", "workspace"];
    names.into_iter().map(|name| Seed::new("event_files", name, file(&format!("docs/examples/events/{name}.yaml"))))
}

/// A body of each shape in which events come.
fn event_sources() -> Vec<Seed> {
    let properties = json!({ "format": "pdf", "pages": 7, "isNew": true, "case": { "id": "case-7" } });
    let track = json!({
        "type": "track", "userId": "u1", "event": "Case Exported", "messageId": "m1", "properties": properties,
        "timestamp": "2026-11-24T10:00:00.123Z", "sentAt": "2026-11-24T10:00:01+01:00",
        "context": { "consent": { "categoryPreferences": { "Advertising": true } } },
    });
    let page = json!({ "type": "page", "anonymousId": "a1", "name": "Home", "properties": {} });
    let identify = json!({ "type": "identify", "userId": "u1", "traits": { "email": "ada@example.org" } });
    let batch = json!({ "batch": [track, page, identify], "sentAt": "2026-11-24T10:00:01Z" });
    let attribute = |key: &str, value: serde_json::Value| json!({ "key": key, "value": value });
    let record = json!({
        "timeUnixNano": "1795514400000000000", "eventName": "case_exported",
        "attributes": [
            attribute("format", json!({ "stringValue": "csv" })), attribute("pages", json!({ "intValue": "9" })),
            attribute("user.id", json!({ "stringValue": "u7" })),
        ],
    });
    let logs = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [record] }] }] });
    let seed =
        |name: &str, kind: &str, body: &serde_json::Value| Seed::new("event_sources", name, format!("{kind}\n{body}"));
    vec![seed("track", "track", &track), seed("batch", "batch", &batch), seed("otlp", "otlp-json", &logs)]
}

fn file(path: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn snapshot() -> Seed {
    let hash = "5a".repeat(32);
    let manifest = json!({
        "format": "daybook-snapshot", "version": 1, "writtenBy": "daybook 0.1.0", "log": "golden", "partitions": 2,
        "partition": 0, "genesis": hash, "headHash": hash, "nextRecord": 7, "nextCommand": 9, "epoch": 2,
        "node": "node-a", "takenAtUs": 1_790_000_000_000_000_i64,
        "files": [{ "name": "000012.sst", "bytes": 1_234, "blake3": hash }, { "name": "CURRENT", "bytes": 16, "blake3": hash }],
    });
    Seed::new("snapshot_manifest", "whole", manifest.to_string())
}

fn checkpoint() -> Seed {
    let heads = (0..).map(PartitionId).zip(&world().partitions);
    let checkpoint = Checkpoint {
        log: "golden".to_owned(),
        partitions: world().partitions.len() as u32,
        made_at: Timestamp::from_micros(1_790_000_000_000_000),
        heads: heads.map(|(id, partition)| Mark::of(id, &partition.head)).collect(),
    };
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    fs::write(&key, [7; 32]).expect("a file");
    let key = SigningKey::from_file(&key).expect("a key from its seed");
    Seed::new("checkpoint", "golden", checkpoint.sign(&key).to_json())
}

/// Who may come in.
fn access() -> Vec<Seed> {
    let claims = json!({
        "iss": "daybook-development", "sub": "ada", "tenants": ["acme", "globex"], "roles": "legal admin",
        "kind": "service", "nbf": 1_000_000_000, "exp": 9_999_999_999_u64,
    });
    let others = json!({ "keys": [
        { "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "r", "n": "sXch", "e": "AQAB" },
        { "kty": "EC", "crv": "P-256", "kid": "e", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
          "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" },
        { "kty": "oct", "k": "AAAA" },
    ] });
    vec![
        Seed::new("token", "claims", claims.to_string()),
        Seed::new("token", "unsigned", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0."),
        Seed::new("jwks", "ed25519", development_keys().to_string()),
        Seed::new("jwks", "others", others.to_string()),
        Seed::new(
            "node_credentials",
            "wrong-code",
            format!("Daybook-Node n1 1800000000000000 {}\nbody", "5a".repeat(32)),
        ),
        Seed::new(
            "node_credentials",
            "wrong-request",
            format!("2 6e31 6e32 1800000000000000 1800000000000000 0 4 {0} {0}\nbody", "5a".repeat(32)),
        ),
        Seed::new("node_credentials", "wrong-answer", format!("2 0 4 {0} {0}\nbody", "5a".repeat(32))),
    ]
}

fn policies() -> Vec<Seed> {
    let registry = daybook_domains::registry();
    let (policies, schema) = (registry.shipped_policies(), registry.shipped_schema());
    let small = "entity Role;\nentity User in [Role] { id: String };\n\
                 namespace Door { entity Room { tenant: String }; action Open appliesTo { principal: User, resource: Room }; }";
    let permit = "@id(\"staff\")\npermit(principal in Role::\"staff\", action == Door::Action::\"Open\", resource)\n\
                  when { resource.tenant like \"a*\" && principal.id != \"mallory\" };";
    vec![
        Seed::new("policy", "shipped", policies.clone()),
        Seed::new("policy", "shipped-with-schema", format!("{policies}\n----\n{schema}")),
        Seed::new("policy", "small", format!("{permit}\n----\n{small}")),
        Seed::new("policy", "slot", "permit(principal == ?principal, action, resource);"),
    ]
}

fn configuration() -> Vec<Seed> {
    let environment = "DAYBOOK_LOG__URL=kafka://localhost:9092\nDAYBOOK_LIMITS__COMMAND_KIB=512\n\
                       DAYBOOK_INBOX__TOPICS=[\"in\"]\n----\n[node]\nid = \"n1\"\n";
    vec![
        Seed::new("config", "default", file("crates/cli/config.default.toml")),
        Seed::new("config", "environment", environment),
    ]
}

fn mail() -> Vec<Seed> {
    let names = [
        "2024-08-19-cracks-again-bay.eml",
        "2025-03-12-forwarded.eml",
        "broken-date.eml",
        "broken-empty.eml",
        "finance.mbox",
    ];
    let demo = names.map(|name| Seed::new("mail", name, file(&format!("crates/cli/demo/mailbox/{name}"))));
    demo.into_iter().collect()
}
