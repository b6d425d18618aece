//! Whoever counts the calls of `/api/ratio_config`, which a gateway counts together with sign-ins.

use std::fmt::Debug;
use std::pin::Pin;
use std::time::Duration;

use lockstep_core::failure::{Failure, FailureKind};

use super::attempt::COUNTED;

/// A call, as it is taken.
pub type Taking<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// Counts calls for all who make them from this address, whichever process they are in.
pub trait Calls: Debug + Send + Sync {
    /// Takes the next call of a host, given as `host:port`, right before it is made. It is counted from then on, whatever
    /// becomes of it: a fetch that nobody waits for any more may have been sent.
    ///
    /// Fails as [`none_left`] says where there is none left, and with [`FailureKind::Record`] where it cannot be
    /// counted. Nothing is sent then.
    fn take<'a>(&'a self, host: &'a str) -> Taking<'a>;
}

/// That a host was called as often as it may be; `free_in` is how long until it may be called again.
pub fn none_left(free_in: Duration) -> Failure {
    let text = format!(
        "{COUNTED} was asked for as often as a gateway lets one address within 20 minutes; free again in {} s",
        free_in.as_millis().div_ceil(1000)
    );
    Failure::new(FailureKind::RateLimited, text)
}
