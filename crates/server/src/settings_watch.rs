//! Watching the settings of the log's topics: somebody may change them while the node runs, so that what is acknowledged
//! could be lost. Then the node takes no more commands, until they are right again.

use std::sync::Arc;
use std::time::Duration;

use daybook_log::{Log, LogError};
use parking_lot::Mutex;

/// What is wrong with the log's settings, as they were seen last.
#[derive(Clone, Default)]
pub(crate) struct WrongSettings(Arc<Mutex<Option<LogError>>>);

impl WrongSettings {
    /// The error, if something is wrong.
    pub(crate) fn get(&self) -> Option<LogError> {
        self.0.lock().clone()
    }

    /// Keeps it up to date until the task is dropped.
    pub(crate) async fn watch(self, log: Arc<dyn Log>, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            let seen = match log.check_settings().await {
                Ok(()) => None,
                Err(error @ LogError::WrongSettings { .. }) => Some(error),
                Err(error) => {
                    // What was seen last stands.
                    tracing::debug!(%error, "the settings of the log could not be looked at");
                    continue;
                }
            };
            let before = std::mem::replace(&mut *self.0.lock(), seen.clone());
            match (before, seen) {
                (before, Some(error)) if before.as_ref() != Some(&error) => {
                    tracing::error!(code = error.code().name, %error, "no more commands are taken");
                }
                (Some(_), None) => tracing::info!("the settings of the log are right again: commands are taken"),
                _ => {}
            }
        }
    }
}
