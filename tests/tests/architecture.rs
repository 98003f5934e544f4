//! What may depend on what, read from the manifests: the invariants of docs/architecture.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// A crate of the workspace.
struct Crate {
    folder: PathBuf,
    manifest: Table,
    /// What it is built with; for tests and build scripts left out.
    dependencies: BTreeSet<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn table(path: &Path) -> Table {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every crate, by name.
fn crates() -> BTreeMap<String, Crate> {
    let workspace = table(&root().join("Cargo.toml"));
    let members = workspace["workspace"]["members"].as_array().unwrap();
    let mut folders = Vec::new();
    for member in members.iter().map(|member| member.as_str().unwrap()) {
        match member.strip_suffix("/*") {
            Some(folder) => {
                let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
                folders.extend(entries.filter(|path| path.join("Cargo.toml").exists()));
            }
            None => folders.push(root().join(member)),
        }
    }
    let read = |folder: PathBuf| {
        let manifest = table(&folder.join("Cargo.toml"));
        let keys = |section: Option<&Value>| -> BTreeSet<String> {
            section.and_then(Value::as_table).map(|table| table.keys().cloned().collect()).unwrap_or_default()
        };
        let mut dependencies = keys(manifest.get("dependencies"));
        for target in manifest.get("target").and_then(Value::as_table).into_iter().flat_map(|targets| targets.values())
        {
            dependencies.extend(keys(target.get("dependencies")));
        }
        let name = manifest["package"]["name"].as_str().unwrap().to_owned();
        (name, Crate { folder, manifest, dependencies })
    };
    let crates: BTreeMap<_, _> = folders.into_iter().map(read).collect();
    assert!(crates.len() >= 15, "all of them are found: {:?}", crates.keys());
    crates
}

/// Everything of the workspace that a crate is built with, directly or not.
fn reaches(crates: &BTreeMap<String, Crate>, from: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(name) = open.pop() {
        for dependency in &crates[&name].dependencies {
            if reached.insert(dependency.clone()) && crates.contains_key(dependency) {
                open.push(dependency.clone());
            }
        }
    }
    reached
}

fn in_folder<'a>(crates: &'a BTreeMap<String, Crate>, folder: &str) -> Vec<(&'a String, &'a Crate)> {
    let folder = root().join(folder);
    let found: Vec<_> = crates.iter().filter(|(_, one)| one.folder.parent() == Some(&folder)).collect();
    assert!(!found.is_empty(), "{} has crates", folder.display());
    found
}

#[track_caller]
fn only(name: &str, found: &BTreeSet<String>, allowed: &[&str]) {
    let more: Vec<_> = found.iter().filter(|one| !allowed.contains(&one.as_str())).collect();
    assert!(more.is_empty(), "{name} depends on {more:?}; it may depend on {allowed:?}");
}

#[track_caller]
fn never(name: &str, found: &BTreeSet<String>, forbidden: &[&str]) {
    let wrong: Vec<_> = found.iter().filter(|one| forbidden.contains(&one.as_str())).collect();
    assert!(wrong.is_empty(), "{name} reaches {wrong:?}");
}

/// What does IO, waits, or knows the time.
const EFFECTFUL: [&str; 18] = [
    "daybook-log",
    "daybook-policy",
    "daybook-privacy",
    "daybook-rocks",
    "daybook-runtime",
    "daybook-server",
    "daybook-snapshot",
    "daybook-store",
    "futures-util",
    "jiff",
    "object_store",
    "parking_lot",
    "rdkafka",
    "reqwest",
    "rocksdb",
    "tokio",
    "tonic",
    "tracing",
];

#[test]
fn the_kernel_does_no_io() {
    let crates = crates();
    let kernel = &crates["daybook-kernel"].dependencies;
    only(
        "the kernel",
        kernel,
        &["blake3", "bytes", "chrono", "daybook-proto", "prost", "prost-types", "thiserror", "uuid"],
    );
    only("the messages", &crates["daybook-proto"].dependencies, &["bytes", "prost", "prost-reflect", "prost-types"]);
}

#[test]
fn processors_and_projections_are_pure() {
    let crates = crates();
    // Rules, small cells, bitmaps and calendars: functions of what they are given.
    let pure = [
        "bytes",
        "chrono",
        "daybook-disclosure",
        "daybook-event-rules",
        "daybook-kernel",
        "daybook-proto",
        "daybook-time-zone",
        "prost",
        "prost-types",
        "roaring",
    ];
    for (name, one) in in_folder(&crates, "projections") {
        only(name, &one.dependencies, &pure);
        never(name, &reaches(&crates, name), &EFFECTFUL);
    }
    for (name, one) in in_folder(&crates, "processors") {
        let own = name.replace("-processor", "-projection");
        only(name, &one.dependencies, &[&pure[..], &[own.as_str()]].concat());
        never(name, &reaches(&crates, name), &EFFECTFUL);
    }
}

/// What people do with a product decides about nobody's access: what asks policies cannot reach what was recorded of it.
#[test]
fn telemetry_feeds_no_access_decision() {
    let crates = crates();
    for name in ["daybook-policy", "platform-processor", "legal-hold-processor"] {
        never(name, &reaches(&crates, name), &["product-analytics-projection", "product-analytics-processor"]);
    }
    // Within the domain itself, a question to policies is asked with fixed names and those of schemas and metrics: what an
    // entity of it may have besides its tenant stands in its schema, which is nothing.
    let schema = fs::read_to_string(root().join("processors/product_analytics/policy/schema.cedarschema")).unwrap();
    let entities: Vec<_> = schema.lines().filter(|line| line.trim().starts_with("entity ")).collect();
    assert!(entities.len() >= 4 && entities.iter().all(|line| line.ends_with("{ tenant: String };")), "{entities:?}");
}

#[test]
fn a_domain_knows_no_other_domain() {
    let crates = crates();
    let domain = |name: &str| name.trim_end_matches("-processor").trim_end_matches("-projection").to_owned();
    let of_domains: BTreeSet<_> = in_folder(&crates, "processors")
        .into_iter()
        .chain(in_folder(&crates, "projections"))
        .map(|(name, _)| name.clone())
        .collect();
    for name in &of_domains {
        for reached in reaches(&crates, name).intersection(&of_domains) {
            assert_eq!(domain(name), domain(reached), "{name} reaches {reached}");
        }
    }
    // They are put together in one place, which the spine does not know. What a node does for one domain alone, on its
    // tables and with the world, is a crate of its own.
    for (name, one) in &crates {
        let knows = one.dependencies.intersection(&of_domains).next().is_some();
        let may = of_domains.contains(name)
            || ["daybook-domains", "daybook-event-export"].contains(&name.as_str())
            || one.folder.starts_with(root().join("tests"));
        let is_tool = ["daybook-bench", "daybook-cli", "daybook-testkit", "daybook-fuzz"].contains(&name.as_str());
        assert!(!knows || may || is_tool, "{name} knows a domain");
    }
}

#[test]
fn replay_cannot_reach_an_effect() {
    let crates = crates();
    let reached = reaches(&crates, "daybook-replay");
    never("replay", &reached, &["daybook-runtime", "daybook-server", "daybook-privacy", "tonic", "axum", "reqwest"]);
}

#[test]
fn only_one_crate_knows_each_outside_system() {
    let crates = crates();
    let may: [(&str, &[&str]); 7] = [
        ("rdkafka", &["daybook-log"]),
        ("rocksdb", &["daybook-rocks"]),
        ("cedar-policy", &["daybook-policy"]),
        ("object_store", &["daybook-snapshot"]),
        ("axum", &["daybook-server"]),
        ("axum-server", &["daybook-server"]),
        ("tonic-reflection", &["daybook-server"]),
    ];
    for (outside, may) in may {
        let who: Vec<_> = crates.iter().filter(|(_, one)| one.dependencies.contains(outside)).collect();
        assert!(!who.is_empty(), "somebody knows {outside}");
        for (name, one) in who {
            // Tests are clients of it all.
            let is_test = one.folder == root().join("tests");
            assert!(may.contains(&name.as_str()) || is_test, "{name} knows {outside}");
        }
    }
    let callers = ["daybook-server", "daybook-cli", "daybook-bench", "daybook-tests"];
    for (name, one) in &crates {
        assert!(!one.dependencies.contains("tonic") || callers.contains(&name.as_str()), "{name} knows tonic");
    }
}

#[test]
fn the_spine_depends_downwards() {
    let crates = crates();
    for (name, forbidden) in [
        ("daybook-rocks", &["daybook-kernel", "daybook-log", "daybook-store"][..]),
        ("daybook-log", &["daybook-store", "daybook-runtime", "daybook-server", "daybook-privacy"]),
        ("daybook-store", &["daybook-log", "daybook-runtime", "daybook-server", "daybook-privacy"]),
        (
            "daybook-segments",
            &["daybook-store", "daybook-snapshot", "daybook-runtime", "daybook-server", "object_store"],
        ),
        ("daybook-snapshot", &["daybook-runtime", "daybook-server", "daybook-privacy", "daybook-replay"]),
        ("daybook-policy", &["daybook-log", "daybook-store", "daybook-runtime", "daybook-server"]),
        ("daybook-privacy", &["daybook-store", "daybook-runtime", "daybook-server"]),
        ("daybook-runtime", &["daybook-policy", "daybook-privacy", "daybook-server", "daybook-domains", "tonic"]),
        ("daybook-server", &["daybook-cli", "daybook-replay", "daybook-testkit"]),
    ] {
        never(name, &reaches(&crates, name), forbidden);
    }
    for (name, one) in &crates {
        let is_tool = ["daybook-bench", "daybook-fuzz", "daybook-tests"].contains(&name.as_str());
        let knows_testkit = one.dependencies.contains("daybook-testkit");
        assert!(!knows_testkit || is_tool, "{name} is built with the testkit");
    }
}

#[test]
fn every_version_stands_in_the_one_table() {
    let crates = crates();
    let workspace = table(&root().join("Cargo.toml"));
    let versions = workspace["workspace"]["dependencies"].as_table().unwrap();
    let mut used = BTreeSet::new();
    for (name, one) in &crates {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(section) = one.manifest.get(section).and_then(Value::as_table) else { continue };
            for (dependency, how) in section {
                let from_table = how.get("workspace").and_then(Value::as_bool) == Some(true);
                assert!(from_table, "{name}: {dependency} must say `workspace = true`");
                assert!(versions.contains_key(dependency), "{name}: {dependency} is not in the table");
                used.insert(dependency.clone());
            }
        }
        for key in ["version", "edition", "rust-version", "license", "publish"] {
            let inherited = one.manifest["package"].get(key).and_then(|value| value.get("workspace"));
            assert_eq!(inherited, Some(&Value::Boolean(true)), "{name}: package.{key} must say `workspace = true`");
        }
    }
    let unused: Vec<_> = versions.keys().filter(|name| !used.contains(*name)).collect();
    assert!(unused.is_empty(), "nobody uses {unused:?}");
}

#[test]
fn unsafe_code_is_forbidden_everywhere() {
    let workspace = table(&root().join("Cargo.toml"));
    assert_eq!(workspace["workspace"]["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
    for (name, one) in crates() {
        let lints = &one.manifest["lints"];
        let inherits = lints.get("workspace").and_then(Value::as_bool) == Some(true);
        let forbids = lints.get("rust").and_then(|rust| rust.get("unsafe_code")).and_then(Value::as_str);
        assert!(inherits || forbids == Some("forbid"), "{name} may have unsafe code");
    }
}

/// The compiler holds it: no clock, no randomness, no IO in what decides and folds.
#[test]
fn the_compiler_bans_what_is_not_pure_where_decisions_are_made() {
    let crates = crates();
    for (name, one) in in_folder(&crates, "processors").into_iter().chain(in_folder(&crates, "projections")) {
        let nearest = one.folder.ancestors().map(|folder| folder.join("clippy.toml")).find(|file| file.exists());
        let bans = table(&nearest.unwrap_or_else(|| panic!("{name} has no clippy.toml above it")));
        let listed = |key: &str| {
            let list = bans.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
            list.iter().map(ToString::to_string).collect::<String>()
        };
        let (methods, types) = (listed("disallowed-methods"), listed("disallowed-types"));
        for banned in ["SystemTime::now", "Instant::now", "std::env::var", "std::fs"] {
            assert!(methods.contains(banned), "{name}: {banned} is not banned: {methods}");
        }
        assert!(types.contains("HashMap"), "{name}: HashMap is not banned: {types}");
        let inherits = one.manifest["lints"].get("workspace").and_then(Value::as_bool);
        assert_eq!(inherits, Some(true), "{name} does not use the workspace's lints, which deny what is banned");
    }
}
