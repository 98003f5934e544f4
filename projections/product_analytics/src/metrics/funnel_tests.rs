//! What people disagree about when they count funnels, one case each.

use super::Event;
use super::funnel::{Attribution, Funnel, FunnelCount, FunnelError, FunnelResult, Order, Step, StepCount};

const A: u64 = 1;
const B: u64 = 2;
const C: u64 = 4;
const D: u64 = 8;
const END: u64 = 16;

/// Steps A, B and C within 100 ms, entries in `[0, 1000)`, and a log that is known until long after.
fn abc() -> Funnel {
    let step = |mark| Step { mark, optional: false };
    Funnel {
        steps: vec![step(0), step(1), step(2)],
        order: Order::AnythingBetween,
        window_ms: 100,
        exclusions: END,
        attribution: Attribution::First,
        start_ms: 0,
        end_ms: 1_000,
        now_ms: 100_000,
    }
}

fn with(order: Order) -> Funnel {
    Funnel { order, ..abc() }
}

/// A, an optional B, and C.
fn optional_b() -> Funnel {
    let mut funnel = abc();
    funnel.steps[1].optional = true;
    funnel
}

fn result(funnel: Funnel, events: &[(i64, u64)]) -> FunnelResult {
    let mut count = FunnelCount::new(funnel).unwrap();
    // Each event with a value of its own: its place, from 1.
    let event = |(at, (time_ms, marks)): (usize, &(i64, u64))| Event {
        time_ms: *time_ms,
        marks: *marks,
        value: at as u32 + 1,
        ..Event::default()
    };
    count.add(&events.iter().enumerate().map(event).collect::<Vec<_>>());
    count.finish()
}

fn steps(funnel: Funnel, events: &[(i64, u64)]) -> Vec<StepCount> {
    result(funnel, events).values.first().map_or(vec![], |value| value.steps.clone())
}

/// By step: the time from the entry if it was taken.
fn times(funnel: Funnel, events: &[(i64, u64)]) -> Vec<Option<u64>> {
    steps(funnel, events).iter().map(|step| step.times_ms.first().copied()).collect()
}

fn open(funnel: Funnel, events: &[(i64, u64)]) -> Vec<u64> {
    steps(funnel, events).iter().map(|step| step.open).collect()
}

#[test]
fn steps_of_one_instant_count_in_the_order_of_the_log() {
    assert_eq!(times(abc(), &[(5, A), (5, B), (5, C)]), [Some(0), Some(0), Some(0)]);
    assert_eq!(times(abc(), &[(5, B), (5, A), (5, C)]), [Some(0), None, None]);
}

#[test]
fn steps_of_one_instant_do_not_count_where_each_needs_its_own() {
    let increasing = || with(Order::Increasing);
    assert_eq!(times(increasing(), &[(5, A), (5, B), (6, C)]), [Some(0), None, None]);
    assert_eq!(times(increasing(), &[(5, A), (5, B), (6, B), (7, C)]), [Some(0), Some(1), Some(2)]);
    // The earlier of two entries can do what the later cannot.
    assert_eq!(times(increasing(), &[(5, A), (6, A), (6, B), (7, C)]), [Some(0), Some(1), Some(2)]);
}

#[test]
fn a_step_that_repeats_changes_nothing() {
    let events = [(5, A), (10, B), (20, A), (30, B), (40, C)];
    for order in [Order::AnythingBetween, Order::Strict, Order::Increasing, Order::Any] {
        assert_eq!(times(with(order), &events), [Some(0), Some(5), Some(35)], "{order:?}");
    }
}

#[test]
fn an_event_that_could_serve_two_steps_serves_the_earliest_outstanding() {
    assert_eq!(times(abc(), &[(5, A), (10, B | C)]), [Some(0), Some(5), None]);
    assert_eq!(times(abc(), &[(5, A), (10, B | C), (20, B | C)]), [Some(0), Some(5), Some(15)]);
    assert_eq!(times(abc(), &[(5, A | B | C)]), [Some(0), None, None], "an entry takes the first step alone");
    assert_eq!(times(optional_b(), &[(5, A), (10, B | C)]), [Some(0), Some(5), None]);
    assert_eq!(times(with(Order::Any), &[(5, B | C), (10, B | C), (15, A)]), [Some(10), Some(0), Some(5)]);
}

#[test]
fn a_step_twice_in_a_funnel_needs_two_events() {
    let mut funnel = abc();
    funnel.steps[1].mark = 0;
    assert_eq!(times(funnel.clone(), &[(5, A), (10, C)]), [Some(0), None, None]);
    assert_eq!(times(funnel, &[(5, A), (7, A), (10, C)]), [Some(0), Some(2), Some(5)]);
}

#[test]
fn the_bound_of_the_window_still_counts() {
    assert_eq!(times(abc(), &[(5, A), (6, B), (105, C)]), [Some(0), Some(1), Some(100)]);
    assert_eq!(times(abc(), &[(5, A), (6, B), (106, C)]), [Some(0), Some(1), None]);
}

#[test]
fn the_window_begins_with_the_entry_and_not_with_the_step_before() {
    assert_eq!(times(abc(), &[(0, A), (90, B), (180, C)]), [Some(0), Some(90), None]);
}

#[test]
fn a_step_before_the_entry_is_not_taken() {
    assert_eq!(times(abc(), &[(1, B), (5, A), (10, C)]), [Some(0), None, None]);
    assert_eq!(times(with(Order::Strict), &[(1, C), (5, A), (10, B)]), [Some(0), Some(5), None]);
    assert_eq!(times(with(Order::Any), &[(1, B), (5, A), (10, C)]), [Some(4), Some(0), Some(9)]);
    assert_eq!(times(abc(), &[(1, B), (10, C)]), []);
}

#[test]
fn the_period_bounds_the_entry_and_nothing_else() {
    assert_eq!(times(abc(), &[(-1, A), (0, B), (1, C)]), []);
    assert_eq!(times(abc(), &[(999, A), (1_010, B), (1_020, C)]), [Some(0), Some(11), Some(21)]);
    assert_eq!(times(abc(), &[(1_000, A), (1_010, B)]), []);
}

#[test]
fn an_exclusion_between_entry_and_completion_ends_the_attempt() {
    assert_eq!(times(abc(), &[(1, A), (2, B), (3, END), (4, C)]), [Some(0), Some(1), None]);
    assert_eq!(times(abc(), &[(0, END), (1, A), (2, B), (3, C), (4, END)]), [Some(0), Some(1), Some(2)]);
    assert_eq!(times(abc(), &[(1, A), (2, B), (2, END), (2, C)]), [Some(0), Some(1), None], "by the order of the log");
    assert_eq!(times(abc(), &[(1, A), (2, B), (2, C), (2, END)]), [Some(0), Some(1), Some(1)]);
    assert_eq!(times(abc(), &[(1, A), (2, B | END), (3, B)]), [Some(0), None, None]);
}

#[test]
fn after_an_exclusion_a_new_entry_is_a_new_attempt() {
    assert_eq!(times(abc(), &[(1, A), (2, END), (3, A), (4, B), (6, C)]), [Some(0), Some(1), Some(3)]);
    assert_eq!(times(abc(), &[(1, A), (3, A | END), (4, B), (6, C)]), [Some(0), Some(1), Some(3)]);
}

#[test]
fn a_window_that_is_not_over_is_open_and_not_lost() {
    let until = |now_ms| Funnel { now_ms, ..abc() };
    assert_eq!(open(until(105), &[(5, A), (6, B)]), [0, 0, 1]);
    assert_eq!(open(until(106), &[(5, A), (6, B)]), [0, 0, 0]);
    assert_eq!(open(until(50), &[(5, A)]), [0, 1, 1]);
    assert_eq!(open(until(50), &[(5, A), (6, B), (7, C)]), [0, 0, 0]);
    assert_eq!(open(until(50), &[(5, A), (6, END)]), [0, 0, 0], "an exclusion is final");
    assert_eq!(open(Funnel { order: Order::Any, ..until(50) }, &[(5, C)]), [1, 1, 0]);
    assert_eq!(open(Funnel { order: Order::Strict, ..until(50) }, &[(5, A), (6, C)]), [0, 0, 0]);
}

#[test]
fn strict_is_ended_by_a_step_that_is_not_yet_due_and_by_nothing_else() {
    let mut abcd = with(Order::Strict);
    abcd.steps.push(Step { mark: 3, optional: false });
    assert_eq!(times(abcd.clone(), &[(1, A), (2, B), (3, D), (4, C)]), [Some(0), Some(1), None, None]);
    assert_eq!(times(abcd, &[(1, A), (2, B), (3, A), (4, C), (5, 0), (6, D)]), [Some(0), Some(1), Some(3), Some(5)]);
    assert_eq!(times(with(Order::Strict), &[(1, A), (2, C), (3, A), (4, B)]), [Some(0), Some(1), None]);
}

#[test]
fn an_optional_step_may_be_left_out_but_not_taken_later() {
    assert_eq!(times(optional_b(), &[(1, A), (2, B), (3, C)]), [Some(0), Some(1), Some(2)]);
    assert_eq!(times(optional_b(), &[(1, A), (3, C), (4, B)]), [Some(0), None, Some(2)]);
}

#[test]
fn of_several_attempts_the_furthest_counts_and_of_those_the_earliest() {
    assert_eq!(times(abc(), &[(0, A), (200, A), (201, B), (400, A), (403, B)]), [Some(0), Some(1), None]);
    assert_eq!(times(abc(), &[(0, A), (200, A), (300, A), (301, B), (302, C)]), [Some(0), Some(1), Some(2)]);
    assert_eq!(times(abc(), &[(0, A), (50, A), (60, B), (120, C)]), [Some(0), Some(10), Some(70)]);
}

#[test]
fn what_ended_attempts_leave_behind_does_not_touch_later_ones() {
    // The first window is over, C ends the second attempt, the third gets further.
    let strict = [(0, A), (200, A), (201, C), (202, A), (203, B)];
    assert_eq!(times(with(Order::Strict), &strict), [Some(0), Some(1), None]);
    // What ends the second attempt does not end the first, which left out a step and gets as far as the third.
    let step = |mark, optional| Step { mark, optional };
    let steps = vec![step(0, false), step(1, true), step(2, false), step(3, false), step(5, false)];
    let strict = [(1, A), (2, C), (3, A), (4, D), (150, END), (200, A), (201, C), (202, D)];
    assert_eq!(result(Funnel { steps, ..with(Order::Strict) }, &strict).values[0].value, 1);
    // After the exclusion of an instant its attempts are as new as before it.
    let increasing = [(3, A), (5, A), (5, END), (5, A), (5, B)];
    assert_eq!(result(with(Order::Increasing), &increasing).values[0].value, 1);
}

#[test]
fn an_actor_counts_under_the_value_that_is_asked_for() {
    let value = |attribution, events: &[(i64, u64)]| {
        result(Funnel { attribution, ..abc() }, events).values.iter().map(|value| value.value).collect::<Vec<_>>()
    };
    let events = [(1, 0), (2, A), (3, A), (4, B)];
    assert_eq!(value(Attribution::First, &events), [2]);
    assert_eq!(value(Attribution::Last, &events), [4]);
    assert_eq!(value(Attribution::Step(1), &events), [4]);
    assert_eq!(value(Attribution::Step(2), &events), [0]);
}

/// Of the steps: how many took each, and how many of those took the step before as well.
fn with_previous(funnel: Funnel, actors: &[&[(i64, u64)]]) -> Vec<(u64, u64)> {
    let mut count = FunnelCount::new(funnel).unwrap();
    let event = |(time_ms, marks): &(i64, u64)| Event { time_ms: *time_ms, marks: *marks, ..Event::default() };
    actors.iter().for_each(|events| count.add(&events.iter().map(event).collect::<Vec<_>>()));
    let values = count.finish().values;
    values.iter().flat_map(|value| &value.steps).map(|step| (step.reached, step.with_previous)).collect()
}

#[test]
fn in_any_order_the_share_of_a_step_is_of_those_who_took_the_one_listed_before() {
    // Two take C, and one takes B: twice as many are no share.
    let actors: [&[(i64, u64)]; 3] = [&[(1, B), (2, C)], &[(1, C)], &[(1, A)]];
    assert_eq!(with_previous(with(Order::Any), &actors), [(1, 1), (1, 0), (2, 1)]);
}

#[test]
fn the_share_after_an_optional_step_is_of_those_who_took_the_last_one_that_is_not() {
    let actors: [&[(i64, u64)]; 3] = [&[(1, A), (2, B), (3, C)], &[(1, A), (2, C)], &[(1, A), (2, B)]];
    let funnel = optional_b();
    assert_eq!([0, 1, 2].map(|step| funnel.previous(step)), [None, Some(0), Some(0)]);
    assert_eq!(with_previous(funnel, &actors), [(3, 3), (2, 2), (2, 2)]);
}

#[test]
fn what_is_no_funnel_says_why() {
    let error = |funnel| FunnelCount::new(funnel).err();
    assert_eq!(error(Funnel { steps: vec![], ..abc() }), Some(FunnelError::Steps));
    let many = vec![Step { mark: 1, optional: false }; 21];
    assert_eq!(error(Funnel { steps: many, ..abc() }), Some(FunnelError::Steps));
    assert_eq!(error(Funnel { steps: vec![Step { mark: 64, optional: false }], ..abc() }), Some(FunnelError::Mark));
    let optional = vec![Step { mark: 0, optional: true }];
    assert_eq!(error(Funnel { steps: optional, ..abc() }), Some(FunnelError::FirstIsOptional));
    assert_eq!(error(Funnel { window_ms: -1, ..abc() }), Some(FunnelError::Window));
}

#[test]
fn the_ends_of_time_overflow_nothing() {
    let funnel = Funnel { start_ms: i64::MIN, end_ms: i64::MAX, window_ms: i64::MAX, now_ms: i64::MAX, ..abc() };
    assert_eq!(times(funnel, &[(i64::MIN, A), (0, A), (i64::MAX, B)])[1], Some(i64::MAX as u64));
}

/// How far each sequence of up to five events of a, b, c and x gets in ClickHouse's windowFunnel, and here. `x` means no
/// step; every event has an instant of its own.
fn levels() -> Vec<(String, [u8; 5], [u8; 3])> {
    let text = include_str!("window_funnel.txt");
    let of_mode = |mode: &str| text.lines().find_map(|line| line.strip_prefix(mode)?.strip_prefix(": ")).unwrap();
    let modes =
        ["without a mode", "strict_order", "strict_order, allow_reentry", "strict_deduplication", "strict_increase"];
    let theirs = modes.map(|mode| of_mode(mode).bytes().map(|level| level - b'0').collect::<Vec<_>>());
    let mut sequences = vec![String::new()];
    for length in 1..=5 {
        let longer = sequences.iter().filter(|sequence| sequence.len() == length - 1);
        let longer: Vec<String> =
            longer.flat_map(|sequence| ["a", "b", "c", "x"].map(|event| sequence.clone() + event)).collect();
        sequences.extend(longer);
    }
    let mark = |event: u8| if event == b'x' { 0 } else { 1 << (event - b'a') };
    let with_ours = |(at, sequence): (usize, String)| {
        let events: Vec<_> = (1..).zip(sequence.bytes().map(mark)).collect();
        let level = |order| times(with(order), &events).iter().flatten().count() as u8;
        let ours = [Order::AnythingBetween, Order::Strict, Order::Increasing].map(level);
        (sequence, theirs.each_ref().map(|levels| levels[at]), ours)
    };
    sequences.into_iter().skip(1).enumerate().map(with_ours).collect()
}

#[test]
fn what_is_said_of_window_funnel_holds() {
    let levels = levels();
    assert_eq!(levels.len(), 4 + 16 + 64 + 256 + 1_024);
    let of = |wanted: &str| {
        levels.iter().find(|(sequence, ..)| sequence == wanted).map(|(_, theirs, ours)| (*theirs, *ours))
    };
    for (sequence, [default, strict, reentry, once, increasing], [ordered, ours, increase]) in &levels {
        assert_eq!((ordered, increase), (default, increasing), "{sequence}");
        // Not less strict than theirs only where the search for another attempt goes on after one has ended.
        assert!(strict <= ours && ours <= ordered, "{sequence}");
        let has_one_entry = sequence.matches('a').count() <= 1;
        assert!(sequence.contains('x') || !has_one_entry || ours == strict, "{sequence}");
        assert!(sequence.contains('x') || reentry == ordered, "{sequence}");
        let repeats = ['b', 'c'].iter().any(|step| sequence.matches(*step).count() > 1);
        assert!(once <= default && (repeats || once == default), "{sequence}");
    }
    // A repeat of a step that was taken ends nothing, in whichever order but `strict_deduplication`.
    assert_eq!(of("abac"), Some(([3, 3, 3, 3, 3], [3, 3, 3])));
    assert_eq!(of("abbc"), Some(([3, 3, 3, 2, 3], [3, 3, 3])));
    // A step out of turn ends the attempt; another one may begin, which in `strict_order` it may not.
    assert_eq!(of("acb"), Some(([2, 1, 2, 2, 2], [2, 1, 2])));
    assert_eq!(of("acabc"), Some(([3, 1, 3, 3, 3], [3, 3, 3])));
    // What is no step ends the search there, and means nothing here.
    assert_eq!(of("abxc"), Some(([3, 2, 2, 3, 3], [3, 3, 3])));
}
