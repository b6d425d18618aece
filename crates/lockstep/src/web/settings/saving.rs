//! Keeping what the form of all settings says: all of it, or with a mistake nothing.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use lockstep_core::change::Subject;
use lockstep_core::settings::{FIELDS, Settings};
use lockstep_run::schedule::{Wish, switch_on};
use lockstep_store::sites::{Site, SiteEdit};
use sha2::{Digest as _, Sha256};
use std::time::Duration;

use super::connection::Typed;
use super::{Form, fields, page, schedule, stored_form};
use crate::connecting;
use crate::deeds::Deed;
use crate::ordering;
use crate::server::{App, problem};
use crate::view::schedule::Told;
use crate::web::flash::Flash;
use crate::web::form::Fields;
use crate::web::frame::{self, Frame, Here, SayKind};
use crate::web::gateway::GatewayForm;
use crate::web::place;
use crate::web::refusal::Refusal;

/// `POST /sites/{site}/settings`
pub(in crate::web) async fn save(
    State(app): State<App>,
    mut f: Frame,
    typed: Fields,
) -> Result<Response, Refusal> {
    let by = f.writer()?.clone();
    let actor = by.actor();
    let site = f.site()?.clone();
    if typed.text("seen") != seen(&app, &site).await? {
        let said = f.t.form.stale.clone();
        f.say(SayKind::Bad, said, None);
        let form = stored_form(&app, &f).await?;
        let g = GatewayForm::stored(&site);
        let page = page(&app, f, g, form, false).await?;
        return Ok((StatusCode::CONFLICT, page).into_response());
    }
    let mut form = Form {
        schedules: schedule::stored(&app, &f, &site).await?,
        groups: fields::groups(&app, &f, &site, &typed, true),
        seen: typed.text("seen").to_owned(),
    };
    let mut wanted = Vec::new();
    for one in &mut form.schedules {
        wanted.push(one.typed(&typed, f.lang, app.now()).await);
    }
    let wrong = form.schedules.iter().any(|one| one.wrong.is_some())
        || form
            .groups
            .iter()
            .any(|group| group.rows.iter().any(|row| row.wrong.is_some()));
    let test = typed.has("test");
    let mut gateway = Typed::read(&site, &typed, test, f.lang);
    let right = gateway.form.wrong.is_empty();
    if right && (test || !wrong && gateway.differs && !typed.has("untested")) {
        gateway.look(&app, &site, f.lang).await?;
    }
    if right && test && !gateway.form.refused {
        let said = f.t.settings.test_ok.clone();
        f.say(SayKind::Good, said, None);
        return page(&app, f, gateway.form, form, false).await;
    }
    if wrong || !right || gateway.form.refused {
        return refused(&app, f, gateway.form, form).await;
    }
    let mut key = frame::key(&site).to_owned();
    if gateway.differs {
        let (edit, token) = gateway.edit(&site);
        match connecting::change(&app, &by, &site, edit, token).await {
            Ok(site) => frame::key(&site).clone_into(&mut key),
            Err(problem) if problem.code() == problem::CONFLICT => {
                let taken = f.t.sites.taken.clone();
                gateway.form.wrong.insert("name", taken);
                return refused(&app, f, gateway.form, form).await;
            }
            Err(problem) => return Err(problem.into()),
        }
    }
    let here = place::path(&["sites", &key, Here::Settings.code()]);
    let changed = changed(&app, &site, &typed);
    let mut done = gateway.differs || !changed.is_empty();
    let before = app.store().schedules(Some(&site.id)).await?;
    for (subject, wanted) in [Subject::Models, Subject::Prices].into_iter().zip(wanted) {
        let known = before.iter().find(|known| known.subject == subject);
        match (known, wanted) {
            (None, None) => {}
            (Some(_), None) => {
                let noting = app.noting(&by, Some(&site), Deed::schedule_off(subject));
                noting.remove_schedule(&site.id, subject).await?;
                done = true;
            }
            (Some(known), Some(wanted))
                if known.plan.rhythm == wanted.rhythm && known.plan.mode == wanted.mode => {}
            (known, Some(wanted)) => {
                // The same rhythm keeps by how much its ticks are put off.
                let jitter = known
                    .filter(|known| known.plan.rhythm == wanted.rhythm)
                    .map(|known| Duration::from_millis(known.plan.jitter_ms.unsigned_abs()));
                let wish = Wish {
                    rhythm: wanted.rhythm,
                    mode: Some(wanted.mode),
                    jitter,
                };
                let now = app.now();
                if let Err(why) = switch_on(app.store(), &site, subject, wish, &actor, now).await {
                    // All of it was looked at a moment ago: somebody else was faster.
                    tracing::warn!(%why, "a schedule was not switched on");
                    let said = f.t.form.stale.clone();
                    f.say(SayKind::Bad, said, None);
                    let page = page(&app, f, gateway.form, form, false).await?;
                    return Ok((StatusCode::CONFLICT, page).into_response());
                }
                let set = Told::of(app.store(), &site.id, subject).await?.form();
                let deed = Deed::schedule_set(&set);
                app.note(&by, Some(&site), &deed).await;
                done = true;
            }
        }
    }
    if !changed.is_empty() {
        let deed = Deed::settings_changed(&changed);
        let edit = SiteEdit {
            settings: Some(changed),
            ..SiteEdit::default()
        };
        let noting = app.noting(&by, Some(&site), deed);
        noting.edit_site(&site.id, edit).await?;
    }
    let said = if done { Flash::Saved } else { Flash::Unchanged };
    Ok(Redirect::to(&said.at(&here)).into_response())
}

/// The page with what is wrong: nothing of the form is kept, and nothing that was typed is gone but a token.
async fn refused(
    app: &App,
    mut f: Frame,
    gateway: GatewayForm,
    form: Form,
) -> Result<Response, Refusal> {
    let said = match gateway.refused {
        true => &f.t.settings.test_failed,
        false => &f.t.form.not_saved,
    };
    let mut places = gateway.places(f.t);
    places.extend(form.places(&f));
    f.refuse(said, places);
    let page = page(app, f, gateway, form, false).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// The settings that differ from what is stored; `None` for one that goes back to its default.
fn changed(app: &App, site: &Site, typed: &Fields) -> BTreeMap<String, Option<String>> {
    let defaults = Settings::default();
    let mut changed = BTreeMap::new();
    for field in FIELDS {
        let sent = fields::typed(typed, field.key).filter(|_| !fields::is_fixed(app, field.key));
        let Some(Ok(text)) = sent.map(|text| fields::check(field.key, &text)) else {
            continue;
        };
        let wanted = (text != ordering::text_of(&defaults, field.key)).then_some(text);
        let stored = site.settings.get(field.key);
        let stored = stored.and_then(|text| fields::check(field.key, text).ok());
        let is_there = site.settings.contains_key(field.key);
        if wanted.is_some() && wanted != stored || wanted.is_none() && is_there {
            changed.insert(field.key.to_owned(), wanted);
        }
    }
    changed
}

/// The digest of what the form shows: another one means that somebody changed it meanwhile.
pub(super) async fn seen(app: &App, site: &Site) -> Result<String, Refusal> {
    let mut digest = Sha256::new();
    // As it is now, and not as it was when the page was begun.
    let site = app.store().site(&site.id).await?;
    let gateway = GatewayForm::stored(&site);
    for text in [
        &gateway.name,
        &gateway.url,
        &gateway.user_id,
        &gateway.console_url,
        &gateway.allow_private,
    ] {
        digest.update(format!("{}:{text};", text.len()));
    }
    for (key, value) in &site.settings {
        digest.update(format!("{}:{key}={}:{value};", key.len(), value.len()));
    }
    for known in app.store().schedules(Some(&site.id)).await? {
        digest.update(format!("{}:{:?}", known.subject.code(), known.plan));
    }
    let digest = digest.finalize();
    Ok(digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
