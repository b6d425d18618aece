//! How often somebody may try, and how many may be here at once.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum_server::accept::Accept;
use ipnet::IpNet;
use tokio::net::TcpStream;
use tower::Service;

use crate::server::problem::Problem;

/// How many addresses are told apart. Beyond that many the newcomers share one allowance.
const ADDRESSES: usize = 10_000;

/// An allowance: so many tries at once, then one each `every` milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    /// How many at once.
    pub(crate) burst: u32,
    /// How long until one more is allowed, in milliseconds.
    pub(crate) every: i64,
}

/// Too many tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany {
    /// How long until the next one is allowed, in milliseconds.
    pub(crate) wait: i64,
}

/// Counts tries by address, and all of them where that is asked for. An IPv6 address counts as its network of 64 bits,
/// for that is what one machine is given.
#[derive(Debug)]
pub(crate) struct Tries {
    each: Allowance,
    all: Option<Allowance>,
    counted: Mutex<Counted>,
}

#[derive(Debug, Default)]
struct Counted {
    all: Count,
    each: HashMap<IpAddr, Count>,
    /// Whom others must not lock out.
    known: HashSet<IpAddr>,
}

/// When the tries so far would have been allowed one by one, in Unix milliseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Count(i64);

impl Count {
    fn wait(self, allowance: Allowance, now: i64) -> i64 {
        self.0 - now - allowance.every * i64::from(allowance.burst.saturating_sub(1))
    }

    fn add(&mut self, allowance: Allowance, now: i64) {
        self.0 = self.0.max(now) + allowance.every;
    }
}

impl Tries {
    /// Counts by address, and over all addresses.
    pub(crate) fn new(each: Allowance, all: Option<Allowance>) -> Self {
        Self {
            each,
            all,
            counted: Mutex::default(),
        }
    }

    /// Counts one try, or says how long to wait.
    pub(crate) fn take(&self, address: IpAddr, now: i64) -> Result<(), TooMany> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut address = network(address);
        let all = self.all.filter(|_| !counted.known.contains(&address));
        let too_many = |wait: i64| {
            if wait > 0 {
                Err(TooMany { wait })
            } else {
                Ok(())
            }
        };
        if let Some(all) = all {
            too_many(counted.all.wait(all, now))?;
        }
        if counted.each.len() >= ADDRESSES && !counted.each.contains_key(&address) {
            counted.each.retain(|_, count| count.0 > now);
            if counted.each.len() >= ADDRESSES {
                address = Ipv6Addr::UNSPECIFIED.into();
            }
        }
        let count = counted.each.entry(address).or_default();
        too_many(count.wait(self.each, now))?;
        count.add(self.each, now);
        if let Some(all) = all {
            counted.all.add(all, now);
        }
        Ok(())
    }

    /// The try that was counted last for the address was a right one: it counts for nothing, and from now on the
    /// tries of others cannot lock the address out.
    pub(crate) fn right(&self, address: IpAddr) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let address = network(address);
        if let Some(count) = counted.each.get_mut(&address) {
            count.0 -= self.each.every;
        }
        if let Some(all) = self.all.filter(|_| !counted.known.contains(&address)) {
            counted.all.0 -= all.every;
        }
        if counted.known.len() < ADDRESSES {
            counted.known.insert(address);
        }
    }
}

/// What counts as one address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

impl IntoResponse for TooMany {
    fn into_response(self) -> Response {
        let seconds = (self.wait.max(1) + 999) / 1000;
        let problem = Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_tries",
            "there were too many tries",
        )
        .hint(format!("Wait {seconds} s, and try once more."));
        let mut answer = problem.into_response();
        if let Ok(value) = HeaderValue::try_from(seconds.to_string()) {
            answer.headers_mut().insert(header::RETRY_AFTER, value);
        }
        answer
    }
}

/// The places that connections take.
#[derive(Clone, Debug)]
pub(crate) struct Places(Arc<AllPlaces>);

#[derive(Debug)]
struct AllPlaces {
    most: usize,
    of_one: usize,
    trusted: Vec<IpNet>,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    each: HashMap<IpAddr, usize>,
}

/// A place that is taken, until it is dropped.
#[derive(Debug)]
struct Place {
    places: Places,
    /// Whose it is, if that is counted.
    of: Option<IpAddr>,
}

impl Places {
    /// So many at once, and so many of one address, if it is neither in one of the networks, from which proxies come for
    /// many, nor of this machine.
    pub(crate) fn new(most: usize, of_one: usize, trusted: Vec<IpNet>) -> Self {
        Self(Arc::new(AllPlaces {
            most,
            of_one,
            trusted,
            taken: Mutex::default(),
        }))
    }

    fn take(&self, address: Option<IpAddr>) -> Option<Place> {
        let counted = address.map(|address| address.to_canonical());
        let trusts = |address: &IpAddr| {
            let mut trusted = self.0.trusted.iter();
            address.is_loopback() || trusted.any(|network| network.contains(address))
        };
        let of = counted.filter(|address| !trusts(address)).map(network);
        let mut taken = self.lock();
        if taken.all >= self.0.most {
            return None;
        }
        if let Some(of) = of {
            let each = taken.each.entry(of).or_default();
            if *each >= self.0.of_one {
                return None;
            }
            *each += 1;
        }
        taken.all += 1;
        let places = self.clone();
        Some(Place { places, of })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all -= 1;
        let Some(of) = self.of else { return };
        if let Entry::Occupied(mut each) = taken.each.entry(of) {
            *each.get_mut() -= 1;
            if *each.get() == 0 {
                each.remove();
            }
        }
    }
}

/// A connection that has somebody at its other end.
pub(crate) trait Peer {
    /// Whoever is there, if that can still be told.
    fn peer(&self) -> Option<IpAddr>;
}

impl Peer for TcpStream {
    fn peer(&self) -> Option<IpAddr> {
        self.peer_addr().ok().map(|address| address.ip())
    }
}

/// Takes connections as long as there are places; the others are closed.
#[derive(Clone, Debug)]
pub(crate) struct Limited<A> {
    inner: A,
    places: Places,
}

impl<A> Limited<A> {
    /// Connections as `inner` takes them, while there is a place.
    pub(crate) fn new(inner: A, places: Places) -> Self {
        Self { inner, places }
    }
}

impl<A, I, S> Accept<I, S> for Limited<A>
where
    A: Accept<I, S>,
    A::Future: Send + 'static,
    I: Peer,
{
    type Stream = A::Stream;
    type Service = Held<A::Service>;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        // The place is taken before the handshake, which costs the most.
        let place = self.places.take(stream.peer());
        let accepted = place.map(|place| (place, self.inner.accept(stream, service)));
        Box::pin(async move {
            let Some((place, accepted)) = accepted else {
                tracing::warn!("a connection was refused, for there are too many");
                return Err(io::ErrorKind::ConnectionRefused.into());
            };
            let (stream, service) = accepted.await?;
            let held = Held {
                inner: service,
                _place: Arc::new(place),
            };
            Ok((stream, held))
        })
    }
}

/// The service of one connection, with the place that the connection takes.
#[derive(Clone, Debug)]
pub(crate) struct Held<S> {
    inner: S,
    _place: Arc<Place>,
}

impl<S: Service<R>, R> Service<R> for Held<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;
    const NOW: i64 = 1_790_000_000_000;
    const TEN: Allowance = Allowance {
        burst: 10,
        every: MINUTE,
    };

    /// Somebody at an address.
    struct From(IpAddr);

    impl Peer for From {
        fn peer(&self) -> Option<IpAddr> {
            Some(self.0)
        }
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn ten_tries_then_one_a_minute() {
        let tries = Tries::new(TEN, None);
        let one = address("192.0.2.1");
        let mut allowed = 0;
        // A thousand guesses, one each second.
        for second in 0..1000 {
            allowed += u32::from(tries.take(one, NOW + second * 1000).is_ok());
        }
        assert_eq!(allowed, 10 + 16);
        let wait = tries.take(one, NOW + 1_000_000).expect_err("too many").wait;
        assert!((1..=MINUTE).contains(&wait), "{wait}");
        assert_eq!(tries.take(one, NOW + 1_000_000 + wait), Ok(()));
        assert_eq!(tries.take(address("192.0.2.2"), NOW), Ok(()));
    }

    #[test]
    fn many_addresses_share_what_is_allowed_over_all() {
        let tries = Tries::new(TEN, Some(TEN));
        let guess = |last: u8| tries.take(IpAddr::from([192, 0, 2, last]), NOW);
        let allowed = (0..=255).filter(|last| guess(*last).is_ok()).count();
        assert_eq!(allowed, 10);
        let counted = tries.counted.lock().expect("whole");
        assert_eq!(counted.each.len(), 10, "what is refused is not remembered");
    }

    #[test]
    fn guesses_of_others_lock_nobody_out_who_signed_in_before() {
        let tries = Tries::new(TEN, Some(TEN));
        let mine = address("198.51.100.7");
        for _ in 0..30 {
            tries
                .take(mine, NOW)
                .expect("a right one counts for nothing");
            tries.right(mine);
        }
        for last in 0..20 {
            let _some_refused = tries.take(IpAddr::from([192, 0, 2, last]), NOW);
        }
        assert!(tries.take(address("203.0.113.9"), NOW).is_err());
        // Its own tries are limited all the same.
        let allowed = (0..20).filter(|_| tries.take(mine, NOW).is_ok()).count();
        assert_eq!(allowed, 10);
    }

    #[test]
    fn an_ipv6_address_counts_as_its_network_and_a_mapped_one_as_ipv4() {
        let tries = Tries::new(TEN, None);
        for host in 1..=10 {
            let one = address(&format!("2001:db8:1:2::{host:x}"));
            tries.take(one, NOW).expect("allowed");
        }
        assert!(tries.take(address("2001:db8:1:2:ffff::1"), NOW).is_err());
        assert_eq!(tries.take(address("2001:db8:1:3::1"), NOW), Ok(()));
        for _ in 0..10 {
            let mapped = address("::ffff:192.0.2.1");
            tries.take(mapped, NOW).expect("allowed");
        }
        assert!(tries.take(address("192.0.2.1"), NOW).is_err());
        assert_eq!(tries.take(address("192.0.2.2"), NOW), Ok(()));
    }

    #[tokio::test]
    async fn a_connection_over_the_most_is_refused_until_another_one_ends() {
        let acceptor = axum_server::accept::DefaultAcceptor::new();
        let limited = Limited::new(acceptor, Places::new(2, 2, Vec::new()));
        let connect = async || {
            let from = From(address("192.0.2.1"));
            limited.accept(from, ()).await.map(|(_, service)| service)
        };
        let one = connect().await.expect("a place");
        let two = connect().await.expect("a place");
        connect().await.expect_err("none");
        // The service of a connection is cloned for each of its requests.
        let request = one.clone();
        drop(one);
        connect().await.expect_err("its request is under way");
        drop(request);
        let three = connect().await.expect("its place");
        connect().await.expect_err("none");
        drop((two, three));
        connect().await.expect("a place");
    }

    #[test]
    fn one_address_takes_not_all_places_and_a_trusted_proxy_may() {
        let trusted = vec!["10.0.0.0/8".parse().expect("a network")];
        let places = Places::new(10, 3, trusted);
        let take = |from: &str| places.take(Some(address(from)));
        let mut held: Vec<_> = (0..3)
            .map(|_| take("192.0.2.1").expect("a place"))
            .collect();
        assert!(take("192.0.2.1").is_none());
        assert!(take("::ffff:192.0.2.1").is_none());
        // What one line of IPv6 has is one address.
        held.extend((1..4).map(|host| take(&format!("2001:db8::{host}")).expect("a place")));
        assert!(take("2001:db8::4").is_none());
        held.extend((0..2).map(|_| take("10.0.0.1").expect("a place")));
        held.extend((0..2).map(|_| take("127.0.0.1").expect("a place")));
        assert!(take("203.0.113.1").is_none(), "there are ten");
        drop(held.remove(0));
        assert!(take("192.0.2.1").is_some(), "it is given back at once");
        held.clear();
        assert!(places.lock().each.is_empty());
        assert_eq!(places.lock().all, 0);
    }

    #[test]
    fn memory_is_bounded_whatever_addresses_come() {
        let tries = Tries::new(TEN, None);
        for number in 0..30_000u32 {
            let _some_refused = tries.take(IpAddr::from(number.to_be_bytes()), NOW);
        }
        let counted = tries.counted.lock().expect("whole").each.len();
        assert!(counted <= ADDRESSES + 1, "{counted}");
    }
}
