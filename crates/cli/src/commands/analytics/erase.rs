//! Erasing an actor.

use daybook_proto::product_analytics::v1;

use crate::client::new_id;
use crate::failure::Outcome;
use crate::output::line;
use crate::session::Session;

/// Erases an actor from everything that is computed.
pub(super) async fn erase(actor: String, session: &Session) -> Outcome {
    let request =
        v1::EraseActorRequest { command_id: new_id(), tenant_id: session.tenant.clone(), actor, ..Default::default() };
    let response: v1::EraseActorResponse = session.client.command(&request.command_id, &request).await?;
    session.show(&response, |response| match response.found_count {
        0 => line("no events of this actor are known, in no epoch whose key exists: there was nothing to erase"),
        count => {
            line(format_args!("erased: {count} pseudonyms of this actor had events, which no answer has any more"))
        }
    })
}
