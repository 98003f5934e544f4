//! Fuzzing of every decoder that meets bytes from outside: nothing in the log or from a caller may panic a node, hang it,
//! or make it allocate without bound. `docs/fuzzing.md` tells how it is used.
//!
//! A [`Target`] feeds bytes to one decoder and checks what comes out. `make test` runs every input in `corpora/` through
//! its target; `make fuzz` looks for new inputs with libFuzzer, steered by what code they reach.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`targets`] | one file for each target |
//! | [`world`] | a log in the middle of its life, on which commands are decided and records folded |
//! | [`seeds`] | the inputs to begin with, from the golden log and from requests as callers send them |
//! | [`corpora`] | the inputs that are kept |

pub mod corpora;
pub mod seeds;
pub mod targets;
pub mod world;

/// A decoder that meets bytes from outside.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, that of its folder of inputs.
    pub name: &'static str,
    /// Decodes the bytes and checks what came out.
    ///
    /// # Panics
    /// When a promise is broken.
    pub run: fn(&[u8]),
}

impl Target {
    /// The target of a name.
    pub fn by_name(name: &str) -> Option<Self> {
        targets::ALL.into_iter().find(|target| target.name == name)
    }
}
