//! Which events follow each other within a session.
//!
//! A session gives one path at most: the names of its first events, or of those from its first event with a name that
//! paths begin with. Names that repeat are not drawn together. A session that ends early gives a shorter path.

use std::collections::BTreeMap;

use super::Event;
use super::sessions::split;

/// A path has at most this many events.
pub const LENGTH_MAX: usize = 10;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Paths begin with one of these names. Empty: with the first event of a session.
    pub starting_with: Vec<u32>,
    /// How many events a path has at most; above [`LENGTH_MAX`] is taken as that.
    pub length: usize,
    /// How many of the most frequent. The rest is one row.
    pub limit: usize,
    /// Sessions that start from then on.
    pub start_ms: i64,
    /// Sessions that start before then.
    pub end_ms: i64,
}

/// One path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathRow {
    /// The names of its events.
    pub names: Vec<u32>,
    /// Sessions that go along it.
    pub sessions: u64,
    /// Actors with such a session.
    pub actors: u64,
}

/// Paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathsResult {
    /// Actors with a path.
    pub actors: u64,
    /// The most frequent: by sessions, most first, then by names.
    pub rows: Vec<PathRow>,
    /// How many paths are not among them.
    pub rest_paths: u64,
    /// Their sessions.
    pub rest_sessions: u64,
    /// Actors with such a session.
    pub rest_actors: u64,
}

/// Names, filled up with 0, so that it can be a key without memory of its own. Ordered as the names are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Path {
    names: [u32; LENGTH_MAX],
    length: usize,
}

impl Path {
    fn names(&self) -> Vec<u32> {
        self.names.iter().take(self.length).copied().collect()
    }
}

/// Counts paths.
#[derive(Debug, Clone)]
pub struct PathCount {
    asked: Paths,
    sessions: BTreeMap<Path, u64>,
    /// How many actors have exactly these paths, ascending. Only so can those of the rest be counted, once each, when
    /// it is known what the rest is.
    actors: BTreeMap<Vec<Path>, u64>,
    /// The paths of the actor that is being added; kept for its memory.
    own: Vec<Path>,
}

impl PathCount {
    /// Of nobody yet.
    pub fn new(asked: Paths) -> Self {
        Self { asked, sessions: BTreeMap::new(), actors: BTreeMap::new(), own: Vec::new() }
    }

    /// One actor: its events that make up paths, with those around the range that belong to sessions which cross its
    /// bounds.
    pub fn add(&mut self, events: &[Event]) {
        self.add_where(events, |_| true);
    }

    /// The same, and only sessions whose first event passes count.
    pub fn add_where(&mut self, events: &[Event], passes: impl Fn(&Event) -> bool) {
        self.own.clear();
        let range = self.asked.start_ms..self.asked.end_ms;
        for session in split(events) {
            if !session.first().is_some_and(|first| range.contains(&first.time_ms) && passes(first)) {
                continue;
            }
            let Some(path) = self.path(session) else { continue };
            let count = self.sessions.entry(path).or_default();
            *count = count.saturating_add(1);
            self.own.push(path);
        }
        if self.own.is_empty() {
            return;
        }
        self.own.sort_unstable();
        self.own.dedup();
        match self.actors.get_mut(self.own.as_slice()) {
            Some(count) => *count = count.saturating_add(1),
            None => _ = self.actors.insert(self.own.clone(), 1),
        }
    }

    fn path(&self, session: &[Event]) -> Option<Path> {
        let begins =
            |event: &Event| self.asked.starting_with.is_empty() || self.asked.starting_with.contains(&event.name);
        let begin = session.iter().position(begins)?;
        let mut path = Path::default();
        let length = self.asked.length.min(LENGTH_MAX);
        for (name, event) in path.names.iter_mut().zip(session.iter().skip(begin)).take(length) {
            *name = event.name;
            path.length += 1;
        }
        Some(path)
    }

    /// Of the actors of both.
    pub fn merge(&mut self, other: Self) {
        for (path, sessions) in other.sessions {
            let count = self.sessions.entry(path).or_default();
            *count = count.saturating_add(sessions);
        }
        for (paths, actors) in other.actors {
            let count = self.actors.entry(paths).or_default();
            *count = count.saturating_add(actors);
        }
    }

    /// The numbers.
    pub fn finish(self) -> PathsResult {
        let mut ranked: Vec<(Path, u64)> = self.sessions.into_iter().collect();
        // Stable: paths of equal counts stay in the order of their names.
        ranked.sort_by_key(|(_, sessions)| std::cmp::Reverse(*sessions));
        let shown: BTreeMap<Path, usize> =
            ranked.iter().take(self.asked.limit).enumerate().map(|(at, (path, _))| (*path, at)).collect();
        let rest = ranked.split_off(shown.len());
        let row = |(path, sessions): (Path, u64)| PathRow { names: path.names(), sessions, actors: 0 };
        let mut rows: Vec<PathRow> = ranked.into_iter().map(row).collect();
        let (mut all_actors, mut rest_actors) = (0_u64, 0_u64);
        for (paths, actors) in self.actors {
            all_actors = all_actors.saturating_add(actors);
            let mut has_others = false;
            for path in paths {
                match shown.get(&path).and_then(|at| rows.get_mut(*at)) {
                    Some(row) => row.actors = row.actors.saturating_add(actors),
                    None => has_others = true,
                }
            }
            rest_actors = rest_actors.saturating_add(if has_others { actors } else { 0 });
        }
        let rest_sessions = rest.iter().fold(0_u64, |sum, (_, sessions)| sum.saturating_add(*sessions));
        PathsResult { actors: all_actors, rows, rest_paths: rest.len() as u64, rest_sessions, rest_actors }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sessions::IDLE_MS;
    use super::*;

    fn of(starting_with: &[u32], limit: usize) -> PathsResult {
        let asked =
            Paths { starting_with: starting_with.to_vec(), length: 3, limit, start_ms: 0, end_ms: 10 * IDLE_MS };
        let mut paths = PathCount::new(asked);
        let session = |at: i64, names: &[u32]| -> Vec<Event> {
            names.iter().map(|name| Event { time_ms: at * IDLE_MS, name: *name, ..Event::default() }).collect()
        };
        paths.add(&[session(0, &[1, 2, 2, 4]), session(2, &[1, 2, 2, 5]), session(4, &[7])].concat());
        paths.add(&[session(-1, &[9]), session(3, &[7])].concat());
        paths.finish()
    }

    #[test]
    fn the_most_frequent_come_first_and_the_rest_is_one_row() {
        let row = |names: &[u32], sessions, actors| PathRow { names: names.to_vec(), sessions, actors };
        assert_eq!(of(&[], 9).rows, [row(&[1, 2, 2], 2, 1), row(&[7], 2, 2)]);
        let cut = of(&[], 1);
        assert_eq!((cut.rest_paths, cut.rest_sessions, cut.rest_actors), (1, 2, 2));
        assert_eq!(of(&[2], 9).rows, [row(&[2, 2, 4], 1, 1), row(&[2, 2, 5], 1, 1)]);
    }
}
