//! Sessions, and what is counted by them: paths and times to insight.

use std::collections::{BTreeMap, BTreeSet};

use super::{Recorded, actors, events_of, period_of};

const MINUTE_MS: i64 = 60_000;

/// The sessions of one actor, from its events in order.
pub fn sessions_of(events: &[Recorded]) -> Vec<Vec<Recorded>> {
    let mut sessions: Vec<Vec<Recorded>> = Vec::new();
    for event in events {
        let goes_on = |session: &&mut Vec<Recorded>| {
            let (first, last) = (session[0], session[session.len() - 1]);
            event.time_ms - last.time_ms < 30 * MINUTE_MS && event.time_ms - first.time_ms <= 24 * 60 * MINUTE_MS
        };
        match sessions.last_mut().filter(goes_on) {
            Some(session) => session.push(*event),
            None => sessions.push(vec![*event]),
        }
    }
    sessions
}

/// The events of those sessions that begin with an event of one of these values.
pub fn beginning_with(values: &[u32], log: &[Recorded]) -> Vec<Recorded> {
    let sessions = actors(log).into_iter().flat_map(|actor| sessions_of(&events_of(log, actor)));
    sessions.filter(|session| values.contains(&session[0].value)).flatten().collect()
}

/// The events of those actors whose first session that starts within bounds begins with an event of this value.
pub fn first_beginning_with(value: u32, bounds: (i64, i64), log: &[Recorded]) -> Vec<Recorded> {
    let mut found = Vec::new();
    for actor in actors(log) {
        let events = events_of(log, actor);
        let starts: Vec<Recorded> = sessions_of(&events).into_iter().map(|session| session[0]).collect();
        let first = starts.iter().find(|start| start.time_ms >= bounds.0 && start.time_ms < bounds.1);
        if first.is_some_and(|start| start.value == value) {
            found.extend(events);
        }
    }
    found
}

/// Of one period: sessions, actors, events, and durations, ascending.
pub type SessionRow = (u64, u64, u64, Vec<u64>);

/// By period.
pub fn sessions(bounds: &[i64], log: &[Recorded]) -> Vec<SessionRow> {
    let mut rows: Vec<SessionRow> = Vec::new();
    for period in 0..bounds.len() - 1 {
        let mut counted: BTreeSet<u32> = BTreeSet::new();
        let mut row = SessionRow::default();
        for actor in actors(log) {
            for session in sessions_of(&events_of(log, actor)) {
                if period_of(bounds, session[0].time_ms) == Some(period) {
                    counted.insert(actor);
                    row.0 += 1;
                    row.2 += session.len() as u64;
                    row.3.push(session[session.len() - 1].time_ms.abs_diff(session[0].time_ms));
                }
            }
        }
        row.1 = counted.len() as u64;
        row.3.sort();
        rows.push(row);
    }
    rows
}

/// A path with its sessions and actors.
pub type PathRow = (Vec<u32>, u64, u64);

/// The most frequent paths of sessions that start within bounds; then how many other paths, their sessions, their
/// actors.
pub fn paths(
    starting_with: &[u32],
    length: usize,
    limit: usize,
    bounds: (i64, i64),
    log: &[Recorded],
) -> (Vec<PathRow>, (u64, u64, u64)) {
    let mut who: BTreeMap<Vec<u32>, Vec<u32>> = BTreeMap::new();
    for actor in actors(log) {
        for session in sessions_of(&events_of(log, actor)) {
            if session[0].time_ms < bounds.0 || session[0].time_ms >= bounds.1 {
                continue;
            }
            let names: Vec<u32> = session.iter().map(|event| event.name).collect();
            let begin = names.iter().position(|name| starting_with.is_empty() || starting_with.contains(name));
            if let Some(begin) = begin {
                who.entry(names.into_iter().skip(begin).take(length).collect()).or_default().push(actor);
            }
        }
    }
    let distinct = |actors: Vec<u32>| actors.into_iter().collect::<BTreeSet<u32>>().len() as u64;
    let mut ranked: Vec<(Vec<u32>, Vec<u32>)> = who.into_iter().collect();
    ranked.sort_by(|one, other| (other.1.len(), &one.0).cmp(&(one.1.len(), &other.0)));
    let rest = ranked.split_off(limit.min(ranked.len()));
    let of_rest: Vec<u32> = rest.iter().flat_map(|(_, actors)| actors.clone()).collect();
    let rows = ranked.into_iter().map(|(names, actors)| (names, actors.len() as u64, distinct(actors))).collect();
    (rows, (rest.len() as u64, of_rest.len() as u64, distinct(of_rest)))
}

/// For each actor with a session that starts within bounds: how long until the insight, and whether there was one.
pub fn times_to_insight(insight: u8, bounds: (i64, i64), now_ms: i64, log: &[Recorded]) -> Vec<(u64, bool)> {
    let mut times = Vec::new();
    for actor in actors(log) {
        let sessions = sessions_of(&events_of(log, actor));
        let is_first = |session: &Vec<Recorded>| session[0].time_ms >= bounds.0 && session[0].time_ms < bounds.1;
        let Some(at) = sessions.iter().position(is_first) else { continue };
        let start_ms = sessions[at][0].time_ms;
        let insight = sessions[at..].iter().flatten().find(|event| event.has(insight));
        let until_ms = insight.map_or(now_ms, |event| event.time_ms);
        times.push(((until_ms - start_ms).max(0) as u64, insight.is_some()));
    }
    times.sort();
    times
}

/// The first time at which the Kaplan-Meier estimate of who is still without is at most `100 - percent` of 100. Exact,
/// by fractions: at most about twenty actors.
pub fn kaplan_meier(times: &[(u64, bool)], percent: u128) -> Option<u64> {
    let at: BTreeSet<u64> = times.iter().filter(|(_, reached)| *reached).map(|(time, _)| *time).collect();
    let (mut above, mut below) = (1_u128, 1_u128);
    for time in at {
        let waiting = times.iter().filter(|(other, _)| *other >= time).count() as u128;
        let arrived = times.iter().filter(|(other, reached)| *other == time && *reached).count() as u128;
        above *= waiting - arrived;
        below *= waiting;
        if above * 100 <= below * (100 - percent) {
            return Some(time);
        }
    }
    None
}
