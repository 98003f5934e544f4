//! `daybook demo`: stories, told with a real node.
//!
//! | module | what it does |
//! | --- | --- |
//! | `legal_hold` | a legal hold stops a deletion |
//! | `analytics` | a month in the life of a product, and nothing personal of it |
//! | `node` | the node that is used: the one that runs, or one of the demo's own |
//! | `teller` | saying what is done |

mod analytics;
mod legal_hold;
mod node;
mod teller;

use crate::args::{Demo, DemoStory, Global};
use crate::failure::Outcome;

/// Tells a story.
pub(crate) async fn run(arguments: Demo, global: &Global) -> Outcome {
    match arguments.story {
        None => legal_hold::run(arguments.hold, global).await,
        Some(DemoStory::Analytics(arguments)) => analytics::run(arguments, global).await,
    }
}
