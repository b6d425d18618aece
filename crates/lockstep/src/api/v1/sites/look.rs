//! A look at a gateway, with reading requests only.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lockstep_run::SiteAccess;
use lockstep_run::doctor::Level;
use lockstep_store::sites::Site as Stored;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::check::{told, wrong_site};
use crate::api::extract::{Body, Path};
use crate::api::orders;
use crate::cli;
use crate::connecting;
use crate::server::App;
use crate::server::caller::{Reader, Writer};
use crate::server::problem::{Mistake, Problem};

/// A gateway to look at, without storing anything of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SiteToTest {
    /// The gateway's base address.
    url: String,
    /// The gateway's user id that the token belongs to, a number.
    user_id: String,
    /// The system access token of an admin.
    #[schema(write_only)]
    token: String,
}

/// What a look at a gateway found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Test {
    /// Whether nothing is wrong.
    pub(super) ok: bool,
    /// One line a topic.
    #[schema(value_type = Vec<Finding>)]
    findings: Vec<Value>,
}

/// One line of a look at a gateway.
#[derive(Debug, Serialize, ToSchema)]
struct Finding {
    /// What it is about, as a code.
    topic: String,
    /// `ok`, `notice` or `wrong`.
    level: String,
    /// What was found, in words.
    message: String,
    /// What to do, in words; may be empty.
    hint: String,
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(test_new))
        .routes(routes!(test))
}

/// Looks at a stored site's gateway, with reading requests only.
#[utoipa::path(post, path = "/sites/{site}/test", tag = "sites",
    responses((status = 200, body = Test), (status = "default", body = Problem)))]
async fn test(
    State(app): State<App>,
    Reader(caller): Reader,
    Path(site): Path<String>,
) -> Result<Json<Test>, Problem> {
    let site = orders::site(&app, &site).await?;
    tracing::info!(site = %site.url, by = caller.actor(), "a gateway is looked at");
    let SiteAccess { site, token } = orders::access(&app, site).await?;
    Ok(Json(look(&app, site, token).await))
}

/// Looks at a gateway that is not stored, with reading requests only. Nothing of it is kept. An address that no site has is
/// named by a person.
#[utoipa::path(post, path = "/sites/test", tag = "sites", request_body = SiteToTest,
    responses((status = 200, body = Test), (status = "default", body = Problem)))]
async fn test_new(
    State(app): State<App>,
    Writer(caller): Writer,
    Body(new): Body<SiteToTest>,
) -> Result<Json<Test>, Problem> {
    let mut bad = Vec::new();
    let url = connecting::address(&mut bad, &new.url);
    connecting::user_id(&mut bad, &new.user_id);
    let token = connecting::token(&mut bad, Some(&new.token));
    match (url, token, bad.is_empty()) {
        (Some(url), Some(token), true) => {
            orders::may_name(&app, &caller, &url).await?;
            let probe = connecting::probe("test", &url, &new.user_id);
            Ok(Json(look(&app, probe, token).await))
        }
        _ => Err(wrong_site(told(bad))),
    }
}

pub(super) async fn look(app: &App, site: Stored, token: SecretString) -> Test {
    let (ok, findings) = connecting::look(app, site, token).await;
    Test {
        ok,
        findings: findings.iter().map(cli::finding_as_json).collect(),
    }
}

pub(super) fn untrusted(found: &Test) -> Problem {
    let wrong = found
        .findings
        .iter()
        .filter(|finding| finding["level"] == Level::Wrong.code());
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let mistakes = wrong
        .map(|finding| Mistake {
            field: text(&finding["topic"]),
            message: format!("{} {}", text(&finding["message"]), text(&finding["hint"])),
        })
        .collect();
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "site_wrong",
        "the site was not kept: something is wrong with its gateway",
    )
    .hint("Mend what `errors` says, or add it with `untested`.")
    .mistakes(mistakes)
}
