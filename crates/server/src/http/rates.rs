//! How often a caller may ask, and how much it may bring: by its subject, and by its tenant, whoever asks there. Each limit
//! is a bucket that fills at its rate and holds one second of it (the generic cell rate algorithm).

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use prost_reflect::{DynamicMessage, Value};

use crate::auth::Caller;
use crate::door::Incoming;
use crate::error::{CallError, codes};

/// Limits in a second; 0 is none.
#[derive(Debug, Clone, Copy, Default)]
pub struct RateLimits {
    /// Requests of one subject.
    pub subject_requests: u32,
    /// Requests of one tenant.
    pub tenant_requests: u32,
    /// KiB of one subject.
    pub subject_kib: u32,
    /// KiB of one tenant.
    pub tenant_kib: u32,
}

/// Counts requests and bytes.
#[derive(Debug)]
pub struct Rates {
    subject_requests: Bucket,
    tenant_requests: Bucket,
    subject_kib: Bucket,
    tenant_kib: Bucket,
}

impl Rates {
    /// Nothing is counted yet.
    pub fn new(limits: &RateLimits) -> Self {
        Self {
            subject_requests: Bucket::new(limits.subject_requests),
            tenant_requests: Bucket::new(limits.tenant_requests),
            subject_kib: Bucket::new(limits.subject_kib),
            tenant_kib: Bucket::new(limits.tenant_kib),
        }
    }

    /// Counts a request before it is read.
    pub(super) fn ask(&self, caller: &Caller) -> Result<(), CallError> {
        self.subject_requests.take(caller.id(), 1).map_err(|limited| limited.refuse("requests of this caller"))
    }

    /// Counts what a request brings.
    pub(super) fn bring(&self, caller: &Caller, request: &Incoming) -> Result<(), CallError> {
        let kib = u32::try_from(request.encoded_len() / 1_024).unwrap_or(u32::MAX);
        self.subject_kib.take(caller.id(), kib).map_err(|limited| limited.refuse("KiB of this caller"))?;
        let tenant = tenant(&request.request, caller);
        self.tenant_requests.take(&tenant, 1).map_err(|limited| limited.refuse("requests of this tenant"))?;
        self.tenant_kib.take(&tenant, kib).map_err(|limited| limited.refuse("KiB of this tenant"))
    }
}

/// The tenant that a request names, or the token's only one. One that the token does not speak for is refused later.
fn tenant(request: &DynamicMessage, caller: &Caller) -> String {
    let named = request.get_field_by_name("tenant_id");
    let named = named.as_deref().and_then(Value::as_str).unwrap_or_default();
    let tenants: Vec<_> = caller.tenants().collect();
    if tenants.contains(&named) { named.to_owned() } else { tenants.join(" ") }
}

type Limiter = RateLimiter<String, HashMapStateStore<String>, DefaultClock, NoOpMiddleware>;

/// One limit, for each key.
#[derive(Debug)]
struct Bucket {
    limiter: Option<Limiter>,
    per_second: u32,
}

/// A limit that is reached.
struct Limited {
    per_second: u32,
    wait: Duration,
}

/// Keys of which one asked lately; beyond it those that did not are let go of.
const KEYS_MAX: usize = 10_000;

impl Bucket {
    fn new(per_second: u32) -> Self {
        let quota = NonZeroU32::new(per_second).map(Quota::per_second);
        Self { limiter: quota.map(RateLimiter::hashmap), per_second }
    }

    fn take(&self, key: &str, count: u32) -> Result<(), Limited> {
        let (Some(limiter), Some(count)) = (&self.limiter, NonZeroU32::new(count)) else { return Ok(()) };
        if limiter.len() > KEYS_MAX {
            limiter.retain_recent();
        }
        // One request may bring as much as the bucket holds, and not more.
        let count = count.min(NonZeroU32::new(self.per_second).unwrap_or(count));
        match limiter.check_key_n(&key.to_owned(), count) {
            Ok(Ok(())) | Err(_) => Ok(()),
            Ok(Err(not_until)) => {
                let wait = not_until.wait_time_from(DefaultClock::default().now());
                Err(Limited { per_second: self.per_second, wait })
            }
        }
    }
}

impl Limited {
    fn refuse(self, what: &'static str) -> CallError {
        metrics::counter!("daybook_rate_limited_total", "limit" => what).increment(1);
        let message =
            format!("more than {} {what} in a second; nothing was recorded; wait and send it again", self.per_second);
        CallError::new(codes::RATE_LIMITED, message).retry_after(Some(self.wait.max(Duration::from_millis(10))))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use daybook_proto::log::v1::actor::Kind;

    use super::*;

    fn caller(id: &str) -> Caller {
        Caller::new(Kind::User, id.to_owned(), BTreeMap::from([("acme".to_owned(), BTreeSet::new())]))
    }

    fn request(tenant: &str, bytes: usize) -> Incoming {
        let message = daybook_proto::descriptors().get_message_by_name("daybook.legal_hold.v1.PlaceHoldRequest");
        let mut message = DynamicMessage::new(message.unwrap());
        message.set_field_by_name("tenant_id", Value::String(tenant.to_owned()));
        message.set_field_by_name("reason", Value::String("r".repeat(bytes)));
        message.into()
    }

    #[test]
    fn a_caller_who_asks_too_often_is_told_when_to_ask_again_and_others_are_served() {
        let rates = Rates::new(&RateLimits { subject_requests: 5, ..RateLimits::default() });
        let answered = (0..50).filter(|_| rates.ask(&caller("mallory")).is_ok()).count();
        assert!((5..10).contains(&answered), "{answered}");
        let refused = rates.ask(&caller("mallory")).unwrap_err();
        assert_eq!(refused.code, "RATE_LIMITED");
        assert!(refused.retry_after.is_some_and(|wait| wait <= Duration::from_secs(1)));
        assert!(rates.ask(&caller("ada")).is_ok());
    }

    #[test]
    fn what_a_tenant_brings_is_counted_over_its_callers() {
        let rates = Rates::new(&RateLimits { tenant_kib: 100, ..RateLimits::default() });
        assert!(rates.bring(&caller("ada"), &request("acme", 90 << 10)).is_ok());
        let refused = rates.bring(&caller("bob"), &request("acme", 90 << 10)).unwrap_err();
        assert!(refused.message.contains("100 KiB of this tenant"), "{}", refused.message);
        let large = Rates::new(&RateLimits { tenant_kib: 100, ..RateLimits::default() });
        assert!(large.bring(&caller("ada"), &request("acme", 300 << 10)).is_ok(), "one that is larger passes alone");
        assert!(Rates::new(&RateLimits::default()).bring(&caller("ada"), &request("acme", 1 << 20)).is_ok());
    }
}
