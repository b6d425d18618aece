//! A second admin: what the gateway's own log tells of writes that no map shows any more.

use std::collections::BTreeMap;

use super::write::Writing;
use crate::error::EngineError;

/// How far the clock that a gateway shows may be ahead of the one its log goes by, in seconds.
const CLOCKS_DIFFER: i64 = 60;

/// What the gateway's log said before the first write.
pub(super) struct LogSoFar {
    /// Since when it was asked, by the gateway's clock in Unix seconds.
    since: i64,
    /// How many changes of an option it had, by key.
    known: BTreeMap<String, u64>,
}

impl Writing<'_> {
    /// Since when the gateway's log is asked, and how many changes of each option it has already: those are not of the
    /// time of this run. `None` where the gateway does not tell.
    pub(super) async fn log_so_far(&self) -> Option<LogSoFar> {
        let reader = self.session.reader();
        // The clock may be that of a server before the gateway, and not quite the one its log goes by.
        let since = reader.status().await.ok()?.clock? - CLOCKS_DIFFER;
        let mut known: BTreeMap<String, u64> = BTreeMap::new();
        for write in reader.option_writes_since(since).await.ok()? {
            *known.entry(write.key).or_default() += 1;
        }
        Some(LogSoFar { since, known })
    }

    /// Asks the gateway's own log whether somebody else wrote the same maps meanwhile: in the gap between reading and
    /// writing nobody can see it in the maps. A gateway that shows no log tells nothing of others; that is no failure
    /// of the run.
    pub(super) async fn tell_of_others(&self, log: Option<LogSoFar>) -> Result<(), EngineError> {
        let Some(LogSoFar { since, known }) = log.filter(|_| !self.sent.is_empty()) else {
            return Ok(());
        };
        let Ok(log) = self.session.reader().option_writes_since(since).await else {
            return Ok(());
        };
        for (field, ours) in &self.sent {
            let key = field.option_key();
            let told = log.iter().filter(|write| write.key == key).count() as u64;
            let told = told.saturating_sub(known.get(key).copied().unwrap_or(0));
            if told > *ours {
                tracing::warn!(
                    key,
                    others = told - ours,
                    "somebody else wrote this map too"
                );
                self.session
                    .store()
                    .set_image_others(&self.run.id, self.fence, key, told - ours)
                    .await?;
            }
        }
        Ok(())
    }
}
