//! The simulator's checks can fail: each deliberate mistake is noticed, and soon.
#![allow(clippy::panic, clippy::print_stdout, reason = "a test fails by panicking and says how soon it noticed")]

use daybook_kernel::sabotage::Mistake;
use daybook_testkit::sim::{run, run_with};

/// Runs after which a mistake should have been noticed.
const RUNS_MAX: u64 = 300;

fn runs_until_noticed(mistake: Mistake) -> (u64, String) {
    for seed in 0..RUNS_MAX {
        if let Err(failure) = run_with(seed, Some(mistake)) {
            return (seed + 1, failure.violations.first().cloned().unwrap_or_default());
        }
    }
    panic!("{mistake:?} was not noticed in {RUNS_MAX} runs");
}

#[test]
fn every_mistake_is_noticed() {
    for mistake in Mistake::ALL {
        let (runs, what) = runs_until_noticed(mistake);
        println!("{mistake:?}: noticed in run {runs}: {what}");
    }
}

#[test]
fn without_a_mistake_the_same_build_finds_nothing() {
    for seed in 0..50 {
        if let Err(failure) = run(seed) {
            panic!("{failure}");
        }
    }
}
