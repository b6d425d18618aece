//! Notices: where they go, what was sent, and what is wrong now.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lockstep_store::notices::OpenNotice;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::paging::Limit;
use crate::api::extract::{Body, Path, Query};
use crate::api::orders;
use crate::notify::{Address, finding_as_json};
use crate::places::{self, Anew, Bad, Change, Given};
use crate::server::App;
use crate::server::caller::{Reader, Writer};
use crate::server::problem::{Mistake, Problem};
use crate::view::json::time;
use crate::view::notice::{Sent, Target};
use crate::words::en;

/// The places that notices go to, by name.
#[derive(Debug, Serialize, ToSchema)]
struct Targets {
    targets: Vec<Target>,
}

/// A place to add. Its address and secret are stored encrypted and never shown again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewTarget {
    /// What people call it.
    name: String,
    /// `webhook`, `telegram`, `ntfy`, `feishu`, `dingtalk`, `wecom` or `email`.
    kind: String,
    /// The whole address; of Telegram the bot's token is enough.
    #[schema(write_only)]
    url: String,
    /// What signs or lets in.
    #[schema(write_only)]
    secret: Option<String>,
    /// Telegram's chat.
    chat: Option<String>,
    /// The user of a mail server; without one, who it is from.
    user: Option<String>,
    /// Who a mail is from.
    from: Option<String>,
    /// Who a mail is to.
    #[serde(default)]
    to: Vec<String>,
    /// Private networks (CIDR) that the place may be in. Only a person who signed in names some.
    #[serde(default)]
    allow_private: Vec<String>,
    /// Only notices of these kinds; all where there are none.
    #[serde(default)]
    only: Vec<String>,
}

/// What is to change of a place; what is left out stays. Another address or secret goes in and is never shown again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TargetChange {
    /// Another address of the same kind. At another server the stored secret does not stay: `secret` has to be given too.
    #[schema(write_only)]
    url: Option<String>,
    /// What signs or lets in; an empty text forgets the stored one.
    #[schema(write_only)]
    secret: Option<String>,
    /// Telegram's chat.
    chat: Option<String>,
    /// The user of a mail server; an empty text means who it is from.
    user: Option<String>,
    /// Who a mail is from.
    from: Option<String>,
    /// Who a mail is to.
    to: Option<Vec<String>>,
    /// Private networks (CIDR) that the place may be in. Only a person who signed in adds some.
    allow_private: Option<Vec<String>>,
    /// Whether anything is sent there.
    enabled: Option<bool>,
    /// Only notices of these kinds from now on; all where there are none.
    only: Option<Vec<String>>,
}

/// How a test went.
#[derive(Debug, Serialize, ToSchema)]
struct TestedTarget {
    /// Whether it arrived.
    arrived: bool,
    /// How often it was tried.
    attempts: u32,
    /// Why it did not arrive.
    error: Option<String>,
}

/// What was sent, newest first.
#[derive(Debug, Serialize, ToSchema)]
struct Deliveries {
    sent: Vec<Sent>,
}

/// How many deliveries are meant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Newest {
    /// The newest so many: 1 to 500, else 50.
    #[serde(default)]
    #[param(value_type = Option<u32>)]
    limit: Limit,
}

/// What is wrong now on a site.
#[derive(Debug, Serialize, ToSchema)]
struct OpenNotices {
    notices: Vec<Open>,
}

/// What is wrong now of one kind.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OpenNotice)]
struct Open {
    /// `models` or `prices`.
    subject: &'static str,
    /// The kind, such as `held`.
    kind: &'static str,
    /// The run that last found it; `null` for one that did not begin.
    run: Option<String>,
    /// Since when just this is so; RFC 3339.
    since: String,
    /// When it was told; `null` where it was not.
    told_at: Option<String>,
    /// What was found, in words.
    lines: Vec<String>,
    /// The same as codes with arguments, as a webhook gets them.
    #[schema(value_type = Vec<Object>)]
    items: Vec<Value>,
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, add))
        .routes(routes!(change, remove))
        .routes(routes!(test))
        .routes(routes!(deliveries))
        .routes(routes!(open))
}

/// The places that notices go to.
#[utoipa::path(get, path = "/notices/targets", tag = "notices",
    responses((status = 200, body = Targets), (status = "default", body = Problem)))]
async fn list(State(app): State<App>, _: Reader) -> Result<Json<Targets>, Problem> {
    let mut targets = Vec::new();
    for target in app.store().notice_targets().await? {
        targets.push(Target::of(app.store(), &target).await?);
    }
    Ok(Json(Targets { targets }))
}

/// Adds a place. Nothing is sent there yet; a test is.
#[utoipa::path(post, path = "/notices/targets", tag = "notices", request_body = NewTarget,
    responses((status = 201, body = Target), (status = "default", body = Problem)))]
async fn add(
    State(app): State<App>,
    Writer(caller): Writer,
    Body(new): Body<NewTarget>,
) -> Result<(StatusCode, Json<Target>), Problem> {
    let new = Given::from(new).checked().map_err(|bad| not_taken(&bad))?;
    let target = places::add(&app, &caller, new).await?;
    let told = Target::of(app.store(), &target).await?;
    Ok((StatusCode::CREATED, Json(told)))
}

/// Has a place be at another address, or hear notices, other ones, or none.
#[utoipa::path(patch, path = "/notices/targets/{target}", tag = "notices", request_body = TargetChange,
    params(("target" = String, Path, description = "The place's name.")),
    responses((status = 200, body = Target), (status = "default", body = Problem)))]
async fn change(
    State(app): State<App>,
    Writer(caller): Writer,
    Path(name): Path<String>,
    Body(change): Body<TargetChange>,
) -> Result<Json<Target>, Problem> {
    let target = places::named(&app, &name).await?;
    let only = change.only.map(|codes| places::kinds(&codes)).transpose();
    let anew = Anew {
        url: change.url,
        secret: change.secret,
        chat: change.chat,
        user: change.user,
        from: change.from,
        to: change.to,
        allow: change.allow_private,
    };
    let address = anew.checked(&app, &target).await?;
    let change = Change {
        address: address.map_err(|bad| not_taken(&bad))?,
        enabled: change.enabled,
        only: only.map_err(|bad| not_taken(&bad))?,
    };
    let target = places::change(&app, &caller, target, change).await?;
    Ok(Json(Target::of(app.store(), &target).await?))
}

/// Forgets a place with its address and secret. What was sent there stays in the list.
#[utoipa::path(delete, path = "/notices/targets/{target}", tag = "notices",
    params(("target" = String, Path, description = "The place's name.")),
    responses((status = 204, description = "It is forgotten."), (status = "default", body = Problem)))]
async fn remove(
    State(app): State<App>,
    Writer(caller): Writer,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let target = places::named(&app, &name).await?;
    places::remove(&app, &caller, &target).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a test to a place, whether or not it hears notices.
#[utoipa::path(post, path = "/notices/targets/{target}/test", tag = "notices",
    params(("target" = String, Path, description = "The place's name.")),
    responses((status = 200, body = TestedTarget), (status = "default", body = Problem)))]
async fn test(
    State(app): State<App>,
    _: Writer,
    Path(name): Path<String>,
) -> Result<Json<TestedTarget>, Problem> {
    let target = places::named(&app, &name).await?;
    let delivery = places::test(&app, &target).await?;
    Ok(Json(TestedTarget {
        arrived: delivery.error.is_none(),
        attempts: delivery.attempts,
        error: delivery.error.as_ref().map(en::notice_why),
    }))
}

/// What was sent lately, tests included, and whether it arrived.
#[utoipa::path(get, path = "/notices/deliveries", tag = "notices", params(Newest),
    responses((status = 200, body = Deliveries), (status = "default", body = Problem)))]
async fn deliveries(
    State(app): State<App>,
    _: Reader,
    Query(newest): Query<Newest>,
) -> Result<Json<Deliveries>, Problem> {
    let sent = app.store().notices_sent(newest.limit.count()).await?;
    Ok(Json(Deliveries {
        sent: sent.into_iter().map(Sent::from).collect(),
    }))
}

/// What is wrong now on a site, as the latest runs found it while somebody heard notices.
#[utoipa::path(get, path = "/sites/{site}/notices", tag = "notices",
    responses((status = 200, body = OpenNotices), (status = "default", body = Problem)))]
async fn open(
    State(app): State<App>,
    _: Reader,
    Path(site): Path<String>,
) -> Result<Json<OpenNotices>, Problem> {
    let site = orders::site(&app, &site).await?;
    let open = app.store().open_notices(&site.id).await?;
    Ok(Json(OpenNotices {
        notices: open.into_iter().map(Open::from).collect(),
    }))
}

impl From<NewTarget> for Given {
    fn from(new: NewTarget) -> Self {
        Self {
            name: new.name,
            kind: new.kind,
            only: new.only,
            address: Address {
                url: new.url,
                secret: new.secret,
                chat: new.chat,
                user: new.user,
                from: new.from,
                to: new.to,
                allow: new.allow_private,
            },
        }
    }
}

fn not_taken(bad: &[Bad]) -> Problem {
    let mistake = |bad: &Bad| Mistake {
        field: bad.field().to_owned(),
        message: bad.message(),
    };
    Problem::new(
        StatusCode::BAD_REQUEST,
        "bad_target",
        "the place cannot be taken as it was given",
    )
    .hint("`errors` has every mistake; docs/notices.md tells what each kind needs.")
    .mistakes(bad.iter().map(mistake).collect())
}

impl From<OpenNotice> for Open {
    fn from(open: OpenNotice) -> Self {
        let findings = || open.findings.iter();
        Self {
            subject: open.subject.code(),
            kind: open.kind.code(),
            since: time(open.since),
            told_at: open.told_at.map(time),
            lines: findings()
                .map(|finding| en::notice_line(finding, open.subject))
                .collect(),
            items: findings().map(finding_as_json).collect(),
            run: open.run_id,
        }
    }
}
