//! What output will cost. The gateway bills some names by completion ratios of its own, whatever is configured, and
//! tells which only of models that are in its maps. Of a new model its price page tells the ratio it would have by
//! itself: where that is 1 the gateway has none of its own, and where it is the configured one it makes no difference.
//! Otherwise nobody can tell before the first write, and then no number is said.

use std::collections::BTreeMap;

use lockstep_core::change::State;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::suspicious::same;
use lockstep_core::prices::usd::usd;
use lockstep_core::prices::values::Kind;
use lockstep_store::prices::{OutputBy, PriceRow};

use super::local::LocalPrices;
use super::write::Writing;
use crate::error::EngineError;
use crate::session::Session;

/// The ratio of a name that the gateway has none for.
const NONE_OF_ITS_OWN: &str = "1";

impl Session {
    /// Marks rows with who decides the price of output, and takes out the numbers that nobody knows yet. The price page
    /// is asked only where some model is new; one that is not to be had leaves those unknown.
    pub(crate) async fn mark_output(&self, rows: &mut [PriceRow], local: &LocalPrices) {
        let mut page: Option<BTreeMap<String, String>> = None;
        for model in rows.chunk_by_mut(|one, next| one.model == next.model) {
            let changes = model.iter().any(|row| row.old != row.new);
            if !changes || model[0].detail.kind_new != Some(Kind::PerToken) {
                continue;
            }
            let name = model[0].model.clone();
            let by = match local.output_by(&name) {
                Some(OutputBy::Unknown) => {
                    let wanted = wanted(model, local);
                    if name.contains('/') && wanted.is_some() {
                        OutputBy::Map
                    } else {
                        if page.is_none() {
                            page = Some(self.shown_completions().await);
                        }
                        let own = page.as_ref().and_then(|page| page.get(&name));
                        judged(own.map(String::as_str), wanted.as_deref())
                    }
                }
                Some(by) => by,
                None => continue,
            };
            for row in model {
                row.detail.output = Some(by);
                if let (OutputBy::Unknown, Some(usd)) = (by, &mut row.usd_new) {
                    usd.output = None;
                }
            }
        }
    }

    async fn shown_completions(&self) -> BTreeMap<String, String> {
        let page = self.reader().pricing().await;
        let prices = page.map(|page| page.prices).unwrap_or_default();
        prices
            .into_iter()
            .filter_map(|price| {
                let ratio = price.values.get(Field::CompletionRatio)?.to_owned();
                Some((price.model, ratio))
            })
            .collect()
    }
}

fn judged(own: Option<&str>, wanted: Option<&str>) -> OutputBy {
    let is = |other: Option<&str>| same(Field::CompletionRatio, own, other);
    match own {
        Some(_) if wanted.is_some() && (is(wanted) || is(Some(NONE_OF_ITS_OWN))) => OutputBy::Map,
        _ => OutputBy::Unknown,
    }
}

/// The completion ratio that the map would have.
fn wanted(model: &[PriceRow], local: &LocalPrices) -> Option<String> {
    let row = model
        .iter()
        .find(|row| row.field == Field::CompletionRatio && row.skip.is_none());
    match row {
        Some(row) => row.new.clone(),
        None => local.value(&model.first()?.model, Field::CompletionRatio),
    }
}

impl Writing<'_> {
    /// Tells what output costs of the written models of which nobody could know: they are in the maps now.
    pub(super) async fn tell_outputs(&self, local: &LocalPrices) -> Result<(), EngineError> {
        let store = self.session.store();
        let applied = store.price_rows_in(&self.run.id, State::Applied).await?;
        let mut known = Vec::new();
        for mut row in applied {
            let by = local.output_by(&row.model);
            let is_known = by.is_some_and(|by| by != OutputBy::Unknown);
            if row.detail.output == Some(OutputBy::Unknown) && is_known {
                row.detail.output = by;
                let values = local.values(&row.model);
                row.usd_new = Some(usd(&values, local.billed_completion(&row.model)));
                known.push(row);
            }
        }
        if known.is_empty() {
            return Ok(());
        }
        store
            .record_price_rebased(&self.run.id, self.fence, known, self.session.requests())
            .await?;
        Ok(())
    }
}
