//! Who is told of what: the places, what is wrong now, and what was sent.

mod acts;
mod form;
mod rows;

use askama::Template;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::{get, post};

use super::form::Fields;
use super::frame::{Frame, Here};
use super::refusal::{Refusal, html};
use super::settings::sections::{self, Part, Section};
use crate::notify::Vendor;
use crate::server::App;
use form::Form;
use rows::{Delivered, Open, Place, Tried};

/// Where the page is.
pub(super) const AT: &str = "/settings/notices";

/// How many of the last notices are shown.
const NEWEST: u32 = 30;

/// The page and what is done on it.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(AT, get(show))
        .route("/settings/notices/add", post(acts::add))
        .route("/settings/notices/change", post(acts::change))
        .route("/settings/notices/test", post(acts::test))
        .route("/settings/notices/remove", post(acts::remove))
}

#[derive(Template)]
#[template(path = "notices.html")]
struct NoticesPage {
    f: Frame,
    sections: Vec<Section>,
    places: Vec<Place>,
    open: Vec<Open>,
    sent: Vec<Delivered>,
    form: Form,
    /// Whether nobody is told anything, so that nothing is watched.
    nobody: bool,
}

impl NoticesPage {
    /// Where one of the page's forms leads.
    fn act(&self, what: &str) -> String {
        self.f.beside(&format!("{AT}/{what}"))
    }
}

/// `GET /settings/notices`
async fn show(
    State(app): State<App>,
    f: Frame,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let asked = Fields::read(query.unwrap_or_default().as_bytes());
    let vendor = Vendor::from_code(asked.text("kind")).unwrap_or(Vendor::Webhook);
    let form = Form::empty(&f, vendor);
    page(&app, f, form, None).await
}

/// The page, with the form to add a place as it is, and with what was tried of a place that is there, and not taken.
async fn page(
    app: &App,
    f: Frame,
    form: Form,
    tried: Option<Tried<'_>>,
) -> Result<Response, Refusal> {
    let mut f = f.at(Here::Settings);
    f.path = f.beside(AT);
    let places = rows::places(app, &f, tried.as_ref()).await?;
    Ok(html(&NoticesPage {
        sections: sections::all(&f, Part::Notices),
        nobody: !places.iter().any(|place| place.enabled),
        places,
        open: rows::open(app, &f).await?,
        sent: rows::sent(app, &f, NEWEST).await?,
        form,
        f,
    }))
}
