//! Makes golden logs; see `daybook_tests::golden`.
//!
//! ```console
//! $ cargo run -p daybook-tests --bin golden_log -- make              # of this release, in tests/golden/<version>
//! $ cargo run -p daybook-tests --bin golden_log -- make 0.3.0-holds  # one more, for kinds that were added since
//! $ cargo run -p daybook-tests --bin golden_log -- digests           # after a projection's VERSION was raised
//! ```
//!
//! A golden log that is there is never made again, and digests that are recorded are never changed.

use std::collections::BTreeSet;
use std::process::ExitCode;

use daybook_archive::export;
use daybook_tests::golden::kinds::{all, held};
use daybook_tests::golden::{self, Expected, story};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let done = match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (Some("make"), name, None) => make(&name.unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned())).await,
        (Some("digests"), None, None) => digests().await,
        _ => Err("usage: golden_log make [NAME] | golden_log digests".to_owned()),
    };
    match done {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn make(name: &str) -> Result<String, String> {
    let folder = golden::root().join(name);
    if folder.exists() {
        return Err(format!("{} is there; a golden log is never made again: give another name", folder.display()));
    }
    let world = story::tell();
    let missing = all(world.decider().registry()).missing_from(&held(&world.log).await);
    if !missing.is_empty() {
        return Err(format!("the story in tests/src/golden/story.rs does not have: {}", missing.join(", ")));
    }
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    export(&world.log, &folder.join("log"), &()).await.map_err(|error| error.to_string())?;
    let made = golden::open(name);
    made.write_expected(&Expected { digests: golden::digests(&made.log).await });
    Ok(format!("{} is made; read `git diff --stat`, and never change it again", folder.display()))
}

/// Adds the digests of versions of projections that have none yet.
async fn digests() -> Result<String, String> {
    let mut added = 0;
    for golden in golden::all() {
        let mut expected = golden.expected();
        let key = |digest: &golden::Digest| (digest.partition, digest.projection.clone(), digest.version);
        let known: BTreeSet<_> = expected.digests.iter().map(key).collect();
        let new = golden::digests(&golden.log).await.into_iter().filter(|digest| !known.contains(&key(digest)));
        let before = expected.digests.len();
        expected.digests.extend(new);
        added += expected.digests.len() - before;
        golden.write_expected(&expected);
    }
    Ok(format!("{added} digests were added"))
}
