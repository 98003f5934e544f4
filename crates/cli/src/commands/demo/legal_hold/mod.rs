//! A legal hold stops a deletion, as people would do it, with a real mailbox.

mod mailbox;
mod story;

use crate::args::{Global, HoldDemo};
use crate::commands::demo::node::DemoNode;
use crate::failure::Outcome;
use crate::output::{self, line};
use crate::session::scratch;

/// Tells the story on the node that runs, or on one of its own.
pub(super) async fn run(arguments: HoldDemo, global: &Global) -> Outcome {
    let (_folder, folder) = scratch("demo")?;
    let mailboxes = match arguments.mail.as_slice() {
        [] => {
            let unpacked = folder.join("mailbox");
            mailbox::unpack(&unpacked)?;
            vec![unpacked]
        }
        given => given.to_vec(),
    };
    let node = DemoNode::find_or_start(global, arguments.log.as_deref(), &folder.join("node"), |_| {}).await?;
    let told = story::tell(&node, &mailboxes, arguments.custodian.as_deref(), global.json).await;
    let more = node.hints("hold list, item list, hold audit");
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
