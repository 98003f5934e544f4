//! What every demo does: it says what it does, and fails where something comes out otherwise.

use crate::failure::{Failure, Outcome};
use crate::output::line;

/// Says what is done, unless programs listen.
pub(crate) struct Teller {
    pub(crate) json: bool,
    pub(crate) step: u32,
}

impl Teller {
    pub(crate) fn step(&mut self, title: &str) {
        self.step += 1;
        self.say(format_args!("\n{}  {title}", self.step));
    }

    pub(crate) fn command(&self, text: impl std::fmt::Display) {
        self.say(format_args!("   $ daybook {text}"));
    }

    pub(crate) fn say(&self, text: impl std::fmt::Display) {
        if !self.json {
            line(text);
        }
    }

    pub(crate) fn show(&self, table: impl FnOnce()) {
        if !self.json {
            table();
        }
    }
}

/// What the demo says has happened, has.
pub(crate) fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(Failure::new(format!("the demo did not go as it should: {}", otherwise()))) }
}
