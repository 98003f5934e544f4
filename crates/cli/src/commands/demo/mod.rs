//! `daybook demo`: a legal hold stops a deletion, as people would do it, with a real mailbox.
//!
//! | module | what it does |
//! | --- | --- |
//! | `mailbox` | the mailbox that ships with the program |
//! | `node` | the node that is used: the one that runs, or one of the demo's own |
//! | `story` | the steps |

mod mailbox;
mod node;
mod story;

use crate::args::{Demo, Global};
use crate::failure::Outcome;
use crate::output::{self, line};
use crate::session::scratch;

/// Tells the story on the node that runs, or on one of its own.
pub(crate) async fn run(arguments: Demo, global: &Global) -> Outcome {
    let (_folder, folder) = scratch("demo")?;
    let mailboxes = match arguments.mail.as_slice() {
        [] => {
            let unpacked = folder.join("mailbox");
            mailbox::unpack(&unpacked)?;
            vec![unpacked]
        }
        given => given.to_vec(),
    };
    let node = node::DemoNode::find_or_start(global, arguments.log.as_deref(), &folder.join("node")).await?;
    let told = story::tell(&node, &mailboxes, arguments.custodian.as_deref(), global.json).await;
    let more = node.hints();
    node.stop().await;
    let summary = told?;
    if global.json {
        output::json(&summary);
    } else {
        line("");
        line(
            "That was Daybook: every command is on the log, and what you saw can be decided and folded again from it.",
        );
        more.into_iter().for_each(line);
    }
    Ok(())
}
