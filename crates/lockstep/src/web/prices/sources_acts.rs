//! What is done about sources: added, tested, let into, changed, preferred, forgotten; and the networks that they may be in.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use lockstep_core::prices::source::{SourceSpec, SpecEdit};
use lockstep_store::StoreError;
use lockstep_store::prices::access::SourceEdit;
use lockstep_store::sites::{Site, SiteEdit};

use super::below;
use super::sources::{network, page};
use super::sources_form::{Form, Forms, typed};
use crate::connecting;
use crate::ordering::Asked;
use crate::server::App;
use crate::server::problem::Problem;
use crate::sourcing::{
    self, Looked, Typed, forget, is_believed, keep, look, prefer, reaches_no_further, refused_token,
};
use crate::web::flash::Flash;
use crate::web::form::Fields;
use crate::web::frame::{Frame, SayKind};
use crate::web::refusal::Refusal;
use crate::words::Said;

/// `POST .../sources/add`: a preset, a channel, or an address of one's own; tested before it is kept.
pub(super) async fn add(
    State(app): State<App>,
    f: Frame,
    fields: Fields,
) -> Result<Response, Refusal> {
    f.writer()?;
    let site = f.site()?.clone();
    let mut form = Form::typed(&fields);
    if form.lacks_endpoint(f.t) {
        return again(&app, f, Forms::own(form)).await;
    }
    let Some(spec) = spec(&mut form, &f) else {
        return again(&app, f, Forms::own(form)).await;
    };
    reaches_no_further(&spec)?;
    if form.lost_token(&fields) {
        return again(&app, f, Forms::own(form)).await;
    }
    let access = match sourcing::access(&spec, &typed(&fields)) {
        Ok(access) => access,
        Err(bad) => {
            form.access_is_wrong(f.t, &bad);
            return again(&app, f, Forms::own(form)).await;
        }
    };
    let new = sourcing::new(&spec, access);
    let looked = match fields.has("untested") {
        true => None,
        false => match tried(&app, &f, &site, Asked::new(&new)).await {
            Ok(looked) => Some(looked),
            Err((failed, network)) => {
                form.failed = Some(failed);
                form.network = network;
                return again(&app, f, Forms::own(form)).await;
            }
        },
    };
    match keep(&app, &f.caller, &site, new).await {
        Ok(_) => remembered(&f, looked).await,
        Err(StoreError::Conflict(_)) => {
            form.wrong.insert("name", f.t.sources.taken.clone());
            again(&app, f, Forms::own(form)).await
        }
        Err(error) => Err(error.into()),
    }
}

/// Asks a source as it is to be kept; or why its list cannot be believed, with the network of a private address.
async fn tried(
    app: &App,
    f: &Frame,
    site: &Site,
    asked: Asked,
) -> Result<Looked, (Said, Option<String>)> {
    let has_token = asked.has_token();
    let looked = match look(app, &f.caller, site.clone(), &[asked]).await {
        Ok(looked) => looked,
        Err(problem) => return Err((problem.words(f.lang), None)),
    };
    let Some(bad) = looked.told.iter().find(|source| !is_believed(source)) else {
        return Ok(looked);
    };
    let failed = match refused_token(bad, has_token) {
        true => f.lang.token_refused(bad),
        false => f.lang.source_state(bad),
    };
    Err((failed, network(bad)))
}

/// That a source is kept, with what was seen of it.
async fn remembered(f: &Frame, looked: Option<Looked>) -> Result<Response, Refusal> {
    if let Some(looked) = looked {
        looked.remember().await?;
    }
    Ok(said(f, Flash::Saved))
}

pub(super) async fn again(app: &App, mut f: Frame, forms: Forms) -> Result<Response, Refusal> {
    let places = forms.places(f.t);
    f.refuse(&f.t.sources.not_kept, places);
    let page = page(app, f, forms, None).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// The source that was typed, or what is wrong with it.
fn spec(form: &mut Form, f: &Frame) -> Option<SourceSpec> {
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
    let options = ["name", "endpoint", "multiplier", "recharge", "group"];
    let spec = form.with_options(place, &options, f.t);
    if spec.is_none() && form.wrong.is_empty() {
        form.wrong.insert("url", f.t.sites.bad_url.clone());
    }
    spec
}

/// `POST .../sources/access`: another token of a source, or none any more; tested before it is kept.
pub(super) async fn access(
    State(app): State<App>,
    f: Frame,
    fields: Fields,
) -> Result<Response, Refusal> {
    f.writer()?;
    let site = f.site()?.clone();
    let source = sourcing::found(&app, &site, fields.text("source")).await?;
    let name = source.name.clone();
    if fields.has("forget") {
        let edit = SourceEdit {
            token: Some(None),
            user_id: Some(None),
            ..SourceEdit::default()
        };
        sourcing::change(&app, &f.caller, &site, &source, edit).await?;
        return Ok(said(&f, Flash::Saved));
    }
    let mut form = Form::typed(&fields);
    if form.lost_token(&fields) {
        return again(&app, f, Forms::access(&name, form)).await;
    }
    let mut typed = typed(&fields);
    let is_new = !typed.token.is_empty();
    typed.keeps_token = source.has_token && !is_new;
    typed.keeps_headers = &source.headers;
    let spec = source.spec.parse::<SourceSpec>();
    let spec = spec.map_err(|bad| Problem::bad_request(bad.to_string()))?;
    let access = match sourcing::access(&spec, &typed) {
        Ok(access) => access,
        Err(bad) => {
            form.access_is_wrong(f.t, &bad);
            return again(&app, f, Forms::access(&name, form)).await;
        }
    };
    let edit = SourceEdit {
        token: is_new.then_some(access.token),
        user_id: (access.user_id != source.user_id).then_some(access.user_id),
        ..SourceEdit::default()
    };
    if sourcing::fields(&source, &edit).is_empty() {
        return Ok(said(&f, Flash::Unchanged));
    }
    let looked = match fields.has("untested") {
        true => None,
        false => {
            let asked = sourcing::changed(app.store(), &source, &edit).await?;
            match tried(&app, &f, &site, asked).await {
                Ok(looked) => Some(looked),
                Err((failed, network)) => {
                    form.failed = Some(failed);
                    form.network = network;
                    return again(&app, f, Forms::access(&name, form)).await;
                }
            }
        }
    };
    sourcing::change(&app, &f.caller, &site, &source, edit).await?;
    remembered(&f, looked).await
}

/// `POST .../sources/edit`: a source is asked at another endpoint, or its prices cost something else. Where it is asked
/// otherwise that is tested before it is kept.
pub(super) async fn edit(
    State(app): State<App>,
    f: Frame,
    fields: Fields,
) -> Result<Response, Refusal> {
    f.writer()?;
    let site = f.site()?.clone();
    let source = sourcing::found(&app, &site, fields.text("source")).await?;
    let spec = source.spec.parse::<SourceSpec>();
    let spec = spec.map_err(|bad| Problem::bad_request(bad.to_string()))?;
    let mut form = Form::typed(&fields);
    if form.lacks_endpoint(f.t) {
        return again(&app, f, Forms::edit(&source.name, form)).await;
    }
    let given = |name: &'static str| fields.has(name).then(|| form.text(name));
    let options = SpecEdit {
        endpoint: given("endpoint"),
        multiplier: given("multiplier"),
        recharge: given("recharge"),
        group: given("group"),
    };
    let after = match spec.edited(&options) {
        Ok(after) => after,
        Err(bad) => {
            let wrong: Vec<&str> = bad.into_iter().map(|(option, _)| option).collect();
            form.options_are_wrong(f.t, &wrong);
            return again(&app, f, Forms::edit(&source.name, form)).await;
        }
    };
    let respecified = sourcing::respecified(&spec, &after)?;
    // What is stored to let us in goes to the new endpoint too.
    let stays = Typed {
        keeps_token: source.has_token,
        keeps_headers: &source.headers,
        ..Typed::default()
    };
    if sourcing::access(&after, &stays).is_err() {
        let wrong = f.t.sources.elsewhere.clone();
        form.wrong.insert("endpoint", wrong);
        return again(&app, f, Forms::edit(&source.name, form)).await;
    }
    let edit = SourceEdit {
        spec: respecified,
        ..SourceEdit::default()
    };
    let changed = sourcing::fields(&source, &edit);
    if changed.is_empty() {
        return Ok(said(&f, Flash::Unchanged));
    }
    let looked = match fields.has("untested") || !sourcing::is_asked_otherwise(&changed) {
        true => None,
        false => {
            let asked = sourcing::changed(app.store(), &source, &edit).await?;
            match tried(&app, &f, &site, asked).await {
                Ok(looked) => Some(looked),
                Err((failed, network)) => {
                    form.failed = Some(failed);
                    form.network = network;
                    return again(&app, f, Forms::edit(&source.name, form)).await;
                }
            }
        }
    };
    sourcing::change(&app, &f.caller, &site, &source, edit).await?;
    remembered(&f, looked).await
}

/// `POST .../sources/test`: the remembered sources, or one of them, are fetched and judged.
pub(super) async fn test(
    State(app): State<App>,
    mut f: Frame,
    fields: Fields,
) -> Result<Response, Refusal> {
    f.writer()?;
    let site = f.site()?.clone();
    let wanted = Some(fields.text("test")).filter(|name| !name.is_empty());
    let asked = sourcing::asked(&app, &site, wanted).await?;
    let (names, asked): (Vec<String>, Vec<Asked>) = asked.into_iter().unzip();
    let told = match look(&app, &f.caller, site, &asked).await {
        Ok(looked) => looked.remember().await?,
        Err(problem) => {
            f.trouble(problem.words(f.lang));
            return page(&app, f, Forms::default(), None).await;
        }
    };
    let tested = names.into_iter().zip(told).collect();
    page(&app, f, Forms::default(), Some(tested)).await
}

/// `POST .../sources/accept`: the list of a source that has shrunk for good is taken as it is.
pub(super) async fn accept(
    State(app): State<App>,
    mut f: Frame,
    fields: Fields,
) -> Result<Response, Refusal> {
    f.writer()?;
    let site = f.site()?.clone();
    let source = sourcing::found(&app, &site, fields.text("accept")).await?;
    match sourcing::accept(&app, &f.caller, &site, &source).await {
        Ok(one) => {
            let kind = match one.accepted {
                true => SayKind::Good,
                false => SayKind::Waits,
            };
            f.say(kind, f.lang.list_accepted(&one), None);
            // One that has not shrunk is shown as it came just now.
            let told = (!one.accepted).then(|| vec![(source.name, one.source)]);
            page(&app, f, Forms::default(), told).await
        }
        Err(problem) => {
            f.trouble(problem.words(f.lang));
            page(&app, f, Forms::default(), None).await
        }
    }
}

/// `POST .../sources/change`: one is preferred, preferred less, or forgotten.
pub(super) async fn change(
    State(app): State<App>,
    f: Frame,
    fields: Fields,
) -> Result<Response, Refusal> {
    f.writer()?;
    let site = f.site()?.clone();
    let (up, down, gone) = (
        fields.text("up"),
        fields.text("down"),
        fields.text("remove"),
    );
    if !up.is_empty() {
        let source = sourcing::found(&app, &site, up).await?;
        let to = source.position.saturating_sub(1);
        prefer(&app, &f.caller, &site, &source.name, to).await?;
    } else if !down.is_empty() {
        let source = sourcing::found(&app, &site, down).await?;
        prefer(&app, &f.caller, &site, &source.name, source.position + 1).await?;
    } else {
        forget(&app, &f.caller, &site, gone).await?;
    }
    Ok(said(&f, Flash::Saved))
}

/// `POST .../sources/allow`: sources of this site may be in a private network. What was typed of a source comes along, and
/// is there again.
pub(super) async fn allow(
    State(app): State<App>,
    mut f: Frame,
    fields: Fields,
) -> Result<Response, Refusal> {
    f.writer()?;
    let site = f.site()?.clone();
    let network = fields.trimmed("network").to_owned();
    let mut form = Form::typed(&fields);
    form.again = !form.kept().is_empty();
    let about = fields.text("source").to_owned();
    let again = form.again;
    let edits = fields.has("edit");
    let forms = |form: Form| match about.as_str() {
        "" => Forms::own(form),
        name if edits => Forms::edit(name, form),
        name => Forms::access(name, form),
    };
    let mut bad = Vec::new();
    connecting::networks(&mut bad, std::slice::from_ref(&network));
    if !bad.is_empty() {
        let said = crate::web::words::fill(&f.t.sites.bad_network, &[("text", &network)]);
        f.say(SayKind::Bad, said, None);
        let page = page(&app, f, forms(form), None).await?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    }
    let allowed = crate::web::words::fill(&f.t.sources.allowed, &[("network", &network)]);
    let mut networks = site.allow_private.clone();
    if !networks.contains(&network) {
        networks.push(network);
    }
    let edit = SiteEdit {
        allow_private: Some(networks),
        ..SiteEdit::default()
    };
    connecting::change(&app, &f.caller, &site, edit, None).await?;
    if !again {
        return Ok(said(&f, Flash::Saved));
    }
    f.say(
        SayKind::Good,
        allowed,
        Some(f.t.sources.allowed_hint.clone()),
    );
    page(&app, f, forms(form), None).await
}

pub(super) fn said(f: &Frame, flash: Flash) -> Response {
    Redirect::to(&flash.at(&below(f, &["sources"]))).into_response()
}
