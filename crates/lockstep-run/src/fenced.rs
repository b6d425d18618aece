//! The one place that makes a writer, behind the fence of the lease.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_remote::gateway::{Fence, GatewayWriter, Sent};
use lockstep_store::Store;
use lockstep_store::runs::Run;
use tokio_util::sync::CancellationToken;

use crate::engine::Session;

/// A writer for one write.
pub(crate) struct Fenced {
    writer: GatewayWriter,
    fence: Arc<LeaseFence>,
    cut: Arc<AtomicBool>,
}

impl Session {
    /// A writer that asks before each request whether the run still holds its gateway.
    pub(crate) fn writer(&self, run: &Run, fence: i64) -> Fenced {
        let fence = Arc::new(LeaseFence {
            store: self.store().clone(),
            url: run.site_url.clone(),
            fence,
            passed: AtomicBool::new(false),
        });
        Fenced {
            writer: GatewayWriter::new(self.gateway.clone(), fence.clone()),
            fence,
            cut: self.cut.clone(),
        }
    }
}

impl Fenced {
    /// Sends. Once the run is stopped, what still waits for its token is given up: `None`. What was sent is awaited, for
    /// only its reply tells what became of it.
    pub(crate) async fn until_sent<T>(
        &self,
        stop: &CancellationToken,
        send: impl AsyncFnOnce(&GatewayWriter) -> Sent<T>,
    ) -> Option<Sent<T>> {
        let sent = send(&self.writer);
        tokio::pin!(sent);
        tokio::select! {
            biased;
            sent = &mut sent => {
                self.fence.passed.store(false, Ordering::SeqCst);
                return Some(sent);
            }
            () = stop.cancelled() => {}
        }
        if !self.fence.passed.load(Ordering::SeqCst) {
            return None;
        }
        let sent = sent.await;
        self.fence.passed.store(false, Ordering::SeqCst);
        Some(sent)
    }
}

impl Drop for Fenced {
    fn drop(&mut self) {
        // Dropped before its reply came: the gateway may still do it, and who takes the gateway next must not come first.
        if self.fence.passed.load(Ordering::SeqCst) {
            self.cut.store(true, Ordering::SeqCst);
        }
    }
}

/// A lease's fence: whoever took the gateway after us has a higher number, and then nothing more is sent.
#[derive(Debug)]
struct LeaseFence {
    store: Store,
    url: lockstep_core::site::GatewayUrl,
    fence: i64,
    /// Whether a request may be on its way.
    passed: AtomicBool,
}

impl Fence for LeaseFence {
    fn check(&self) -> BoxFuture<'_, Result<(), Failure>> {
        async {
            match self.store.lease_holds(&self.url, self.fence).await {
                Ok(true) => {
                    self.passed.store(true, Ordering::SeqCst);
                    Ok(())
                }
                Ok(false) => Err(Failure::new(
                    FailureKind::Record,
                    "the lease on this gateway ran out, or another process has it; nothing more is sent, \
                     and the run is gone on with where it was left",
                )),
                Err(error) => Err(Failure::new(FailureKind::Record, error.to_string())),
            }
        }
        .boxed()
    }
}
