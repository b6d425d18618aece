//! The four answers to what is held.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use lockstep_core::change::Subject;
use lockstep_core::hold::Answer;
use lockstep_run::EngineError;
use lockstep_run::answer;
use lockstep_run::jobs::{Chosen, Order};
use lockstep_store::holds::Hold;
use lockstep_store::prices::answers::{AnswerKind, PriceAnswer};
use lockstep_store::prices::holds::PriceHold;
use lockstep_store::sites::Site;

use crate::api::orders;
use crate::deeds::Deed;
use crate::server::App;
use crate::server::caller::Caller;
use crate::server::problem::{Mistake, Problem};
use crate::words::en;

/// What is answered. Either channels or models are named, at least one.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    /// The answer.
    pub(crate) answer: Answer,
    /// Channels, by their ids.
    pub(crate) channels: Vec<i64>,
    /// Models, by their names.
    pub(crate) models: Vec<String>,
}

/// Answers holds: all that are named, or with a mistake none. "Apply anyway" begins a run, whose id comes back; the
/// others are remembered.
pub(crate) async fn answer(
    app: &App,
    caller: &Caller,
    site: &Site,
    answered: &Answered,
) -> Result<Option<String>, Problem> {
    orders::may_write(caller)?;
    let subject = match (answered.channels.is_empty(), answered.models.is_empty()) {
        (true, true) => return Err(EngineError::EmptySelection.into()),
        (false, false) => {
            return Err(
                Problem::bad_request("channels and models are answered apart")
                    .hint("Send one request for the channels and one for the models."),
            );
        }
        (false, true) => Subject::Models,
        (true, false) => Subject::Prices,
    };
    let (channels, models) = waiting(app, site, answered).await?;
    if answered.answer == Answer::ApplyAnyway {
        let only = match subject {
            Subject::Models => Chosen::Channels(answered.channels.clone()),
            Subject::Prices => Chosen::Models(answered.models.clone()),
        };
        let settings = orders::settings(app, site, &BTreeMap::new())?.settings;
        let access = orders::access(app, site.clone()).await?;
        let order = Order::Held { subject, only };
        let run = orders::start(app, caller, access, settings, order, false).await?;
        return Ok(Some(run));
    }
    let _alone = app.engine().alone(site).await?;
    match subject {
        Subject::Models => {
            let ids: Vec<i64> = channels.iter().map(|hold| hold.channel_id).collect();
            answer::answer(app.store(), &site.id, &ids, answered.answer).await?;
        }
        Subject::Prices => remember(app, caller, site, answered.answer, &models).await?,
    }
    let deed = Deed::holds_answered(answered.answer, &answered.channels, &answered.models);
    app.note(caller, Some(site), &deed).await;
    Ok(None)
}

/// The holds that are meant, or every mistake of the answer.
async fn waiting(
    app: &App,
    site: &Site,
    answered: &Answered,
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
    let allow = answered.answer == Answer::AlwaysAllow;
    let apply = answered.answer == Answer::ApplyAnyway;
    for id in &answered.channels {
        match channels.iter().find(|hold| hold.channel_id == *id) {
            None => wrong("channels", format!("nothing is held on channel {id}")),
            Some(hold) if allow && !hold.reason.code.can_be_allowed() => {
                let said = en::reason(&hold.reason).message;
                wrong(
                    "channels",
                    format!("channel {id}: {said}. That cannot be allowed for good"),
                );
            }
            Some(hold) if apply && !hold.reason.code.can_be_applied() => {
                let said = en::reason(&hold.reason).message;
                wrong(
                    "channels",
                    format!("channel {id}: {said}. That is never written"),
                );
            }
            Some(_) => {}
        }
    }
    for model in &answered.models {
        match models.iter().find(|hold| hold.model == *model) {
            None => wrong("models", format!("nothing is held of `{model}`")),
            Some(hold) if allow && !hold.reason.code.can_be_allowed() => {
                let said = en::reason(&hold.reason).message;
                wrong(
                    "models",
                    format!("{model}: {said}. That cannot be allowed for good"),
                );
            }
            Some(hold) if apply && !hold.reason.code.can_be_applied() => {
                let said = en::reason(&hold.reason).message;
                wrong("models", format!("{model}: {said}. That is never written"));
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
    let named = |hold: &Hold| answered.channels.contains(&hold.channel_id);
    let of = |hold: &PriceHold| answered.models.contains(&hold.model);
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
    answer: Answer,
    holds: &[PriceHold],
) -> Result<(), Problem> {
    let kind = |hold: &PriceHold| match answer {
        Answer::NeverSync => Some(AnswerKind::Ignore),
        Answer::KeepUntilItChanges => Some(AnswerKind::Keep(hold.digest.clone())),
        Answer::AlwaysAllow => Some(AnswerKind::Allow(hold.reason.code)),
        Answer::ApplyAnyway => None,
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
