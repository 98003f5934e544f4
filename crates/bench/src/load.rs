//! A closed loop: so many callers, each of which calls again as soon as it is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::future::{BoxFuture, try_join_all};
use hdrhistogram::Histogram;
use parking_lot::Mutex;

use crate::machine::processor_time;

/// One call of a caller, who has a number. An answer that is not the expected one is an error.
pub(crate) type Call = Arc<dyn Fn(usize) -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// Makes a [`Call`] of a closure.
pub(crate) fn call<F, A>(with: F) -> Call
where
    F: Fn(usize) -> A + Send + Sync + 'static,
    A: Future<Output = Result<()>> + Send + 'static,
{
    Arc::new(move |caller| Box::pin(with(caller)))
}

/// What one round, or the median of several, has shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    /// Answers per second.
    pub(crate) per_second: f64,
    /// How long half of the callers waited at most.
    pub(crate) p50: Duration,
    /// How long 99 of 100 waited at most.
    pub(crate) p99: Duration,
    /// How long 999 of 1,000 waited at most.
    pub(crate) p999: Duration,
    /// Processor time for each answer, of the callers and of the nodes on this machine.
    pub(crate) processor: Duration,
}

/// For waits in nanoseconds, up to a minute, with three digits.
pub(crate) fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_max(Duration::from_secs(60).as_nanos() as u64, 3)?)
}

/// Lets callers call for some time. A quarter more in front of it warms up and is not counted. The processor time is that
/// of these processes.
pub(crate) async fn closed_loop(callers: usize, time: Duration, call: &Call, processes: &[u32]) -> Result<Measured> {
    let waits = Arc::new(Mutex::new(histogram()?));
    let from = Instant::now() + time / 4;
    let until = from + time;
    let tasks = (0..callers).map(|caller| {
        let (call, waits) = (Arc::clone(call), Arc::clone(&waits));
        tokio::spawn(async move {
            loop {
                let asked = Instant::now();
                if asked >= until {
                    return Ok::<(), anyhow::Error>(());
                }
                call(caller).await?;
                let answered = Instant::now();
                if (from..until).contains(&answered) {
                    waits.lock().saturating_record((answered - asked).as_nanos() as u64);
                }
            }
        })
    });
    let tasks: Vec<_> = tasks.collect();
    tokio::time::sleep_until(from.into()).await;
    let before = processor_time(processes);
    tokio::time::sleep_until(until.into()).await;
    let spent = processor_time(processes).saturating_sub(before);
    for ended in try_join_all(tasks).await? {
        ended?;
    }
    let waits = waits.lock();
    let processor = spent / u32::try_from(waits.len()).unwrap_or(u32::MAX).max(1);
    Ok(Measured { processor, ..Measured::of(&waits, time) })
}

/// Lets callers call until they were answered so often. How long it took.
pub(crate) async fn so_often(callers: usize, answers: u64, call: &Call) -> Result<Duration> {
    let (left, started) = (Arc::new(AtomicU64::new(answers)), Instant::now());
    let tasks = (0..callers).map(|caller| {
        let (call, left) = (Arc::clone(call), Arc::clone(&left));
        tokio::spawn(async move {
            let one_less = |left: u64| left.checked_sub(1);
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok() {
                call(caller).await?;
            }
            Ok::<(), anyhow::Error>(())
        })
    });
    for ended in try_join_all(tasks.collect::<Vec<_>>()).await? {
        ended?;
    }
    Ok(started.elapsed())
}

impl Measured {
    /// What a histogram of nanoseconds says of a span of time.
    pub(crate) fn of(waits: &Histogram<u64>, time: Duration) -> Self {
        let at = |quantile| Duration::from_nanos(waits.value_at_quantile(quantile));
        let per_second = waits.len() as f64 / time.as_secs_f64();
        Self { per_second, p50: at(0.5), p99: at(0.99), p999: at(0.999), processor: Duration::ZERO }
    }

    /// The median of each number.
    pub(crate) fn median(rounds: &[Self]) -> Result<Self> {
        let of = |number: fn(&Self) -> Duration| median(rounds.iter().map(number));
        let some = "no round was measured";
        Ok(Self {
            per_second: median(rounds.iter().map(|round| round.per_second)).context(some)?,
            p50: of(|round| round.p50).context(some)?,
            p99: of(|round| round.p99).context(some)?,
            p999: of(|round| round.p999).context(some)?,
            processor: of(|round| round.processor).context(some)?,
        })
    }
}

/// The middle one; of an even number, the lower one of the middle.
pub(crate) fn median<T: PartialOrd>(numbers: impl IntoIterator<Item = T>) -> Option<T> {
    let mut numbers: Vec<T> = numbers.into_iter().collect();
    numbers.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    let middle = numbers.len().checked_sub(1)? / 2;
    numbers.into_iter().nth(middle)
}
