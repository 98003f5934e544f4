//! Drawing a metric.

use std::path::Path;

use crate::args::MetricArguments;
use crate::failure::{Failure, Outcome};
use crate::output::line;
use crate::session::Session;

/// Computes a metric and draws it into a file.
pub(super) async fn chart(
    arguments: MetricArguments,
    output: &Path,
    title: Option<&str>,
    session: &Session,
) -> Outcome {
    let is_page = match output.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => false,
        Some("html" | "htm") => true,
        _ => return Err(Failure::new(format!("{} must end in .svg or .html", output.display()))),
    };
    let title = title.unwrap_or(&arguments.metric).to_owned();
    let response = super::metric::ask(arguments, session).await?;
    let drawn = match is_page {
        true => daybook_charts::html(&title, &response),
        false => daybook_charts::svg(&response),
    };
    let drawn = drawn.map_err(Failure::new)?;
    std::fs::write(output, drawn).map_err(|error| Failure::new(format!("{}: {error}", output.display())))?;
    line(format_args!("drawn: {}", output.display()));
    Ok(())
}
