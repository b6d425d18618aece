//! Holds: what waits for an answer, and the four answers.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use lockstep_core::hold::Answer;
use lockstep_store::holds::Hold;
use lockstep_store::prices::holds::PriceHold;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::runs::{RunStarted, started};
use crate::api::extract::{Body, Path};
use crate::api::orders;
use crate::deciding::answers;
use crate::server::App;
use crate::server::caller::{Reader, Writer};
use crate::server::problem::Problem;
use crate::view::json as form;

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
    let asked = answers::Answered {
        answer: answer.answer.core(),
        channels: answer.channels.clone(),
        models: answer.models.clone(),
    };
    if let Some(run) = answers::answer(&app, &caller, &site, &asked).await? {
        return Ok(started(&app, &site, &run).await?.into_response());
    }
    Ok(Json(Answered {
        answer: answer.answer,
        channels: answer.channels,
        models: answer.models,
    })
    .into_response())
}

impl TheAnswer {
    /// The same of the core.
    fn core(self) -> Answer {
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
