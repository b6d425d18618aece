//! What is done on the page of differences.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use lockstep_core::prices::field::Field;

use super::asked::{SHAPE, chosen};
use super::choice::picks;
use super::review::led_to;
use crate::api::v1::prices::answers::{Word, decided};
use crate::deciding;
use crate::server::App;
use crate::server::problem::Problem;
use crate::web::flash::Flash;
use crate::web::form::Fields;
use crate::web::frame::{Frame, Here};
use crate::web::live::{PLANNING, soon};
use crate::web::place;
use crate::web::refusal::{Refusal, html};
use crate::web::table::Asked;

/// `POST /sites/{site}/prices/fetch`: the sources are asked behind the page.
pub(super) async fn fetch(
    State(app): State<App>,
    f: Frame,
    fields: Fields,
) -> Result<Redirect, Refusal> {
    f.writer()?;
    let site = f.site()?.clone();
    app.tables().begin(&app, site, f.caller.actor(), true);
    let usual = f.href(Here::Prices);
    let back = fields.text("back");
    Ok(Redirect::to(if back.is_empty() {
        &usual
    } else {
        place::back(back)
    }))
}

/// `GET /sites/{site}/prices/working`: how far what goes on behind the page is. Where nothing was shown yet the page is
/// loaded anew when it is through; else somebody may be choosing, and is told that there is something newer.
pub(super) async fn working(
    State(app): State<App>,
    f: Frame,
    query: axum::extract::RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let site = f.site()?.clone();
    let known = app.tables().known(&app, &site).await?;
    let page = headers.get("hx-current-url");
    let page = page.and_then(|page| url::Url::parse(page.to_str().ok()?).ok());
    let page = page.map_or_else(
        || f.href(Here::Prices),
        |page| format!("{}?{}", page.path(), page.query().unwrap_or_default()),
    );
    if let Some(working) = super::page::working(&f, &known, page.clone()) {
        return Ok(html(&working));
    }
    if query.0.is_some_and(|query| query.contains("shown")) {
        return Ok(html(&super::page::done(&f, page)));
    }
    Ok([("hx-refresh", "true")].into_response())
}

/// `POST /sites/{site}/prices/review`: what was chosen is planned, and shown before anything is written.
pub(super) async fn review(
    State(app): State<App>,
    f: Frame,
    fields: Fields,
) -> Result<Redirect, Refusal> {
    f.writer()?;
    let site = f.site()?.clone();
    let path = f.href(Here::Prices);
    let asked = Asked::of_form(&SHAPE, &path, &fields);
    let known = app.tables().known(&app, &site).await?;
    let Some(table) = known.table else {
        return Ok(Redirect::to(&path));
    };
    let ids = chosen(&table, &asked, &fields).ids;
    let picks = picks(&table, &ids);
    if picks.is_empty() {
        return Ok(Redirect::to(&Flash::NothingChosen.at(&path)));
    }
    let run = deciding::prices::review(&app, &f.caller, &site, picks).await?;
    soon(&app, &run, &PLANNING).await;
    Ok(Redirect::to(&led_to(&f, &run)))
}

/// `POST /sites/{site}/prices/answers`: a price, or one of its values, is locked; a way of billing kept; a model ignored;
/// or what was decided is taken back.
pub(super) async fn answer(
    State(app): State<App>,
    f: Frame,
    fields: Fields,
) -> Result<Redirect, Refusal> {
    f.writer()?;
    let site = f.site()?.clone();
    let bad = || Problem::bad_request("there is no such answer");
    let mut said = fields.text("answer").splitn(3, '/');
    let (word, field, model) = (said.next(), said.next(), said.next());
    let word = match word {
        Some("lock") => Word::Lock,
        Some("keep") => Word::KeepKind,
        Some("ignore") => Word::Ignore,
        Some("unlock") => Word::Unlock,
        _ => return Err(bad().into()),
    };
    let model = model.filter(|model| !model.is_empty()).ok_or_else(bad)?;
    let field = match field.unwrap_or_default() {
        "" => None,
        code => Some(Field::from_code(code).ok_or_else(bad)?),
    };
    decided(&app, &f.caller, &site, &[model.to_owned()], word, field).await?;
    let back = match fields.text("back") {
        "" => Asked::of_form(&SHAPE, &f.href(Here::Prices), &fields).href(),
        back => place::back(back).to_owned(),
    };
    Ok(Redirect::to(&back))
}
