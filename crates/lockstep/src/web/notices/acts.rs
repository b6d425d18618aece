//! What is done about places: added, changed, tried, forgotten.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use lockstep_store::notices::NoticeTarget;

use super::form::{Form, anew, given, only};
use super::rows::Tried;
use super::{AT, page};
use crate::notify::Vendor;
use crate::places::{self, Change};
use crate::server::App;
use crate::server::problem::Problem;
use crate::web::flash::Flash;
use crate::web::form::Fields;
use crate::web::frame::{Frame, SayKind};
use crate::web::refusal::Refusal;
use crate::web::words::fill;

/// `POST /settings/notices/add`
pub(super) async fn add(
    State(app): State<App>,
    f: Frame,
    fields: Fields,
) -> Result<Response, Refusal> {
    let by = f.writer()?.clone();
    let Some(vendor) = Vendor::from_code(fields.text("kind")) else {
        return Err(Problem::bad_request("there is no such kind of place").into());
    };
    let new = match given(vendor, &fields).checked() {
        Ok(new) if fields.has("only") => new,
        checked => {
            let bad = checked.err().unwrap_or_default();
            let form = Form::typed(&f, vendor, &fields, &bad);
            return again(&app, f, form).await;
        }
    };
    match places::add(&app, &by, new).await {
        Ok(_) => Ok(said(&f, Flash::PlaceAdded)),
        Err(problem) if problem.status() == StatusCode::CONFLICT => {
            let mut form = Form::typed(&f, vendor, &fields, &[]);
            let mut named = form.inputs.fields.iter_mut();
            if let Some(name) = named.find(|field| field.name == "name") {
                name.wrong = Some(f.t.notices.taken.clone());
            }
            again(&app, f, form).await
        }
        Err(problem) => Err(problem.into()),
    }
}

async fn again(app: &App, mut f: Frame, form: Form) -> Result<Response, Refusal> {
    let places = form.places(f.t);
    f.refuse(&f.t.notices.not_added, places);
    let page = page(app, f, form, None).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// `POST /settings/notices/change`: where a place is, what it is told, or that it is told nothing.
pub(super) async fn change(
    State(app): State<App>,
    mut f: Frame,
    fields: Fields,
) -> Result<Response, Refusal> {
    let by = f.writer()?.clone();
    let target = place(&app, &fields).await?;
    let enabled = fields.has("enabled");
    let untold = enabled && !fields.has("only");
    let address = anew(&fields).checked(&app, &target).await?;
    let bad = address.as_ref().err().map_or(&[][..], Vec::as_slice);
    if untold || !bad.is_empty() {
        let not_changed = f.t.notices.not_changed.clone();
        f.say(
            SayKind::Bad,
            format!("{}: {not_changed}", target.name),
            None,
        );
        let form = Form::empty(&f, Vendor::Webhook);
        let tried = Tried {
            place: &target.name,
            typed: &fields,
            bad,
            untold,
        };
        let page = page(&app, f, form, Some(tried)).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    let kinds = places::kinds(&only(&fields));
    let kinds = kinds.map_err(|_| Problem::bad_request("there is no such kind of notice"))?;
    let change = Change {
        address: address.unwrap_or_default(),
        enabled: (enabled != target.enabled).then_some(enabled),
        // Who switches a place off says nothing of what it is told once it is on again.
        only: (fields.has("only") && kinds != target.kinds).then_some(kinds),
    };
    if change.address.is_none() && change.enabled.is_none() && change.only.is_none() {
        return Ok(said(&f, Flash::Unchanged));
    }
    places::change(&app, &by, target, change).await?;
    Ok(said(&f, Flash::Saved))
}

/// `POST /settings/notices/test`: a test is sent, and the page says how that went.
pub(super) async fn test(
    State(app): State<App>,
    mut f: Frame,
    fields: Fields,
) -> Result<Response, Refusal> {
    f.writer()?;
    let target = place(&app, &fields).await?;
    let delivery = places::test(&app, &target).await?;
    let t = &f.t.notices;
    let name: &dyn std::fmt::Display = &target.name;
    match delivery.error {
        None => {
            let arrived = fill(&t.test_sent, &[("name", name)]);
            f.say(SayKind::Good, arrived, None);
        }
        Some(why) => {
            let told = f.lang.notice_why(&why);
            let failed = fill(&t.test_failed, &[("name", name), ("why", &told.message)]);
            f.say(SayKind::Bad, failed, Some(told.hint));
        }
    }
    let form = Form::empty(&f, Vendor::Webhook);
    page(&app, f, form, None).await
}

/// `POST /settings/notices/remove`
pub(super) async fn remove(
    State(app): State<App>,
    f: Frame,
    fields: Fields,
) -> Result<Response, Refusal> {
    let by = f.writer()?.clone();
    let target = place(&app, &fields).await?;
    places::remove(&app, &by, &target).await?;
    Ok(said(&f, Flash::Removed))
}

/// The place that a form is about.
async fn place(app: &App, fields: &Fields) -> Result<NoticeTarget, Problem> {
    places::named(app, fields.text("place")).await
}

fn said(f: &Frame, flash: Flash) -> Response {
    Redirect::to(&flash.at(&f.beside(AT))).into_response()
}
