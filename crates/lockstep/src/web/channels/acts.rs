//! What is changed of a channel, or of all of a provider.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use super::one::{LINES, Typed, page};
use crate::api::v1::channels::own::{Own, set_channel, set_provider_own};
use crate::api::v1::channels::rules::give_back;
use crate::api::v1::channels::{Scope, known};
use crate::server::App;
use crate::server::problem::Problem;
use crate::web::flash::Flash;
use crate::web::form::Fields;
use crate::web::frame::{Frame, Here, SayKind};
use crate::web::place;
use crate::web::refusal::Refusal;

/// `POST /sites/{site}/channels/{channel}`: `whose` is `channel` or `provider`. `preview` only shows what it would hit,
/// `reset` takes all of it away.
pub(super) async fn save(
    State(app): State<App>,
    mut f: Frame,
    Path((_, channel)): Path<(String, i64)>,
    fields: Fields,
) -> Result<Response, Refusal> {
    f.writer()?;
    let site = f.site()?.clone();
    let row = known(&app, &site, channel).await?;
    let whose = match fields.text("whose") {
        "provider" => "provider",
        _ => "channel",
    };
    if fields.has("preview") {
        let typed = Typed {
            whose,
            fields: &fields,
            wrong: Vec::new(),
        };
        return page(&app, f, channel, Some(typed)).await;
    }
    let own = match fields.has("reset") {
        true => Own::default(),
        false => typed(&fields, whose),
    };
    let own = match own.read() {
        Ok(own) => own,
        Err(problem) => {
            let said = f.t.form.not_saved.clone();
            f.say(SayKind::Bad, said, None);
            let wrong = wrong(&f, &problem);
            let typed = Typed {
                whose,
                fields: &fields,
                wrong,
            };
            let page = page(&app, f, channel, Some(typed)).await?;
            return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
        }
    };
    let scope = Scope::of(&app, &site).await?;
    let before = match whose {
        "provider" => scope.providers.get(&row.provider),
        _ => scope.channels.get(&channel),
    };
    if before.cloned().unwrap_or_default() == own {
        return Ok(led(&f, channel, Flash::Unchanged));
    }
    match whose {
        "provider" => set_provider_own(&app, &f.caller, &site, &row.provider, &own).await?,
        _ => set_channel(&app, &f.caller, &site, channel, &own).await?,
    }
    Ok(led(&f, channel, Flash::Saved))
}

/// What was typed.
fn typed(fields: &Fields, whose: &str) -> Own {
    let lines = LINES.map(|name| fields.lines(&format!("{whose}-{name}")));
    let [keep, allow, include, exclude] = lines;
    let policy = fields.trimmed(&format!("{whose}-policy"));
    Own {
        policy: (!policy.is_empty()).then(|| policy.to_owned()),
        keep,
        allow,
        include,
        exclude,
        always_allowed: fields
            .all(&format!("{whose}-allowed"))
            .map(str::to_owned)
            .collect(),
    }
}

/// Mistakes by their fields.
fn wrong(f: &Frame, problem: &Problem) -> Vec<(&'static str, String)> {
    let known = |field: &str| {
        ["policy", "include", "exclude"]
            .into_iter()
            .find(|name| *name == field)
    };
    let mistakes = problem.errors().iter();
    mistakes
        .filter_map(|mistake| {
            let field = known(&mistake.field)?;
            Some((
                field,
                format!("{} {}", f.t.channels.bad_rule, mistake.message),
            ))
        })
        .collect()
}

/// `POST .../release`: names that were edited by hand are the provider's again.
pub(super) async fn release(
    State(app): State<App>,
    f: Frame,
    Path((_, channel)): Path<(String, i64)>,
    fields: Fields,
) -> Result<Response, Refusal> {
    f.writer()?;
    let site = f.site()?.clone();
    let names: Vec<String> = fields.all("name").map(str::to_owned).collect();
    if names.is_empty() {
        return Ok(led(&f, channel, Flash::NothingChosen));
    }
    give_back(&app, &f.caller, &site, channel, &names).await?;
    Ok(led(&f, channel, Flash::Saved))
}

fn led(f: &Frame, channel: i64, flash: Flash) -> Response {
    let path = place::path(&[&channel.to_string()]);
    Redirect::to(&flash.at(&format!("{}{path}", f.href(Here::Channels)))).into_response()
}
