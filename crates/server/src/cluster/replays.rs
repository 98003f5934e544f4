//! Requests of other nodes that came before.
//!
//! A copy of a request, from somebody who listens where there is no TLS, has a good code for a minute. Deciding a command
//! again gives the same decision, but it is written to the log once more, and a query answered again shows what has become
//! known since. So each request is answered once: a node counts its requests, and remembers of each other node which of
//! the latest it has seen, as IPsec does (RFC 4303, section 3.4.3).

use std::collections::BTreeMap;

use daybook_kernel::time::Timestamp;
use parking_lot::Mutex;

use super::credentials::{SKEW_US_MAX, SignedRequest};

/// How far a request may be behind the newest of its session. More than can be under way at once.
const WINDOW: u64 = 1 << 18;
const WORD_BITS: u64 = 64;

/// The requests that were seen, by the node that asked. Only verified ones come here, so nobody without the master key
/// can make it grow.
#[derive(Default)]
pub(super) struct Replays(Mutex<BTreeMap<String, Seen>>);

struct Seen {
    session: u64,
    newest: u64,
    /// One bit for each of the latest requests, at its number modulo the window.
    bits: Box<[u64]>,
    /// When its node was heard last.
    heard_at: Timestamp,
}

impl Seen {
    fn of(request: &SignedRequest, now: Timestamp) -> Self {
        let words = usize::try_from(WINDOW / WORD_BITS).unwrap_or_default();
        let bits = vec![0; words].into_boxed_slice();
        Self { session: request.session, newest: request.number, bits, heard_at: now }
    }

    /// The word and the bit of a number.
    fn place(number: u64) -> (usize, u64) {
        let at = number % WINDOW;
        (usize::try_from(at / WORD_BITS).unwrap_or_default(), 1 << (at % WORD_BITS))
    }

    fn clear(&mut self, number: u64) {
        let (word, bit) = Self::place(number);
        if let Some(word) = self.bits.get_mut(word) {
            *word &= !bit;
        }
    }

    /// True the first time.
    fn set(&mut self, number: u64) -> bool {
        let (word, bit) = Self::place(number);
        let Some(word) = self.bits.get_mut(word) else { return false };
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }
}

impl Replays {
    /// Notes a request.
    ///
    /// # Errors
    /// Why it is not to be answered, in words: it came before, or may have.
    pub(super) fn note(&self, request: &SignedRequest, now: Timestamp) -> Result<(), &'static str> {
        let mut nodes = self.0.lock();
        let seen = nodes.entry(request.from.clone()).or_insert_with(|| Seen::of(request, now));
        // Requests of an earlier session are refused by their time from then on.
        let forgets = now.as_micros().saturating_sub(seen.heard_at.as_micros()) > 2 * SKEW_US_MAX;
        if request.session > seen.session || (forgets && request.session != seen.session) {
            *seen = Seen::of(request, now);
        }
        if request.session < seen.session {
            return Err("the request is of an earlier start of its node, or another node has the same id");
        }
        if request.number > seen.newest {
            let first = seen.newest + 1;
            for number in first.max(request.number.saturating_sub(WINDOW - 1))..=request.number {
                seen.clear(number);
            }
            seen.newest = request.number;
        } else if seen.newest - request.number >= WINDOW {
            return Err("the request is much older than others of its node");
        }
        if !seen.set(request.number) {
            return Err("the request was answered before");
        }
        seen.heard_at = now;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::credentials::Body;
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

    fn request(session: u64, number: u64) -> SignedRequest {
        let (from, to, body) = ("n1".to_owned(), "n2".to_owned(), Body::of(b""));
        SignedRequest { from, to, at_us: NOW.as_micros(), session, number, body, code: [0; 32] }
    }

    #[test]
    fn each_request_is_answered_once_in_whatever_order_they_come() {
        let replays = Replays::default();
        for number in [3, 0, 1, 7, 2, WINDOW + 1, 4, WINDOW, 5 * WINDOW, 4 * WINDOW + 1] {
            assert_eq!(replays.note(&request(1, number), NOW), Ok(()), "{number}");
            assert!(replays.note(&request(1, number), NOW).is_err(), "{number}");
        }
        for number in [0, 7, WINDOW + 1, 4 * WINDOW] {
            assert!(replays.note(&request(1, number), NOW).is_err(), "{number} is long ago");
        }
        let other = SignedRequest { from: "n3".to_owned(), ..request(1, 7) };
        assert_eq!(replays.note(&other, NOW), Ok(()), "each node counts for itself");
    }

    #[test]
    fn requests_of_an_earlier_start_are_refused_until_their_time_is_over() {
        let replays = Replays::default();
        assert_eq!(replays.note(&request(2, 9), NOW), Ok(()));
        assert_eq!(replays.note(&request(3, 0), NOW), Ok(()), "the node was started again");
        assert!(replays.note(&request(2, 10), NOW).is_err());
        assert_eq!(replays.note(&request(3, 1), NOW), Ok(()));
        let later = Timestamp::from_micros(NOW.as_micros() + 2 * SKEW_US_MAX + 1);
        assert_eq!(replays.note(&request(2, 10), later), Ok(()), "its clock was set back meanwhile");
        assert!(replays.note(&request(2, 10), later).is_err());
    }
}
