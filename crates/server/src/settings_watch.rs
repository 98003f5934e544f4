//! Watching the settings of the topics that the node reads and writes: somebody may change them while it runs, so that
//! what is acknowledged could be lost, or could not be read. Then what depends on the topic waits until they are right
//! again: commands for those of the log and its key ring, the inbox topic for its own, publishing for an outbox topic.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use daybook_log::{BesideTopics, InboxSettings, KeyedLog, Log, LogError};
use parking_lot::Mutex;

/// What is wrong with the settings of topics, as they were seen last.
#[derive(Clone, Default)]
pub(crate) struct WrongSettings(Arc<Mutex<BTreeMap<Subject, LogError>>>);

/// What settings are about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Log,
    Keys,
    /// An inbox topic.
    Inbox(String),
    /// The list of inbox records that were not carried out.
    Rejected(String),
    /// An outbox topic.
    Outbox(String),
}

impl Subject {
    /// What waits while they are wrong.
    fn waits(&self) -> &'static str {
        match self {
            Self::Log | Self::Keys => "no more commands are taken",
            Self::Inbox(_) => "no more records are taken from this topic",
            Self::Rejected(_) => "no more records are taken from inbox topics",
            Self::Outbox(_) => "nothing more is published on this topic",
        }
    }
}

/// The topics that are watched.
pub(crate) struct Watched {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) keys: Option<Arc<dyn KeyedLog>>,
    /// The inbox, and the list of what was not carried out.
    pub(crate) inbox: Option<(InboxSettings, String)>,
    pub(crate) outbox: Vec<String>,
    /// To look at the list and the outbox with.
    pub(crate) beside: Option<BesideTopics>,
}

impl Watched {
    async fn look(&self) -> Vec<(Subject, Result<(), LogError>)> {
        let mut seen = vec![(Subject::Log, self.log.check_settings().await)];
        if let Some(keys) = &self.keys {
            seen.push((Subject::Keys, keys.check_settings().await));
        }
        if let Some((inbox, _)) = &self.inbox {
            for topic in inbox.names() {
                seen.push((Subject::Inbox(topic.clone()), inbox.check(topic).await));
            }
        }
        let rejected = self.inbox.iter().map(|(_, topic)| Subject::Rejected(topic.clone()));
        let outbox = self.outbox.iter().cloned().map(Subject::Outbox);
        for subject in rejected.chain(outbox) {
            let (Some(beside), Subject::Rejected(topic) | Subject::Outbox(topic)) = (&self.beside, &subject) else {
                continue;
            };
            let looked = beside.check_settings(topic).await;
            seen.push((subject, looked));
        }
        seen
    }
}

impl WrongSettings {
    /// The error because of which no commands are taken, if something is wrong.
    pub(crate) fn get(&self) -> Option<LogError> {
        let wrong = self.0.lock();
        wrong.get(&Subject::Log).or_else(|| wrong.get(&Subject::Keys)).cloned()
    }

    /// The error because of which nothing is taken from an inbox topic.
    pub(crate) fn of_inbox(&self, topic: &str) -> Option<LogError> {
        let wrong = self.0.lock();
        let own = wrong.get(&Subject::Inbox(topic.to_owned()));
        let list = || wrong.iter().find(|(subject, _)| matches!(subject, Subject::Rejected(_))).map(|(_, error)| error);
        own.or_else(list).cloned()
    }

    /// The error because of which nothing is published on an outbox topic.
    pub(crate) fn of_outbox(&self, topic: &str) -> Option<LogError> {
        self.0.lock().get(&Subject::Outbox(topic.to_owned())).cloned()
    }

    /// Keeps it up to date until the task is dropped.
    pub(crate) async fn watch(self, watched: Watched, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            for (subject, looked) in watched.look().await {
                self.seen(subject, looked);
            }
        }
    }

    fn seen(&self, subject: Subject, looked: Result<(), LogError>) {
        let wrong = match looked {
            Ok(()) => None,
            Err(error @ LogError::WrongSettings { .. }) => Some(error),
            Err(error) => {
                // What was seen last stands.
                tracing::debug!(%error, ?subject, "the settings of a topic could not be looked at");
                return;
            }
        };
        let mut all = self.0.lock();
        let before = all.remove(&subject);
        match (&before, &wrong) {
            (before, Some(error)) if before.as_ref() != Some(error) => {
                tracing::error!(code = error.code().name, %error, "{}", subject.waits());
            }
            (Some(_), None) => tracing::info!(?subject, "the settings of the topic are right again: it goes on"),
            _ => {}
        }
        if let Some(error) = wrong {
            all.insert(subject, error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_what_depends_on_the_topic() {
        let wrong = WrongSettings::default();
        let error = |topic: &str| {
            Err(LogError::WrongSettings { topic: topic.to_owned(), wrong: "retention.ms is \"1\"".to_owned() })
        };
        wrong.seen(Subject::Inbox("orders".to_owned()), error("orders"));
        assert!(wrong.get().is_none() && wrong.of_inbox("people").is_none() && wrong.of_inbox("orders").is_some());
        wrong.seen(Subject::Rejected("log.inbox.rejected".to_owned()), error("log.inbox.rejected"));
        assert!(wrong.of_inbox("people").is_some() && wrong.of_outbox("x").is_none());
        wrong.seen(Subject::Keys, error("log.keys"));
        assert!(wrong.get().is_some_and(|error| error.to_string().contains("log.keys")));
        // A broker that does not answer changes nothing.
        wrong.seen(Subject::Keys, Err(LogError::Unavailable { what: "away".to_owned() }));
        assert!(wrong.get().is_some());
        wrong.seen(Subject::Keys, Ok(()));
        assert!(wrong.get().is_none());
    }
}
