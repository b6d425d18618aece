//! How much all pages of one fetch may hold together.

use std::sync::atomic::{AtomicUsize, Ordering};

use lockstep_core::failure::{Failure, FailureKind};

/// What is left of it.
#[derive(Debug)]
pub(super) struct Room {
    most: usize,
    used: AtomicUsize,
}

impl Room {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            used: AtomicUsize::new(0),
        }
    }

    /// Whether another page may be asked for.
    ///
    /// # Errors
    ///
    /// [`FailureKind::TooLarge`] once a page was turned away: none is asked for after it.
    pub(super) fn check(&self) -> Result<(), Failure> {
        if self.used.load(Ordering::Relaxed) > self.most {
            return Err(self.full());
        }
        Ok(())
    }

    /// Takes room for a page that came.
    ///
    /// # Errors
    ///
    /// [`FailureKind::TooLarge`] where too little is left.
    pub(super) fn take(&self, bytes: usize) -> Result<(), Failure> {
        let fits = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.most);
        let taken = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        taken.map(drop).map_err(|_| {
            self.used.store(usize::MAX, Ordering::Relaxed);
            self.full()
        })
    }

    fn full(&self) -> Failure {
        let text = format!(
            "the lists before it have nearly {} bytes together, which is what one fetch may hold; ask for fewer at once",
            self.most
        );
        Failure::new(FailureKind::TooLarge, text)
    }
}
