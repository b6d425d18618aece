//! One piece of work for all who ask for it while it goes on.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};

/// The work under way, by what it is about. It goes on for as long as somebody waits for it.
pub(crate) struct Together<K, V: Clone>(Mutex<HashMap<K, WeakShared<BoxFuture<'static, V>>>>);

impl<K: Eq + Hash, V: Clone> Default for Together<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Together<K, V> {
    /// The result of the work under way about `key`, or of new work where there is none.
    pub(crate) async fn run(&self, key: K, work: impl FnOnce() -> BoxFuture<'static, V>) -> V {
        self.join(key, work).await
    }

    fn join(
        &self,
        key: K,
        work: impl FnOnce() -> BoxFuture<'static, V>,
    ) -> Shared<BoxFuture<'static, V>> {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = under_way.get(&key).and_then(WeakShared::upgrade);
        // What is through already is not under way, even if somebody is still being told of it.
        if let Some(shared) = found.filter(|shared| shared.peek().is_none()) {
            return shared;
        }
        under_way.retain(|_, work| work.upgrade().is_some());
        let shared = work().shared();
        if let Some(weak) = shared.downgrade() {
            under_way.insert(key, weak);
        }
        shared
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn all_who_ask_at_once_share_one_piece_of_work() {
        let together = Arc::new(Together::<u32, usize>::default());
        let (begun, go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let ask = |key| {
            let (together, begun, go) =
                (Arc::clone(&together), Arc::clone(&begun), Arc::clone(&go));
            async move {
                let work = || {
                    async move {
                        let number = begun.fetch_add(1, Ordering::Relaxed);
                        go.notified().await;
                        number
                    }
                    .boxed()
                };
                together.run(key, work).await
            }
        };
        let (first, second, other) = (ask(1), ask(1), ask(2));
        let open = async {
            go.notify_one();
            tokio::task::yield_now().await;
            go.notify_one();
        };
        let (first, second, other, ()) = tokio::join!(first, second, other, open);
        assert_eq!((first, second), (first, first));
        assert_ne!(first, other);
        assert_eq!(begun.load(Ordering::Relaxed), 2);
        go.notify_one();
        assert_eq!(ask(1).await, 2, "what is through is begun anew");
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_ends() {
        let together = Together::<u32, ()>::default();
        let alive = Arc::new(());
        let held = Arc::clone(&alive);
        let waiting = together.join(1, || {
            async move {
                let _held = held;
                std::future::pending::<()>().await;
            }
            .boxed()
        });
        assert_eq!(Arc::strong_count(&alive), 2);
        drop(waiting);
        assert_eq!(Arc::strong_count(&alive), 1);
    }
}
