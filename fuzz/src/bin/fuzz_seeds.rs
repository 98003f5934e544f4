//! Writes the inputs to begin with into `fuzz/corpora`. Run it again when a kind of command or a method is added:
//! `cargo run --workspace --bin fuzz_seeds`.

use std::fs;
use std::process::ExitCode;

use daybook_fuzz::{Target, corpora, seeds};

fn main() -> ExitCode {
    for seed in seeds::all() {
        let Some(target) = Target::by_name(seed.target) else { return ExitCode::FAILURE };
        let folder = corpora::folder(&target);
        if fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join(&seed.name), &seed.bytes)).is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
