//! The simulator, over a fixed set of seeds: several nodes on one log, every fault that a log, a clock, a disk, a network
//! and whoever hands out partitions can have, and an oracle that decides everything again. `make sim` tries new seeds.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use daybook_testkit::sim::{Report, run};

/// Runs of every `make test`.
const RUNS: u64 = 2_000;

/// Seeds that failed once. Each with what was wrong.
const FAILED_ONCE: [(u64, &str); 0] = [];

#[test]
fn nothing_that_goes_wrong_breaks_a_promise() {
    let (next, total) = (AtomicU64::new(0), Mutex::new(Report::default()));
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= RUNS {
                        return;
                    }
                    match run(seed) {
                        Ok(report) => total.lock().unwrap().add(&report),
                        Err(failure) => {
                            next.store(RUNS, Ordering::Relaxed);
                            panic!("{failure}");
                        }
                    }
                }
            });
        }
    });
    let total = total.into_inner().unwrap();
    println!("{RUNS} runs: {total:?}");
    // What was never tried proves nothing.
    assert!(total.takeovers > 2 * RUNS && total.dropped > RUNS && total.effects > RUNS, "{total:?}");
    assert!(total.outdated > RUNS / 20, "{total:?}");
    assert!(total.deleted > RUNS && total.held > RUNS / 2, "{total:?}");
    assert!(total.answers > 10 * RUNS && total.looks > 10 * RUNS && total.faults > RUNS, "{total:?}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..20 {
        let (first, second) = (run(seed).unwrap(), run(seed).unwrap());
        assert_eq!(first, second, "seed {seed}");
    }
}

#[test]
fn seeds_that_failed_once_do_not_fail_again() {
    for (seed, what) in FAILED_ONCE {
        if let Err(failure) = run(seed) {
            panic!("{what}: {failure}");
        }
    }
}
