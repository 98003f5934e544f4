//! Usage, lifecycle and retention, actor by actor.

use std::collections::BTreeSet;

/// Who was active, by period.
pub type Active = [BTreeSet<u32>];

fn everybody(of: &[&Active]) -> BTreeSet<u32> {
    of.iter().flat_map(|active| active.iter().flatten().copied()).collect()
}

/// Uniques of each period, of all, and how many periods somebody was active in, summed over everybody.
pub fn usage(active: &Active) -> (Vec<u64>, u64, u64) {
    let everybody = everybody(&[active]);
    let periods_of = |actor: &u32| active.iter().filter(|actors| actors.contains(actor)).count() as u64;
    let uniques = active.iter().map(|actors| actors.len() as u64).collect();
    (uniques, everybody.len() as u64, everybody.iter().map(periods_of).sum())
}

/// New, returning, resurrecting and dormant of each period.
pub fn lifecycle(active: &Active, seen_before: &BTreeSet<u32>, active_before: &BTreeSet<u32>) -> Vec<[u64; 4]> {
    let mut all = everybody(&[active]);
    all.extend(seen_before.iter().chain(active_before));
    let mut rows = vec![[0; 4]; active.len()];
    for (period, row) in rows.iter_mut().enumerate() {
        for actor in &all {
            let now = active[period].contains(actor);
            let just_before =
                if period == 0 { active_before.contains(actor) } else { active[period - 1].contains(actor) };
            let ever_before = seen_before.contains(actor)
                || active_before.contains(actor)
                || active[..period].iter().any(|actors| actors.contains(actor));
            match (now, just_before, ever_before) {
                (true, _, false) => row[0] += 1,
                (true, true, true) => row[1] += 1,
                (true, false, true) => row[2] += 1,
                (false, true, _) => row[3] += 1,
                (false, false, _) => {}
            }
        }
    }
    rows
}

/// What is asked of retention.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// A later period counts, too.
    pub rolling: bool,
    /// Only whoever begins for the first time.
    pub first_time: bool,
    /// How many periods after the first.
    pub periods: usize,
}

/// Cohort, periods later, how many began, how many of them came back.
pub fn retention(
    asked: Retention,
    first: &Active,
    returning: &Active,
    seen_before: &BTreeSet<u32>,
) -> Vec<(usize, usize, u64, u64)> {
    let mut rows = Vec::new();
    for cohort in 0..first.len() {
        for n in 0..=asked.periods {
            if cohort + n >= returning.len() {
                continue;
            }
            let (mut began, mut came) = (0, 0);
            for actor in everybody(&[first]) {
                let is_known =
                    seen_before.contains(&actor) || first[..cohort].iter().any(|actors| actors.contains(&actor));
                if !first[cohort].contains(&actor) || asked.first_time && is_known {
                    continue;
                }
                began += 1;
                let last = if asked.rolling { asked.periods } else { n };
                let looked_at = (n..=last).filter_map(|later| returning.get(cohort + later));
                if looked_at.into_iter().any(|actors| actors.contains(&actor)) {
                    came += 1;
                }
            }
            rows.push((cohort, n, began, came));
        }
    }
    rows
}
