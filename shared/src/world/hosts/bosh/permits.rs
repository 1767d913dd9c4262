//! So many at once, whoever asks.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A number of permits.
#[derive(Debug)]
pub(super) struct Permits {
    left: Mutex<usize>,
    back: Condvar,
}

/// A permit, until it is dropped.
pub(super) struct Permit<'a>(&'a Permits);

impl Permits {
    pub(super) fn new(count: usize) -> Self {
        Self { left: Mutex::new(count), back: Condvar::new() }
    }

    /// Waits for one.
    pub(super) fn one(&self) -> Permit<'_> {
        let none = |left: &mut usize| *left == 0;
        let left = self.back.wait_while(self.left(), none);
        *left.unwrap_or_else(PoisonError::into_inner) -= 1;
        Permit(self)
    }

    fn left(&self) -> MutexGuard<'_, usize> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.0.left() += 1;
        self.0.back.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn never_more_than_there_are() {
        let permits = Permits::new(3);
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    let _one = permits.one();
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::yield_now();
                    now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
        assert_eq!(*permits.left(), 3, "all came back");
    }
}
