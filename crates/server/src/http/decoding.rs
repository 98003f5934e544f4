//! Decoding requests away from the threads that move bytes: decoding takes time that grows with the request, and while it
//! takes it, no other caller of that thread would be served.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::budget::Budget;
use crate::error::{CallError, codes};

/// Requests up to this many bytes are decoded where they are: handing them over would take longer.
const AT_ONCE_MAX: usize = 16 << 10;

/// Decodes so many large requests at once.
#[derive(Debug, Clone)]
pub struct Decoding {
    processors: Arc<Semaphore>,
    /// Memory of what was decoded and is being answered.
    pub(crate) memory: Budget,
}

impl Decoding {
    /// As many as there are processors; what was decoded may take so many bytes together until it is answered.
    pub fn new(memory: usize) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { processors: Arc::new(Semaphore::new(processors)), memory: Budget::new(memory) }
    }

    /// Decodes a request of so many bytes.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        bytes: usize,
        decode: impl FnOnce() -> Result<T, CallError> + Send + 'static,
    ) -> Result<T, CallError> {
        if bytes <= AT_ONCE_MAX {
            return decode();
        }
        let defect = |what: String| CallError::new(codes::INTERNAL_ERROR, what);
        let permit = Arc::clone(&self.processors).acquire_owned().await.map_err(|error| defect(error.to_string()))?;
        let decoded = tokio::task::spawn_blocking(move || {
            let decoded = decode();
            drop(permit);
            decoded
        });
        decoded.await.map_err(|error| defect(error.to_string()))?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn no_more_are_decoded_at_once_than_there_are_processors() {
        let (decoding, running, most) =
            (Decoding::new(1 << 20), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks = (0..16).map(|_| {
            let (decoding, running, most) = (decoding.clone(), Arc::clone(&running), Arc::clone(&most));
            tokio::spawn(async move {
                let decode = move || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(5));
                    running.fetch_sub(1, Ordering::SeqCst);
                    Ok(())
                };
                decoding.run(1 << 20, decode).await
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap().unwrap();
        }
        let processors = std::thread::available_parallelism().unwrap().get();
        assert!((1..=processors).contains(&most.load(Ordering::SeqCst)));
    }
}
