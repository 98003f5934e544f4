//! `daybook projection`: what a node has folded from the log.

use daybook_proto::node::v1;

use crate::args::Projection;
use crate::failure::Outcome;
use crate::output;
use crate::period;
use crate::session::Session;

/// Lists and rebuilds projections.
pub(crate) async fn run(projection: Projection, session: &Session) -> Outcome {
    match projection {
        Projection::List => {
            let response: v1::ListProjectionsResponse = session.client.ask(&v1::ListProjectionsRequest {}).await?;
            session.show(&response, |response| {
                let rows = response.projections.iter().map(|status| {
                    [
                        status.projection.clone(),
                        status.partition.to_string(),
                        status.version.to_string(),
                        status.generation.to_string(),
                        status.estimated_rows.to_string(),
                    ]
                });
                output::table(["projection", "partition", "version", "built", "rows (estimate)"], rows);
            })
        }
        Projection::Rebuild { projection, partition } => {
            let request = v1::RebuildProjectionRequest { projection, partitions: partition };
            let response: v1::RebuildProjectionResponse = session.client.ask(&request).await?;
            session.show(&response, |response| {
                let rows = response.partitions.iter().map(|rebuilt| {
                    [
                        rebuilt.partition.to_string(),
                        rebuilt.decisions.to_string(),
                        rebuilt.rows.to_string(),
                        period::show_duration(rebuilt.duration.as_ref()),
                        rebuilt.generation.to_string(),
                    ]
                });
                output::table(["partition", "decisions", "rows (estimate)", "took", "built"], rows);
            })
        }
    }
}
