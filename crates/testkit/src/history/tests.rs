use proptest::prelude::*;

use super::holds::{Answer, Holds, Op, Stands};
use super::*;

type HoldCall = Call<Op, Answer>;

/// A call with its window; the clock is in steps.
fn call(from_ns: u64, until_ns: u64, op: Op, answer: Answer) -> HoldCall {
    Call { op, answer: Some(answer), from_ns, until_ns, not_before: None }
}

fn unknown(from_ns: u64, op: Op) -> HoldCall {
    Call { op, answer: None, from_ns, until_ns: u64::MAX, not_before: None }
}

fn code(code: &str) -> Answer {
    Answer::Rejected(code.to_owned())
}

fn is_right(calls: &[HoldCall]) -> bool {
    match check(&Holds, calls) {
        Verdict::Linearizable(_) => true,
        Verdict::Wrong(_) => false,
        Verdict::Undecided(steps) => panic!("undecided after {steps} steps"),
    }
}

const ACTIVE: Answer = Answer::Hold(Some(Stands::Active));
const RELEASING: Answer = Answer::Hold(Some(Stands::Releasing));
const RELEASED: Answer = Answer::Hold(Some(Stands::Released));
const NO_HOLD: Answer = Answer::Hold(None);

#[test]
fn calls_one_after_the_other_are_right_if_each_follows_from_those_before() {
    let mut calls = vec![
        call(0, 1, Op::Register(7), Answer::Done),
        call(2, 3, Op::Place(1), Answer::Done),
        call(4, 5, Op::Dispose(7), Answer::Held(vec![1])),
        call(6, 7, Op::Release(1), Answer::Done),
        call(8, 9, Op::Release(1), code("HOLD_CHANGE_PENDING")),
        call(10, 11, Op::Approve(1), Answer::Done),
        call(12, 13, Op::Release(1), code("HOLD_ALREADY_RELEASED")),
        call(14, 15, Op::Dispose(7), Answer::Done),
        call(16, 17, Op::Dispose(7), Answer::DoneBefore),
        call(18, 19, Op::Look(1), RELEASED),
    ];
    assert_eq!(check(&Holds, &calls), Verdict::Linearizable((0..10).collect()));
    calls.swap(0, 9);
    assert!(is_right(&calls), "the times say what came first, not the places");
}

#[test]
fn concurrent_calls_may_take_effect_in_either_order() {
    for (first, second) in [(Answer::Held(vec![1]), Answer::Done), (Answer::Done, Answer::DoneBefore)] {
        let calls = [
            call(0, 1, Op::Register(7), Answer::Done),
            call(2, 3, Op::Place(1), Answer::Done),
            call(2, 4, Op::Release(1), Answer::Done),
            call(4, 9, Op::Approve(1), Answer::Done),
            call(5, 6, Op::Dispose(7), first),
            call(7, 10, Op::Dispose(7), second),
        ];
        assert!(is_right(&calls));
    }
}

#[test]
fn what_a_hold_put_off_happens_by_itself_once_it_is_released() {
    let calls = |of: &[(Op, Answer)]| -> Vec<HoldCall> {
        let at = |(at, (op, answer)): (u64, &(Op, Answer))| call(2 * at, 2 * at + 1, *op, answer.clone());
        (0..).zip(of).map(at).collect()
    };
    let put_off = [
        (Op::Register(7), Answer::Done),
        (Op::Place(1), Answer::Done),
        (Op::Dispose(7), Answer::Held(vec![1])),
        (Op::Release(1), Answer::Done),
        (Op::Approve(1), Answer::Done),
    ];
    for last in [Answer::Done, Answer::DoneBefore] {
        assert!(is_right(&calls(&[&put_off[..], &[(Op::Dispose(7), last)]].concat())));
    }
    let held_again = [(Op::Place(2), Answer::Done), (Op::Dispose(7), Answer::DoneBefore)];
    assert!(is_right(&calls(&[&put_off[..], &held_again].concat())), "it was gone when the second hold came");
    let too_early = [&put_off[..4], &[(Op::Dispose(7), Answer::DoneBefore)]].concat();
    assert!(!is_right(&calls(&too_early)), "the hold is in force");
    let mut nobody_asked = put_off.to_vec();
    nobody_asked.remove(2);
    nobody_asked.push((Op::Dispose(7), Answer::DoneBefore));
    assert!(!is_right(&calls(&nobody_asked)), "nothing was put off");
}

#[test]
fn a_stale_read_is_caught() {
    let stale = [call(0, 1, Op::Place(1), Answer::Done), call(2, 3, Op::Look(1), NO_HOLD)];
    assert!(!is_right(&stale));
    let concurrent = [call(0, 3, Op::Place(1), Answer::Done), call(2, 4, Op::Look(1), NO_HOLD)];
    assert!(is_right(&concurrent), "asked while it was placed: either answer is right");
    let back_and_forth =
        [call(0, 9, Op::Place(1), Answer::Done), call(1, 2, Op::Look(1), ACTIVE), call(3, 4, Op::Look(1), NO_HOLD)];
    assert!(!is_right(&back_and_forth), "who was told of the hold is not told later that there is none");
}

#[test]
fn a_lost_write_is_caught() {
    let lost = [call(0, 1, Op::Place(1), Answer::Done), call(2, 3, Op::Place(1), Answer::Done)];
    assert!(!is_right(&lost), "the first one was acknowledged and is not there");
    let disposed_under_a_hold = [
        call(0, 1, Op::Register(7), Answer::Done),
        call(2, 3, Op::Place(1), Answer::Done),
        call(4, 5, Op::Dispose(7), Answer::Done),
    ];
    assert!(!is_right(&disposed_under_a_hold));
}

#[test]
fn a_command_that_was_decided_twice_is_caught() {
    let both_won = [call(0, 5, Op::Place(1), Answer::Done), call(1, 6, Op::Place(1), Answer::Done)];
    assert!(!is_right(&both_won));
    let one_won = [call(0, 5, Op::Place(1), Answer::Done), call(1, 6, Op::Place(1), code("HOLD_ALREADY_EXISTS"))];
    assert!(is_right(&one_won));
    let told_of_its_own_repetition = [call(0, 5, Op::Place(1), code("HOLD_ALREADY_EXISTS"))];
    assert!(!is_right(&told_of_its_own_repetition), "nobody else has placed it");
}

#[test]
fn an_unknown_outcome_may_have_happened_at_any_later_time_or_never() {
    let never = [unknown(0, Op::Place(1)), call(5, 6, Op::Look(1), NO_HOLD)];
    assert!(is_right(&never));
    let late = [
        unknown(0, Op::Place(1)),
        call(5, 6, Op::Look(1), NO_HOLD),
        call(7, 8, Op::Look(1), ACTIVE),
        call(9, 10, Op::Place(1), code("HOLD_ALREADY_EXISTS")),
    ];
    assert!(is_right(&late));
    let undone = [unknown(0, Op::Place(1)), call(5, 6, Op::Look(1), ACTIVE), call(7, 8, Op::Look(1), NO_HOLD)];
    assert!(!is_right(&undone), "but not undone again");
    let too_early = [call(0, 1, Op::Look(1), ACTIVE), unknown(5, Op::Place(1))];
    assert!(!is_right(&too_early), "and not before it was asked for");
    let twice = [
        unknown(0, Op::Place(1)),
        call(1, 2, Op::Place(1), Answer::Done),
        call(3, 4, Op::Release(1), Answer::Done),
        call(5, 6, Op::Look(1), ACTIVE),
    ];
    assert!(!is_right(&twice), "placed a second time after it was to be released");
}

#[test]
fn who_names_a_position_reads_its_own_writes_though_perhaps_an_old_state() {
    let recorder = Recorder::new();
    let mut session = Session::default();
    let placed = recorder.asks(0, Op::Place(1));
    recorder.is_told(placed, Answer::Done);
    session.has_seen(placed);
    // Somebody else releases it. An old state may still be told, one without the own write may not.
    let released = recorder.asks(0, Op::Release(1));
    recorder.is_told(released, Answer::Done);
    for (answer, is_right) in [(ACTIVE, true), (RELEASING, true), (RELEASED, false), (NO_HOLD, false)] {
        let looked = session.looks(&recorder, 0, Op::Look(1));
        recorder.is_told(looked, answer.clone());
        let mut calls = recorder.histories()[&0].clone();
        let looked = calls.swap_remove(looked.at);
        calls.truncate(2);
        calls.push(looked);
        assert_eq!(self::is_right(&calls), is_right, "{answer:?}");
    }
    let mut informed = session.clone();
    informed.has_seen(released);
    let looked = informed.looks(&recorder, 0, Op::Look(1));
    recorder.is_told(looked, ACTIVE);
    let mut calls = recorder.histories()[&0].clone();
    let looked = calls.swap_remove(looked.at);
    calls.truncate(2);
    calls.push(looked);
    assert!(!self::is_right(&calls), "who has seen the release is not told of the hold any more");
}

#[test]
fn what_does_not_fit_is_shown() {
    let Verdict::Wrong(why) =
        check(&Holds, &[call(0, 1, Op::Place(1), Answer::Done), call(2, 3, Op::Look(1), NO_HOLD)])
    else {
        panic!("it is wrong")
    };
    assert!(why.contains("Look(1)") && why.contains("the answer would be Hold(Some(Active))"), "{why}");
}

#[test]
fn long_histories_of_many_callers_are_decided() {
    // Six callers at once, all the time, and some calls that are never answered.
    let (mut state, mut calls) = (Holds.begin(), Vec::new());
    for step in 0..3_000_u64 {
        let op = match step % 4 {
            0 => Op::Register(step),
            1 => Op::Place(step / 40),
            2 if step % 8 < 4 => Op::Release(step / 60),
            2 => Op::Approve(step / 60),
            _ => Op::Dispose(step - 3),
        };
        let (next, answer) = Holds.step(&state, &op);
        state = next;
        let is_lost = step % 500 == 499;
        calls.push(Call {
            op,
            answer: (!is_lost).then_some(answer),
            from_ns: (10 * step).saturating_sub(30),
            until_ns: 10 * step + 30,
            not_before: None,
        });
    }
    check(&Holds, &calls).assert_linearizable("a long history");
}

fn op() -> impl Strategy<Value = Op> {
    let number = 0..2_u64;
    (0..6, number).prop_map(|(kind, number)| match kind {
        0 => Op::Register(number),
        1 => Op::Dispose(number),
        2 => Op::Place(number),
        3 => Op::Release(number),
        4 => Op::Approve(number),
        _ => Op::Look(number),
    })
}

/// Windows around moments, one for each of some calls.
fn windows(count: usize) -> impl Strategy<Value = Vec<(Op, u64, u64, bool)>> {
    proptest::collection::vec((op(), 0..40_u64, 0..40_u64, proptest::bool::weighted(0.1)), 1..count)
}

/// The definition, word by word: some order of some calls that holds all answered ones, in which nobody comes after a
/// call that began after he had ended.
fn is_right_by_definition(calls: &[HoldCall]) -> bool {
    fn extend(calls: &[HoldCall], state: &holds::State, left: &[usize]) -> bool {
        let ends = |call: &HoldCall| if call.answer.is_some() { call.until_ns } else { u64::MAX };
        left.iter().all(|call| calls[*call].answer.is_none())
            || left.iter().any(|call| {
                let others: Vec<_> = left.iter().copied().filter(|other| other != call).collect();
                let (next, answer) = Holds.step(state, &calls[*call].op);
                others.iter().all(|other| ends(&calls[*other]) >= calls[*call].from_ns)
                    && calls[*call].answer.as_ref().is_none_or(|told| *told == answer)
                    && extend(calls, &next, &others)
            })
    }
    extend(calls, &Holds.begin(), &(0..calls.len()).collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn whatever_really_happened_in_some_order_is_right(windows in windows(40)) {
        let (mut state, mut calls) = (Holds.begin(), Vec::new());
        for (step, (op, before, after, is_lost)) in (0_u64..).zip(windows) {
            let (next, answer) = Holds.step(&state, &op);
            state = next;
            let moment = 100 + 10 * step;
            let answer = (!is_lost).then_some(answer);
            let (from_ns, until_ns) = (moment - before, moment + after);
            calls.push(Call { op, answer, from_ns, until_ns, not_before: None });
        }
        prop_assert!(is_right(&calls));
    }

    #[test]
    fn the_verdict_is_that_of_the_definition(windows in windows(7), answers in proptest::collection::vec(0..5_usize, 7)) {
        let answers = answers.into_iter().map(|which| match which {
            0 => Answer::Done,
            1 => code("HOLD_NOT_FOUND"),
            2 => code("HOLD_ALREADY_EXISTS"),
            3 => ACTIVE,
            _ => NO_HOLD,
        });
        let calls: Vec<_> = windows.into_iter().zip(answers).map(|((op, from_ns, length, is_lost), answer)| {
            let fitting = match (op, answer) {
                (Op::Look(_), answer @ Answer::Hold(_)) => answer,
                (Op::Look(_), _) => RELEASED,
                (Op::Dispose(_), Answer::Hold(_)) => Answer::Held(vec![0]),
                (_, Answer::Hold(_)) => Answer::Done,
                (_, answer) => answer,
            };
            let answer = (!is_lost).then_some(fitting);
            Call { op, answer, from_ns, until_ns: from_ns + length, not_before: None }
        }).collect();
        prop_assert_eq!(is_right(&calls), is_right_by_definition(&calls));
    }
}
