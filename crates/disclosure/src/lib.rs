//! Small cells of aggregate answers, and what gives them back.
//!
//! A number of fewer than `k` people says something of each of them, so such a cell is not shown. That alone does not
//! help: whoever sees the total and all other cells of a line subtracts. [`suppress`] hides further cells until no
//! hidden one follows from what is shown (complementary suppression; see A. Hundepool et al., Statistical Disclosure
//! Control, 2012, chapter 4).
//!
//! A table is taken as a graph: its rows and columns are the vertices, a hidden cell is an edge between its row and its
//! column. Totals are one more row and column. Then a hidden cell follows from the shown ones exactly when its edge is on
//! no cycle (D. Gusfield, A Graph Theoretic Approach to Statistical Data Security, SIAM J. Comput. 17, 1988). What it
//! does not hide: that a hidden cell lies in some range, at most what the hidden cells of its line add up to; they add up
//! to `k` at least.

use std::collections::BTreeSet;

/// A table of counts of people, without its totals; a breakdown in one dimension is a table of one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    columns: usize,
    cells: Vec<u64>,
}

impl Counts {
    /// Row by row. `None` if the rows are not equally long, or there are none.
    pub fn from_rows(rows: &[&[u64]]) -> Option<Self> {
        let columns = rows.first().map(|row| row.len()).filter(|columns| *columns > 0)?;
        let are_equal = rows.iter().all(|row| row.len() == columns);
        are_equal.then(|| Self { columns, cells: rows.concat() })
    }

    fn rows(&self) -> usize {
        self.cells.len() / self.columns
    }
}

/// What may be shown of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// With one row and one column more than the table: the totals.
    columns: usize,
    hidden: Vec<bool>,
}

impl Shown {
    /// Whether a cell may be shown.
    pub fn cell(&self, row: usize, column: usize) -> bool {
        !self.hidden[row * self.columns + column]
    }

    /// Whether the total of a row may be shown.
    pub fn row_total(&self, row: usize) -> bool {
        self.cell(row, self.columns - 1)
    }

    /// Whether the total of a column may be shown.
    pub fn column_total(&self, column: usize) -> bool {
        self.cell(self.hidden.len() / self.columns - 1, column)
    }

    /// Whether the total of everything may be shown.
    pub fn total(&self) -> bool {
        !self.hidden[self.hidden.len() - 1]
    }
}

/// What may be shown of a table and all its totals, so that no cell of fewer than `k` people can be worked out from it.
pub fn suppress(counts: &Counts, k: u64) -> Shown {
    let mut table = Table::with_totals(counts);
    // Nobody is in an empty cell: it says nothing of anybody.
    let small: Vec<usize> = (0..table.cells.len()).filter(|cell| (1..k).contains(&table.cells[*cell])).collect();
    for cell in small {
        table.hidden[cell] = true;
    }
    while let Some(line) = table.given_away(k) {
        if !table.hide_another(&line) {
            break;
        }
    }
    Shown { columns: table.columns, hidden: table.hidden }
}

/// A table with its totals as one more row and column.
struct Table {
    columns: usize,
    cells: Vec<u64>,
    hidden: Vec<bool>,
}

impl Table {
    fn with_totals(counts: &Counts) -> Self {
        let (rows, columns) = (counts.rows(), counts.columns);
        let mut cells = Vec::with_capacity((rows + 1) * (columns + 1));
        for row in counts.cells.chunks(columns) {
            cells.extend_from_slice(row);
            cells.push(row.iter().sum());
        }
        for column in 0..=columns {
            cells.push((0..rows).map(|row| cells[row * (columns + 1) + column]).sum());
        }
        let hidden = vec![false; cells.len()];
        Self { columns: columns + 1, cells, hidden }
    }

    fn rows(&self) -> usize {
        self.cells.len() / self.columns
    }

    /// The cells of every line: rows, then columns.
    fn lines(&self) -> impl Iterator<Item = Vec<usize>> + '_ {
        (0..self.rows()).map(|row| self.row(row)).chain((0..self.columns).map(|column| self.column(column)))
    }

    fn row(&self, row: usize) -> Vec<usize> {
        (row * self.columns..(row + 1) * self.columns).collect()
    }

    fn column(&self, column: usize) -> Vec<usize> {
        (column..self.cells.len()).step_by(self.columns).collect()
    }

    /// A line in which more must be hidden: what is missing in it adds up to less than `k`, or one cell of it follows from
    /// the rest of the table.
    fn given_away(&self, k: u64) -> Option<Vec<usize>> {
        let is_short = |line: &Vec<usize>| {
            let Some((total, cells)) = line.split_last() else { return false };
            let hidden = || cells.iter().copied().filter(|cell| self.hidden[*cell]);
            let missing: u64 = hidden().map(|cell| self.cells[cell]).sum();
            !self.hidden[*total] && (hidden().count() == 1 || hidden().count() > 1 && missing < k)
        };
        if let Some(line) = self.lines().find(is_short) {
            return Some(line);
        }
        // Its row, its column, or the totals that close a cycle through both.
        let bridge = self.bridges().into_iter().next()?;
        let lines = [
            self.row(bridge / self.columns),
            self.column(bridge % self.columns),
            self.column(self.columns - 1),
            self.row(self.rows() - 1),
        ];
        lines.into_iter().find(|line| line.iter().any(|cell| self.can_be_hidden(*cell)))
    }

    fn can_be_hidden(&self, cell: usize) -> bool {
        !self.hidden[cell] && self.cells[cell] > 0
    }

    fn is_total(&self, cell: usize) -> bool {
        cell % self.columns == self.columns - 1 || cell / self.columns == self.rows() - 1
    }

    /// Hides the smallest cell of a line that is shown and not empty; a total only when there is nothing else.
    fn hide_another(&mut self, line: &[usize]) -> bool {
        let shown = line.iter().copied().filter(|cell| self.can_be_hidden(*cell));
        match shown.min_by_key(|cell| (self.is_total(*cell), self.cells[*cell])) {
            Some(cell) => {
                self.hidden[cell] = true;
                true
            }
            None => false,
        }
    }

    /// Hidden cells on no cycle. A depth-first search for bridges (R. Tarjan, 1974), without recursion.
    fn bridges(&self) -> BTreeSet<usize> {
        let (rows, vertices) = (self.rows(), self.rows() + self.columns);
        let mut edges: Vec<Vec<(usize, usize)>> = vec![Vec::new(); vertices];
        for cell in (0..self.cells.len()).filter(|cell| self.hidden[*cell]) {
            let (row, column) = (cell / self.columns, rows + cell % self.columns);
            edges[row].push((column, cell));
            edges[column].push((row, cell));
        }
        let (mut found_at, mut lowest, mut next) = (vec![usize::MAX; vertices], vec![usize::MAX; vertices], 0);
        let mut bridges = BTreeSet::new();
        for start in 0..vertices {
            if found_at[start] != usize::MAX {
                continue;
            }
            // A vertex, the edge to it, and which of its edges is looked at next.
            let mut path = vec![(start, usize::MAX, 0)];
            found_at[start] = next;
            lowest[start] = next;
            next += 1;
            while let Some((vertex, by, at)) = path.last_mut() {
                let (vertex, by) = (*vertex, *by);
                if let Some((to, edge)) = edges[vertex].get(*at).copied() {
                    *at += 1;
                    // Back over the edge that led here is no way round.
                    if edge == by {
                        continue;
                    }
                    if found_at[to] == usize::MAX {
                        found_at[to] = next;
                        lowest[to] = next;
                        next += 1;
                        path.push((to, edge, 0));
                    } else {
                        lowest[vertex] = lowest[vertex].min(found_at[to]);
                    }
                } else {
                    path.pop();
                    if let Some((before, ..)) = path.last() {
                        lowest[*before] = lowest[*before].min(lowest[vertex]);
                        if lowest[vertex] > found_at[*before] {
                            bridges.insert(by);
                        }
                    }
                }
            }
        }
        bridges
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PRIME: u128 = (1 << 61) - 1;

    /// What somebody can work out who solves all equations between cells and totals: the hidden cells that have one
    /// solution. Gaussian elimination, modulo a prime.
    fn worked_out(shown: &Shown) -> Vec<usize> {
        let (columns, rows) = (shown.columns, shown.hidden.len() / shown.columns);
        let unknown: Vec<usize> = (0..shown.hidden.len()).filter(|cell| shown.hidden[*cell]).collect();
        let sign = |cell: usize, total: usize| if cell == total { PRIME - 1 } else { 1 };
        let mut equations: Vec<Vec<u128>> = Vec::new();
        for row in 0..rows {
            let total = (row + 1) * columns - 1;
            equations
                .push(unknown.iter().map(|cell| if cell / columns == row { sign(*cell, total) } else { 0 }).collect());
        }
        for column in 0..columns {
            let total = (rows - 1) * columns + column;
            let of = |cell: &usize| if cell % columns == column { sign(*cell, total) } else { 0 };
            equations.push(unknown.iter().map(of).collect());
        }
        let inverse = |value: u128| {
            let (mut result, mut base, mut power) = (1, value, PRIME - 2);
            while power > 0 {
                if power & 1 == 1 {
                    result = result * base % PRIME;
                }
                base = base * base % PRIME;
                power >>= 1;
            }
            result
        };
        let mut solved = 0;
        for variable in 0..unknown.len() {
            let Some(pivot) = (solved..equations.len()).find(|equation| equations[*equation][variable] != 0) else {
                continue;
            };
            equations.swap(solved, pivot);
            let by = inverse(equations[solved][variable]);
            equations[solved].iter_mut().for_each(|value| *value = *value * by % PRIME);
            let pivot = equations[solved].clone();
            for (_, equation) in equations.iter_mut().enumerate().filter(|(at, _)| *at != solved) {
                let factor = equation[variable];
                for (value, subtracted) in equation.iter_mut().zip(&pivot) {
                    *value = (*value + PRIME - factor * subtracted % PRIME) % PRIME;
                }
            }
            solved += 1;
        }
        let single = |equation: &&Vec<u128>| equation.iter().filter(|value| **value != 0).count() == 1;
        let of = |equation: &Vec<u128>| equation.iter().position(|value| *value != 0).map(|at| unknown[at]);
        equations.iter().filter(single).filter_map(of).collect()
    }

    fn shown(rows: &[&[u64]], k: u64) -> Shown {
        suppress(&Counts::from_rows(rows).unwrap(), k)
    }

    #[test]
    fn a_small_cell_takes_another_with_it() {
        let one = shown(&[&[3], &[10], &[20]], 5);
        assert!(!one.cell(0, 0) && !one.cell(1, 0) && one.cell(2, 0) && one.total());
        let none = shown(&[&[0], &[10]], 5);
        assert!(none.cell(0, 0) && none.cell(1, 0) && none.total(), "an empty cell is nobody's");
        let alone = shown(&[&[3]], 5);
        assert!(!alone.cell(0, 0) && !alone.total() && !alone.row_total(0) && !alone.column_total(0));
        let two = shown(&[&[1], &[2], &[50]], 5);
        assert!(!two.cell(2, 0), "together they are fewer than five, too");
        assert_eq!(Counts::from_rows(&[&[1, 2], &[3]]), None);
        assert_eq!(Counts::from_rows(&[]), None);
    }

    #[test]
    fn what_is_hidden_by_its_line_alone_can_follow_from_others() {
        let rows: [&[u64]; 2] = [&[3, 0], &[0, 10]];
        assert_eq!(worked_out(&shown(&rows, 5)), Vec::<usize>::new());
        assert!(shown(&rows, 2).cell(0, 0));
    }

    proptest! {
        #[test]
        fn no_hidden_cell_can_be_worked_out(
            cells in prop::collection::vec(0u64..25, 1..36), columns in 1usize..7, k in 2u64..11
        ) {
            let rows: Vec<&[u64]> = cells.chunks_exact(columns.min(cells.len())).collect();
            let shown = shown(&rows, k);
            prop_assert_eq!(worked_out(&shown), Vec::<usize>::new());
            for (at, row) in rows.iter().enumerate() {
                for (column, count) in row.iter().enumerate() {
                    prop_assert!(!((1..k).contains(count) && shown.cell(at, column)), "a small cell is shown");
                }
            }
        }

        #[test]
        fn where_nothing_is_small_everything_is_shown(cells in prop::collection::vec(10u64..25, 1..36)) {
            let shown = shown(&[&cells], 10);
            prop_assert!(shown.hidden.iter().all(|hidden| !hidden));
        }
    }
}
