//! What many fields ask for at the same time is read at once.
//!
//! The fields of a list's items are resolved side by side, so each item asks for what it refers to before any of them is
//! answered. The first one that asks waits until no further one has come, then reads for all. It needs no timer and no
//! task of its own: it goes with the operation.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use posthaste_engine::{EngineError, Result};
use posthaste_store::relations::MANY;
use tokio::sync::OnceCell;

/// How often the first one looks whether more have come; each time all fields that are ready have had their turn.
const LOOKS: usize = 16;

/// One kind of relation of one operation.
pub struct Loader<K, V>(Mutex<Arc<Batch<K, V>>>);

/// Keys that are read together. What is found goes with the last of those that asked.
struct Batch<K, V> {
    keys: Mutex<Keys<K>>,
    found: OnceCell<Result<HashMap<K, V>>>,
}

struct Keys<K> {
    keys: Vec<K>,
    /// Being read: nobody joins any more.
    closed: bool,
}

impl<K, V> Batch<K, V> {
    fn new() -> Arc<Self> {
        Arc::new(Self { keys: Mutex::new(Keys { keys: Vec::new(), closed: false }), found: OnceCell::new() })
    }
}

impl<K, V> Default for Loader<K, V> {
    fn default() -> Self {
        Self(Mutex::new(Batch::new()))
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Loader<K, V> {
    /// What belongs to this key; `None`: there is no such thing. If it falls to this call to read, it does so by `read`,
    /// for all keys of which it is told.
    pub async fn load<F, R>(&self, key: K, read: F) -> Result<Option<V>, EngineError>
    where
        F: FnOnce(Vec<K>) -> R,
        R: Future<Output = Result<HashMap<K, V>>>,
    {
        let batch = self.join(key.clone());
        // If the one that reads is dropped, the next one that waits does it.
        let found = batch.found.get_or_init(|| async { read(batch.gather().await).await }).await;
        match found {
            Ok(found) => Ok(found.get(&key).cloned()),
            Err(error) => Err(error.clone()),
        }
    }

    fn join(&self, key: K) -> Arc<Batch<K, V>> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !open.take(key.clone()) {
            *open = Batch::new();
            open.take(key);
        }
        Arc::clone(&open)
    }
}

impl<K: Eq + Clone, V> Batch<K, V> {
    /// Takes one more key, unless it is too late for that.
    fn take(&self, key: K) -> bool {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.closed || keys.keys.len() >= MANY {
            return false;
        }
        keys.keys.push(key);
        true
    }

    /// Waits until no more keys come, and closes the batch.
    async fn gather(&self) -> Vec<K> {
        let mut before = 0;
        for _ in 0..LOOKS {
            let count = self.keys.lock().unwrap_or_else(PoisonError::into_inner).keys.len();
            if count == before {
                break;
            }
            before = count;
            tokio::task::yield_now().await;
        }
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.closed = true;
        keys.keys.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    /// Loads doubles; counts how often and for how many it was asked.
    #[derive(Default)]
    struct Doubles {
        loader: Loader<usize, usize>,
        reads: AtomicUsize,
        asked: AtomicUsize,
    }

    impl Doubles {
        async fn of(&self, key: usize) -> Result<Option<usize>> {
            self.loader
                .load(key, |keys| async move {
                    self.reads.fetch_add(1, Ordering::Relaxed);
                    self.asked.fetch_add(keys.len(), Ordering::Relaxed);
                    tokio::task::yield_now().await;
                    Ok(keys.into_iter().filter(|key| *key < 1_000).map(|key| (key, 2 * key)).collect())
                })
                .await
        }
    }

    #[tokio::test]
    async fn what_is_asked_for_side_by_side_is_read_at_once() {
        let doubles = Doubles::default();
        let found = join_all((0..300).map(|key| doubles.of(key))).await;
        assert!(found.into_iter().enumerate().all(|(key, double)| double.unwrap() == Some(2 * key)));
        assert_eq!(doubles.reads.load(Ordering::Relaxed), 1);
        // What comes later is read anew: it may have changed.
        assert_eq!(doubles.of(7).await.unwrap(), Some(14));
        assert_eq!(doubles.of(1_000).await.unwrap(), None);
        assert_eq!(doubles.reads.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn a_batch_has_a_bound() {
        let doubles = Doubles::default();
        let found = join_all((0..=MANY).map(|key| doubles.of(key))).await;
        assert!(found.into_iter().all(|double| double.unwrap().is_some()));
        assert_eq!(doubles.reads.load(Ordering::Relaxed), 2);
        assert_eq!(doubles.asked.load(Ordering::Relaxed), MANY + 1);
    }

    #[tokio::test]
    async fn whoever_waits_reads_when_the_one_that_reads_is_dropped() {
        let doubles = Doubles::default();
        let mut first = Box::pin(doubles.of(1));
        let mut second = Box::pin(doubles.of(2));
        assert!(futures_util::poll!(&mut first).is_pending());
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(first);
        assert_eq!(second.await.unwrap(), Some(4));
    }

    #[tokio::test]
    async fn a_failure_is_told_to_all_who_asked() {
        let loader: Loader<u8, u8> = Loader::default();
        let fails = || |_: Vec<u8>| async { Err(EngineError::Unavailable) };
        for answer in join_all((0..3).map(|key| loader.load(key, fails()))).await {
            assert!(matches!(answer, Err(EngineError::Unavailable)));
        }
    }
}
