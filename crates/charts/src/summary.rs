//! What a chart says to somebody who does not see it.

use crate::groups::{BREAKDOWN, Group};
use crate::panel::Periods;
use crate::table::Table;
use crate::words;

/// How many values are named.
const NAMED_MAX: usize = 8;

/// Sentences: what kind of chart, over which periods, of which values, and how much is not shown.
pub(crate) fn sentences(table: &Table<'_>, kind: &str, periods: Option<&Periods>, groups: &[Group<'_>]) -> String {
    let mut said = kind.to_owned();
    if let Some(periods) = periods {
        said.push_str(&format!(" over {}", periods.words()));
    }
    said.push('.');
    if table.has(BREAKDOWN) {
        let names: Vec<&str> = groups.iter().take(NAMED_MAX).map(|group| group.name.as_str()).collect();
        let more = if groups.len() > NAMED_MAX { " and more" } else { "" };
        said.push_str(&format!(" {}: {}{more}.", words::count_of(groups.len(), "value", "values"), names.join(", ")));
    }
    if table.response.suppressed_cells > 0 {
        let cells = words::count_of(table.response.suppressed_cells as usize, "number is", "numbers are");
        said.push_str(&format!(" {cells} not shown, because too few actors are behind them."));
    }
    if table.response.rows.is_empty() {
        said.push_str(" There is nothing in this period.");
    }
    said
}
