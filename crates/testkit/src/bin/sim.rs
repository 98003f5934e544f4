//! Runs the simulator: one seed, or as many as there is time for.
//!
//! ```text
//! sim --seed 42            one run, twice: it must be the same
//! sim --seconds 3600       new seeds on every core until the time is over
//! sim --seeds 0..2000      these
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for developers, which talks to its terminal")]

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::available_parallelism;
use std::time::{Duration, Instant, SystemTime};

use daybook_testkit::sim::{Report, run};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--seed", seed] => match seed.parse() {
            Ok(seed) => one(seed),
            Err(_) => usage(),
        },
        ["--seconds", seconds] => match seconds.parse() {
            Ok(seconds) => many(fresh_seed(), u64::MAX, Duration::from_secs(seconds)),
            Err(_) => usage(),
        },
        ["--seeds", range] => match range.split_once("..").map(|(from, to)| (from.parse(), to.parse())) {
            Some((Ok(from), Ok(to))) => many(from, to, Duration::MAX),
            _ => usage(),
        },
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("sim --seed N | --seconds N | --seeds FROM..TO");
    ExitCode::from(2)
}

/// Somewhere nobody has been yet.
fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or_default() << 8
}

fn one(seed: u64) -> ExitCode {
    let (first, second) = (run(seed), run(seed));
    match (first, second) {
        (Ok(first), Ok(second)) if first == second => {
            println!("seed {seed}: {first:#?}");
            ExitCode::SUCCESS
        }
        (Ok(first), Ok(second)) => {
            eprintln!("seed {seed} gives two different runs:\n{first:#?}\n{second:#?}");
            ExitCode::FAILURE
        }
        (Err(failure), _) | (_, Err(failure)) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn many(from: u64, to: u64, time: Duration) -> ExitCode {
    let started = Instant::now();
    let (next, failed) = (AtomicU64::new(from), AtomicBool::new(false));
    let total = Mutex::new((0_u64, Report::default()));
    std::thread::scope(|threads| {
        for _ in 0..available_parallelism().map_or(1, usize::from) {
            threads.spawn(|| {
                while started.elapsed() < time && !failed.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= to {
                        return;
                    }
                    match run(seed) {
                        Ok(report) => {
                            let mut total = total.lock().unwrap_or_else(|lock| lock.into_inner());
                            total.0 += 1;
                            total.1.add(&report);
                        }
                        Err(failure) => {
                            failed.store(true, Ordering::Relaxed);
                            eprintln!("{failure}");
                        }
                    }
                }
            });
        }
    });
    let (runs, sum) = *total.lock().unwrap_or_else(|lock| lock.into_inner());
    println!(
        "{runs} runs in {} s without a failure{}: {} commands decided, {} takeovers, {} records dropped, {} faults, {} answers \
         and {} looks checked, {} effects, {} items deleted and {} held, {} hours simulated",
        started.elapsed().as_secs(),
        if failed.load(Ordering::Relaxed) { " before the one above" } else { "" },
        sum.decisions,
        sum.takeovers,
        sum.dropped,
        sum.faults,
        sum.answers,
        sum.looks,
        sum.effects,
        sum.deleted,
        sum.held,
        sum.simulated_us / 3_600_000_000
    );
    if failed.load(Ordering::Relaxed) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
