//! The inputs to begin with: what the golden log holds, and requests as callers send them. `fuzz_seeds` writes them.

mod documents;
mod log;
mod requests;

use crate::targets;

/// An input to begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    /// The target.
    pub target: &'static str,
    /// Its file's name.
    pub name: String,
    /// The input.
    pub bytes: Vec<u8>,
}

impl Seed {
    fn new(target: &'static str, name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { target, name: format!("seed-{}", name.into()), bytes: bytes.into() }
    }
}

/// All of them. They are the same whenever they are made.
///
/// # Panics
/// When the golden log cannot be read, or a target has none.
pub fn all() -> Vec<Seed> {
    let mut seeds = Vec::new();
    seeds.extend(log::seeds());
    seeds.extend(requests::seeds());
    seeds.extend(documents::seeds());
    for target in targets::ALL {
        assert!(seeds.iter().any(|seed| seed.target == target.name), "{} has no seed", target.name);
    }
    seeds
}
