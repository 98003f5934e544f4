//! Names, each with a value: the one place where reading and linting look names up.
//!
//! A file of a megabyte can have 100,000 keys, and looking through all names for each of them takes a minute. Tests count
//! the comparisons and hold them to what grows as the file does.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Names, each with the first value that it was given.
#[derive(Debug)]
pub(crate) struct Names<'a, V>(BTreeMap<Name<'a>, V>);

/// A name. Comparing two of them is a step.
#[derive(Debug, PartialEq, Eq)]
struct Name<'a>(Cow<'a, str>);

impl Ord for Name<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        #[cfg(test)]
        steps::count();
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Name<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<V> Default for Names<'_, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'a, V: Copy> Names<'a, V> {
    /// Gives a name its value. One that has a value already keeps it, and that is returned.
    pub(crate) fn add(&mut self, name: impl Into<Cow<'a, str>>, value: V) -> Option<V> {
        match self.0.entry(Name(name.into())) {
            Entry::Occupied(entry) => Some(*entry.get()),
            Entry::Vacant(entry) => {
                entry.insert(value);
                None
            }
        }
    }

    /// The value of a name.
    pub(crate) fn get(&self, name: &'a str) -> Option<V> {
        self.0.get(&Name(name.into())).copied()
    }
}

/// Counts comparisons of names, of one thread.
#[cfg(test)]
pub(crate) mod steps {
    use std::cell::Cell;

    thread_local! {
        static COUNT: Cell<u64> = const { Cell::new(0) };
    }

    pub(super) fn count() {
        COUNT.with(|count| count.set(count.get() + 1));
    }

    /// How many there are while something is done.
    pub(crate) fn of(work: impl FnOnce()) -> u64 {
        let before = COUNT.with(Cell::get);
        work();
        COUNT.with(Cell::get) - before
    }
}

#[cfg(test)]
mod tests {
    use crate::{files, lint};

    use daybook_proto::product_analytics::v1::EventSchema;

    /// Comparisons of names while a file is read, linted and held against others; one with problems is only read.
    fn steps(text: &str, older: &[EventSchema]) -> u64 {
        super::steps::of(|| {
            if let Ok(files) = files::parse("events.yaml", text) {
                let _ = (lint::lint(&files), lint::against(&files, older));
            }
        })
    }

    fn repeated(head: &str, count: usize, line: impl Fn(usize) -> String) -> String {
        (0..count).map(line).fold(head.to_owned(), |text, line| text + &line)
    }

    /// Names are kept in order, so that twice as many take a little more than twice the comparisons.
    #[track_caller]
    fn is_linear(count: usize, older: &[EventSchema], text: impl Fn(usize) -> String) {
        let [half, all] = [count / 2, count].map(|count| steps(&text(count), older));
        assert!(half >= count as u64 / 2 && all <= half * 23 / 10, "{half} comparisons, then {all}");
    }

    #[test]
    fn twice_the_keys_are_twice_the_work() {
        is_linear(120_000, &[], |count| repeated("", count, |at| format!("k{at}: 1\n")));
        is_linear(120_000, &[], |count| repeated("{", count, |at| format!("k{at}: 1, ")) + "}");
    }

    #[test]
    fn twice_the_names_are_twice_the_work() {
        let event = |at: usize| format!("  - {{name: e{at}, version: 1, purpose: p{at}, description: x}}\n");
        let events = |count| repeated("events:\n", count, event);
        let older = files::parse("older.yaml", &events(10_000)).unwrap().schemas();
        is_linear(20_000, &older, events);
        let properties = "events:\n  - name: e1\n    version: 1\n    purpose: p\n    properties:\n";
        is_linear(20_000, &older, |count| repeated(properties, count, |at| format!("      p{at}: boolean\n")));
        let purposes = "profile:\n  purposes_without_consent:\n";
        is_linear(20_000, &older, |count| repeated(purposes, count, |at| format!("    - q{at}\n")) + &events(count));
    }
}
