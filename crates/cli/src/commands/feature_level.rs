//! `daybook feature-level`: what every node of the log must understand.

use daybook_proto::platform::v1;

use super::platform::{ARRIVES_WITHIN, LOOK_EVERY};
use crate::args::FeatureLevel;
use crate::client::new_id;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::session::Session;
use crate::units;

/// Shows the level, or raises it.
pub(crate) async fn run(level: FeatureLevel, session: &Session) -> Outcome {
    match level {
        FeatureLevel::Show => show(&look(session).await?, session),
        FeatureLevel::Raise { level } => {
            let command_id = new_id();
            let level = level.unwrap_or_default();
            let request = v1::RaiseFeatureLevelRequest { command_id: command_id.clone(), level, ..Default::default() };
            let _: v1::RaiseFeatureLevelResponse = session.client.command(&command_id, &request).await?;
            show(&arrived(session).await?, session)
        }
    }
}

async fn look(session: &Session) -> Outcome<v1::GetFeatureLevelResponse> {
    session.client.ask(&v1::GetFeatureLevelRequest::default()).await
}

/// Waits until every partition has the level.
async fn arrived(session: &Session) -> Outcome<v1::GetFeatureLevelResponse> {
    let started = tokio::time::Instant::now();
    loop {
        let response = look(session).await?;
        let level = response.feature_level.clone().unwrap_or_default();
        if level.partitions_ready == level.partitions {
            return Ok(response);
        }
        if started.elapsed() > ARRIVES_WITHIN {
            let message = format!("feature level {} is decided, but not every partition has it yet", level.level);
            return Err(Failure::new(message).hint("look again with `daybook feature-level show`"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn show(response: &v1::GetFeatureLevelResponse, session: &Session) -> Outcome {
    session.show(response, |response| {
        let level = response.feature_level.clone().unwrap_or_default();
        output::facts([
            ("feature level", level.level.to_string()),
            ("raised", units::show_time(level.raised_at.as_ref())),
            ("by", level.raised_by.clone()),
            ("partitions", format!("{} of {}", level.partitions_ready, level.partitions)),
        ]);
        let nodes = level
            .nodes
            .iter()
            .map(|node| [node.node_id.clone(), node.version.clone(), format!("up to {}", node.newest_feature_level)]);
        if !level.nodes.is_empty() {
            output::table(["node then", "version", "understood"], nodes);
        }
    })
}
