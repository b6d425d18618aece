//! The journal of a run under way: rows and outcomes are committed in batches, in their order, by one task.
//!
//! A failed commit ends the run's work: nothing is sent that could not be recorded.

use std::time::Duration;

use lockstep_core::models::memory::Memory;
use lockstep_store::StoreError;
use lockstep_store::changes::ChangeRow;
use lockstep_store::steps::Outcome;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::session::Session;

/// At most this many entries go into one commit.
const BATCH: usize = 256;
/// An entry waits at most this long for others to share its commit.
const LINGER: Duration = Duration::from_millis(25);

/// One thing to record.
#[derive(Debug)]
pub(crate) enum Entry {
    /// A channel was read and planned; the memory is what is known by it.
    Read(Box<ChangeRow>, Option<Box<Memory>>),
    /// A write ended.
    Outcome(Box<Outcome>),
}

/// The sending end. Dropping all clones and calling [`Journal::close`] commits the rest.
#[derive(Debug)]
pub(crate) struct Journal {
    sender: mpsc::Sender<Entry>,
    task: JoinHandle<Result<(), StoreError>>,
}

impl Journal {
    /// Opens the journal. `broken` is cancelled once a commit has failed, so that what waits for its turn is not sent.
    pub(crate) fn open(
        session: Session,
        run: String,
        fence: i64,
        broken: CancellationToken,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(BATCH * 4);
        let task = tokio::spawn(commit(session, run, fence, receiver, broken));
        Self { sender, task }
    }

    /// Records an entry with the next commit.
    pub(crate) async fn record(&self, entry: Entry) {
        // The receiver is gone only after a failed commit, which `close` reports.
        let _gone = self.sender.send(entry).await;
    }

    /// Commits what is left and says whether everything was recorded.
    pub(crate) async fn close(self) -> Result<(), StoreError> {
        drop(self.sender);
        match self.task.await {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
}

async fn commit(
    session: Session,
    run: String,
    fence: i64,
    mut receiver: mpsc::Receiver<Entry>,
    broken: CancellationToken,
) -> Result<(), StoreError> {
    let mut batch = Vec::with_capacity(BATCH);
    while receiver.recv_many(&mut batch, BATCH).await > 0 {
        let deadline = tokio::time::sleep(LINGER);
        tokio::pin!(deadline);
        while batch.len() < BATCH {
            let room = BATCH - batch.len();
            tokio::select! {
                more = receiver.recv_many(&mut batch, room) => if more == 0 { break },
                () = &mut deadline => break,
            }
        }
        let mut rows = Vec::new();
        let mut memories = Vec::new();
        let mut outcomes = Vec::new();
        for entry in batch.drain(..) {
            match entry {
                Entry::Read(row, memory) => {
                    memories.extend(memory.map(|memory| (row.channel_id, *memory)));
                    rows.push(*row);
                }
                Entry::Outcome(outcome) => outcomes.push(*outcome),
            }
        }
        let mut recorded = Ok(());
        if !rows.is_empty() {
            recorded = session
                .store()
                .record_read(&run, fence, rows, memories, session.requests())
                .await;
        }
        if recorded.is_ok() && !outcomes.is_empty() {
            recorded = session
                .store()
                .record_outcomes(&run, fence, outcomes, session.requests())
                .await;
        }
        if let Err(error) = recorded {
            tracing::error!(%error, "the journal could not be written; nothing more is sent");
            broken.cancel();
            return Err(error);
        }
    }
    Ok(())
}
