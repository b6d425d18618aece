//! What was decided about prices: what is never written, how a model stays billed, what is not told any more.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::values::Kind;
use lockstep_run::prices::compare::compare;
use lockstep_store::prices::answers::{AnswerKind, PriceAnswer};
use lockstep_store::sites::Site;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::extract::{Body, Path};
use crate::api::orders::{Reached, site};
use crate::deeds::Deed;
use crate::server::App;
use crate::server::caller::{Caller, Reader, Writer};
use crate::server::problem::Problem;
use crate::view::json as form;

/// The answers that are remembered.
#[derive(Debug, Serialize, ToSchema)]
struct Answers {
    answers: Vec<Answer>,
}

/// One answer.
#[derive(Debug, Serialize, ToSchema)]
struct Answer {
    /// The model.
    model: String,
    /// The one value that it is about; null for the whole model.
    field: Option<&'static str>,
    /// `lock`, `keep_kind`, `ignore`, `keep` or `allow`.
    answer: &'static str,
    /// How the model stays billed, for `keep_kind`.
    kind: Option<&'static str>,
    /// What holds it no more, for `allow`.
    reason: Option<&'static str>,
    /// Who decided.
    by: String,
    /// When.
    at: String,
}

/// A decision about models.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Decision {
    /// The models; none is refused.
    models: Vec<String>,
    /// What is decided.
    answer: Word,
    /// The one value that is locked; without it the whole model is.
    field: Option<String>,
}

/// What can be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Word {
    /// Never write it.
    Lock,
    /// Keep it billed as the gateway bills it now.
    KeepKind,
    /// Say nothing more of it.
    Ignore,
    /// Take back what was decided.
    Unlock,
}

impl Word {
    /// The stable code.
    fn code(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::KeepKind => "keep_kind",
            Self::Ignore => "ignore",
            Self::Unlock => "unlock",
        }
    }
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, decide))
}

/// What was decided about prices.
#[utoipa::path(get, path = "/sites/{site}/prices/answers", tag = "prices",
    responses((status = 200, body = Answers), (status = "default", body = Problem)))]
async fn list(
    State(app): State<App>,
    _: Reader,
    Path(name): Path<String>,
) -> Result<Json<Answers>, Problem> {
    told(&app, &site(&app, &name).await?).await
}

/// Decides about models, all or none of them; answers all that is decided then.
#[utoipa::path(post, path = "/sites/{site}/prices/answers", tag = "prices", request_body = Decision,
    responses((status = 200, body = Answers), (status = "default", body = Problem)))]
async fn decide(
    State(app): State<App>,
    Writer(caller): Writer,
    Path(name): Path<String>,
    Body(decision): Body<Decision>,
) -> Result<Json<Answers>, Problem> {
    let site = site(&app, &name).await?;
    let Decision {
        models,
        answer,
        field,
    } = decision;
    if models.is_empty() {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "empty_selection",
            "no model was named",
        )
        .hint("Name the models that are meant; none is never taken for all."));
    }
    let field = match (field, answer) {
        (None, _) => None,
        (Some(code), Word::Lock) => Some(
            Field::from_code(&code)
                .ok_or_else(|| Problem::bad_request(format!("`{code}` is no price field")))?,
        ),
        (Some(_), _) => return Err(Problem::bad_request("only a lock can be about one field")),
    };
    decided(&app, &caller, &site, &models, answer, field).await?;
    told(&app, &site).await
}

/// Remembers a decision about models, or takes back what was decided.
pub(crate) async fn decided(
    app: &App,
    caller: &Caller,
    site: &Site,
    models: &[String],
    answer: Word,
    field: Option<Field>,
) -> Result<(), Problem> {
    match answer {
        Word::Lock => {
            let kind = AnswerKind::Lock;
            remember(app, caller, site, models, field, |_| kind.clone()).await?;
        }
        Word::Ignore => {
            let kind = AnswerKind::Ignore;
            remember(app, caller, site, models, None, |_| kind.clone()).await?;
        }
        Word::KeepKind => {
            let kinds = kinds(app, caller, site.clone(), models).await?;
            let of = |model: &String| {
                AnswerKind::KeepKind(kinds.get(model).copied().unwrap_or(Kind::PerToken))
            };
            remember(app, caller, site, models, None, of).await?;
        }
        Word::Unlock => unlock(app, caller, site, models).await?,
    }
    let deed = Deed::prices_answered(answer.code(), models, field);
    app.note(caller, Some(site), &deed).await;
    Ok(())
}

async fn told(app: &App, site: &Site) -> Result<Json<Answers>, Problem> {
    let answers = app.store().price_answers(&site.id).await?;
    Ok(Json(Answers {
        answers: answers.into_iter().map(Answer::from).collect(),
    }))
}

/// Remembers an answer about each model; what was held of them waits no more.
async fn remember(
    app: &App,
    caller: &Caller,
    site: &Site,
    models: &[String],
    field: Option<Field>,
    kind: impl Fn(&String) -> AnswerKind,
) -> Result<(), Problem> {
    let engine = app.engine().acting_as(caller.actor());
    let _alone = engine.alone(site).await?;
    let answers = models
        .iter()
        .map(|model| PriceAnswer {
            model: model.clone(),
            field,
            kind: kind(model),
            by: engine.actor().to_owned(),
            at: app.now(),
        })
        .collect();
    app.store().set_price_answers(&site.id, answers).await?;
    for model in models {
        app.store().delete_price_hold(&site.id, model).await?;
    }
    Ok(())
}

async fn unlock(app: &App, caller: &Caller, site: &Site, models: &[String]) -> Result<(), Problem> {
    let engine = app.engine().acting_as(caller.actor());
    let _alone = engine.alone(site).await?;
    let decided = app.store().price_answers(&site.id).await?;
    let nothing = |model: &&String| decided.iter().all(|answer| answer.model != **model);
    if let Some(model) = models.iter().find(nothing) {
        let title = format!("nothing was decided about `{model}`");
        return Err(Problem::new(StatusCode::NOT_FOUND, "not_found", title));
    }
    for model in models {
        app.store()
            .delete_price_answers(&site.id, model, None)
            .await?;
    }
    Ok(())
}

/// How the gateway bills each of the models now.
async fn kinds(
    app: &App,
    caller: &Caller,
    site: Site,
    models: &[String],
) -> Result<BTreeMap<String, Kind>, Problem> {
    let reached = Reached::of(app, site).await?;
    let session = reached.session(app, &caller.actor());
    let local = session.local_prices(reached.settings.max_retries).await?;
    let compared = compare(&local, &[]);
    let kind = |model: &String| {
        let known = compared.names.find(model);
        let kind = known.and_then(|id| compared.local.table.values(id).kind());
        let kind = kind.ok_or_else(|| {
            let title = format!(
                "`{model}` has no price on the gateway, so there is no way of billing to keep"
            );
            Problem::new(StatusCode::CONFLICT, "no_price", title)
        })?;
        Ok((model.clone(), kind))
    };
    models.iter().map(kind).collect()
}

impl From<PriceAnswer> for Answer {
    fn from(answer: PriceAnswer) -> Self {
        Self {
            field: answer.field.map(Field::code),
            answer: answer.kind.code(),
            kind: match &answer.kind {
                AnswerKind::KeepKind(kind) => Some(kind.code()),
                _ => None,
            },
            reason: match &answer.kind {
                AnswerKind::Allow(reason) => Some(reason.code()),
                _ => None,
            },
            model: answer.model,
            by: answer.by,
            at: form::time(answer.at),
        }
    }
}
