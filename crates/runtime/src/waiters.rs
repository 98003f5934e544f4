//! Callers who wait for a decision, by command id and fingerprint: two that use the same id for different commands must
//! not get each other's answers.

use std::collections::BTreeMap;

use bytes::Bytes;
use daybook_kernel::decide::Place;
use daybook_kernel::id::CommandId;
use daybook_proto::log::v1;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// The decision that a command got.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Where and when.
    pub place: Place,
    /// The decision.
    pub decision: v1::Decision,
    /// True when this command id was decided before and this is that first decision.
    pub duplicate: bool,
    /// The response to the caller, encoded, when another node decided: it follows from that node's state.
    pub response: Option<Bytes>,
}

/// What somebody waits for.
type Key = (CommandId, Bytes);

#[derive(Debug, Default)]
pub(crate) struct Waiters {
    by_key: Mutex<BTreeMap<Key, Vec<oneshot::Sender<Outcome>>>>,
}

/// A caller's place in the line. Dropping it gives the place up.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    waiters: &'a Waiters,
    key: Key,
    pub(crate) outcome: oneshot::Receiver<Outcome>,
}

impl Waiters {
    /// Waits for the decision of a command. Several may wait for the same one.
    pub(crate) fn wait(&self, id: CommandId, fingerprint: Bytes) -> Waiting<'_> {
        let (sender, outcome) = oneshot::channel();
        let key = (id, fingerprint);
        self.by_key.lock().entry(key.clone()).or_default().push(sender);
        Waiting { waiters: self, key, outcome }
    }

    /// Hands a decision to those who wait for it.
    pub(crate) fn resolve(&self, place: Place, decision: v1::Decision) {
        let Ok(id) = CommandId::from_slice(&decision.command_id) else { return };
        let Some(waiting) = self.by_key.lock().remove(&(id, decision.fingerprint.clone())) else { return };
        let outcome = Outcome { place, decision, duplicate: false, response: None };
        let mut waiting = waiting.into_iter();
        let last = waiting.next_back();
        for sender in waiting {
            // Someone who went away does not want to know.
            let _ = sender.send(outcome.clone());
        }
        if let Some(last) = last {
            let _ = last.send(outcome);
        }
    }

    /// Lets go of everybody who waits: no decision comes by this way any more.
    pub(crate) fn give_up(&self) {
        self.by_key.lock().clear();
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.by_key.lock().len()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.outcome.close();
        let mut by_key = self.waiters.by_key.lock();
        if let Some(waiting) = by_key.get_mut(&self.key) {
            waiting.retain(|sender| !sender.is_closed());
            if waiting.is_empty() {
                by_key.remove(&self.key);
            }
        }
    }
}
