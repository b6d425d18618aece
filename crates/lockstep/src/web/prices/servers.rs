//! The channels that serve models, by their names: only those that a page names are looked up.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_store::StoreError;
use lockstep_store::sites::Site;

use crate::server::App;
use crate::web::words::Lang;

/// So many channels of a model are named.
const NAMED: usize = 3;

/// The names of the first channels of each model.
pub(in crate::web) struct Servers(BTreeMap<i64, String>);

impl Servers {
    /// Those of models that these channels serve.
    pub(in crate::web) async fn of<'i>(
        app: &App,
        site: &Site,
        models: impl Iterator<Item = &'i Vec<i64>>,
    ) -> Result<Self, StoreError> {
        let first = models.flat_map(|ids| ids.iter().take(NAMED));
        let first: BTreeSet<i64> = first.copied().collect();
        let first: Vec<i64> = first.into_iter().collect();
        let names = app.store().channel_names(&site.id, &first).await?;
        Ok(Self(names))
    }

    /// The channels in a sentence; of one that no run has read its id is told.
    pub(in crate::web) fn said(&self, lang: Lang, ids: &[i64]) -> String {
        let name = |id: &i64| match self.0.get(id) {
            Some(name) => name.clone(),
            None => format!("#{id}"),
        };
        let first: Vec<String> = ids.iter().take(NAMED).map(name).collect();
        lang.first_names(&first, ids.len())
    }
}
