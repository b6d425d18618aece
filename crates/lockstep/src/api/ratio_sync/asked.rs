//! What the gateway said of tokens: kept for a minute, and asked for by nobody too often.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use lockstep_core::failure::Failure;

use crate::api::together::Together;

/// How long the gateway's word holds, and the window in which unknown tokens are counted; in milliseconds.
const MINUTE: i64 = 60_000;
/// How many unknown tokens an address may show in that window.
const UNKNOWN: usize = 10;
/// How often the gateway is asked in that window about one of them, while it does not say: a right token is not taken for
/// a guess because nobody answered.
const ASKS: usize = 60;

/// A question about a token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asking {
    /// The id of the site whose gateway is asked.
    pub(super) site: String,
    /// The token's SHA-256.
    pub(super) token: [u8; 32],
    /// Who the caller says he is.
    pub(super) user_id: Option<i64>,
    /// Whence he calls.
    pub(super) address: IpAddr,
}

/// Why a token was not told.
#[derive(Clone, Debug)]
pub(super) enum NotAsked {
    /// The address showed too many unknown tokens.
    TooMany,
    /// The gateway did not say.
    Outage(Failure),
}

/// What is known of a token, whoever shows it.
type Key = (String, [u8; 32], Option<i64>);
type Answer<T> = Result<T, NotAsked>;

/// The gateway's answers.
pub(super) struct Asked<T: Clone> {
    kept: Arc<Mutex<Kept<T>>>,
    together: Together<Key, Answer<T>>,
}

struct Kept<T> {
    /// What was said, and until when it holds.
    said: HashMap<Key, (T, i64)>,
    /// What each address showed that had to be asked for.
    unknown: HashMap<IpAddr, Vec<Shown>>,
}

/// A token that had to be asked for.
struct Shown {
    key: Key,
    /// When it was shown first.
    at: i64,
    /// How often it was asked for since.
    asks: usize,
}

impl<T: Clone> Default for Asked<T> {
    fn default() -> Self {
        Self {
            kept: Arc::new(Mutex::new(Kept {
                said: HashMap::new(),
                unknown: HashMap::new(),
            })),
            together: Together::default(),
        }
    }
}

impl<R: Clone + Send + Sync + 'static> Asked<Option<R>> {
    /// What the gateway says, or said within the minute before `now`, in Unix milliseconds. `ask` asks it, and tells
    /// when that was answered. A token that it turns out to know is not counted as unknown; an outage is not kept.
    pub(super) async fn of<F>(
        &self,
        asking: Asking,
        now: i64,
        ask: impl FnOnce() -> F,
    ) -> Answer<Option<R>>
    where
        F: Future<Output = (Result<Option<R>, Failure>, i64)> + Send + 'static,
    {
        let Asking {
            site,
            token,
            user_id,
            address,
        } = asking;
        let (key, address) = ((site, token, user_id), counted(address));
        if let Some(said) = lock(&self.kept).said(&key, now) {
            return Ok(said);
        }
        let (kept, about) = (Arc::clone(&self.kept), key.clone());
        let work = move || {
            if !lock(&kept).take(address, &about, now) {
                return futures_util::future::ready(Err(NotAsked::TooMany)).boxed();
            }
            let answer = ask();
            async move {
                let (answer, at) = answer.await;
                let mut kept = lock(&kept);
                match answer {
                    Ok(said) => {
                        if said.is_some() {
                            kept.give_back(address, &about);
                        }
                        kept.said.insert(about, (said.clone(), at + MINUTE));
                        Ok(said)
                    }
                    Err(failure) => Err(NotAsked::Outage(failure)),
                }
            }
            .boxed()
        };
        self.together.run(key, work).await
    }
}

impl<T: Clone> Kept<T> {
    fn said(&mut self, key: &Key, now: i64) -> Option<T> {
        // A clock that was set back must not make an answer hold for longer.
        self.said
            .retain(|_, (_, until)| now < *until && *until <= now.saturating_add(2 * MINUTE));
        self.said.get(key).map(|(said, _)| said.clone())
    }

    /// Counts a token that is not known, unless there were too many. The same one counts once.
    fn take(&mut self, address: IpAddr, key: &Key, now: i64) -> bool {
        self.unknown.retain(|_, shown| {
            shown.retain(|shown| (0..MINUTE).contains(&(now - shown.at)));
            !shown.is_empty()
        });
        let all = self.unknown.entry(address).or_default();
        if let Some(shown) = all.iter_mut().find(|shown| shown.key == *key) {
            shown.asks += 1;
            return shown.asks <= ASKS;
        }
        let few = all.len() < UNKNOWN;
        if few {
            all.push(Shown {
                key: key.clone(),
                at: now,
                asks: 1,
            });
        }
        few
    }

    /// What the gateway knows is no guess.
    fn give_back(&mut self, address: IpAddr, key: &Key) {
        if let Some(all) = self.unknown.get_mut(&address) {
            all.retain(|shown| shown.key != *key);
        }
    }
}

fn lock<T>(kept: &Mutex<Kept<T>>) -> MutexGuard<'_, Kept<T>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The address that is counted: of IPv6 the network, for one line has a whole one.
fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let mut parts = address.segments();
            parts[4..].fill(0);
            IpAddr::from(parts)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use lockstep_core::failure::FailureKind;

    use super::*;

    struct Bench {
        asked: Asked<Option<&'static str>>,
        asks: Arc<AtomicUsize>,
    }

    impl Bench {
        fn new() -> Self {
            Self {
                asked: Asked::default(),
                asks: Arc::default(),
            }
        }

        async fn of(
            &self,
            token: u8,
            address: &str,
            now: i64,
            says: Result<Option<&'static str>, FailureKind>,
        ) -> Answer<Option<&'static str>> {
            let asking = Asking {
                site: "s".to_owned(),
                token: [token; 32],
                user_id: Some(1),
                address: address.parse().expect("an address"),
            };
            let asks = Arc::clone(&self.asks);
            let ask = || async move {
                asks.fetch_add(1, Ordering::Relaxed);
                (says.map_err(|kind| Failure::new(kind, "")), now)
            };
            self.asked.of(asking, now, ask).await
        }

        fn asks(&self) -> usize {
            self.asks.load(Ordering::Relaxed)
        }
    }

    #[tokio::test]
    async fn yes_and_no_hold_for_a_minute() {
        let bench = Bench::new();
        for (token, says) in [(1, Some("root")), (2, None)] {
            let before = bench.asks();
            for (now, other) in [(0, says), (59_999, Some("else")), (60_000, says)] {
                let said = bench.of(token, "10.0.0.1", now, Ok(other)).await;
                assert_eq!(said.expect("said"), says, "{now}");
            }
            assert_eq!(bench.asks() - before, 2);
        }
    }

    #[tokio::test]
    async fn an_outage_is_not_kept() {
        let bench = Bench::new();
        let out = bench
            .of(1, "10.0.0.1", 0, Err(FailureKind::Unreachable))
            .await;
        assert!(matches!(out, Err(NotAsked::Outage(_))));
        let back = bench.of(1, "10.0.0.1", 1, Ok(Some("root"))).await;
        assert_eq!(back.expect("said"), Some("root"));
    }

    #[tokio::test]
    async fn a_right_token_outlives_an_outage_and_guesses_count_in_it_too() {
        let bench = Bench::new();
        let out = Err(FailureKind::Unreachable);
        for now in 0..15 {
            let said = bench.of(1, "10.0.0.1", now, out).await;
            assert!(matches!(said, Err(NotAsked::Outage(_))), "{now}");
        }
        let back = bench.of(1, "10.0.0.1", 15, Ok(Some("root"))).await;
        assert_eq!(back.expect("said"), Some("root"));
        for token in 2..12 {
            let said = bench.of(token, "10.0.0.1", 16, out).await;
            assert!(matches!(said, Err(NotAsked::Outage(_))), "{token}");
        }
        let guess = bench.of(12, "10.0.0.1", 17, out).await;
        assert!(matches!(guess, Err(NotAsked::TooMany)));
    }

    #[tokio::test]
    async fn the_gateway_is_asked_so_often_and_no_more_about_one_token() {
        let bench = Bench::new();
        let out = Err(FailureKind::Unreachable);
        for _ in 0..ASKS {
            let said = bench.of(1, "10.0.0.1", 5, out).await;
            assert!(matches!(said, Err(NotAsked::Outage(_))));
        }
        let said = bench.of(1, "10.0.0.1", 59_000, out).await;
        assert!(matches!(said, Err(NotAsked::TooMany)));
        assert_eq!(bench.asks(), ASKS);
        let later = bench.of(1, "10.0.0.1", 60_005, Ok(Some("root"))).await;
        assert_eq!(later.expect("said"), Some("root"));
    }

    #[tokio::test]
    async fn the_eleventh_unknown_token_of_a_minute_is_not_asked_for() {
        let bench = Bench::new();
        for token in 0..10 {
            let said = bench.of(token, "10.0.0.1", 5, Ok(None)).await;
            assert_eq!(said.expect("said"), None);
        }
        let more = bench.of(10, "10.0.0.1", 59_000, Ok(Some("root"))).await;
        assert!(matches!(more, Err(NotAsked::TooMany)));
        assert_eq!(bench.asks(), 10);
        // What is known already is told all the same, and other addresses have a count of their own.
        let known = bench.of(3, "10.0.0.1", 59_000, Ok(Some("else"))).await;
        assert_eq!(known.expect("said"), None);
        assert!(bench.of(10, "10.0.0.2", 59_000, Ok(None)).await.is_ok());
        assert!(bench.of(11, "10.0.0.1", 60_006, Ok(None)).await.is_ok());
    }

    #[tokio::test]
    async fn known_tokens_are_not_counted_as_unknown() {
        let bench = Bench::new();
        for token in 0..30 {
            let said = bench.of(token, "10.0.0.1", 5, Ok(Some("root"))).await;
            assert_eq!(said.expect("said"), Some("root"));
        }
    }

    #[tokio::test]
    async fn one_line_of_ipv6_is_one_address() {
        let bench = Bench::new();
        for token in 0..10 {
            let address = format!("2001:db8::{token}");
            assert!(bench.of(token, &address, 5, Ok(None)).await.is_ok());
        }
        let more = bench.of(10, "2001:db8::ffff", 5, Ok(None)).await;
        assert!(matches!(more, Err(NotAsked::TooMany)));
        assert!(bench.of(10, "2001:db8:0:1::1", 5, Ok(None)).await.is_ok());
    }
}
