//! A policy for all channels of a provider.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use lockstep_core::channel::Provider;
use lockstep_core::models::policy::Policy;
use lockstep_store::results::ResultPage;

use crate::deeds::Deed;
use crate::server::App;
use crate::web::flash::Flash;
use crate::web::form::Fields;
use crate::web::frame::{Frame, Here};
use crate::web::place;
use crate::web::refusal::Refusal;

/// `POST /sites/{site}/models/provider`: `set` is the place of a provider in the form, `policy-` and `provider-` with it
/// are the policy, empty for the site's, and what the provider is known by.
pub(in crate::web) async fn set_policy(
    State(app): State<App>,
    f: Frame,
    fields: Fields,
) -> Result<Response, Refusal> {
    let caller = f.writer()?;
    let site = f.site()?;
    let back = match fields.text("back") {
        "" => f.href(Here::Models),
        wanted => place::back(wanted).to_owned(),
    };
    let field = |name: &str| fields.trimmed(&format!("{name}-{}", fields.text("set")));
    let store = app.store();
    let since = store.last_full_run(&site.id).await?.unwrap_or_default();
    let all = ResultPage::default();
    let heads = store.results(&site.id, &since, &all).await?;
    let (kind, base_url) = field("provider")
        .split_once(' ')
        .unwrap_or((field("provider"), ""));
    let wanted = heads
        .into_iter()
        .map(|head| head.provider)
        .find(|known| known.kind.to_string() == kind && known.base_url == base_url);
    let policy = match field("policy") {
        "" => Ok(None),
        code => Policy::from_code(code).map(Some).ok_or(()),
    };
    let (Some(provider), Ok(policy)) = (wanted, policy) else {
        return Err(Refusal::NotFound);
    };
    let mut own = store
        .provider_overrides(&site.id)
        .await?
        .remove(&provider)
        .unwrap_or_default();
    if own.policy == policy {
        return Ok(Redirect::to(&Flash::Unchanged.at(&back)).into_response());
    }
    own.policy = policy;
    store
        .set_provider_overrides(&site.id, &provider, &own)
        .await?;
    let Provider { kind, base_url } = provider;
    let deed = Deed::provider_set(&base_url, Some(kind), &own);
    app.note(caller, Some(site), &deed).await;
    Ok(Redirect::to(&Flash::Saved.at(&back)).into_response())
}
