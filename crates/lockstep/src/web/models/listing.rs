//! The gateway's channels before anything was read: asked behind, so that no page waits for the gateway.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use lockstep_store::sites::Site;

use crate::api::orders::Reached;
use crate::server::App;
use crate::server::problem::Problem;

/// For how long, in milliseconds, a list is taken for what the gateway has; then it is asked again, and shown meanwhile.
const FRESH_MS: i64 = 60_000;

/// A channel to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) id: i64,
    pub(super) name: String,
    /// How many names its list has.
    pub(super) models: usize,
}

/// What is known of a gateway's channels.
#[derive(Clone, Debug)]
pub(super) enum Found {
    /// It is being asked for the first time.
    Asking,
    /// Its channels, in the order of their ids.
    Listed(Arc<Vec<Listed>>),
    /// It did not answer.
    Failed(Problem),
}

/// The lists of all sites. Clones share them; they are gone with the process.
#[derive(Clone, Default)]
pub(crate) struct Listings(Arc<Mutex<HashMap<String, Slot>>>);

struct Slot {
    found: Found,
    at: i64,
    asking: bool,
}

impl Listings {
    /// What is known of the site's channels. Where that is nothing, or not of this moment, the gateway is asked behind.
    pub(super) fn look(&self, app: &App, site: &Site) -> Found {
        let now = app.now();
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry(site.id.clone()).or_insert(Slot {
            found: Found::Asking,
            at: i64::MIN,
            asking: false,
        });
        if !slot.asking && now.saturating_sub(slot.at) > FRESH_MS {
            slot.asking = true;
            let (all, app, site) = (self.clone(), app.clone(), site.clone());
            tokio::spawn(async move { all.ask(&app, site).await });
        }
        slot.found.clone()
    }

    async fn ask(&self, app: &App, site: Site) {
        let id = site.id.clone();
        let found = tokio::select! {
            found = listed(app, site) => found,
            () = app.stopping() => return,
        };
        let slot = Slot {
            found: match found {
                Ok(channels) => Found::Listed(Arc::new(channels)),
                Err(problem) => Found::Failed(problem),
            },
            at: app.now(),
            asking: false,
        };
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.insert(id, slot);
    }
}

async fn listed(app: &App, site: Site) -> Result<Vec<Listed>, Problem> {
    let reached = Reached::of(app, site).await?;
    let session = reached.session(app, app.engine().actor());
    let channels = session.all_channels().await?;
    let listed = |channel: lockstep_core::channel::Channel| Listed {
        models: lockstep_core::models::list::parse(&channel.models).len(),
        id: channel.id,
        name: channel.name,
    };
    Ok(channels.into_iter().map(listed).collect())
}
