//! Old history is forgotten.

use lockstep_store::StoreError;
use lockstep_store::keeping::{Forgotten, Keep};

use super::worker::{DAY, Worker};

/// How long it is remembered who did what beside runs, in milliseconds.
const DEEDS_KEPT: i64 = 90 * DAY;

/// Forgets what is older than each site keeps.
pub(super) async fn keep_history(worker: &Worker, now: i64) -> Result<(), StoreError> {
    for site in worker.store().sites().await? {
        // Settings that cannot be read are told where a run needs them; until then the default keeps enough.
        let settings = worker.orders().settings(&site).unwrap_or_default();
        let keep = Keep {
            age_ms: i64::from(settings.history.days) * DAY,
            runs: settings.history.runs,
        };
        // What goes wrong with one site keeps the history of no other.
        let forgotten = match worker.store().forget_old_runs(&site.id, now, keep).await {
            Ok(forgotten) => forgotten,
            Err(error) => {
                tracing::warn!(site = site.id, %error, "old history was not forgotten");
                continue;
            }
        };
        if forgotten != Forgotten::default() {
            let Forgotten { runs, texts } = forgotten;
            tracing::info!(site = site.id, runs, texts, "old history was forgotten");
        }
    }
    let deeds = worker.store().forget_deeds(now - DEEDS_KEPT).await?;
    if deeds > 0 {
        tracing::info!(deeds, "old deeds were forgotten");
    }
    Ok(())
}
