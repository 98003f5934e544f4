//! A node's clock: the time of the simulation, off by what the node's clock is off.

use std::time::Duration;

use daybook_kernel::time::Timestamp;
use daybook_runtime::Clock;
use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::oneshot;

use super::events::{Event, Shared};

pub(super) struct NodeClock {
    pub(super) shared: Shared,
    pub(super) node: usize,
}

impl Clock for NodeClock {
    fn now(&self) -> Timestamp {
        let sim = self.shared.lock();
        Timestamp::from_micros(sim.now_us + sim.nodes[self.node].clock_off_us)
    }

    /// Waiting is by a clock that does not jump, as an operating system's is.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let (wake, woken) = oneshot::channel();
        let wait_us = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4);
        self.shared.lock().after(wait_us, Event::Wake(wake));
        async move { drop(woken.await) }.boxed()
    }
}
