//! Signals to the program under test, at exact points of the conversation.

use rustix::process::{Pid, Signal, kill_process};

use crate::gateway::Gateway;
use crate::matcher::Matcher;

/// On which side of a request's effect something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The request has arrived and changed nothing yet.
    BeforeApply,
    /// The request has had its effect and is not answered yet.
    AfterApply,
}

/// Something to do when the n-th matching request comes.
pub(crate) struct Trigger {
    pub(crate) matcher: Matcher,
    /// How many matching requests are still to come, this one included.
    pub(crate) left: usize,
    pub(crate) when: When,
    pub(crate) deed: Deed,
}

/// What a trigger does.
pub(crate) enum Deed {
    /// Runs a piece of the test, such as an edit by a second admin.
    Run(Box<dyn FnOnce(&Gateway) + Send>),
    /// Ends the process at once. The request is not answered.
    Kill(u32),
    /// Stops the process until it is resumed. The request is answered all the same.
    Pause(u32),
}

/// Whether the request that met the deed can still be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aftermath {
    Answer,
    NobodyLeft,
}

impl Deed {
    pub(crate) fn perform(self, gateway: &Gateway) -> Aftermath {
        match self {
            Self::Run(closure) => {
                closure(gateway);
                Aftermath::Answer
            }
            Self::Kill(pid) => {
                signal(pid, Signal::KILL);
                Aftermath::NobodyLeft
            }
            Self::Pause(pid) => {
                signal(pid, Signal::STOP);
                Aftermath::Answer
            }
        }
    }
}

/// Lets a paused process go on.
pub(crate) fn resume(pid: u32) {
    signal(pid, Signal::CONT);
}

fn signal(pid: u32, signal: Signal) {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        tracing::warn!(pid, "not a process id");
        return;
    };
    if let Err(error) = kill_process(pid, signal) {
        // The process may have ended by itself, which is no fault of the test.
        tracing::warn!(?pid, ?signal, %error, "could not signal");
    }
}
