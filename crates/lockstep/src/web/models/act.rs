//! What is done from the page: runs begun, a plan applied, holds answered.

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use lockstep_core::hash::Digest;
use lockstep_core::hold::Answer;
use lockstep_run::jobs::{Chosen as Only, Go};
use lockstep_run::{EngineError, Source};
use lockstep_store::sites::Site;

use super::listing::Listings;
use super::{TABLE, refused, results};
use crate::deciding;
use crate::deciding::answers::{self, Answered};
use crate::server::App;
use crate::server::problem::Problem;
use crate::web::flash::Flash;
use crate::web::form::Fields;
use crate::web::frame::{Frame, Here};
use crate::web::live;
use crate::web::refusal::Refusal;
use crate::web::table::{Asked, Chosen};

/// `POST /sites/{site}/models/run`: `what` is `preview`, `all`, `failed`, `selected` or `preview-selected`, and `one` a
/// channel.
pub(in crate::web) async fn run(
    State(app): State<App>,
    f: Frame,
    Extension(listings): Extension<Listings>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let asked = asked(&f, &fields);
    let site = f.site()?.clone();
    let go = match fields.text("what") {
        "preview" | "preview-selected" => Go::Plans,
        _ => Go::Writes,
    };
    let source = match fields.text("one").parse() {
        Ok(id) => Source::Selected(vec![id]),
        Err(_) => match fields.text("what") {
            "failed" => Source::RetryFailed,
            "selected" | "preview-selected" => {
                let chosen = Chosen::of_form(&TABLE, asked.path(), &fields);
                Source::Selected(ids(&app, &f, &site, &listings, chosen).await?)
            }
            _ => Source::All,
        },
    };
    let begun = deciding::begin_models(&app, &f.caller, &site, source, go).await;
    match begun {
        // What was chosen has been done; the next choice begins anew.
        Ok(_) => led(Flash::Started, &asked.with(&[("take", "none")])),
        Err(problem) => match problem.code() {
            "empty_selection" => led(Flash::NoneSelected, &asked.href()),
            "nothing_to_do" => led(Flash::NoneFailed, &asked.href()),
            _ => refused(&app, f, &listings, asked, &problem).await,
        },
    }
}

/// The channels that are chosen.
pub(super) async fn ids(
    app: &App,
    f: &Frame,
    site: &Site,
    listings: &Listings,
    chosen: Chosen,
) -> Result<Vec<i64>, Refusal> {
    match chosen {
        Chosen::These(picks) => Ok(picks.iter().filter_map(|id| id.parse().ok()).collect()),
        Chosen::All(asked) => results::all_that_match(app, f.lang, site, listings, &asked).await,
    }
}

/// `POST /sites/{site}/models/apply`: the yes to the plan that was shown, with `chosen` to the chosen channels of it.
pub(in crate::web) async fn apply(
    State(app): State<App>,
    f: Frame,
    Extension(listings): Extension<Listings>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let caller = f.writer()?.clone();
    let asked = asked(&f, &fields);
    let site = f.site()?.clone();
    let run = live::run_of(&app, &f, fields.text("run")).await?;
    let shown = Digest::stored(fields.text("plan").to_owned());
    let only = match fields.has("chosen") {
        true => {
            let chosen = Chosen::of_form(&TABLE, asked.path(), &fields);
            Only::Channels(ids(&app, &f, &site, &listings, chosen).await?)
        }
        false => Only::All,
    };
    if only == Only::Channels(Vec::new()) {
        return led(Flash::NoneSelected, &asked.href());
    }
    let begun = deciding::apply(&app, &caller, &site, &run, shown, only, false).await;
    let problem = match begun {
        // What was chosen has been done; the next choice begins anew.
        Ok(_) => return led(Flash::Started, &asked.with(&[("take", "none")])),
        Err(problem) => problem,
    };
    if !matches!(
        problem.code(),
        "plan_changed" | "policy_changed" | "expired"
    ) {
        return refused(&app, f, &listings, asked, &problem).await;
    }
    // What was shown is not what would be written: it is planned and shown again.
    let source = match run.selection {
        Some(ids) => Source::Selected(ids),
        None => Source::All,
    };
    match deciding::begin_models(&app, &caller, &site, source, Go::Plans).await {
        Ok(_) => led(Flash::PlanMoved, &asked.href()),
        Err(problem) => refused(&app, f, &listings, asked, &problem).await,
    }
}

/// `POST /sites/{site}/models/answer`: `answer` is the answer and the channel, as `keep:17`.
pub(in crate::web) async fn answer(
    State(app): State<App>,
    f: Frame,
    Extension(listings): Extension<Listings>,
    fields: Fields,
) -> Result<Response, Refusal> {
    let caller = f.writer()?.clone();
    let asked = asked(&f, &fields);
    let site = f.site()?.clone();
    let answered = fields.text("answer").split_once(':');
    let answered = answered.and_then(|(answer, id)| {
        Some(Answered {
            answer: Answer::from_code(answer)?,
            channels: vec![id.parse().ok()?],
            models: Vec::new(),
        })
    });
    let Some(answered) = answered else {
        return Err(Problem::from(EngineError::NothingHeld).into());
    };
    match answers::answer(&app, &caller, &site, &answered).await {
        Ok(Some(_)) => led(Flash::Started, &asked.href()),
        Ok(None) => led(Flash::Saved, &asked.href()),
        Err(problem) => match problem.code() {
            "not_held" | "nothing_to_do" => led(Flash::NothingHeld, &asked.href()),
            _ => refused(&app, f, &listings, asked, &problem).await,
        },
    }
}

/// The table as it was when the form was sent.
fn asked(f: &Frame, fields: &Fields) -> Asked {
    Asked::of_form(&TABLE, &f.href(Here::Models), fields)
}

fn led(said: Flash, to: &str) -> Result<Response, Refusal> {
    Ok(Redirect::to(&said.at(to)).into_response())
}
