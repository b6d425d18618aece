//! A list that has shrunk for good: somebody says so, and later ones are measured by it.

use lockstep_core::prices::source::SourceState;
use lockstep_core::prices::table::Table;
use lockstep_store::prices::run_sources::RunSource;

use super::collect::Collecting;
use super::compare::compare;
use crate::error::EngineError;
use crate::session::Session;

/// What came of accepting one source's list.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The source as it was judged before.
    pub source: RunSource,
    /// How many models its last good list had; `None` where there was none.
    pub before: Option<u64>,
    /// Whether its list had shrunk, and is the last good one now.
    pub accepted: bool,
}

impl Session {
    /// Asks sources now, and takes those lists for good that are only too short. Whatever else came is left.
    ///
    /// # Errors
    ///
    /// When the gateway cannot be read, or the database fails.
    pub async fn accept_lists(
        &self,
        collecting: &Collecting,
    ) -> Result<Vec<Accepted>, EngineError> {
        let local = self.local_prices(collecting.max_retries).await?;
        let collected = self.collect(collecting).await?;
        let compared = compare(&local, &collected);
        let mut all = Vec::new();
        for source in &compared.sources {
            let accepted = source.state == SourceState::Shrunken;
            let before = source.collected.copy.as_ref().map(|copy| copy.models);
            if accepted {
                let models = source.table.as_ref().map_or(0, Table::len);
                self.keep_copy(source.collected, models).await?;
            }
            all.push(Accepted {
                source: source.told(),
                before,
                accepted,
            });
        }
        Ok(all)
    }
}
