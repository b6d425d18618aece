//! A site as the server works with it: its gateway's token, the settings that hold, the networks that are allowed.

use axum::http::StatusCode;
use lockstep_core::prices::source::Cidr;
use lockstep_core::settings::Settings;
use lockstep_run::prices::collect::Collecting;
use lockstep_run::{Session, SiteAccess};
use lockstep_store::sites::Site;

use crate::ordering;
use crate::server::App;
use crate::server::problem::Problem;

/// A site with all that work on its gateway needs.
#[derive(Clone, Debug)]
pub(crate) struct Reached {
    pub(crate) access: SiteAccess,
    pub(crate) settings: Settings,
    pub(crate) allow: Vec<Cidr>,
}

/// The site of a name.
pub(crate) async fn named(app: &App, name: &str) -> Result<Site, Problem> {
    Ok(app.store().site_by_name(name).await?)
}

/// The site of a name, or of an id.
pub(crate) async fn site(app: &App, text: &str) -> Result<Site, Problem> {
    let sites = app.store().sites().await?;
    let named = |site: &&Site| site.name.as_deref() == Some(text);
    let found = sites.iter().find(named);
    found
        .or_else(|| sites.iter().find(|site| site.id == text))
        .cloned()
        .ok_or_else(|| {
            Problem::new(
                StatusCode::NOT_FOUND,
                "not_found",
                format!("there is no site `{text}`"),
            )
            .hint("GET /api/v1/sites lists them.")
        })
}

/// The site that is meant where none is named: that of the environment, of the file, or else the default one.
pub(crate) async fn default(app: &App) -> Result<Site, Problem> {
    let chosen = ordering::variable("LOCKSTEP_SITE").or_else(|| app.file().site.clone());
    if let Some(name) = chosen {
        return named(app, &name).await;
    }
    app.store().default_site().await?.ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "no_default_site",
            "no site is the default one",
        )
        .hint("Add a site, or name one in the path: /sites/{name}/...")
    })
}

impl Reached {
    /// The site with its stored token and the settings that hold.
    pub(crate) async fn of(app: &App, site: Site) -> Result<Self, Problem> {
        let broken = |error: anyhow::Error| {
            Problem::new(StatusCode::CONFLICT, "bad_setting", format!("{error:#}"))
        };
        let settings = ordering::chosen(&site, app.file(), ordering::with_environment(Vec::new()))
            .map_err(broken)?
            .settings;
        let allow = ordering::allowed(app.file(), &[]).map_err(broken)?;
        let token = app.store().token(&site.id).await?.ok_or_else(|| {
            Problem::new(
                StatusCode::CONFLICT,
                "no_token",
                "the Admin Token of this gateway is not stored",
            )
            .hint("Store the root user's access token in the site's settings.")
        })?;
        Ok(Self {
            access: SiteAccess { site, token },
            settings,
            allow,
        })
    }

    /// A session with the gateway, for somebody.
    pub(crate) fn session(&self, app: &App, actor: &str) -> Session {
        app.engine()
            .acting_as(actor)
            .session(self.access.clone(), &self.settings)
    }

    /// Sources as they are written, ready to be collected.
    pub(crate) fn collecting(&self, written: &[String]) -> Result<Collecting, Problem> {
        ordering::collecting(
            written,
            self.allow.clone(),
            self.settings.prices.timeout,
            self.settings.max_retries,
        )
        .map_err(|error| Problem::new(StatusCode::CONFLICT, "bad_source", format!("{error:#}")))
    }
}
