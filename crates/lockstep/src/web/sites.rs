//! Sites: connected, changed, tested, made the default, removed.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use lockstep_run::EngineError;
use lockstep_store::StoreError;
use lockstep_store::sites::NewSite;

use super::flash::Flash;
use super::form::Fields;
use super::frame::{Frame, Here};
use super::gateway::GatewayForm;
use super::place;
use super::refusal::{Refusal, html};
use super::settings;
use crate::connecting;
use crate::server::App;
use crate::server::problem::CONFLICT;

/// Where a gateway is connected.
pub(super) const ADD: &str = "/sites/add";

#[derive(Template)]
#[template(path = "site_add.html")]
struct AddPage {
    f: Frame,
    g: GatewayForm,
}

/// `GET /sites/add`
pub(super) async fn show_add(mut f: Frame) -> Response {
    f.here = Here::Overview;
    html(&AddPage {
        f,
        g: GatewayForm::default(),
    })
}

/// `POST /sites/add`
pub(super) async fn add(
    State(app): State<App>,
    mut f: Frame,
    fields: Fields,
) -> Result<Response, Refusal> {
    f.writer()?;
    f.path = ADD.to_owned();
    let mut g = GatewayForm::typed(&fields, false);
    let mut bad = Vec::new();
    connecting::name(&mut bad, &g.name);
    let url = connecting::address(&mut bad, &g.url);
    connecting::user_id(&mut bad, &g.user_id);
    connecting::console(&mut bad, &g.console_url);
    let networks = fields.lines("allow_private");
    connecting::networks(&mut bad, &networks);
    let token = connecting::token(&mut bad, Some(fields.text("token")));
    g.mistakes(&bad, f.lang);
    match connecting::is_free(&app, &g.name).await {
        Ok(()) => {}
        Err(StoreError::Conflict(_)) => {
            g.wrong.insert("name", f.t.sites.taken.clone());
        }
        Err(error) => return Err(error.into()),
    }
    let (Some(url), Some(token), true) = (url, token, g.wrong.is_empty()) else {
        return Ok(again(f, g));
    };
    let only_test = fields.has("test");
    if only_test || !fields.has("untested") {
        let probe = connecting::probe(&g.name, &url, &g.user_id);
        let found = connecting::look(&app, probe, token.clone()).await;
        g.looked(&found, f.lang);
        if only_test || !found.0 {
            return Ok(match found.0 {
                true => html(&AddPage { f, g }),
                false => again(f, g),
            });
        }
    }
    let new = NewSite {
        name: Some(g.name.clone()),
        url,
        user_id: g.user_id.clone(),
        console_url: (!g.console_url.is_empty()).then(|| g.console_url.clone()),
        allow_private: networks,
        settings: Default::default(),
        token: Some(token),
    };
    match connecting::keep(&app, f.writer()?, new, false).await {
        Ok(_) => Ok(Redirect::to(&Flash::SiteKept.at("/")).into_response()),
        Err(problem) if problem.code() == CONFLICT => {
            g.wrong.insert("name", f.t.sites.taken.clone());
            Ok(again(f, g))
        }
        Err(error) => Err(error.into()),
    }
}

/// The form once more, with what is wrong with it.
fn again(mut f: Frame, g: GatewayForm) -> Response {
    let places = g.places(f.t);
    f.refuse(&f.t.sites.not_kept, places);
    (StatusCode::UNPROCESSABLE_ENTITY, html(&AddPage { f, g })).into_response()
}

/// `POST /sites/{site}/default`
pub(super) async fn make_default(State(app): State<App>, f: Frame) -> Result<Response, Refusal> {
    connecting::make_default(&app, f.writer()?, f.site()?).await?;
    Ok(Redirect::to(&Flash::Saved.at(&f.href(Here::Settings))).into_response())
}

/// `POST /sites/{site}/remove`
pub(super) async fn remove(
    State(app): State<App>,
    mut f: Frame,
    fields: Fields,
) -> Result<Response, Refusal> {
    f.writer()?;
    f.path = f.href(Here::Settings);
    let site = f.site()?.clone();
    if fields.trimmed("confirm") != settings::name_of(&site) {
        return settings::not_removed(&app, f).await;
    }
    match connecting::remove(&app, f.writer()?, &site).await {
        Ok(()) => Ok(Redirect::to(&Flash::SiteRemoved.at("/")).into_response()),
        Err(error @ EngineError::Busy(_)) => {
            f.trouble(f.lang.engine_error(&error));
            let g = GatewayForm::stored(&site);
            let page = settings::shown(&app, f, g).await?;
            Ok((StatusCode::CONFLICT, page).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// `GET /go`: from the choice of sites to the site's page.
pub(super) async fn go(f: Frame, query: axum::extract::RawQuery) -> Redirect {
    let asked = Fields::read(query.0.unwrap_or_default().as_bytes());
    let known = f.sites.iter().any(|site| site.key == asked.text("site"));
    let page = Here::of_code(asked.text("page"));
    match page {
        Some(page) if known && page != Here::Overview => {
            Redirect::to(&place::path(&["sites", asked.text("site"), page.code()]))
        }
        // The overview has all sites; whoever chose one there wants to see it.
        _ if known => Redirect::to(&place::path(&[
            "sites",
            asked.text("site"),
            Here::Settings.code(),
        ])),
        _ => Redirect::to("/"),
    }
}
