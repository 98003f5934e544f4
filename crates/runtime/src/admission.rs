//! Limits: how much may be under way at once. Every one of them has a number, and going over it is an error that says
//! which.

use std::collections::HashMap;
use std::time::Duration;

use daybook_kernel::id::{StreamKey, TenantId};
use parking_lot::Mutex;

use crate::SubmitError;

/// Limits of a partition.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Decisions in one record.
    pub batch_commands_max: usize,
    /// Bytes of decisions in one record.
    pub batch_bytes_max: usize,
    /// Time spent deciding before a record is appended, however little it holds.
    pub batch_time_max: Duration,
    /// Records that are appended and not yet acknowledged.
    pub pipeline_max: usize,
    /// Commands that wait for their decision.
    pub in_flight_commands_max: usize,
    /// Bytes of commands that wait for their decision.
    pub in_flight_bytes_max: usize,
    /// Commands of one tenant that wait for their decision.
    pub in_flight_per_tenant_max: usize,
    /// Commands of one stream key that wait for their decision.
    pub in_flight_per_stream_max: usize,
    /// How long a caller waits for a decision.
    pub decision_wait_max: Duration,
    /// Effects that run at once.
    pub effects_running_max: usize,
    /// Timers that have fired and are not yet decided.
    pub timers_fired_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch_commands_max: 1_000,
            batch_bytes_max: 1 << 20,
            batch_time_max: Duration::from_millis(5),
            pipeline_max: 8,
            in_flight_commands_max: 20_000,
            in_flight_bytes_max: 64 << 20,
            in_flight_per_tenant_max: 10_000,
            in_flight_per_stream_max: 5_000,
            decision_wait_max: Duration::from_secs(30),
            effects_running_max: 64,
            timers_fired_max: 256,
        }
    }
}

/// Counts what is under way.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    commands: usize,
    bytes: usize,
    tenants: HashMap<TenantId, usize>,
    streams: HashMap<(TenantId, StreamKey), usize>,
}

/// A command that was let in. Dropping it lets the next one in.
#[derive(Debug)]
pub(crate) struct Admitted<'a> {
    admission: &'a Admission,
    bytes: usize,
    stream: (TenantId, StreamKey),
}

impl Admission {
    /// Lets a command in, or says which limit is reached.
    pub(crate) fn admit(
        &self,
        limits: &Limits,
        tenant: &TenantId,
        stream_key: &StreamKey,
        bytes: usize,
    ) -> Result<Admitted<'_>, SubmitError> {
        let stream = (tenant.clone(), stream_key.clone());
        let mut counts = self.counts.lock();
        let of_tenant = counts.tenants.get(tenant).copied().unwrap_or_default();
        let of_stream = counts.streams.get(&stream).copied().unwrap_or_default();
        let full = if counts.commands >= limits.in_flight_commands_max {
            Some(format!("{} commands of this partition", counts.commands))
        } else if counts.bytes + bytes > limits.in_flight_bytes_max {
            Some(format!("{} bytes of commands of this partition", counts.bytes))
        } else if of_tenant >= limits.in_flight_per_tenant_max {
            Some(format!("{of_tenant} commands of tenant {tenant}"))
        } else if of_stream >= limits.in_flight_per_stream_max {
            Some(format!("{of_stream} commands of stream {stream_key}"))
        } else {
            None
        };
        if let Some(what) = full {
            return Err(SubmitError::Overloaded { what });
        }
        counts.commands += 1;
        counts.bytes += bytes;
        *counts.tenants.entry(tenant.clone()).or_default() += 1;
        *counts.streams.entry(stream.clone()).or_default() += 1;
        drop(counts);
        Ok(Admitted { admission: self, bytes, stream })
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        let mut counts = self.admission.counts.lock();
        counts.commands -= 1;
        counts.bytes -= self.bytes;
        if let Some(count) = counts.tenants.get_mut(&self.stream.0) {
            *count -= 1;
            if *count == 0 {
                counts.tenants.remove(&self.stream.0);
            }
        }
        if let Some(count) = counts.streams.get_mut(&self.stream) {
            *count -= 1;
            if *count == 0 {
                counts.streams.remove(&self.stream);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_named_when_it_is_reached_and_freed_when_the_command_is_done() {
        let limits = Limits {
            in_flight_commands_max: 4,
            in_flight_bytes_max: 100,
            in_flight_per_tenant_max: 3,
            in_flight_per_stream_max: 2,
            ..Limits::default()
        };
        let admission = Admission::default();
        let (acme, globex) = (TenantId::parse("acme").unwrap(), TenantId::parse("globex").unwrap());
        let key = |key: &str| StreamKey::parse(key).unwrap();
        let refused = |tenant: &TenantId, stream: &str, bytes: usize| {
            let refused = admission.admit(&limits, tenant, &key(stream), bytes).map(drop).unwrap_err();
            refused.to_string()
        };
        let a = admission.admit(&limits, &acme, &key("s"), 30).unwrap();
        let b = admission.admit(&limits, &acme, &key("s"), 30).unwrap();
        assert!(refused(&acme, "s", 1).starts_with("2 commands of stream s"));
        assert!(refused(&acme, "t", 41).starts_with("60 bytes"));
        let c = admission.admit(&limits, &acme, &key("t"), 1).unwrap();
        assert!(refused(&acme, "u", 1).starts_with("3 commands of tenant acme"));
        let d = admission.admit(&limits, &globex, &key("s"), 1).unwrap();
        assert!(refused(&globex, "t", 1).starts_with("4 commands of this partition"));
        drop((a, b, c, d));
        let counts = admission.counts.lock();
        assert_eq!((counts.commands, counts.bytes), (0, 0));
        assert!(counts.tenants.is_empty() && counts.streams.is_empty(), "nothing is left behind");
    }
}
