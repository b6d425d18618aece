//! Runs: started, listed, looked at, ended early, applied, taken back, tried again.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use lockstep_core::change::{RunState, State as How, Subject as About};
use lockstep_core::hash::Digest;
use lockstep_run::jobs::{Chosen, Go, Order};
use lockstep_run::prices::plan::What as WhatPrices;
use lockstep_run::{EngineError, Source};
use lockstep_store::listing::{ItemOrder, ItemPage, RunFilter};
use lockstep_store::prices::counts;
use lockstep_store::runs::Run;
use lockstep_store::sites::Site;
use lockstep_store::status::ItemStatus;
use serde::{Deserialize, Serialize};

use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::openapi::{RunHead, RunInFull, RunItem};
use super::paging::{Limit, next, place};
use super::settings::{SettingValue, read};
use crate::api::extract::{Body, Path, Query};
use crate::api::orders;
use crate::server::App;
use crate::server::caller::{Planner, Reader, Writer};
use crate::server::problem::Problem;
use crate::view::{json as form, prices};

/// What a run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Subject {
    /// The channels' model lists.
    Models,
    /// The prices.
    Prices,
}

/// Which channels or models a run looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum What {
    /// All.
    All,
    /// Those that are named, at least one.
    Selected,
    /// The channels whose latest result failed.
    RetryFailed,
}

/// A run to start.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RunToStart {
    subject: Subject,
    what: What,
    /// The channels of `selected`, in a run about models.
    #[serde(default)]
    channels: Vec<i64>,
    /// The models of `selected`, in a run about prices.
    #[serde(default)]
    models: Vec<String>,
    /// Whether it stops at its plan. Else it writes what no guard holds; the first run of a gateway stops all the same.
    plan_only: bool,
    /// Settings for this run alone, by key.
    #[serde(default)]
    settings: BTreeMap<String, SettingValue>,
}

/// A run that has begun, as it is now.
pub(crate) type RunStarted = RunHead;

/// Some of a run: channels of one about models, models of one about prices.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Only {
    channels: Option<Vec<i64>>,
    models: Option<Vec<String>>,
}

/// A yes to a plan.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Yes {
    /// `plan` of the run as it was seen; another one is refused.
    plan: String,
    /// What of it; all that is ready where this is left out.
    only: Option<Only>,
}

/// A run to take back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Undo {
    /// Whether it stops at its plan.
    plan_only: bool,
    /// What of it; all that was written where this is left out.
    only: Option<Only>,
}

/// A run to try again where it failed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Retry {
    /// Whether it stops at its plan.
    plan_only: bool,
}

/// Runs, newest first.
#[derive(Debug, Serialize, ToSchema)]
struct Runs {
    runs: Vec<RunHead>,
    /// The cursor of the next page; `null` on the last.
    next: Option<String>,
}

/// Which runs are meant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct WantedRuns {
    /// `models` or `prices`.
    #[param(inline)]
    subject: Option<Subject>,
    /// States, parted by commas, such as `planned,writing`.
    state: Option<String>,
    /// What started it, such as `sync` or `undo`.
    trigger: Option<String>,
    /// Started then or later; RFC 3339.
    from: Option<String>,
    /// Started before then; RFC 3339.
    to: Option<String>,
    /// Part of the id, of who started or approved it, or of the name of a channel or model in it.
    search: Option<String>,
    /// Entries of a page: 1 to 500, else 50.
    #[serde(default)]
    #[param(value_type = Option<u32>)]
    limit: Limit,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Some items of a run: of one about models one a channel, of one about prices one a value.
#[derive(Debug, Serialize, ToSchema)]
struct Items {
    items: Vec<RunItem>,
    /// How many channels or models there are on all pages.
    total: usize,
    /// The cursor of the next page; `null` on the last.
    next: Option<String>,
}

/// Which items are meant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct WantedItems {
    /// `success`, `failed`, `held`, `skipped` or `planned`; several are parted by commas.
    status: Option<String>,
    /// Part of a channel's name or id, the code of its failure or hold, or part of a name in its list; of prices part of
    /// the model's name or of a source.
    search: Option<String>,
    /// `id`, `name` or `status`; of prices `name` or `status`.
    #[param(inline)]
    sort: Option<Sort>,
    /// `asc` or `desc`.
    #[param(inline)]
    order: Option<Direction>,
    /// Entries of a page: 1 to 500, else 50.
    #[serde(default)]
    #[param(value_type = Option<u32>)]
    limit: Limit,
    /// `next` of the page before.
    cursor: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Sort {
    Id,
    Name,
    Status,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Direction {
    Asc,
    Desc,
}

/// An answer that a run has begun: its status, its place, and the run.
pub(crate) type Started = (StatusCode, [(HeaderName, String); 1], Json<RunStarted>);

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, start))
        .routes(routes!(one))
        .routes(routes!(items))
        .routes(routes!(cancel))
        .routes(routes!(apply))
        .routes(routes!(undo))
        .routes(routes!(retry))
}

/// Starts a run.
///
/// It goes on in the background; the events of the run tell how far it is. A plan needs the scope `plan`, a run that
/// writes needs `apply`. While another run is under way on the gateway the answer is 409 and says whose.
#[utoipa::path(post, path = "/sites/{site}/runs", tag = "runs", request_body = RunToStart,
    responses(
        (status = 202, body = RunHead, description = "It has begun.", headers(("Location" = String))),
        (status = "default", body = Problem)
    ))]
async fn start(
    State(app): State<App>,
    Planner(caller): Planner,
    Path(site): Path<String>,
    Body(wanted): Body<RunToStart>,
) -> Result<Started, Problem> {
    if !wanted.plan_only {
        orders::may_write(&caller)?;
    }
    wanted.check()?;
    let site = orders::site(&app, &site).await?;
    let (given, mistakes) = read(&wanted.settings);
    if !mistakes.is_empty() {
        return Err(orders::bad_settings(mistakes));
    }
    let laid = orders::settings(&app, &site, &given)?;
    let go = go(wanted.plan_only);
    let order = match (wanted.subject, wanted.what) {
        (Subject::Models, what) => {
            let source = match what {
                What::All => Source::All,
                What::Selected => selected(wanted.channels),
                What::RetryFailed => Source::RetryFailed,
            };
            let request = orders::models(source, &laid, go == Go::Writes);
            Order::Models(Box::new(request), go)
        }
        (Subject::Prices, what) => {
            let what = match what {
                What::Selected => WhatPrices::Models(wanted.models),
                What::All | What::RetryFailed => WhatPrices::Sources,
            };
            let request = orders::prices(&app, &site, what, &laid, go == Go::Writes).await?;
            Order::Prices(Box::new(request), go)
        }
    };
    let access = orders::access(&app, site.clone()).await?;
    let run = orders::start(&app, &caller, access, laid.settings, order).await?;
    started(&app, &site, &run).await
}

impl RunToStart {
    /// A selection is what it says: never empty, never beside "all", and of the run's own kind.
    fn check(&self) -> Result<(), Problem> {
        let (chosen, other) = match self.subject {
            Subject::Models => (self.channels.len(), self.models.len()),
            Subject::Prices => (self.models.len(), self.channels.len()),
        };
        if other > 0 {
            return Err(Problem::bad_request(
                "a run about models selects `channels`, one about prices selects `models`",
            ));
        }
        match self.what {
            What::Selected if chosen == 0 => Err(EngineError::EmptySelection.into()),
            What::All | What::RetryFailed if chosen > 0 => Err(Problem::bad_request(
                "a selection goes with `what`: `selected` only",
            )),
            What::RetryFailed if self.subject == Subject::Prices => Err(Problem::bad_request(
                "`retry-failed` is for runs about models",
            )
            .hint("POST /api/v1/sites/{site}/runs/{run}/retry tries a run about prices again where it failed.")),
            _ => Ok(()),
        }
    }
}

/// The runs of a site, newest first.
#[utoipa::path(get, path = "/sites/{site}/runs", tag = "runs", params(WantedRuns),
    responses((status = 200, body = Runs), (status = "default", body = Problem)))]
async fn list(
    State(app): State<App>,
    _: Reader,
    Path(site): Path<String>,
    Query(wanted): Query<WantedRuns>,
) -> Result<Json<Runs>, Problem> {
    let site = orders::site(&app, &site).await?;
    let states = texts(wanted.state.as_deref())
        .map(|text| {
            RunState::from_code(text)
                .ok_or_else(|| Problem::bad_request(format!("`{text}` is no state of a run")))
        })
        .collect::<Result<_, _>>()?;
    let filter = RunFilter {
        subject: wanted.subject.map(Subject::core),
        states,
        trigger: wanted.trigger,
        from: moment("from", wanted.from.as_deref())?,
        to: moment("to", wanted.to.as_deref())?,
        search: wanted.search.filter(|text| !text.is_empty()),
        before: wanted.cursor,
    };
    let count = wanted.limit.count();
    // One more than asked for tells whether there is a next page.
    let mut found = app
        .store()
        .runs_where(&site.id, &filter, count.saturating_add(1))
        .await?;
    let more = found.len() > count as usize;
    found.truncate(count as usize);
    let next = found.last().filter(|_| more).map(|(run, _)| run.id.clone());
    let now = app.now();
    Ok(Json(Runs {
        runs: found
            .iter()
            .map(|(run, counts)| RunHead(form::head(&site, run, counts, now)))
            .collect(),
        next,
    }))
}

/// One run in full, as the command line tells it with `--json`.
#[utoipa::path(get, path = "/sites/{site}/runs/{run}", tag = "runs",
    responses((status = 200, body = RunInFull), (status = "default", body = Problem)))]
async fn one(
    State(app): State<App>,
    _: Reader,
    Path((site, run)): Path<(String, String)>,
) -> Result<Json<RunInFull>, Problem> {
    let (site, run) = found(&app, &site, &run).await?;
    let store = app.store();
    if run.subject == About::Models {
        let rows = store.changes(&run.id).await?;
        return Ok(Json(RunInFull(form::run(&site, &run, &rows, app.now()))));
    }
    let rows = store.price_rows(&run.id).await?;
    let mut told = form::head(&site, &run, &counts(&rows), app.now());
    told["items"] = rows.iter().map(prices::item).collect();
    let sources = store.run_sources(&run.id).await?;
    // What the price page showed later is told by whoever asked it.
    told["verified"] = serde_json::Value::Null;
    told["sources"] = sources
        .iter()
        .map(crate::view::source::state_as_json)
        .collect();
    let images = store.images(&run.id).await?;
    let conflicts = images.iter().filter(|image| image.others > 0);
    told["conflicts"] = conflicts.map(prices::conflict).collect();
    Ok(Json(RunInFull(told)))
}

/// Items of a run, page by page.
#[utoipa::path(get, path = "/sites/{site}/runs/{run}/items", tag = "runs", params(WantedItems),
    responses((status = 200, body = Items), (status = "default", body = Problem)))]
async fn items(
    State(app): State<App>,
    _: Reader,
    Path((site, run)): Path<(String, String)>,
    Query(wanted): Query<WantedItems>,
) -> Result<Json<Items>, Problem> {
    let (_, run) = found(&app, &site, &run).await?;
    let store = app.store();
    let page = wanted.page()?;
    let (items, total) = match run.subject {
        About::Models => {
            let (ids, total) = store.channel_page(&run.id, &page).await?;
            let mut rows = store.changes_of(&run.id, &ids).await?;
            let place: BTreeMap<i64, usize> = ids.iter().copied().zip(0..).collect();
            rows.sort_by_key(|row| place.get(&row.channel_id).copied());
            let items = rows.iter().map(|row| RunItem(form::item(row))).collect();
            (items, total)
        }
        About::Prices => {
            if wanted.sort == Some(Sort::Id) {
                return Err(Problem::bad_request(
                    "models have no id; sort them by `name`",
                ));
            }
            let (names, total) = store.model_page(&run.id, &page).await?;
            let mut rows = store.price_rows_of(&run.id, &names).await?;
            let place: BTreeMap<&String, usize> = names.iter().zip(0..).collect();
            // The sort is stable, so a model's values stay in their order.
            rows.sort_by_key(|row| place.get(&row.model).copied());
            let items = rows.iter().map(|row| RunItem(prices::item(row))).collect();
            (items, total)
        }
    };
    let total = usize::try_from(total).unwrap_or(usize::MAX);
    let next = next(page.skip, wanted.limit, total);
    Ok(Json(Items { items, total, next }))
}

impl WantedItems {
    fn page(&self) -> Result<ItemPage, Problem> {
        Ok(ItemPage {
            search: self.search.clone().filter(|text| !text.is_empty()),
            statuses: self.statuses()?,
            order: match self.sort {
                None | Some(Sort::Id) => ItemOrder::Key,
                Some(Sort::Name) => ItemOrder::Name,
                Some(Sort::Status) => ItemOrder::Status,
            },
            backwards: self.order == Some(Direction::Desc),
            skip: place(self.cursor.as_deref())?,
            limit: self.limit.count(),
        })
    }

    fn statuses(&self) -> Result<Vec<ItemStatus>, Problem> {
        const ALL: [ItemStatus; 5] = [
            ItemStatus::Success,
            ItemStatus::Held,
            ItemStatus::Failed,
            ItemStatus::Skipped,
            ItemStatus::Planned,
        ];
        texts(self.status.as_deref())
            .map(|text| {
                ALL.into_iter()
                    .find(|status| status.code() == text)
                    .ok_or_else(|| {
                        Problem::bad_request(format!("`{text}` is no status of an item"))
                    })
            })
            .collect()
    }
}

/// Ends a run early: what is being written is finished and recorded, the rest is left.
#[utoipa::path(post, path = "/sites/{site}/runs/{run}/cancel", tag = "runs",
    responses(
        (status = 202, body = RunHead, description = "It ends as soon as it can."),
        (status = "default", body = Problem)
    ))]
async fn cancel(
    State(app): State<App>,
    Planner(caller): Planner,
    Path((site, run)): Path<(String, String)>,
) -> Result<(StatusCode, Json<RunHead>), Problem> {
    let (site, run) = found(&app, &site, &run).await?;
    if run.state == RunState::Writing || run.go_on {
        orders::may_write(&caller)?;
    }
    // A plan that waits would keep the word and end as soon as it is applied.
    let under_way = run.state != RunState::Planned || app.jobs().running(&run.id).is_some();
    // Another process may work on it; whoever does looks whether somebody asked.
    if !under_way || !app.store().ask_to_cancel(&run.id, &caller.actor()).await? {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "not_running",
            format!("run {} is {} and not under way", run.id, run.state.code()),
        )
        .hint(
            "A plan that is not wanted needs no end: it cannot be applied any more after a day.",
        ));
    }
    app.jobs().cancel(&run.id);
    Ok((
        StatusCode::ACCEPTED,
        Json(head(&app, &site, &run.id).await?),
    ))
}

/// Writes a planned run: the yes to the plan that was seen.
#[utoipa::path(post, path = "/sites/{site}/runs/{run}/apply", tag = "runs", request_body = Yes,
    responses(
        (status = 202, body = RunHead, description = "It writes.", headers(("Location" = String))),
        (status = "default", body = Problem)
    ))]
async fn apply(
    State(app): State<App>,
    Writer(caller): Writer,
    Path((site, run)): Path<(String, String)>,
    Body(yes): Body<Yes>,
) -> Result<Started, Problem> {
    let (site, run) = found(&app, &site, &run).await?;
    let only = chosen(&run, yes.only)?;
    let laid = orders::settings(&app, &site, &BTreeMap::new())?;
    let access = orders::access(&app, site.clone()).await?;
    // The job says these too, but only once it is under way and nobody waits for its answer.
    let shown = Digest::stored(yes.plan);
    fresh(&app, &site, &run, &shown).await?;
    some_ready(&app, &run, &only).await?;
    let order = Order::Apply {
        run: run.id.clone(),
        shown: Some(shown),
        only,
    };
    let run = orders::start(&app, &caller, access, laid.settings, order).await?;
    started(&app, &site, &run).await
}

/// Whether a plan can still be written, by what is known before anything is begun.
async fn fresh(app: &App, site: &Site, run: &Run, shown: &Digest) -> Result<(), Problem> {
    let id = || run.id.clone();
    if run.state != RunState::Planned {
        let state = run.state;
        return Err(EngineError::NotPlanned { run: id(), state }.into());
    }
    if run.plan_hash.as_ref() != Some(shown) {
        return Err(EngineError::PlanChanged(id()).into());
    }
    let age = app.now().saturating_sub(run.planned_at.unwrap_or(0));
    if age > lockstep_run::PLAN_AGE {
        return Err(EngineError::Expired(id()).into());
    }
    let policy = match run.subject {
        About::Models => app.store().policy_hash(&site.id).await?,
        About::Prices => app.store().price_policy_hash(&site.id).await?,
    };
    if run.trigger != "undo" && run.policy_hash != policy {
        return Err(EngineError::PolicyChanged(id()).into());
    }
    drop(app.engine().alone(site).await?);
    Ok(())
}

/// Whether any of what was chosen can be written.
async fn some_ready(app: &App, run: &Run, only: &Chosen) -> Result<(), Problem> {
    let ready = match only {
        Chosen::All => true,
        Chosen::Channels(ids) => {
            let rows = app.store().changes_of(&run.id, ids).await?;
            rows.iter().any(|row| row.state == How::Ready)
        }
        Chosen::Models(names) => {
            let rows = app.store().price_rows_of(&run.id, names).await?;
            rows.iter().any(|row| row.state == How::Ready)
        }
    };
    if ready {
        return Ok(());
    }
    Err(EngineError::NothingReady(run.id.clone()).into())
}

/// Takes back what a run wrote, in a run of its own.
#[utoipa::path(post, path = "/sites/{site}/runs/{run}/undo", tag = "runs", request_body = Undo,
    responses(
        (status = 202, body = RunHead, description = "It has begun.", headers(("Location" = String))),
        (status = "default", body = Problem)
    ))]
async fn undo(
    State(app): State<App>,
    Planner(caller): Planner,
    Path((site, run)): Path<(String, String)>,
    Body(undo): Body<Undo>,
) -> Result<Started, Problem> {
    if !undo.plan_only {
        orders::may_write(&caller)?;
    }
    let (site, run) = found(&app, &site, &run).await?;
    let only = chosen(&run, undo.only)?;
    let laid = orders::settings(&app, &site, &BTreeMap::new())?;
    let access = orders::access(&app, site.clone()).await?;
    let order = Order::Undo {
        run: run.id,
        only,
        go: go(undo.plan_only),
    };
    let run = orders::start(&app, &caller, access, laid.settings, order).await?;
    started(&app, &site, &run).await
}

/// Plans what failed in a run once more, in a run of its own, and writes it unless only a plan is wanted.
#[utoipa::path(post, path = "/sites/{site}/runs/{run}/retry", tag = "runs", request_body = Retry,
    responses(
        (status = 202, body = RunHead, description = "It has begun.", headers(("Location" = String))),
        (status = "default", body = Problem)
    ))]
async fn retry(
    State(app): State<App>,
    Planner(caller): Planner,
    Path((site, run)): Path<(String, String)>,
    Body(retry): Body<Retry>,
) -> Result<Started, Problem> {
    if !retry.plan_only {
        orders::may_write(&caller)?;
    }
    let (site, run) = found(&app, &site, &run).await?;
    let laid = orders::settings(&app, &site, &BTreeMap::new())?;
    let go = go(retry.plan_only);
    let store = app.store();
    let order = match run.subject {
        About::Models => {
            let heads = store.channel_heads(&run.id, None).await?;
            let failed = heads
                .into_iter()
                .filter(|head| head.status == ItemStatus::Failed);
            let ids: Vec<i64> = failed.map(|head| head.channel_id).collect();
            if ids.is_empty() {
                return Err(nothing_failed(&run));
            }
            let request = orders::models(selected(ids), &laid, go == Go::Writes);
            Order::Models(Box::new(request), go)
        }
        About::Prices => {
            let heads = store.model_heads(&run.id, None).await?;
            let failed = heads
                .into_iter()
                .filter(|head| head.status == ItemStatus::Failed);
            let names: Vec<String> = failed.map(|head| head.model).collect();
            if names.is_empty() {
                return Err(nothing_failed(&run));
            }
            let what = WhatPrices::Models(names);
            let request = orders::prices(&app, &site, what, &laid, go == Go::Writes).await?;
            Order::Prices(Box::new(request), go)
        }
    };
    let access = orders::access(&app, site.clone()).await?;
    let run = orders::start(&app, &caller, access, laid.settings, order).await?;
    started(&app, &site, &run).await
}

/// The answer that a run has begun.
pub(crate) async fn started(app: &App, site: &Site, run: &str) -> Result<Started, Problem> {
    let place = format!("/api/v1/sites/{}/runs/{run}", site.id);
    Ok((
        StatusCode::ACCEPTED,
        [(header::LOCATION, place)],
        Json(head(app, site, run).await?),
    ))
}

/// A run of a site, by its id or the start of it.
pub(crate) async fn found(app: &App, site: &str, run: &str) -> Result<(Site, Run), Problem> {
    let site = orders::site(app, site).await?;
    let run = app.store().run_by_prefix(Some(&site.id), run).await?;
    Ok((site, run))
}

async fn head(app: &App, site: &Site, run: &str) -> Result<RunHead, Problem> {
    let run = app.store().run(run).await?;
    let counts = app.store().counts(&run.id).await?;
    Ok(RunHead(form::head(site, &run, &counts, app.now())))
}

fn nothing_failed(run: &Run) -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "nothing_to_do",
        format!("nothing failed in run {}", run.id),
    )
}

fn go(plan_only: bool) -> Go {
    if plan_only { Go::Plans } else { Go::Writes }
}

fn selected(mut channels: Vec<i64>) -> Source {
    channels.sort_unstable();
    channels.dedup();
    Source::Selected(channels)
}

/// What of a run is meant. A choice of nothing, or of what the run is not about, is refused.
fn chosen(run: &Run, only: Option<Only>) -> Result<Chosen, Problem> {
    let Some(only) = only else {
        return Ok(Chosen::All);
    };
    let empty = only.channels.as_ref().is_none_or(Vec::is_empty)
        && only.models.as_ref().is_none_or(Vec::is_empty);
    match (run.subject, only.channels, only.models) {
        _ if empty => Err(EngineError::EmptySelection.into()),
        (About::Models, Some(channels), None) => Ok(Chosen::Channels(channels)),
        (About::Prices, None, Some(models)) => Ok(Chosen::Models(models)),
        _ => Err(Problem::bad_request(
            "of a run about models `channels` are chosen, of one about prices `models`",
        )),
    }
}

fn texts(list: Option<&str>) -> impl Iterator<Item = &str> {
    let texts = list.unwrap_or("").split(',').map(str::trim);
    texts.filter(|text| !text.is_empty())
}

fn moment(name: &str, text: Option<&str>) -> Result<Option<i64>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    let at: jiff::Timestamp = text.parse().map_err(|_| {
        Problem::bad_request(format!("`{name}` is no time"))
            .hint("Write it as 2026-08-01T06:30:00Z.")
    })?;
    Ok(Some(at.as_millisecond()))
}

impl Subject {
    fn core(self) -> About {
        match self {
            Self::Models => About::Models,
            Self::Prices => About::Prices,
        }
    }
}
