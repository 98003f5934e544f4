//! A pass over what is said of answers, in which an event has the properties of the answer that it names.
//!
//! `copilot.answer_used` says which answer was used, by its `answer_id`, and not which model gave it: that stands in the
//! `copilot.answer_shown` of the same id. So where an event lacks a property, it has that of the answer that it names, for
//! filters and for the breakdown alike. Its own value comes first.
//!
//! Of each event is kept what filters and breakdown say of its own properties; when all events of an actor are there, the
//! answers that they name are known, and what an event lacks is taken from them.

use std::collections::BTreeMap;

use daybook_kernel::rejection::Refusal;
use daybook_proto::product_analytics::v1::PropertyType;

use super::pass::{ByActor, Found1, Pass, Timed, starts};
use super::selector::{Filter, Selector};
use crate::catalogue::Catalogue;
use crate::metrics::Event;
use crate::metrics::copilot::{CopilotEvent, named};
use crate::segment::{Cursor, Found};

/// The property by which an event names an answer.
const ANSWER_ID: &str = "answer_id";

/// How events name answers.
pub(super) struct AnswerIds {
    /// The slot of the property.
    slot: usize,
    /// By number of the event's name: whether the property holds ids, or numbers.
    holds_ids: Vec<Option<bool>>,
}

impl AnswerIds {
    /// `None` where no registered event has such a property.
    pub(super) fn new(catalogue: &Catalogue, pass: &mut Pass<'_>) -> Option<Self> {
        let number = catalogue.property_number(ANSWER_ID).ok()?;
        let names = 0..u32::try_from(catalogue.len()).unwrap_or(u32::MAX);
        let holds = |name| match catalogue.property(name, ANSWER_ID)?.r#type() {
            PropertyType::OpaqueId => Some(true),
            PropertyType::Integer => Some(false),
            _ => None,
        };
        Some(Self { slot: pass.slot_of(number), holds_ids: names.map(holds).collect() })
    }

    fn of(&self, found: &Found, cursor: &Cursor) -> Option<(bool, i64)> {
        let holds_ids = self.holds_ids.get(found.name as usize).copied().flatten()?;
        Some((holds_ids, cursor.value(self.slot)?))
    }
}

/// An event, and what its own properties say.
#[derive(Debug, Clone, Copy, Default)]
struct Said {
    /// Its marks are those of the selectors that have its name.
    event: Event,
    /// By filter: it has the property.
    has: u32,
    /// By filter: it has the property, and passes.
    passes: u32,
    /// Its label, if it has the property of the breakdown.
    label: Option<u32>,
    /// The cursor that found it, and what that has as the id of an answer.
    cursor: u32,
    answer: Option<(bool, i64)>,
}

impl Timed for Said {
    fn time_ms(&self) -> i64 {
        self.event.time_ms
    }
}

/// The filters of a pass and of its selectors, each with a bit.
struct Filters<'f> {
    all: Vec<&'f Filter>,
    /// By selector: the bits of those that must hold.
    of_selectors: Vec<u32>,
    /// The bits of those that an event without the property passes.
    pass_without: u32,
}

impl<'f> Filters<'f> {
    fn new(filters: &'f [Filter], selectors: &'f [Selector]) -> Self {
        let bits = |from: usize, to: usize| (from..to).fold(0_u32, |bits, at| bits | bit(at));
        let mut all: Vec<&Filter> = filters.iter().collect();
        let of_all = bits(0, all.len());
        let mut of_selectors = Vec::with_capacity(selectors.len());
        for selector in selectors {
            let from = all.len();
            all.extend(selector.filters());
            of_selectors.push(of_all | bits(from, all.len()));
        }
        let without = all.iter().enumerate().filter(|(_, filter)| filter.passes_without());
        let pass_without = without.fold(0, |bits, (at, _)| bits | bit(at));
        Self { all, of_selectors, pass_without }
    }

    fn judge(&self, said: &mut Said, cursor: &Cursor) {
        for (at, filter) in self.all.iter().enumerate() {
            if let Some(passes) = filter.judges(said.event.name, cursor) {
                said.has |= bit(at);
                said.passes |= if passes { bit(at) } else { 0 };
            }
        }
    }

    /// The marks of the selectors whose filters an event passes, given the answer that it names.
    fn counts(&self, said: &Said, answer: Option<&Said>) -> u64 {
        let of_answer = answer.map_or((0, 0), |answer| (answer.has & !said.has, answer.passes & !said.has));
        let lacks = !(said.has | of_answer.0);
        let passes = said.passes | of_answer.1 | self.pass_without & lacks;
        let counts = (0..).zip(&self.of_selectors).filter(|(_, must)| *must & !passes == 0);
        said.event.marks & counts.fold(0_u64, |marks, (at, _)| marks | crate::metrics::bit(at))
    }
}

fn bit(at: usize) -> u32 {
    u32::try_from(at).ok().and_then(|at| 1_u32.checked_shl(at)).unwrap_or(0)
}

impl Pass<'_> {
    /// Hands the events of each actor on that some selector names, in order of time, with those marks under which they
    /// count. `shown` is the mark of answers. Nobody's events are left out. Returns how many events were read.
    pub(super) fn run_with_answers(
        &mut self,
        shown: u8,
        ids: Option<&AnswerIds>,
        mut each: impl FnMut(&[CopilotEvent]),
    ) -> Result<u64, Refusal> {
        let (mut cursors, read) = self.cursors()?;
        let (actors, size) = self.blocks(read)?;
        let filters = Filters::new(&self.filters, &self.selectors);
        let mut found: [Found1<Said>; 1] = [Vec::new()];
        let mut ordered = ByActor::default();
        let mut events = Vec::new();
        for start in starts(actors, size) {
            let end = start.saturating_add(size);
            let [into] = &mut found;
            into.clear();
            for (at, cursor) in (0..).zip(&mut cursors) {
                while cursor.next_actor().is_some_and(|actor| u64::from(actor) < end) {
                    let Some(one) = cursor.step()? else { break };
                    let is_in_time = (self.from_ms..self.to_ms).contains(&one.time_ms);
                    if one.actor == 0 || !is_in_time || self.erased.contains(one.actor) {
                        continue;
                    }
                    let named = (0..).zip(&self.selectors).filter(|(_, selector)| selector.has_name(one.name));
                    let marks = named.fold(0, |marks, (mark, _)| marks | crate::metrics::bit(mark));
                    if marks == 0 {
                        continue;
                    }
                    let number = self.number.and_then(|slot| cursor.value(slot)).unwrap_or_default();
                    let event = Event { time_ms: one.time_ms, marks, name: one.name, value: 0, number };
                    let label = self.split.own_label(&one, cursor);
                    let answer = ids.and_then(|ids| ids.of(&one, cursor));
                    let mut said = Said { event, label, cursor: at, answer, ..Said::default() };
                    filters.judge(&mut said, cursor);
                    into.push((one.actor, said));
                }
            }
            ordered.of(&found, start, size, &mut |_, said: &[Said]| {
                resolve(said, &filters, &cursors, (shown, ids), &mut events);
                each(&events);
            });
        }
        Ok(read)
    }
}

/// The events of one actor with what they have from the answers that they name.
fn resolve(
    said: &[Said],
    filters: &Filters<'_>,
    cursors: &[Cursor],
    (shown, ids): (u8, Option<&AnswerIds>),
    events: &mut Vec<CopilotEvent>,
) {
    let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
    let mut number_of = |said: &Said| {
        let (ids, (holds_ids, value)) = ids.zip(said.answer)?;
        let id = match holds_ids {
            true => {
                let known = cursors.get(said.cursor as usize)?.ids(ids.slot);
                known.get(usize::try_from(value).ok()?)?.clone()
            }
            false => value.to_string(),
        };
        let next = u32::try_from(numbers.len()).ok()?.checked_add(1)?;
        Some(*numbers.entry(id).or_insert(next))
    };
    events.clear();
    events.extend(said.iter().map(|said| CopilotEvent {
        event: said.event,
        counts: 0,
        answer: number_of(said).unwrap_or_default(),
    }));
    let named = named(shown, events);
    for ((event, own), answer) in events.iter_mut().zip(said).zip(named) {
        let answer = answer.and_then(|answer| said.get(answer));
        event.counts = filters.counts(own, answer);
        event.event.value = own.label.or_else(|| answer?.label).unwrap_or_default();
    }
}
