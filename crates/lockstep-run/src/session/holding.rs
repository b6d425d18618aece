//! A gateway that a session holds: for one step, until the write that follows, or for several runs in a row.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lockstep_core::change::RunState;
use lockstep_store::leases::GatewayHold;
use lockstep_store::runs::Run;

use super::Session;
use crate::error::EngineError;

/// A gateway that is held for what comes.
pub(super) type Kept = Arc<Mutex<Option<Held>>>;

/// A gateway that this process holds until the last clone is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) fence: i64,
    _holding: Arc<Holding>,
}

#[derive(Debug)]
struct Holding {
    hold: Option<GatewayHold>,
    cut: Arc<AtomicBool>,
}

/// A session's gateway, held for all of its runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Throughout(Kept);

impl Drop for Throughout {
    fn drop(&mut self) {
        drop(locked(&self.0).take());
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        if self.cut.load(Ordering::SeqCst)
            && let Some(hold) = self.hold.take()
        {
            hold.leave();
        }
    }
}

impl Session {
    /// Takes the gateway for this process until it is dropped; the number fences off whoever held it before.
    pub(crate) async fn hold(&self) -> Result<Held, EngineError> {
        if let Some(kept) = self.kept_hold().take() {
            return Ok(kept);
        }
        if let Some(held) = self.held_throughout().await? {
            return Ok(held);
        }
        let hold = self.engine.alone(&self.access.site).await?;
        self.cut.store(false, Ordering::SeqCst);
        self.last_fence.store(hold.fence(), Ordering::SeqCst);
        Ok(Held {
            fence: hold.fence(),
            _holding: Arc::new(Holding {
                hold: Some(hold),
                cut: self.cut.clone(),
            }),
        })
    }

    /// Takes the gateway for all that the session does until what is returned is dropped: nobody else has it between two
    /// runs.
    pub(crate) async fn throughout(&self) -> Result<Throughout, EngineError> {
        let held = self.hold().await?;
        *locked(&self.throughout) = Some(held);
        Ok(Throughout(self.throughout.clone()))
    }

    /// The gateway, if it is held throughout. Where that was lost meanwhile it is to be taken anew.
    async fn held_throughout(&self) -> Result<Option<Held>, EngineError> {
        let Some(held) = locked(&self.throughout).clone() else {
            return Ok(None);
        };
        let url = &self.access.site.url;
        if self.store().lease_holds(url, held.fence).await? {
            return Ok(Some(held));
        }
        drop(locked(&self.throughout).take());
        Ok(None)
    }

    /// The fence under which this session held the gateway last; 0 where it never did.
    pub(crate) fn last_fence(&self) -> i64 {
        self.last_fence.load(Ordering::SeqCst)
    }

    /// Lets go of a gateway that was kept for what does not come any more.
    pub(crate) fn let_go(&self) {
        drop(self.kept_hold().take());
    }

    /// Takes the gateway and keeps it for what comes next.
    pub(crate) async fn keep(&self) -> Result<(), EngineError> {
        let held = self.hold().await?;
        *self.kept_hold() = Some(held);
        Ok(())
    }

    /// Keeps the gateway for the write of what was planned, if somebody said yes to it before.
    pub(crate) fn keep_for_write(&self, run: &Run, held: Held) {
        let goes_on = run.state == RunState::Planned && run.go_on && run.approved_by.is_some();
        if goes_on {
            *self.kept_hold() = Some(held);
        }
    }

    fn kept_hold(&self) -> MutexGuard<'_, Option<Held>> {
        locked(&self.kept)
    }
}

fn locked(kept: &Kept) -> MutexGuard<'_, Option<Held>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
