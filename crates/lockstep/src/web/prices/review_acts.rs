//! What is decided about a price run: written as it was shown, planned once more, taken back.

use std::collections::BTreeSet;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use lockstep_core::change::RunState;
use lockstep_core::hash::Digest;
use lockstep_run::jobs::{Chosen, Go};
use lockstep_run::prices::chosen::Picks;
use lockstep_store::prices::PriceRow;
use lockstep_store::prices::standing::Standing;
use lockstep_store::runs::Run;

use super::cells::model_id;
use super::review::{found, led_to, refused, to_be_repeated};
use crate::deciding;
use crate::server::App;
use crate::server::problem::Problem;
use crate::web::flash::Flash;
use crate::web::form::Fields;
use crate::web::frame::Frame;
use crate::web::live::{PLANNING, Soon, WRITING, soon};
use crate::web::refusal::Refusal;

/// `POST .../apply`: the yes to the plan that was shown. What moved meanwhile is not written. The gateway's price page is
/// asked afterwards where that is ticked.
pub(super) async fn apply(
    State(app): State<App>,
    f: Frame,
    Path((_, run)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, Refusal> {
    f.writer()?;
    let site = f.site()?.clone();
    let run = found(&app, &f, &run).await?;
    let shown = Digest::stored(fields.text("plan").to_owned());
    let verify = fields.has("verify");
    let begun = deciding::apply(&app, &f.caller, &site, &run, shown, Chosen::All, verify).await;
    led(&app, f, &run, begun, &WRITING, "").await
}

/// `POST .../again`: the same choice planned once more, by what the gateway has now. What was ticked is let pass although
/// it looks wrong; of a run that is over only what it did not write is meant. One that was cut off before it had a plan
/// is planned as it was asked for.
pub(super) async fn again(
    State(app): State<App>,
    f: Frame,
    Path((_, run)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, Refusal> {
    f.writer()?;
    let site = f.site()?.clone();
    let run = found(&app, &f, &run).await?;
    if to_be_repeated(&run) {
        let begun = deciding::prices::plan_again(&app, &f.caller, &site, &run).await;
        return led(&app, f, &run, begun, &PLANNING, "").await;
    }
    let mut allowed: BTreeSet<String> = fields.all("allow").map(str::to_owned).collect();
    allowed.extend(fields.text("ok").split(',').map(str::to_owned));
    allowed.remove("");
    let rows = app.store().price_rows(&run.id).await?;
    let picks = picks(&rows, run.state != RunState::Planned, &allowed);
    if picks.is_empty() {
        return Ok(Redirect::to(&Flash::NothingChosen.at(&led_to(&f, &run.id))).into_response());
    }
    let ok: Vec<String> = allowed.into_iter().collect();
    let more = match ok.is_empty() {
        true => String::new(),
        false => format!("?ok={}", ok.join("%2C")),
    };
    let begun = deciding::prices::review(&app, &f.caller, &site, picks).await;
    led(&app, f, &run, begun, &PLANNING, &more).await
}

/// What was chosen of these rows.
fn picks(rows: &[PriceRow], only_unwritten: bool, allowed: &BTreeSet<String>) -> Picks {
    let mut picks = Picks::new();
    for model in rows.chunk_by(|one, next| one.model == next.model) {
        let unwritten = matches!(Standing::of(model), Standing::Moved | Standing::Failed);
        if only_unwritten && !unwritten {
            continue;
        }
        for row in model.iter().filter(|row| row.new.is_some()) {
            if let Some(source) = &row.source {
                let picked = picks.entry(row.model.clone()).or_default();
                picked.fields.insert(row.field, source.clone());
                picked.approved = allowed.contains(&model_id(&row.model));
            }
        }
    }
    picks
}

/// `POST .../undo`: what the run wrote is planned to be taken back, and shown before that is done.
pub(super) async fn undo(
    State(app): State<App>,
    f: Frame,
    Path((_, run)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    f.writer()?;
    let site = f.site()?.clone();
    let run = found(&app, &f, &run).await?;
    let begun = deciding::undo(&app, &f.caller, &site, &run, Chosen::All, Go::Plans).await;
    led(&app, f, &run, begun, &PLANNING, "").await
}

/// To the run that was begun, after a little; else the page of this run with why there is none.
async fn led(
    app: &App,
    f: Frame,
    run: &Run,
    begun: Result<String, Problem>,
    wait: &Soon,
    more: &str,
) -> Result<Response, Refusal> {
    match begun {
        Ok(id) => {
            soon(app, &id, wait).await;
            Ok(Redirect::to(&format!("{}{more}", led_to(&f, &id))).into_response())
        }
        Err(problem) => refused(app, f, run, &problem).await,
    }
}
