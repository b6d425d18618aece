//! What is done about sources: added, tested, preferred, forgotten; and the networks that they may be in.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use lockstep_core::prices::source::SourceSpec;
use lockstep_store::StoreError;
use lockstep_store::sites::SiteEdit;

use super::below;
use super::sources::{Form, network, page};
use crate::api::v1::prices::sources::{
    forget, is_believed, keep, look, prefer, reaches_no_further,
};
use crate::connecting;
use crate::server::App;
use crate::server::problem::Problem;
use crate::web::flash::Flash;
use crate::web::form::Fields;
use crate::web::frame::{Frame, SayKind};
use crate::web::refusal::Refusal;

/// `POST .../sources/add`: a preset, a channel, or an address of one's own; tested before it is kept.
pub(super) async fn add(
    State(app): State<App>,
    mut f: Frame,
    fields: Fields,
) -> Result<Response, Refusal> {
    f.writer()?;
    let site = f.site()?.clone();
    let mut form = Form::typed(&fields);
    let Some(spec) = spec(&mut form, &f) else {
        return again(&app, f, form).await;
    };
    reaches_no_further(&spec)?;
    if !fields.has("untested") {
        let told = match look(&app, &f.caller, site.clone(), &[spec.to_string()]).await {
            Ok(told) => told,
            Err(problem) => {
                form.failed = Some(problem.words(f.lang));
                return again(&app, f, form).await;
            }
        };
        if let Some(bad) = told.iter().find(|source| !is_believed(source)) {
            form.network = network(bad);
            form.failed = Some(f.lang.source_state(bad));
            return again(&app, f, form).await;
        }
    }
    match keep(&app, &f.caller, &site, &spec).await {
        Ok(_) => Ok(said(&f, Flash::Saved)),
        Err(StoreError::Conflict(_)) => {
            let taken = f.t.sources.taken.clone();
            form.wrong.insert("name", taken.clone());
            f.say(SayKind::Bad, taken, None);
            again(&app, f, form).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn again(app: &App, mut f: Frame, form: Form) -> Result<Response, Refusal> {
    let said = f.t.sources.not_kept.clone();
    f.say(SayKind::Bad, said, None);
    let page = page(app, f, form, None).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// The source that was typed, or what is wrong with it.
fn spec(form: &mut Form, f: &Frame) -> Option<SourceSpec> {
    let t = &f.t.sources;
    let (place, channel) = (
        form.text("place").to_owned(),
        form.text("channel").to_owned(),
    );
    let place = match (place.as_str(), channel.as_str()) {
        ("channel", id) => format!("channel:{id}"),
        ("own", _) => form.text("url").to_owned(),
        (preset, _) => preset.to_owned(),
    };
    let is_own = form.text("place") == "own";
    // Else something that is no address could be a file of the server, or another place.
    let web = place.starts_with("http://") || place.starts_with("https://");
    if is_own && (!web || place.parse::<SourceSpec>().is_err() || place.contains(',')) {
        form.wrong.insert("url", f.t.sites.bad_url.clone());
        return None;
    }
    let mut text = place;
    for (name, wrong) in [
        ("name", &t.bad_text),
        ("endpoint", &t.bad_endpoint),
        ("multiplier", &t.bad_number),
        ("recharge", &t.bad_number),
        ("group", &t.bad_text),
    ] {
        let value = form.text(name).replace(',', ",,");
        if value.is_empty() {
            continue;
        }
        let with = format!("{text},{name}={value}");
        match with.parse::<SourceSpec>() {
            Ok(_) => text = with,
            Err(_) => {
                form.wrong.insert(name, wrong.clone());
            }
        }
    }
    if !form.wrong.is_empty() {
        return None;
    }
    let spec = text.parse().ok();
    if spec.is_none() {
        form.wrong.insert("url", f.t.sites.bad_url.clone());
    }
    spec
}

/// `POST .../sources/test`: the remembered sources, or one of them, are fetched and judged.
pub(super) async fn test(
    State(app): State<App>,
    mut f: Frame,
    fields: Fields,
) -> Result<Response, Refusal> {
    f.writer()?;
    let site = f.site()?.clone();
    let wanted = fields.text("test");
    let stored = app.store().sources(&site.id).await?.into_iter();
    let stored = stored.filter(|source| wanted.is_empty() || source.name == wanted);
    let (names, written): (Vec<String>, Vec<String>) =
        stored.map(|source| (source.name, source.spec)).unzip();
    if written.is_empty() {
        return Err(Problem::not_found("source").into());
    }
    let told = match look(&app, &f.caller, site, &written).await {
        Ok(told) => told,
        Err(problem) => {
            f.trouble(problem.words(f.lang));
            return page(&app, f, Form::default(), None).await;
        }
    };
    let tested = names.into_iter().zip(told).collect();
    page(&app, f, Form::default(), Some(tested)).await
}

/// `POST .../sources/change`: one is preferred, preferred less, or forgotten.
pub(super) async fn change(
    State(app): State<App>,
    f: Frame,
    fields: Fields,
) -> Result<Response, Refusal> {
    f.writer()?;
    let site = f.site()?.clone();
    let place = |name: &str| {
        let name = name.to_owned();
        let (app, site) = (app.clone(), site.id.clone());
        async move {
            let all = app.store().sources(&site).await?;
            let found = all.into_iter().find(|source| source.name == name);
            found.ok_or_else(|| Refusal::from(Problem::not_found("source")))
        }
    };
    let (up, down, gone) = (
        fields.text("up"),
        fields.text("down"),
        fields.text("remove"),
    );
    if !up.is_empty() {
        let source = place(up).await?;
        let to = source.position.saturating_sub(1);
        prefer(&app, &f.caller, &site, &source.name, to).await?;
    } else if !down.is_empty() {
        let source = place(down).await?;
        prefer(&app, &f.caller, &site, &source.name, source.position + 1).await?;
    } else {
        forget(&app, &f.caller, &site, gone).await?;
    }
    Ok(said(&f, Flash::Saved))
}

/// `POST .../sources/allow`: sources of this site may be in a private network.
pub(super) async fn allow(
    State(app): State<App>,
    mut f: Frame,
    fields: Fields,
) -> Result<Response, Refusal> {
    f.writer()?;
    let site = f.site()?.clone();
    let network = fields.trimmed("network").to_owned();
    let mut bad = Vec::new();
    connecting::networks(&mut bad, std::slice::from_ref(&network));
    if !bad.is_empty() {
        let said = crate::web::words::fill(&f.t.sites.bad_network, &[("text", &network)]);
        f.say(SayKind::Bad, said, None);
        let page = page(&app, f, Form::default(), None).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    let mut networks = site.allow_private.clone();
    if !networks.contains(&network) {
        networks.push(network);
    }
    let edit = SiteEdit {
        allow_private: Some(networks),
        ..SiteEdit::default()
    };
    connecting::change(&app, &f.caller, &site, edit, None).await?;
    Ok(said(&f, Flash::Saved))
}

fn said(f: &Frame, flash: Flash) -> Response {
    Redirect::to(&flash.at(&below(f, &["sources"]))).into_response()
}
