//! Notices: where they go, what was sent, and what is wrong now.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lockstep_core::notices::NoticeKind;
use lockstep_store::notices::{NewNoticeTarget, NoticeTarget, OpenNotice};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::paging::Limit;
use crate::api::extract::{Body, Path, Query};
use crate::api::orders;
use crate::deeds::Deed;
use crate::notify::{Address, Notifier, Vendor, finding_as_json};
use crate::server::App;
use crate::server::caller::{Reader, Writer};
use crate::server::problem::{Mistake, Problem};
use crate::view::json::time;
use crate::view::notice::{Sent, Target};
use crate::words::en;

/// The longest name of a place, in characters.
const LONGEST: usize = 100;

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

/// What is to change of a place.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TargetChange {
    /// Whether anything is sent there.
    enabled: bool,
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
    let networks = new.allow_private.clone();
    let (new, host) = new.read()?;
    orders::may_reach_inside(&caller, &networks)?;
    let target = app.store().add_notice_target(new, app.now()).await?;
    let deed = Deed::notice_target_added(&target, &host);
    app.note(&caller, None, &deed).await;
    let told = Target::of(app.store(), &target).await?;
    Ok((StatusCode::CREATED, Json(told)))
}

/// Has a place hear notices, or not.
#[utoipa::path(patch, path = "/notices/targets/{target}", tag = "notices", request_body = TargetChange,
    params(("target" = String, Path, description = "The place's name.")),
    responses((status = 200, body = Target), (status = "default", body = Problem)))]
async fn change(
    State(app): State<App>,
    Writer(caller): Writer,
    Path(name): Path<String>,
    Body(change): Body<TargetChange>,
) -> Result<Json<Target>, Problem> {
    let store = app.store();
    let target = known(&app, &name).await?;
    store
        .enable_notice_target(&target.id, change.enabled)
        .await?;
    let deed = Deed::notice_target_changed(&target.name, change.enabled);
    app.note(&caller, None, &deed).await;
    let target = NoticeTarget {
        enabled: change.enabled,
        ..target
    };
    Ok(Json(Target::of(store, &target).await?))
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
    let target = known(&app, &name).await?;
    app.store().remove_notice_target(&target.id).await?;
    let deed = Deed::notice_target_removed(&target.name);
    app.note(&caller, None, &deed).await;
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
    let target = known(&app, &name).await?;
    let delivery = Notifier::new(app.engine()).test(&target).await?;
    Ok(Json(TestedTarget {
        arrived: delivery.error.is_none(),
        attempts: delivery.attempts,
        error: delivery.error,
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

async fn known(app: &App, name: &str) -> Result<NoticeTarget, Problem> {
    let targets = app.store().notice_targets().await?;
    let named = targets.into_iter().find(|target| target.name == name);
    named.ok_or_else(|| Problem::not_found("place").hint("GET /api/v1/notices/targets lists them."))
}

impl NewTarget {
    /// The place and its host, or every mistake in it.
    fn read(self) -> Result<(NewNoticeTarget, String), Problem> {
        let mut mistakes = Vec::new();
        let mut wrong = |field: &str, message: String| {
            mistakes.push(Mistake {
                field: field.to_owned(),
                message,
            });
        };
        let name = self.name.trim();
        if name.is_empty() || name.chars().count() > LONGEST || name.chars().any(char::is_control) {
            wrong("name", format!("a name has 1 to {LONGEST} characters"));
        }
        let mut kinds = Vec::new();
        for code in &self.only {
            match NoticeKind::from_code(code) {
                Some(kind) => kinds.push(kind),
                None => wrong("only", format!("there is no kind of notice `{code}`")),
            }
        }
        kinds.sort_unstable();
        kinds.dedup();
        let address = Address {
            url: self.url,
            secret: self.secret,
            chat: self.chat,
            user: self.user,
            from: self.from,
            to: self.to,
            allow: self.allow_private,
        };
        let vendor = Vendor::from_code(&self.kind);
        let address = match vendor.map(|vendor| address.checked(vendor)) {
            Some(Ok(address)) => Some(address),
            Some(Err(bad)) => {
                // What is a flag on the command line is a key here.
                wrong("url", bad.to_string().replace("--", ""));
                None
            }
            None => {
                let codes: Vec<&str> = Vendor::ALL.iter().map(|vendor| vendor.code()).collect();
                wrong("kind", format!("it can be {}", codes.join(", ")));
                None
            }
        };
        let Some(address) = address.filter(|_| mistakes.is_empty()) else {
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "bad_target",
                "the place cannot be taken as it was given",
            )
            .hint("`errors` has every mistake; docs/notices.md tells what each kind needs.")
            .mistakes(mistakes));
        };
        let new = NewNoticeTarget {
            name: name.to_owned(),
            kind: self.kind,
            kinds,
            secret: address.to_stored(),
        };
        Ok((new, address.host()))
    }
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
