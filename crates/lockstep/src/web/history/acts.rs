//! Taking a run back: planned and shown first, and written only as it was shown.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use lockstep_core::change::Subject;
use lockstep_core::hash::Digest;
use lockstep_run::jobs::{Chosen as Only, Go};

use super::items::{SHAPE, chosen};
use super::run::refused;
use super::run_at;
use crate::deciding;
use crate::server::App;
use crate::web::flash::Flash;
use crate::web::form::Fields;
use crate::web::frame::Frame;
use crate::web::live::{PLANNING, WRITING, run_of, soon};
use crate::web::refusal::Refusal;
use crate::web::table::{Asked, Chosen};

/// `POST /sites/{site}/history/{run}/undo`: `what` is `chosen` for the rows that are ticked; else the whole run is meant.
pub(super) async fn undo(
    State(app): State<App>,
    f: Frame,
    Path((_, run)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let site = f.site()?.clone();
    let run = run_of(&app, &f, &run).await?;
    let path = run_at(&f, &run.id);
    let asked = Asked::of_form(&SHAPE, &path, &fields);
    let only = match fields.text("what") {
        "chosen" => {
            let rows = Chosen::of_form(&SHAPE, &path, &fields);
            chosen(app.store(), &run, rows).await?
        }
        _ => Some(Only::All),
    };
    let Some(only) = only else {
        let said = match run.subject {
            Subject::Models => Flash::NoneSelected,
            Subject::Prices => Flash::NothingChosen,
        };
        return Ok(Redirect::to(&said.at(&asked.href())).into_response());
    };
    match deciding::undo(&app, &f.caller, &site, &run, only, Go::Plans).await {
        Ok(id) => {
            soon(&app, &id, &PLANNING).await;
            Ok(Redirect::to(&run_at(&f, &id)).into_response())
        }
        Err(problem) => refused(&app, f, &run, asked, &problem).await,
    }
}

/// `POST /sites/{site}/history/{run}/apply`: the yes to the undo that was shown. What somebody changed since stays.
pub(super) async fn apply(
    State(app): State<App>,
    f: Frame,
    Path((_, run)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let site = f.site()?.clone();
    let run = run_of(&app, &f, &run).await?;
    let asked = Asked::of_form(&SHAPE, &run_at(&f, &run.id), &fields);
    let shown = Digest::stored(fields.text("plan").to_owned());
    match deciding::apply(&app, &f.caller, &site, &run, shown, Only::All, false).await {
        Ok(id) => {
            soon(&app, &id, &WRITING).await;
            Ok(Redirect::to(&run_at(&f, &id)).into_response())
        }
        Err(problem) => refused(&app, f, &run, asked, &problem).await,
    }
}
