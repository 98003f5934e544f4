//! The limits of a node, as they are configured.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::seconds;
use crate::http::RateLimits;

/// Limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// A command, in KiB.
    pub command_kib: usize,
    /// A request, in KiB, compressed and decompressed.
    pub request_kib: usize,
    /// How long the body of a request may take; of a stream, each part of it.
    #[serde(with = "seconds")]
    pub body_seconds: Duration,
    /// Bodies that are being received, all together, in MiB.
    pub receiving_mib: usize,
    /// Requests that were decoded and are being answered, all together, in MiB of memory.
    pub decoded_mib: usize,
    /// How long a caller waits for a decision.
    #[serde(with = "seconds")]
    pub decision_wait_seconds: Duration,
    /// How long a query waits for the position that it asks for.
    #[serde(with = "seconds")]
    pub query_wait_seconds: Duration,
    /// How much time of the processor deciding one command may take before the process ends itself and the next one parks
    /// the command. 0: any.
    #[serde(with = "seconds")]
    pub deciding_seconds: Duration,
    /// Commands of a partition that wait for their decision.
    pub in_flight_commands: usize,
    /// Commands of a tenant that wait for their decision, per partition.
    pub in_flight_per_tenant: usize,
    /// Commands of a stream key that wait for their decision.
    pub in_flight_per_stream: usize,
    /// Connections. Fewer where the process may not open enough files: log and stores come first.
    pub connections: usize,
    /// Connections from one address. 0: half of all. Set it to the same as `connections` behind a proxy.
    pub connections_per_address: usize,
    /// How long a connection may take for the headers of a request.
    #[serde(with = "seconds")]
    pub header_seconds: Duration,
    /// How long nothing may move on a connection.
    #[serde(with = "seconds")]
    pub silence_seconds: Duration,
    /// Requests of one connection at once.
    pub streams_per_connection: u32,
    /// Requests of one caller (the subject of its token) in a second. 0: no limit.
    pub subject_requests_per_second: u32,
    /// Requests of one tenant in a second. 0: no limit.
    pub tenant_requests_per_second: u32,
    /// MiB that one caller sends in a second. 0: no limit.
    pub subject_mib_per_second: u32,
    /// MiB that one tenant's callers send in a second. 0: no limit.
    pub tenant_mib_per_second: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            command_kib: 256,
            request_kib: 4096,
            body_seconds: Duration::from_secs(30),
            receiving_mib: 256,
            decoded_mib: 512,
            decision_wait_seconds: Duration::from_secs(30),
            query_wait_seconds: Duration::from_secs(10),
            deciding_seconds: Duration::from_secs(30),
            in_flight_commands: 20_000,
            in_flight_per_tenant: 10_000,
            in_flight_per_stream: 5_000,
            connections: 10_000,
            connections_per_address: 0,
            header_seconds: Duration::from_secs(10),
            silence_seconds: Duration::from_secs(75),
            streams_per_connection: 1_000,
            subject_requests_per_second: 5_000,
            tenant_requests_per_second: 20_000,
            subject_mib_per_second: 64,
            tenant_mib_per_second: 256,
        }
    }
}

impl LimitsConfig {
    /// What is wrong, if something is.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        // An answer may take as long as a decision or a position is waited for; until then nothing moves.
        let answer_wait = self.decision_wait_seconds.max(self.query_wait_seconds);
        let checks = [
            (self.command_kib == 0 || self.command_kib > 1_024, "limits.command_kib must be 1 to 1024"),
            (self.request_kib < self.command_kib, "limits.request_kib must be at least limits.command_kib"),
            (self.receiving_mib << 10 < self.request_kib, "limits.receiving_mib must have room for a request"),
            (self.decoded_mib < 128, "limits.decoded_mib must be at least 128: one request may take so much"),
            (self.body_seconds.is_zero(), "limits.body_seconds must be at least 1"),
            (self.header_seconds.is_zero(), "limits.header_seconds must be at least 1"),
            (self.connections == 0, "limits.connections must be at least 1"),
            (self.streams_per_connection == 0, "limits.streams_per_connection must be at least 1"),
            (
                self.silence_seconds <= answer_wait,
                "limits.silence_seconds must be longer than decision_wait_seconds and query_wait_seconds",
            ),
        ];
        checks.into_iter().find(|(is_wrong, _)| *is_wrong).map(|(_, problem)| problem)
    }

    pub(crate) fn rates(&self) -> RateLimits {
        RateLimits {
            subject_requests: self.subject_requests_per_second,
            tenant_requests: self.tenant_requests_per_second,
            subject_kib: self.subject_mib_per_second.saturating_mul(1_024),
            tenant_kib: self.tenant_mib_per_second.saturating_mul(1_024),
        }
    }
}
