//! `daybook analytics`: events of product use, and metrics.

mod adoption;
mod chart;
mod erase;
pub(crate) mod export;
mod files;
pub(crate) mod metric;
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
        Analytics::Query { metric, arrow } => metric::query(metric, arrow.as_deref(), &global.session()?).await,
        Analytics::Chart { metric, output, title } => {
            chart::chart(metric, &output, title.as_deref(), &global.session()?).await
        }
        Analytics::Adoption { tenants, since, until, by, events } => {
            adoption::adoption(&tenants, (&since, &until), by, events, &global.session_for(&tenants)?).await
        }
        Analytics::Export { since, until, content, no_wait } => {
            export::export(&since, &until, content, no_wait, &global.session()?).await
        }
        Analytics::Exports => export::exports(&global.session()?).await,
        Analytics::ExportSchedule { every, days, content } => {
            export::schedule(every, days, content, &global.session()?).await
        }
        Analytics::Erase { actor } => erase::erase(actor, &global.session()?).await,
    }
}
