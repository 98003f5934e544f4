//! The keys that tokens are checked with: from a file, from a URL, or those of a development node.
//!
//! ```text
//!   provider --read--> [ task ] --swap--> known keys <--look-- every request
//!                         ^                                        |
//!                         +------- a key that is not known --------+
//! ```
//!
//! One task reads; requests look at what it read last, without a lock and without waiting. Only a request whose token
//! names a key that is not known waits, for a moment, because the provider may have a new one.
//!
//! Keys that cannot be read again stay good for a day (`auth.jwks_stale_max_seconds`), so that a provider that is down locks
//! nobody out, and no longer, so that a key that was withdrawn meanwhile does not stay good for ever.

mod jwks;
mod source;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use crate::config::AuthConfig;
use crate::error::{CallError, codes};

pub use jwks::Jwks;
#[cfg(test)]
use source::JWKS_BYTES_MAX;
pub use source::KeySource;
use source::Reader;

/// However many unknown keys tokens name, the source is not read more often than this.
const READ_AT_MOST_EVERY: Duration = Duration::from_secs(5);
/// After a reading that failed, the next one is not later than this.
const RETRY_AFTER: Duration = Duration::from_secs(30);
/// How long a request whose token names a key that is not known waits for the source to be read again.
const UNKNOWN_KEY_WAIT_MAX: Duration = Duration::from_secs(1);
/// How often the age of the keys is shown as a metric.
const SHOW_EVERY: Duration = Duration::from_secs(1);

/// The keys, kept up to date.
pub(super) struct Keys {
    shared: Arc<Shared>,
    /// Absent for keys that are given.
    reading: Option<JoinHandle<()>>,
}

struct Shared {
    known: ArcSwap<Known>,
    /// How far the readings are.
    readings: watch::Sender<Readings>,
    /// Asks for a reading before it is due.
    wanted: Notify,
    /// How old the keys may be; `None` where they are given.
    stale_max: Option<Duration>,
}

struct Known {
    set: Arc<Jwks>,
    read_at: Instant,
    /// How often other keys were read than were known before.
    generation: u64,
}

struct Readings {
    is_running: bool,
    began_at: Instant,
    ended: u64,
    /// Why the last one failed, if it did.
    failure: Option<String>,
}

/// Tells how the keys stand.
#[derive(Clone)]
pub struct KeyWatch(Arc<Shared>);

/// How the keys stand.
#[derive(Debug, Clone)]
pub struct KeyStatus {
    /// How long ago they were read.
    pub age: Duration,
    /// Why they could not be read again since, if so.
    pub failure: Option<String>,
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(reading) = &self.reading {
            reading.abort();
        }
    }
}

impl Keys {
    /// Reads the keys, and goes on reading them in the background.
    pub(super) async fn load(source: KeySource, config: &AuthConfig) -> Result<Self, CallError> {
        let fixed = if let KeySource::Fixed(set) = &source { Some(Jwks::from(set.as_ref().clone())) } else { None };
        let reader = Reader::new(source).map_err(|why| cannot_be_read(&why))?;
        let began_at = Instant::now();
        let set = match (&reader, fixed) {
            (Some(reader), _) => {
                let set = read_in_time(reader).await.map_err(|why| cannot_be_read(&why))?;
                announce(&set, None);
                set
            }
            (None, fixed) => fixed.unwrap_or_default(),
        };
        let shared = Arc::new(Shared {
            known: ArcSwap::from_pointee(Known { set: Arc::new(set), read_at: Instant::now(), generation: 0 }),
            readings: watch::Sender::new(Readings { is_running: false, began_at, ended: 0, failure: None }),
            wanted: Notify::new(),
            stale_max: reader.is_some().then_some(config.jwks_stale_max_seconds),
        });
        let every = config.jwks_refresh_seconds.max(READ_AT_MOST_EVERY);
        let reading = reader.map(|reader| tokio::spawn(Arc::clone(&shared).read_for_ever(reader, every)));
        Ok(Self { shared, reading })
    }

    /// The key of a token, if it is one of those that are known, or that the source has now.
    pub(super) async fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<Option<DecodingKey>, CallError> {
        if let Some(key) = self.shared.known()?.set.select(kid, algorithm) {
            return Ok(Some(key));
        }
        self.shared.read_now().await;
        Ok(self.shared.known()?.set.select(kid, algorithm))
    }

    /// Which keys are known: as long as this number stays the same, a token that one of them signed is still signed by
    /// one of them.
    pub(super) fn generation(&self) -> Result<u64, CallError> {
        Ok(self.shared.known()?.generation)
    }

    /// What to say of a token whose key is not found.
    pub(super) fn unknown(&self) -> String {
        let said = "none of the known keys signed it".to_owned();
        if self.shared.readings.borrow().failure.is_none() {
            return said;
        }
        format!("{said}, and the keys cannot be read again at the moment; if its key is new, try again later")
    }

    /// Tells how the keys stand, for as long as it is wanted.
    pub(super) fn watch(&self) -> KeyWatch {
        KeyWatch(Arc::clone(&self.shared))
    }
}

impl KeyWatch {
    /// How the keys stand; `None` where they are given.
    pub fn status(&self) -> Option<KeyStatus> {
        self.0.stale_max?;
        let failure = self.0.readings.borrow().failure.clone();
        Some(KeyStatus { age: self.0.known.load().read_at.elapsed(), failure })
    }
}

impl Shared {
    /// The keys, unless they are too old to be believed.
    fn known(&self) -> Result<Arc<Known>, CallError> {
        let known = self.known.load_full();
        let Some(max) = self.stale_max else { return Ok(known) };
        let age = known.read_at.elapsed();
        if age <= max {
            return Ok(known);
        }
        let message = format!(
            "the keys to check tokens with were read {} s ago and count for {} s (auth.jwks_stale_max_seconds); until they \
             can be read again nobody is let in; nothing was recorded; look at auth.jwks and at the node's log, then send \
             the request again",
            age.as_secs(),
            max.as_secs()
        );
        Err(CallError::new(codes::TOKEN_KEYS_UNAVAILABLE, message).retry_after(Some(READ_AT_MOST_EVERY)))
    }

    /// Has the source read, unless it was a moment ago, and waits for that, but not long.
    async fn read_now(&self) {
        if self.stale_max.is_none() {
            return;
        }
        let mut readings = self.readings.subscribe();
        let before = {
            let readings = readings.borrow_and_update();
            if !readings.is_running && !readings.is_due() {
                return;
            }
            readings.ended
        };
        self.wanted.notify_one();
        let _ = timeout(UNKNOWN_KEY_WAIT_MAX, readings.wait_for(|readings| readings.ended > before)).await;
    }

    async fn read_for_ever(self: Arc<Self>, reader: Reader, every: Duration) {
        let mut next = Instant::now() + every;
        let mut show = interval(SHOW_EVERY);
        show.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.wanted.notified() => if !self.readings.borrow().is_due() { continue },
                _ = show.tick() => {
                    let age = self.known.load().read_at.elapsed();
                    metrics::gauge!("daybook_token_keys_age_seconds").set(age.as_secs_f64());
                    continue;
                }
            }
            let is_read = self.read_again(&reader).await;
            next = Instant::now() + if is_read { every } else { every.min(RETRY_AFTER) };
        }
    }

    /// Reads the source. True when the keys that are known are those that it has now.
    async fn read_again(&self, reader: &Reader) -> bool {
        self.readings.send_modify(|readings| {
            readings.is_running = true;
            readings.began_at = Instant::now();
        });
        let read = read_in_time(reader).await;
        let outcome = if read.is_ok() { "read" } else { "failed" };
        metrics::counter!("daybook_token_keys_readings_total", "outcome" => outcome).increment(1);
        let failure = match read {
            Ok(set) => {
                self.learn(set);
                None
            }
            Err(why) => {
                self.complain(&why);
                Some(why)
            }
        };
        let is_read = failure.is_none();
        self.readings.send_modify(|readings| {
            if is_read && readings.failure.is_some() {
                tracing::info!("the keys for tokens can be read again");
            }
            readings.is_running = false;
            readings.ended += 1;
            readings.failure = failure;
        });
        is_read
    }

    /// Only the one task that reads does this.
    fn learn(&self, set: Jwks) {
        let known = self.known.load();
        let is_news = set.usable != known.set.usable;
        if set != *known.set {
            announce(&set, Some(&known.set));
        }
        let generation = known.generation + u64::from(is_news);
        self.known.store(Arc::new(Known { set: Arc::new(set), read_at: Instant::now(), generation }));
    }

    fn complain(&self, why: &str) {
        let age = self.known.load().read_at.elapsed();
        let (age_s, max_s) = (age.as_secs(), self.stale_max.unwrap_or_default().as_secs());
        if self.stale_max.is_some_and(|max| age > max) {
            let code = codes::TOKEN_KEYS_UNAVAILABLE.name;
            tracing::error!(
                code,
                why,
                age_s,
                max_s,
                "the keys for tokens cannot be read and are too old: nobody is let in"
            );
        } else {
            tracing::warn!(
                why,
                age_s,
                max_s,
                "the keys for tokens cannot be read again; those that are known stay good"
            );
        }
    }
}

impl Readings {
    /// The last one began long enough ago.
    fn is_due(&self) -> bool {
        self.began_at.elapsed() >= READ_AT_MOST_EVERY
    }
}

async fn read_in_time(reader: &Reader) -> Result<Jwks, String> {
    let late = |_| format!("no answer within {} s", source::READ_WAIT_MAX.as_secs());
    timeout(source::READ_WAIT_MAX, reader.read()).await.map_err(late)?
}

fn announce(set: &Jwks, before: Option<&Jwks>) {
    if before.is_none_or(|before| before.usable != set.usable) {
        tracing::info!(keys = ?set.names(), "the keys that tokens are checked with");
    }
    if let Some(why) = set.why_passed_over() {
        tracing::warn!(
            why,
            "keys of the JWKS that cannot be used are passed over; tokens that they signed are refused"
        );
    }
}

fn cannot_be_read(why: &str) -> CallError {
    let message = format!("the keys to check tokens with cannot be read ({why}); check auth.jwks");
    CallError::new(codes::TOKEN_KEYS_UNAVAILABLE, message)
}

/// Reads the keys that a configuration names once, for a look at them.
///
/// # Errors
/// Why they cannot be read, in words.
pub async fn read_once(source: KeySource) -> Result<Jwks, String> {
    match (Reader::new(source.clone())?, source) {
        (Some(reader), _) => read_in_time(&reader).await,
        (None, KeySource::Fixed(set)) => Ok(Jwks::from(*set)),
        (None, _) => Ok(Jwks::default()),
    }
}
