//! Runs as they are looked at: their list, one in full, its items page by page.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use futures_util::stream::unfold;
use lockstep_core::change::{RunState, Subject as About};
use lockstep_store::listing::{ItemOrder, ItemPage, RunFilter};
use lockstep_store::prices::counts;
use lockstep_store::prices::verified::Page;
use lockstep_store::runs::Run;
use lockstep_store::status::ItemStatus;
use lockstep_store::{Store, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Subject, found};
use crate::api::extract::{Path, Query, moment};
use crate::api::orders;
use crate::api::v1::export::{AT_ONCE, Form, file};
use crate::api::v1::openapi::{RunHead, RunInFull, RunItem};
use crate::api::v1::paging::{Limit, next, place};
use crate::server::App;
use crate::server::caller::Reader;
use crate::server::problem::Problem;
use crate::view::{json as form, prices};
use crate::words::en;

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

/// All items of a run that pass a filter.
#[derive(Debug, Serialize, ToSchema)]
struct AllItems {
    items: Vec<RunItem>,
}

/// The columns of a run about models. Of the whole lists a table has only the lengths: they are what makes a run long, and
/// no cell of a spreadsheet bears one of two thousand names.
const COLUMNS: &[&str] = &[
    "channel_id",
    "channel_name",
    "status",
    "added",
    "removed",
    "old_models.count",
    "new_models.count",
    "upstream_models.count",
    "hold.reason",
    "hold.message",
    "skip.reason",
    "skip.message",
    "error.kind",
    "error.message",
    "http_status",
    "attempts",
    "finished_at",
];

/// The columns of a run about prices.
pub(crate) const PRICE_COLUMNS: &[&str] = &[
    "model",
    "field",
    "status",
    "old",
    "new",
    "source",
    "usd_old.input",
    "usd_old.output",
    "usd_old.cache_read",
    "usd_old.cache_write",
    "usd_old.per_call",
    "usd_new.input",
    "usd_new.output",
    "usd_new.cache_read",
    "usd_new.cache_write",
    "usd_new.per_call",
    "kind_old",
    "kind_new",
    "hold.reason",
    "hold.message",
    "skip.reason",
    "skip.message",
    "error.kind",
    "error.message",
    "finished_at",
];

/// Which items are meant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct WantedItems {
    /// `success`, `failed`, `held`, `skipped` or `planned`; several are parted by commas.
    status: Option<String>,
    /// Whether only those are meant that were written, or of which a part was.
    #[serde(default)]
    #[param(value_type = Option<bool>)]
    changed: bool,
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

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(one))
        .routes(routes!(items))
        .routes(routes!(items_csv))
        .routes(routes!(items_json))
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
        ..RunFilter::default()
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
    told["verified"] = match store.page(&run.id).await? {
        None => Value::Null,
        Some(Page::Read(page)) => prices::verified(Some(&page), &en::verified(&page)),
        Some(Page::Unread(failure)) => {
            let why = en::price_failure(&failure).message;
            prices::verified(None, &en::page_unread(&why))
        }
    };
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
    let page = wanted.of(&run)?;
    let (items, total) = some(app.store(), &run, &page).await?;
    let next = next(page.skip, wanted.limit, total);
    let items = items.into_iter().map(RunItem).collect();
    Ok(Json(Items { items, total, next }))
}

/// All items of a run as CSV, by the filter and in the order of the list.
///
/// `limit` and `cursor` are not heeded. Lists of names have a line a name within their cell, and a text that a table would
/// take for a formula begins with an apostrophe. Of whole model lists only the lengths are told; `items.json` has them.
#[utoipa::path(get, path = "/sites/{site}/runs/{run}/items.csv", tag = "runs", params(WantedItems),
    responses(
        (status = 200, content_type = "text/csv", body = String, description = "A file."),
        (status = "default", body = Problem)
    ))]
async fn items_csv(
    State(app): State<App>,
    _: Reader,
    Path((site, run)): Path<(String, String)>,
    Query(wanted): Query<WantedItems>,
) -> Result<Response, Problem> {
    let (_, run) = found(&app, &site, &run).await?;
    let columns = match run.subject {
        About::Models => COLUMNS,
        About::Prices => PRICE_COLUMNS,
    };
    whole(&app, run, &wanted, Form::Csv(columns))
}

/// All items of a run as JSON, by the filter and in the order of the list. `limit` and `cursor` are not heeded.
#[utoipa::path(get, path = "/sites/{site}/runs/{run}/items.json", tag = "runs", params(WantedItems),
    responses((status = 200, body = AllItems), (status = "default", body = Problem)))]
async fn items_json(
    State(app): State<App>,
    _: Reader,
    Path((site, run)): Path<(String, String)>,
    Query(wanted): Query<WantedItems>,
) -> Result<Response, Problem> {
    let (_, run) = found(&app, &site, &run).await?;
    whole(&app, run, &wanted, Form::Json("items"))
}

/// The items of a run as a file.
fn whole(app: &App, run: Run, wanted: &WantedItems, form: Form) -> Result<Response, Problem> {
    let mut page = wanted.of(&run)?;
    (page.skip, page.limit) = (0, AT_ONCE);
    let store = app.store().clone();
    let rows = unfold(Some(page), move |page| {
        let (store, run) = (store.clone(), run.clone());
        async move {
            let mut page = page?;
            match some(&store, &run, &page).await {
                Ok((items, total)) => {
                    page.skip += page.limit as usize;
                    let more = page.skip < total;
                    Some((Ok(items), more.then_some(page)))
                }
                Err(error) => Some((Err(error), None)),
            }
        }
    });
    Ok(file("items", form, rows))
}

/// Some items of a run, and how many channels or models there are in all.
async fn some(
    store: &Store,
    run: &Run,
    page: &ItemPage,
) -> Result<(Vec<Value>, usize), StoreError> {
    let (items, total): (Vec<Value>, u64) = match run.subject {
        About::Models => {
            let (ids, total) = store.channel_page(&run.id, page).await?;
            let mut rows = store.changes_of(&run.id, &ids).await?;
            let place: BTreeMap<i64, usize> = ids.iter().copied().zip(0..).collect();
            rows.sort_by_key(|row| place.get(&row.channel_id).copied());
            (rows.iter().map(form::item).collect(), total)
        }
        About::Prices => {
            let (names, total) = store.model_page(&run.id, page).await?;
            let mut rows = store.price_rows_of(&run.id, &names).await?;
            let place: BTreeMap<&String, usize> = names.iter().zip(0..).collect();
            // The sort is stable, so a model's values stay in their order.
            rows.sort_by_key(|row| place.get(&row.model).copied());
            (rows.iter().map(prices::item).collect(), total)
        }
    };
    Ok((items, usize::try_from(total).unwrap_or(usize::MAX)))
}

impl WantedItems {
    /// What is wanted of this run.
    fn of(&self, run: &Run) -> Result<ItemPage, Problem> {
        if run.subject == About::Prices && self.sort == Some(Sort::Id) {
            return Err(Problem::bad_request(
                "models have no id; sort them by `name`",
            ));
        }
        self.page()
    }

    fn page(&self) -> Result<ItemPage, Problem> {
        Ok(ItemPage {
            search: self.search.clone().filter(|text| !text.is_empty()),
            statuses: self.statuses()?,
            changed: self.changed,
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

fn texts(list: Option<&str>) -> impl Iterator<Item = &str> {
    let texts = list.unwrap_or("").split(',').map(str::trim);
    texts.filter(|text| !text.is_empty())
}
