//! Ctrl-C and SIGTERM.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::OnceCell;

use crate::view::Screen;

static ASKED: AtomicU32 = AtomicU32::new(0);
static LISTENING: OnceCell<tokio::sync::watch::Receiver<bool>> = OnceCell::const_new();

/// The status of a process that a second Ctrl-C ended, as shells have it.
const INTERRUPTED: i32 = 130;

/// Returns once the process was asked to stop. A second request ends it at once.
pub(crate) async fn asked_to_stop() -> bool {
    let mut asked = LISTENING
        .get_or_init(|| async {
            let (sender, receiver) = tokio::sync::watch::channel(false);
            tokio::spawn(async move {
                loop {
                    if !signalled().await {
                        break;
                    }
                    if ASKED.fetch_add(1, Ordering::SeqCst) > 0 {
                        end_at_once();
                    }
                    super::says(
                        &Screen::new(false, false, 0),
                        "stopping after what is under way; once more stops at once",
                    );
                    let _nobody = sender.send(true);
                }
            });
            receiver
        })
        .await
        .clone();
    asked.wait_for(|stop| *stop).await.is_ok()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a second Ctrl-C means: now, without dropping anything in order"
)]
fn end_at_once() {
    std::process::exit(INTERRUPTED);
}

#[cfg(unix)]
async fn signalled() -> bool {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut term) = signal(SignalKind::terminate()) else {
        return tokio::signal::ctrl_c().await.is_ok();
    };
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.is_ok(),
        _ = term.recv() => true,
    }
}

#[cfg(not(unix))]
async fn signalled() -> bool {
    tokio::signal::ctrl_c().await.is_ok()
}
