//! Raising the feature level of the log, once every node understands it.

use daybook_kernel::authorisation::Authorisation;
use daybook_kernel::domain::{Command, Context};
use daybook_kernel::rejection::{Refusal, Rejection, Violations};
use daybook_kernel::state::Fault;
use daybook_proto::platform::v1;
use platform_projection::{Event, Platform, Tables};

use crate::{NAMESPACE, codes};

/// Raises the level.
#[derive(Debug, Clone)]
pub struct RaiseFeatureLevel {
    /// `None`: the newest that every node understands.
    level: Option<u32>,
    /// As the door that took the command knew them.
    nodes: Vec<v1::NodeRelease>,
}

impl RaiseFeatureLevel {
    /// The node that understands least. The door has listed itself at least.
    fn oldest(&self) -> Result<&v1::NodeRelease, Refusal> {
        let oldest = self.nodes.iter().min_by_key(|node| node.newest_feature_level);
        oldest.ok_or_else(|| Violations::one("nodes", "must not be empty: the door fills it in").into())
    }
}

impl Command for RaiseFeatureLevel {
    type Request = v1::RaiseFeatureLevelRequest;
    type Response = v1::RaiseFeatureLevelResponse;
    type Projection = Platform;
    const KIND: &'static str = "RaiseFeatureLevel";

    fn parse(request: Self::Request) -> Result<Self, Violations> {
        Ok(Self { level: (request.level > 0).then_some(request.level), nodes: request.nodes })
    }

    fn authorisation(&self, _: &Tables<'_>, _: &Context<'_>) -> Result<Option<Authorisation>, Refusal> {
        Ok(Some(Authorisation::new(NAMESPACE, Self::KIND, "Installation", "this")))
    }

    fn decide(&self, tables: &Tables<'_>, ctx: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let oldest = self.oldest()?;
        let understood = oldest.newest_feature_level;
        let level = self.level.unwrap_or(understood);
        if level > understood || understood == 0 {
            let knows = match understood {
                0 => "has not said what it understands".to_owned(),
                level => format!("understands levels up to {level}"),
            };
            let message = format!(
                "node {} ({}) {knows}; nothing was changed; run the new release there, or stop it, and try again",
                oldest.node_id, oldest.version
            );
            let rejection = Rejection::new(codes::FEATURE_LEVEL_NOT_UNDERSTOOD, message);
            return Err(rejection.with("node_id", oldest.node_id.as_str()).into());
        }
        let reached = tables.feature_level().get(())?.map_or(0, |row| row.level);
        if level <= reached {
            let message = format!(
                "the log is at feature level {reached} already, and a level is never lowered; nothing was changed; every \
                 node understands levels up to {understood}"
            );
            let rejection = Rejection::new(codes::FEATURE_LEVEL_UNCHANGED, message);
            return Err(rejection.with("feature_level", reached.to_string()).into());
        }
        let nodes = self.nodes.clone();
        Ok(vec![Event::FeatureLevelRaised(v1::FeatureLevelRaised { level, partitions: ctx.partitions, nodes })])
    }

    fn respond(tables: &Tables<'_>, _: &[Event]) -> Result<Self::Response, Fault> {
        let feature_level = tables.feature_level().get(())?;
        Ok(v1::RaiseFeatureLevelResponse { receipt: None, feature_level })
    }
}
