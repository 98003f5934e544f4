//! Tokens whose signature was checked before.
//!
//! A caller sends the same token with every request, and a signature that was good once is good for ever: what can change
//! is whether its key is still known, and whether the token is still in its time. Both are looked at on every request;
//! where either is in doubt, the token is checked as if it came for the first time.

use std::collections::BTreeMap;
use std::ops::Range;

use daybook_kernel::hash::Hash;
use parking_lot::RwLock;

use super::Caller;

/// Tokens that are remembered. When there are more, all are forgotten and checked again.
const TOKENS_MAX: usize = 4_096;

/// What a remembered token is held against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checks {
    /// Which keys are known.
    pub(super) keys: u64,
    /// When it has to be good, in seconds since 1970.
    pub(super) at_seconds: u64,
}

/// The tokens, by their hash: the tokens themselves are nowhere kept. Only good ones are here, so nobody without one can
/// make this grow.
#[derive(Debug, Default)]
pub(super) struct Checked(RwLock<BTreeMap<Hash, Entry>>);

#[derive(Debug)]
struct Entry {
    caller: Caller,
    /// Which keys were known when its signature was checked.
    keys: u64,
    /// From when to before when it is good, without any leeway.
    good: Range<u64>,
}

fn hash(token: &str) -> Hash {
    Hash::of_parts(&[b"token", token.as_bytes()])
}

impl Checked {
    /// Whose token it is, if it was checked with the keys that are known now and is in its time.
    pub(super) fn find(&self, token: &str, checks: Checks) -> Option<Caller> {
        let entries = self.0.read();
        let entry = entries.get(&hash(token))?;
        (entry.keys == checks.keys && entry.good.contains(&checks.at_seconds)).then(|| entry.caller.clone())
    }

    /// Remembers a token that was checked.
    pub(super) fn remember(&self, token: &str, keys: u64, good: Range<u64>, caller: &Caller) {
        let mut entries = self.0.write();
        if entries.len() >= TOKENS_MAX {
            entries.clear();
        }
        entries.insert(hash(token), Entry { caller: caller.clone(), keys, good });
    }
}

#[cfg(test)]
mod tests {
    use daybook_proto::log::v1::actor::Kind;

    use super::*;

    fn caller(id: &str) -> Caller {
        Caller::new(Kind::User, id.to_owned(), BTreeMap::new())
    }

    #[test]
    fn a_token_is_remembered_for_its_keys_and_its_time_and_for_no_other() {
        let checked = Checked::default();
        checked.remember("ada's", 3, 100..200, &caller("ada"));
        let find = |token: &str, keys: u64, at_seconds: u64| checked.find(token, Checks { keys, at_seconds });
        assert_eq!(find("ada's", 3, 100), Some(caller("ada")));
        assert_eq!(find("ada's", 3, 199), Some(caller("ada")));
        assert_eq!(find("ada's", 3, 200), None, "it expires");
        assert_eq!(find("ada's", 3, 99), None, "it is not good yet");
        assert_eq!(find("ada's", 4, 150), None, "other keys are known now");
        assert_eq!(find("ada'z", 3, 150), None, "another token");
    }

    #[test]
    fn no_more_than_so_many_are_remembered() {
        let checked = Checked::default();
        for number in 0..=TOKENS_MAX {
            checked.remember(&number.to_string(), 0, 0..1, &caller("ada"));
        }
        assert!(checked.0.read().len() <= TOKENS_MAX);
        let last = TOKENS_MAX.to_string();
        assert!(checked.find(&last, Checks { keys: 0, at_seconds: 0 }).is_some(), "the last one is");
    }
}
