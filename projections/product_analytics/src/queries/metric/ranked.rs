//! Which values of a breakdown are told apart: those of most actors, and all others together.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use daybook_proto::product_analytics::v1::Cell;
use roaring::RoaringBitmap;

use super::split::{OTHERS, Split};
use super::table::text;

/// The values that are told apart, each at its place. The last place is that of all others, if there are any.
#[derive(Debug)]
pub(super) struct Ranked {
    shown: Vec<u32>,
    has_others: bool,
}

impl Ranked {
    /// The values of most actors first; of as many, the one that was met first.
    pub(super) fn new(actors: impl IntoIterator<Item = (u32, u64)>, limit: usize) -> Self {
        let mut shown: Vec<(u32, u64)> = actors.into_iter().collect();
        shown.sort_by_key(|(value, actors)| (Reverse(*actors), *value));
        let has_others = shown.len() > limit;
        shown.truncate(limit);
        if shown.is_empty() {
            // Nobody: that is an answer, too.
            shown.push((0, 0));
        }
        Self { shown: shown.into_iter().map(|(value, _)| value).collect(), has_others }
    }

    /// The same from the actors themselves.
    pub(super) fn of_actors<'a>(actors: impl Iterator<Item = (u32, &'a RoaringBitmap)>, limit: usize) -> Self {
        let mut by_value: BTreeMap<u32, RoaringBitmap> = BTreeMap::new();
        for (value, actors) in actors {
            *by_value.entry(value).or_default() |= actors;
        }
        Self::new(by_value.into_iter().map(|(value, actors)| (value, actors.len())), limit)
    }

    /// How many places there are.
    pub(super) fn len(&self) -> usize {
        self.shown.len() + usize::from(self.has_others)
    }

    /// The place of a value. One that was not ranked is among the others, and nowhere if there are none.
    pub(super) fn place(&self, value: u32) -> Option<usize> {
        let others = self.has_others.then_some(self.shown.len());
        self.shown.iter().position(|shown| *shown == value).or(others)
    }

    /// The cell that names the values of a place, if anything is told apart.
    pub(super) fn cell(&self, place: usize, split: &Split) -> Option<Cell> {
        let name = || self.shown.get(place).map_or(OTHERS, |value| split.labels.text(*value));
        split.is_asked().then(|| text(name()))
    }

    /// What is to be said of the others.
    pub(super) fn note(&self) -> Option<String> {
        self.has_others.then(|| format!("{OTHERS} are all values beyond the {} most frequent", self.shown.len()))
    }

    /// Sets of actors by place.
    pub(super) fn sets<'a>(&self, sets: impl Iterator<Item = (u32, &'a RoaringBitmap)>) -> Vec<RoaringBitmap> {
        let mut by_place = vec![RoaringBitmap::new(); self.len()];
        for (value, actors) in sets {
            if let Some(set) = self.place(value).and_then(|place| by_place.get_mut(place)) {
                *set |= actors;
            }
        }
        by_place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_most_actors_have_places_of_their_own() {
        let ranked = Ranked::new([(1, 5), (2, 9), (3, 5), (4, 1)], 2);
        assert_eq!((ranked.len(), ranked.place(2), ranked.place(1), ranked.place(3)), (3, Some(0), Some(1), Some(2)));
        let all = Ranked::new([(1, 5), (2, 9)], 2);
        assert_eq!((all.len(), all.place(3), all.note()), (2, None, None));
        assert_eq!(Ranked::new([], 2).len(), 1);
    }

    #[test]
    fn whoever_has_several_of_the_other_values_counts_once() {
        let sets = [(1, [1, 2, 3].into()), (2, [1].into()), (3, [1].into())] as [(u32, RoaringBitmap); 3];
        let sets = || sets.iter().map(|(value, actors)| (*value, actors));
        let ranked = Ranked::of_actors(sets(), 1);
        assert_eq!(ranked.sets(sets()), [[1, 2, 3].into(), [1].into()] as [RoaringBitmap; 2]);
    }
}
