//! What librdkafka says: its errors as log lines, and as errors of ours.

use std::cell::RefCell;

use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::{CLIENT_SETTINGS, unreadable};
use crate::LogError;
use crate::topic::RECORD_BYTES_MAX;

/// Logs what a client reports.
pub(super) struct Reports;

thread_local! {
    /// The text of the last error that a client reported on this thread. A poll that returns an error has just reported
    /// it, on its own thread; the error itself carries a code and nothing else.
    static REASON: RefCell<Option<String>> = const { RefCell::new(None) };
}

impl ClientContext for Reports {
    fn error(&self, error: KafkaError, reason: &str) {
        REASON.set(Some(reason.to_owned()));
        if unreadable::is_unreadable(&error) {
            // Whoever reads the partition says what that means for it.
            tracing::debug!(%error, reason, "kafka");
        } else {
            tracing::warn!(%error, reason, "kafka");
        }
    }
}

impl rdkafka::consumer::ConsumerContext for Reports {}

/// The text of the error that a poll on this thread has just returned.
pub(super) fn take_reason() -> Option<String> {
    REASON.take()
}

/// An error in terms of what to do about it.
pub(super) fn from_kafka(error: &KafkaError) -> LogError {
    match error {
        // The error's own text holds the value of the setting, which may be a password.
        KafkaError::ClientConfig(_, _, key, _) => LogError::WrongSettings {
            topic: CLIENT_SETTINGS.to_owned(),
            wrong: format!("librdkafka does not take {key} with this value, or does not know it"),
        },
        _ => LogError::Unavailable { what: error.to_string() },
    }
}

/// The same for an append of so many bytes.
pub(super) fn from_append(error: &KafkaError, bytes: usize) -> LogError {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize) => {
            LogError::TooLarge { bytes, max: RECORD_BYTES_MAX }
        }
        _ => from_kafka(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::config::client_config;
    use crate::kafka::{KafkaOptions, Replication};

    fn options(name: &str, value: &str) -> KafkaOptions {
        KafkaOptions {
            brokers: "127.0.0.1:9".to_owned(),
            name: "log".to_owned(),
            partitions: 1,
            create_with_replication: Some(Replication::ByBrokers),
            min_insync_replicas: 1,
            connect_timeout: std::time::Duration::from_secs(1),
            properties: [(name.to_owned(), value.to_owned())].into(),
        }
    }

    #[test]
    fn a_client_setting_that_is_refused_is_named_and_its_value_is_not_told() {
        for (name, value) in [("sasl.pasword", "hunter2-hunter2"), ("security.protocol", "hunter2-hunter2")] {
            let options = options(name, value);
            let made = client_config(&options).unwrap().create_native_config().err().map(|error| from_kafka(&error));
            let error = made.expect("it is refused");
            assert_eq!(error.code().name, "TOPIC_SETTINGS_WRONG");
            let told = format!("{error} {error:?} {options:?}");
            assert!(told.contains(name) && !told.contains("hunter2"), "{told}");
        }
    }
}
