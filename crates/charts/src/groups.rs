//! The rows of a table by the value that they are broken down by.

use std::collections::BTreeMap;

use crate::table::{Line, Table, Value};

/// The column of the value.
pub(crate) const BREAKDOWN: &str = "breakdown";
/// The column of the period.
pub(crate) const PERIOD: &str = "period_start";

/// Values that have a field of their own each, where they cannot share one.
pub(crate) const PANELS_MAX: usize = 6;

/// The rows of one value.
#[derive(Debug, Clone)]
pub(crate) struct Group<'t> {
    /// Fit to be written; empty where nothing is broken down.
    pub(crate) name: String,
    pub(crate) rows: Vec<Line<'t>>,
}

impl<'t> Group<'t> {
    /// The row of the whole period.
    pub(crate) fn whole(&self) -> Option<&Line<'t>> {
        self.rows.iter().find(|row| row.time(PERIOD) == Value::Missing)
    }

    /// The rows of single periods, in their order; of several of one period, the first.
    pub(crate) fn by_period(&self) -> Vec<(i64, Line<'t>)> {
        let mut rows: BTreeMap<i64, Line<'t>> = BTreeMap::new();
        for row in &self.rows {
            if let Value::Shown(start) = row.time(PERIOD) {
                rows.entry(start).or_insert(*row);
            }
        }
        rows.into_iter().collect()
    }

    /// A number of each period.
    pub(crate) fn points(&self, column: &str) -> Vec<(i64, Value<f64>)> {
        self.by_period().into_iter().map(|(start, row)| (start, row.number(column))).collect()
    }

    /// How much of a number there is: in the whole period if that is told, otherwise in all that is shown.
    fn weight(&self, column: &str) -> f64 {
        let whole = self.whole().and_then(|row| row.number(column).shown());
        whole.unwrap_or_else(|| self.points(column).into_iter().map(|(_, value)| value.height()).sum())
    }
}

/// In the order in which the values first appear. Values are told apart as they came, not as they are written.
pub(crate) fn of<'t>(table: &'t Table<'_>) -> Vec<Group<'t>> {
    let mut at: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    let mut groups: Vec<Group<'t>> = Vec::new();
    for row in table.rows() {
        let name = || if table.has(BREAKDOWN) { row.label(BREAKDOWN) } else { String::new() };
        let found = *at.entry(row.text(BREAKDOWN).shown()).or_insert(groups.len());
        match groups.get_mut(found) {
            Some(group) => group.rows.push(row),
            None => groups.push(Group { name: name(), rows: vec![row] }),
        }
    }
    groups
}

/// The heaviest first.
pub(crate) fn by_weight<'t>(table: &'t Table<'_>, column: &str) -> Vec<Group<'t>> {
    let mut weighed: Vec<(f64, Group<'t>)> = of(table).into_iter().map(|group| (group.weight(column), group)).collect();
    weighed.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    weighed.into_iter().map(|(_, group)| group).collect()
}

/// All periods that any group has.
pub(crate) fn starts(groups: &[Group<'_>]) -> Vec<i64> {
    groups.iter().flat_map(|group| group.by_period().into_iter().map(|(start, _)| start)).collect()
}
