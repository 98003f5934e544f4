//! `daybook analytics`: events of product use, and metrics.

mod chart;
mod files;
mod metric;
mod record;
mod registry;

use crate::args::{Analytics, Global};
use crate::failure::Outcome;

/// Checks and registers events, records them, computes and draws metrics.
pub(crate) async fn run(analytics: Analytics, global: &Global) -> Outcome {
    match analytics {
        Analytics::Lint { files, against } => files::lint(&files, &against, global),
        Analytics::Client { files, language, output } => files::client(&files, language, output.as_deref()),
        Analytics::Register { files } => registry::register(&files, &global.session()?).await,
        Analytics::Events => registry::events(&global.session()?).await,
        Analytics::Refused => registry::refused(&global.session()?).await,
        Analytics::Record { file, batch } => record::record(&file, batch as usize, &global.session()?).await,
        Analytics::Define { file } => registry::define(&file, &global.session()?).await,
        Analytics::Metrics => registry::metrics(&global.session()?).await,
        Analytics::Query(metric) => metric::query(metric, &global.session()?).await,
        Analytics::Chart { metric, output, title } => {
            chart::chart(metric, &output, title.as_deref(), &global.session()?).await
        }
    }
}
