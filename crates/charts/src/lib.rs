//! Draws metrics of the product analytics domain as static SVG, and as pages of one file around it.
//!
//! A chart is for whoever reads a report: it needs no scripts and loads nothing, follows light and dark, can be
//! printed, and says in words what it shows. [`html`] adds the same numbers as a table, for those who would rather read.
//!
//! Not for: computing metrics, or deciding what may be seen of them.
//!
//! Architecture invariants: nothing is read, requested or counted here; a cell that is not shown is never drawn as a
//! number; text from a response is hostile until the module `text` has cleaned and escaped it. No response, whatever
//! its shape, stops the program.
//!
//! ```
//! use daybook_charts::{NotDrawable, svg};
//! use daybook_proto::product_analytics::v1::QueryMetricResponse;
//!
//! assert_eq!(svg(&QueryMetricResponse::default()), Err(NotDrawable::NoMetric));
//! ```

mod bars;
mod copilot;
mod definition;
mod funnel;
mod groups;
mod lifecycle;
mod lines;
mod page;
mod panel;
mod paths;
mod retention;
mod sessions;
mod sheet;
mod stacks;
mod style;
mod summary;
mod table;
mod text;
mod ticks;
mod time_to_insight;
mod usage;
mod words;

use daybook_proto::product_analytics::v1::QueryMetricResponse;
use daybook_proto::product_analytics::v1::metric_definition::Metric;

pub use table::NotDrawable;

/// A chart, 900 pixels wide, as an SVG document of its own; it may also stand within HTML.
///
/// # Errors
///
/// If the response does not say of which kind its metric is, or lacks a column that the chart of that kind needs.
pub fn svg(response: &QueryMetricResponse) -> Result<String, NotDrawable> {
    let metric = response.metric.as_ref().and_then(|definition| definition.metric.as_ref());
    let sheet = match metric.ok_or(NotDrawable::NoMetric)? {
        Metric::Usage(_) => usage::draw(response),
        Metric::Funnel(_) => funnel::draw(response),
        Metric::Retention(_) => retention::draw(response),
        Metric::Lifecycle(_) => lifecycle::draw(response),
        Metric::Paths(_) => paths::draw(response),
        Metric::Sessions(_) => sessions::draw(response),
        Metric::TimeToInsight(_) => time_to_insight::draw(response),
        Metric::Copilot(_) => copilot::draw(response),
    }?;
    let sheet = if response.rows.is_empty() { sheet.emptied() } else { sheet };
    Ok(sheet.finish())
}

/// A page in one file: the title, the definition in words, the chart, what to know about the numbers, and the numbers.
///
/// # Errors
///
/// Those of [`svg`].
pub fn html(title: &str, response: &QueryMetricResponse) -> Result<String, NotDrawable> {
    Ok(page::draw(title, response, &svg(response)?))
}
