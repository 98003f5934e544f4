//! A value that others wait to change.
//!
//! In place of `tokio::sync::watch`, which wakes those who wait in an order that it draws at random. Here it is first
//! come, first served, so that a simulated run is a function of its seed.

use parking_lot::Mutex;
use tokio::sync::Notify;

/// A value that others wait to change.
#[derive(Debug, Default)]
pub struct Watched<T> {
    value: Mutex<T>,
    changed: Notify,
}

impl<T: Clone> Watched<T> {
    /// A value.
    pub fn new(value: T) -> Self {
        Self { value: Mutex::new(value), changed: Notify::new() }
    }

    /// The value now.
    pub fn get(&self) -> T {
        self.value.lock().clone()
    }

    /// Another value from now on.
    pub fn set(&self, value: T) {
        self.update(|now| *now = value);
    }

    /// Changes the value. Everybody who waits looks at it again.
    pub fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.value.lock());
        self.changed.notify_waiters();
        result
    }

    /// Waits until the value is as wanted, and returns it. Cancel safe; misses no value that stays.
    pub async fn wait_for(&self, mut is_wanted: impl FnMut(&T) -> bool) -> T {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            // From here on no change is missed; then the value is looked at.
            changed.as_mut().enable();
            {
                let value = self.value.lock();
                if is_wanted(&value) {
                    return value.clone();
                }
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn whoever_waits_first_is_told_first() {
        let (watched, told) = (Arc::new(Watched::new(0)), Arc::new(Mutex::new(Vec::new())));
        let waiting: Vec<_> = (0..20)
            .map(|i| {
                let (watched, told) = (Arc::clone(&watched), Arc::clone(&told));
                tokio::spawn(async move {
                    watched.wait_for(|value| *value > 0).await;
                    told.lock().push(i);
                })
            })
            .collect();
        tokio::task::yield_now().await;
        watched.set(1);
        for one in waiting {
            one.await.unwrap();
        }
        assert_eq!(*told.lock(), (0..20).collect::<Vec<_>>());
        assert_eq!(watched.wait_for(|value| *value == 1).await, 1, "a value that is there is not waited for");
    }
}
