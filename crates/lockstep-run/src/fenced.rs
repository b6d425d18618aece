//! The one place that makes a writer, behind the fence of the lease.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::site::GatewayUrl;
use lockstep_remote::gateway::{Fence, GatewayWriter, Sent};
use lockstep_store::runs::Run;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::session::Session;

/// A base older than this when the turn of its write comes is read again; in milliseconds. So is that of a write that
/// waited so long because the gateway asked to.
pub(crate) const BASE_AGE: i64 = 60_000;
/// So often a write is decided anew because it had to wait for too long; then the gateway does not want it.
pub(crate) const MOST_WAITS: u32 = 5;

/// A writer for one write.
pub(crate) struct Fenced {
    writer: GatewayWriter,
    fence: Arc<LeaseFence>,
    cut: Arc<AtomicBool>,
}

/// How far a write came.
pub(crate) enum Went<T> {
    /// It was sent, or could not be.
    Sent(Sent<T>),
    /// The run was stopped before it was sent, or while it was to be sent again: nothing of it is written.
    Stopped,
    /// What it rests on has become too old while it waited: it was not sent, or turned away.
    Aged,
}

/// What is said of a write that was put off too often.
pub(crate) fn put_off() -> Failure {
    Failure::status(
        FailureKind::RateLimited,
        429,
        format!("still 429 after {MOST_WAITS} long pauses"),
    )
}

impl Session {
    /// A writer that asks before each request whether the run still holds its gateway, for a write that rests on what was
    /// read at a time, in Unix milliseconds.
    pub(crate) fn writer(&self, run: &Run, fence: i64, read_at: i64) -> Fenced {
        let fence = Arc::new(LeaseFence {
            session: self.clone(),
            url: run.site_url.clone(),
            fence,
            read_at,
            pauses: self.gateway.pacer().throttled(),
            aged: AtomicBool::new(false),
            on_its_way: watch::Sender::new(false),
        });
        Fenced {
            writer: GatewayWriter::new(self.gateway.clone(), fence.clone()),
            fence,
            cut: self.cut.clone(),
        }
    }
}

impl Fenced {
    /// Sends. Once the run is stopped, what waits for its turn is given up, be it the first one or one after a 429. What
    /// is on its way is awaited, for only its reply tells what became of it.
    pub(crate) async fn until_sent<T>(
        &self,
        stop: &CancellationToken,
        send: impl AsyncFnOnce(&GatewayWriter) -> Sent<T>,
    ) -> Went<T> {
        let mut on_its_way = self.fence.on_its_way.subscribe();
        let given_up = async {
            stop.cancelled().await;
            // The sender is ours, so there is always an answer.
            let _back = on_its_way.wait_for(|sent| !sent).await;
        };
        let sent = tokio::select! {
            biased;
            sent = send(&self.writer) => sent,
            () = given_up => return Went::Stopped,
        };
        self.fence.on_its_way.send_replace(false);
        match sent {
            Sent::NotSent(_) if self.fence.aged.load(Ordering::SeqCst) => Went::Aged,
            sent => Went::Sent(sent),
        }
    }
}

impl Drop for Fenced {
    fn drop(&mut self) {
        // Dropped before its reply came: the gateway may still do it, and who takes the gateway next must not come first.
        if *self.fence.on_its_way.borrow() {
            self.cut.store(true, Ordering::SeqCst);
        }
    }
}

/// A lease's fence: whoever took the gateway after us has a higher number, and then nothing more is sent.
struct LeaseFence {
    session: Session,
    url: GatewayUrl,
    fence: i64,
    read_at: i64,
    /// How often the gateway had asked to wait when the write began.
    pauses: u64,
    /// Whether nothing was sent because of its age.
    aged: AtomicBool,
    /// Whether a request may be on its way.
    on_its_way: watch::Sender<bool>,
}

impl Fence for LeaseFence {
    fn check(&self) -> BoxFuture<'_, Result<(), Failure>> {
        async {
            match self.session.store().lease_holds(&self.url, self.fence).await {
                Ok(true) => {}
                Ok(false) => {
                    return Err(Failure::new(
                        FailureKind::Record,
                        "the lease on this gateway ran out, or another process has it; nothing more is sent, \
                         and the run is gone on with where it was left",
                    ));
                }
                Err(error) => return Err(Failure::new(FailureKind::Record, error.to_string())),
            }
            let paused = self.session.gateway.pacer().throttled() > self.pauses;
            if paused && self.session.now().saturating_sub(self.read_at) > BASE_AGE {
                self.aged.store(true, Ordering::SeqCst);
                return Err(Failure::new(
                    FailureKind::Moved,
                    "what it rests on was read too long ago",
                ));
            }
            self.on_its_way.send_replace(true);
            Ok(())
        }
        .boxed()
    }

    fn turned_away(&self) {
        self.on_its_way.send_replace(false);
    }
}
