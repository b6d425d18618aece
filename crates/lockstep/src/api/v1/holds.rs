//! Holds: what waits for an answer, and the four answers.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use lockstep_core::change::Subject;
use lockstep_core::hold::Answer;
use lockstep_run::answer;
use lockstep_run::jobs::{Chosen, Order};
use lockstep_store::holds::Hold;
use lockstep_store::prices::answers::{AnswerKind, PriceAnswer};
use lockstep_store::prices::holds::PriceHold;
use lockstep_store::sites::Site;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::runs::{RunStarted, started};
use crate::api::extract::{Body, Path};
use crate::api::orders;
use crate::deeds::Deed;
use crate::server::App;
use crate::server::caller::{Caller, Reader, Writer};
use crate::server::problem::{Mistake, Problem};
use crate::view::json as form;
use crate::words::en;

/// What waits on a channel.
#[derive(Debug, Serialize, ToSchema)]
struct ChannelHold {
    channel_id: i64,
    channel_name: String,
    /// The run that last found it.
    run: String,
    /// Since when just this waits; RFC 3339.
    since: String,
    /// Why it waits.
    #[schema(value_type = Reason)]
    hold: Value,
    /// Names whose addition waits.
    add: Vec<String>,
    /// Names whose removal waits.
    remove: Vec<String>,
    /// Whether "always allow here" can be answered.
    can_be_allowed: bool,
}

/// What waits on a model's price.
#[derive(Debug, Serialize, ToSchema)]
struct ModelHold {
    model: String,
    /// The source that the price was chosen from.
    source: Option<String>,
    /// The run that last found it.
    run: String,
    /// Since when just this waits; RFC 3339.
    since: String,
    /// Why it waits.
    #[schema(value_type = Reason)]
    hold: Value,
    /// Whether "always allow here" can be answered.
    can_be_allowed: bool,
}

/// A reason, as a code and in words.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Reason {
    /// A stable code.
    reason: String,
    message: String,
    hint: String,
}

/// All that waits.
#[derive(Debug, Serialize, ToSchema)]
struct Holds {
    channels: Vec<ChannelHold>,
    models: Vec<ModelHold>,
}

/// An answer to holds. Either channels or models are named, at least one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AnswerToHolds {
    /// What is answered.
    answer: TheAnswer,
    /// Channels, by their ids.
    #[serde(default)]
    channels: Vec<i64>,
    /// Models, by their names.
    #[serde(default)]
    models: Vec<String>,
}

/// The four answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum TheAnswer {
    /// Writes what is held, in a run of its own.
    Apply,
    /// Leaves it as it is until what is held becomes something else.
    Keep,
    /// Holds nothing for this reason here any more.
    Allow,
    /// Leaves the channel, or the model's price, alone from now on.
    Never,
}

/// What was answered.
#[derive(Debug, Serialize, ToSchema)]
struct Answered {
    answer: TheAnswer,
    channels: Vec<i64>,
    models: Vec<String>,
}

impl TheAnswer {
    /// The stable code.
    fn code(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Keep => "keep",
            Self::Allow => "allow",
            Self::Never => "never",
        }
    }
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(decide))
}

/// All that waits on a site.
#[utoipa::path(get, path = "/sites/{site}/holds", tag = "holds",
    responses((status = 200, body = Holds), (status = "default", body = Problem)))]
async fn list(
    State(app): State<App>,
    _: Reader,
    Path(site): Path<String>,
) -> Result<Json<Holds>, Problem> {
    let site = orders::site(&app, &site).await?;
    let channels = app.store().holds(&site.id).await?;
    let models = app.store().price_holds(&site.id).await?;
    Ok(Json(Holds {
        channels: channels.into_iter().map(ChannelHold::from).collect(),
        models: models.into_iter().map(ModelHold::from).collect(),
    }))
}

/// Answers holds: all that are named, or with a mistake none. `apply` begins a run; the others are remembered.
#[utoipa::path(post, path = "/sites/{site}/holds/answer", tag = "holds", request_body = AnswerToHolds,
    responses(
        (status = 200, body = Answered),
        (status = 202, body = RunStarted, description = "`apply`: the run has begun.", headers(("Location" = String))),
        (status = "default", body = Problem)
    ))]
async fn decide(
    State(app): State<App>,
    Writer(caller): Writer,
    Path(site): Path<String>,
    Body(answer): Body<AnswerToHolds>,
) -> Result<Response, Problem> {
    let site = orders::site(&app, &site).await?;
    let subject = match (answer.channels.is_empty(), answer.models.is_empty()) {
        (true, true) => return Err(lockstep_run::EngineError::EmptySelection.into()),
        (false, false) => {
            return Err(
                Problem::bad_request("channels and models are answered apart")
                    .hint("Send one request for the channels and one for the models."),
            );
        }
        (false, true) => Subject::Models,
        (true, false) => Subject::Prices,
    };
    let (channels, models) = waiting(&app, &site, &answer).await?;
    if answer.answer == TheAnswer::Apply {
        let only = match subject {
            Subject::Models => Chosen::Channels(answer.channels),
            Subject::Prices => Chosen::Models(answer.models),
        };
        let settings = orders::settings(&app, &site, &BTreeMap::new())?.settings;
        let access = orders::access(&app, site.clone()).await?;
        let order = Order::Held { subject, only };
        let run = orders::start(&app, &caller, access, settings, order).await?;
        return Ok(started(&app, &site, &run).await?.into_response());
    }
    let _alone = app.engine().alone(&site).await?;
    match subject {
        Subject::Models => {
            let kind = answer.answer.of_channels();
            let ids: Vec<i64> = channels.iter().map(|hold| hold.channel_id).collect();
            answer::answer(app.store(), &site.id, &ids, kind).await?;
        }
        Subject::Prices => remember(&app, &caller, &site, answer.answer, &models).await?,
    }
    let deed = Deed::holds_answered(answer.answer.code(), &answer.channels, &answer.models);
    app.note(&caller, Some(&site), &deed).await;
    Ok(Json(Answered {
        answer: answer.answer,
        channels: answer.channels,
        models: answer.models,
    })
    .into_response())
}

/// The holds that are meant, or every mistake of the answer.
async fn waiting(
    app: &App,
    site: &Site,
    answer: &AnswerToHolds,
) -> Result<(Vec<Hold>, Vec<PriceHold>), Problem> {
    let channels = app.store().holds(&site.id).await?;
    let models = app.store().price_holds(&site.id).await?;
    let mut mistakes = Vec::new();
    let mut wrong = |field: &str, message: String| {
        mistakes.push(Mistake {
            field: field.to_owned(),
            message,
        });
    };
    let allow = answer.answer == TheAnswer::Allow;
    for id in &answer.channels {
        match channels.iter().find(|hold| hold.channel_id == *id) {
            None => wrong("channels", format!("nothing is held on channel {id}")),
            Some(hold) if allow && !hold.reason.code.can_be_allowed() => {
                let said = en::reason(&hold.reason).message;
                wrong(
                    "channels",
                    format!("channel {id}: {said}. That cannot be allowed for good"),
                );
            }
            Some(_) => {}
        }
    }
    for model in &answer.models {
        match models.iter().find(|hold| hold.model == *model) {
            None => wrong("models", format!("nothing is held of `{model}`")),
            Some(hold) if allow && !hold.reason.code.can_be_allowed() => {
                let said = en::reason(&hold.reason).message;
                wrong(
                    "models",
                    format!("{model}: {said}. That cannot be allowed for good"),
                );
            }
            Some(_) => {}
        }
    }
    if !mistakes.is_empty() {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "not_held",
            "not all that was named can be answered so, so nothing was",
        )
        .hint("GET /api/v1/sites/{site}/holds tells what waits; `keep` and `never` answer every hold.")
        .mistakes(mistakes));
    }
    let named = |hold: &Hold| answer.channels.contains(&hold.channel_id);
    let of = |hold: &PriceHold| answer.models.contains(&hold.model);
    Ok((
        channels.into_iter().filter(named).collect(),
        models.into_iter().filter(of).collect(),
    ))
}

/// Remembers an answer about each of the models; what was held of them waits no more.
async fn remember(
    app: &App,
    caller: &Caller,
    site: &Site,
    answer: TheAnswer,
    holds: &[PriceHold],
) -> Result<(), Problem> {
    let kind = |hold: &PriceHold| match answer {
        TheAnswer::Never => Some(AnswerKind::Ignore),
        TheAnswer::Keep => Some(AnswerKind::Keep(hold.digest.clone())),
        TheAnswer::Allow => Some(AnswerKind::Allow(hold.reason.code)),
        TheAnswer::Apply => None,
    };
    let answers = holds
        .iter()
        .filter_map(|hold| {
            Some(PriceAnswer {
                model: hold.model.clone(),
                field: None,
                kind: kind(hold)?,
                by: caller.actor(),
                at: app.now(),
            })
        })
        .collect();
    app.store().set_price_answers(&site.id, answers).await?;
    for hold in holds {
        app.store().delete_price_hold(&site.id, &hold.model).await?;
    }
    Ok(())
}

impl TheAnswer {
    fn of_channels(self) -> Answer {
        match self {
            Self::Apply => Answer::ApplyAnyway,
            Self::Keep => Answer::KeepUntilItChanges,
            Self::Allow => Answer::AlwaysAllow,
            Self::Never => Answer::NeverSync,
        }
    }
}

impl From<Hold> for ChannelHold {
    fn from(hold: Hold) -> Self {
        Self {
            channel_id: hold.channel_id,
            channel_name: hold.channel_name,
            run: hold.run_id,
            since: form::time(hold.since),
            can_be_allowed: hold.reason.code.can_be_allowed(),
            hold: form::reason(&hold.reason),
            add: hold.held_add,
            remove: hold.held_remove,
        }
    }
}

impl From<PriceHold> for ModelHold {
    fn from(hold: PriceHold) -> Self {
        Self {
            model: hold.model,
            source: hold.source,
            run: hold.run_id,
            since: form::time(hold.since),
            can_be_allowed: hold.reason.code.can_be_allowed(),
            hold: form::reason(&hold.reason),
        }
    }
}
