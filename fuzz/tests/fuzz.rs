//! Every input that is kept goes through its target: those to begin with, what `make fuzz` found worth keeping, and what
//! once broke something.

use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use daybook_fuzz::world::world;
use daybook_fuzz::{corpora, seeds, targets};
use daybook_kernel::id::PartitionId;
use daybook_proto::log::v1::{CommandRecord, decision::Outcome};
use prost::Message;

/// Only ends what hangs.
const INPUT_MAX: Duration = Duration::from_secs(120);

#[test]
fn every_kept_input_passes_its_target() {
    for target in targets::ALL {
        let inputs = corpora::inputs(&target);
        assert!(!inputs.is_empty(), "{} has no input", target.name);
        for (path, bytes) in inputs {
            let (done, finished) = mpsc::channel();
            let running = std::thread::spawn(move || {
                (target.run)(&bytes);
                // Nobody listens any more when it took too long.
                let _ = done.send(());
            });
            match finished.recv_timeout(INPUT_MAX) {
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("{} hangs with {}", target.name, path.display()),
                _ => assert!(running.join().is_ok(), "{} panicked with {}", target.name, path.display()),
            }
        }
    }
}

#[test]
fn the_kept_inputs_begin_with_what_this_build_makes_of_the_golden_log() {
    let mut missing: Vec<PathBuf> = Vec::new();
    for seed in seeds::all() {
        let target = daybook_fuzz::Target::by_name(seed.target).unwrap();
        let path = corpora::folder(&target).join(&seed.name);
        if std::fs::read(&path).ok().as_ref() != Some(&seed.bytes) {
            missing.push(path);
        }
    }
    assert!(missing.is_empty(), "write them with `cargo run --workspace --bin fuzz_seeds`: {missing:#?}");
}

#[test]
fn a_command_with_endless_names_gets_a_decision_that_a_log_takes() {
    let world = world();
    let mut command = CommandRecord::decode(world.partitions[0].commands[0].clone()).unwrap();
    command.kind = "x".repeat(2 << 20);
    let decided = world.decide(PartitionId(0), &command.encode_to_vec().into());
    let Some(Outcome::Rejected(rejected)) = decided.decision.outcome else { panic!("{:?}", decided.decision) };
    assert_eq!(rejected.code, "MALFORMED_RECORD");
}
