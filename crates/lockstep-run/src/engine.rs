//! The engine: what all sessions share, and the pace of each gateway.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use lockstep_core::pace::GATEWAY_CALLS;
use lockstep_core::settings::Settings;
use lockstep_core::site::GatewayUrl;
use lockstep_remote::gateway::{Connection, Gateway, TimeLimits};
use lockstep_remote::http::Client;
use lockstep_remote::pace::{Joint, Pacer};
use lockstep_store::leases::GatewayHold;
use lockstep_store::sites::Site;
use lockstep_store::{Store, StoreError};
use secrecy::SecretString;

use crate::clock::Clock;
use crate::error::EngineError;
use crate::session::Session;

/// What every session shares.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) store: Store,
    pub(crate) client: Client,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) actor: String,
    limits: TimeLimits,
    paces: Paces,
}

/// The pace of each gateway, by its address: all sessions of this process share it.
type Paces = Arc<Mutex<HashMap<GatewayUrl, Joint>>>;

/// A site and the token for it.
#[derive(Clone, Debug)]
pub struct SiteAccess {
    /// The site as stored.
    pub site: Site,
    /// The admin's system access token. It is never stored by the engine.
    pub token: SecretString,
}

impl Engine {
    /// An engine over a store. `actor` is who the journal says did it.
    pub fn new(store: Store, client: Client, clock: Arc<dyn Clock>, actor: String) -> Self {
        Self {
            store,
            client,
            clock,
            actor,
            limits: TimeLimits::default(),
            paces: Paces::default(),
        }
    }

    /// An engine with an HTTP client of its own.
    pub fn start(store: Store, clock: Arc<dyn Clock>, actor: String) -> Result<Self, EngineError> {
        let client = Client::new().map_err(EngineError::Gateway)?;
        Ok(Self::new(store, client, clock, actor))
    }

    /// The same engine with other time limits for single requests.
    #[must_use]
    pub fn with_time_limits(mut self, limits: TimeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The same engine for somebody else: `actor` is who the journal says did it.
    #[must_use]
    pub fn acting_as(&self, actor: impl Into<String>) -> Self {
        Self {
            actor: actor.into(),
            ..self.clone()
        }
    }

    /// The store, for reading history and for settings.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Takes a gateway for this process while something of it is changed here that a run would change too.
    pub async fn alone(&self, site: &Site) -> Result<GatewayHold, EngineError> {
        let held = self
            .store
            .hold_gateway(&site.url, &self.actor, self.now())
            .await;
        match held {
            Ok(hold) => Ok(hold),
            Err(StoreError::Busy { holder }) => Err(EngineError::Busy(holder)),
            Err(error) => Err(error.into()),
        }
    }

    /// Now, in Unix milliseconds.
    pub fn now(&self) -> i64 {
        self.clock.now()
    }

    /// Who the journal says did it.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// A place among those at work on a gateway, at the pace of the settings.
    fn pacer(&self, url: &GatewayUrl, settings: &Settings) -> Pacer {
        let pace = settings.fresh_pace(GATEWAY_CALLS);
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        paces.retain(|_, joint| !joint.is_forgotten());
        match paces.get(url) {
            Some(joint) => joint.joined(pace),
            None => {
                let pacer = Pacer::new(pace);
                paces.insert(url.clone(), pacer.joint());
                pacer
            }
        }
    }

    /// Opens a session with a gateway. Nothing is sent yet. All sessions with one gateway share the count of what is sent:
    /// the strictest pace of those that are open holds.
    pub fn session(&self, access: SiteAccess, settings: &Settings) -> Session {
        let connection = Connection {
            url: access.site.url.clone(),
            token: access.token.clone(),
            user_id: access.site.user_id.clone(),
        };
        let pacer = self.pacer(&access.site.url, settings);
        let mut limits = self.limits;
        if let Some(write) = self.store.write_limit() {
            // A lease outlives a write that started under it.
            limits.write = limits.write.min(write);
        }
        let gateway = Gateway::new(connection, self.client.clone(), pacer).with_time_limits(limits);
        Session::new(self.clone(), access, gateway)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use lockstep_core::settings::PaceMode;
    use lockstep_store::sites::NewSite;

    use super::*;
    use crate::clock::SystemClock;

    fn at(per_minute: u32, burst: u32) -> Settings {
        Settings {
            pace: PaceMode::Fixed,
            requests_per_minute: per_minute,
            burst,
            ..Settings::default()
        }
    }

    async fn site(engine: &Engine, name: &str, url: &str) -> SiteAccess {
        let new = NewSite {
            name: Some(name.to_owned()),
            url: GatewayUrl::parse(url).expect("an address"),
            user_id: "1".to_owned(),
            console_url: None,
            allow_private: Vec::new(),
            settings: Default::default(),
            token: None,
        };
        let site = engine.store().add_site(new, 1).await.expect("a site");
        let token = "token".into();
        SiteAccess { site, token }
    }

    #[tokio::test]
    async fn all_sessions_with_a_gateway_share_its_pace_and_the_strictest_holds() {
        let store = Store::open_temporary().await.expect("a store");
        let engine = Engine::start(store, Arc::new(SystemClock), "tests".into());
        let engine = engine.expect("an engine");
        let gateway = site(&engine, "main", "http://127.0.0.1:1").await;
        let elsewhere = site(&engine, "other", "http://127.0.0.1:2").await;
        let run = engine.session(gateway.clone(), &at(20, 5));
        let fetch = engine
            .acting_as("somebody else")
            .session(gateway.clone(), &at(120, 60));
        let apart = engine.session(elsewhere, &at(120, 60));
        assert_eq!(fetch.waiting_time(65), Duration::from_secs(180));
        assert_eq!(apart.waiting_time(65), Duration::from_millis(2_500));
        // What the gateway asks of one it asks of all, and nobody asks for it again.
        run.gateway.pacer().pause(Duration::from_secs(600), "GET /");
        assert!(fetch.gateway.pacer().waiting_until().is_some());
        assert!(apart.gateway.pacer().waiting_until().is_none());
        let later = engine.session(gateway, &at(120, 60));
        drop(run);
        assert_eq!(fetch.waiting_time(65), Duration::from_millis(2_500));
        assert!(later.gateway.pacer().waiting_until().is_some());
    }
}
