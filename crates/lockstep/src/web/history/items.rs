//! What a run did to each channel or model, and what of it can be taken back.

use std::collections::BTreeMap;

use lockstep_core::change::{State, Subject};
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::prices::limits::PriceLimits;
use lockstep_run::jobs::Chosen as Only;
use lockstep_run::may_be_undone;
use lockstep_run::stays::{Stays, price_may_be_undone};
use lockstep_store::changes::ChangeRow;
use lockstep_store::listing::{ItemOrder, ItemPage};
use lockstep_store::prices::PriceRow;
use lockstep_store::prices::standing::{Standing, StandingPage};
use lockstep_store::runs::Run;
use lockstep_store::status::ItemStatus;
use lockstep_store::{Store, StoreError};

use super::{list_at, price_at, run_at};
use crate::server::App;
use crate::view::json::Lists;
use crate::web::frame::Frame;
use crate::web::models::{Detail, badge, message};
use crate::web::prices::{Item, limits, model_id};
use crate::web::table::{Asked, Chosen, Shape};
use crate::web::when::Moment;
use crate::words::Said;

/// What the table of a run can be asked.
pub(super) static SHAPE: Shape = Shape {
    chips: &[
        "all", "changed", "success", "failed", "moved", "held", "skipped", "planned",
    ],
    sorts: &["key", "name", "status"],
    groups: &[],
    filters: &[],
    keeps: &["open"],
};

/// The rows of a page.
pub(super) enum Rows {
    Lists(Vec<ListRow>),
    Prices(Vec<PriceItem>),
}

/// A channel.
pub(super) struct ListRow {
    pub(super) id: i64,
    pub(super) pick: String,
    pub(super) name: String,
    /// What its list was over time.
    pub(super) href: String,
    pub(super) badge: &'static str,
    pub(super) status: &'static str,
    pub(super) added: usize,
    pub(super) removed: usize,
    pub(super) message: Option<Said>,
    pub(super) notes: Vec<String>,
    pub(super) finished: Option<Moment>,
    /// Whether it can be taken back.
    pub(super) can: bool,
    /// Why what was written is not to be taken back.
    pub(super) stays: Option<Staying>,
    pub(super) detail: Option<Detail>,
}

/// A model.
pub(super) struct PriceItem {
    pub(super) item: Item,
    /// What its price was over time.
    pub(super) href: String,
    /// Whether it can be taken back.
    pub(super) can: bool,
    /// Why what was written is not to be taken back.
    pub(super) stays: Option<Staying>,
}

/// Why something is not to be taken back.
pub(super) struct Staying {
    pub(super) said: Said,
    /// The run that made it so.
    pub(super) run: Option<String>,
}

impl Staying {
    fn of(f: &Frame, reason: &Reason) -> Self {
        let run = reason.names.first();
        let mut said = f.lang.reason(reason);
        if reason.code == ReasonCode::Locked {
            said.message.clone_from(&f.t.history.stays_locked);
        }
        Self {
            said,
            run: run.map(|run| run_at(f, run)),
        }
    }
}

impl ListRow {
    /// What its button asks for: to be opened, or closed.
    pub(super) fn opens(&self) -> &str {
        if self.detail.is_some() {
            ""
        } else {
            &self.pick
        }
    }
}

impl Rows {
    /// What the rows are chosen by.
    pub(super) fn picks(&self) -> Vec<String> {
        match self {
            Self::Lists(rows) => rows.iter().map(|row| row.pick.clone()).collect(),
            Self::Prices(rows) => rows.iter().map(|row| row.item.id.clone()).collect(),
        }
    }
}

/// The page that is asked for. It has no end where `whole`.
fn wanted(asked: &Asked, whole: bool) -> ItemPage {
    let status = match asked.chip {
        "success" => Some(ItemStatus::Success),
        "failed" => Some(ItemStatus::Failed),
        "held" => Some(ItemStatus::Held),
        "skipped" => Some(ItemStatus::Skipped),
        "planned" => Some(ItemStatus::Planned),
        _ => None,
    };
    ItemPage {
        search: Some(asked.search.clone()).filter(|text| !text.is_empty()),
        statuses: status.into_iter().collect(),
        changed: asked.chip == "changed",
        order: match asked.sort {
            "name" => ItemOrder::Name,
            "status" => ItemOrder::Status,
            _ => ItemOrder::Key,
        },
        backwards: asked.backwards,
        skip: if whole { 0 } else { asked.skip() },
        limit: if whole { u32::MAX } else { asked.size },
    }
}

/// How the models stand that a chip means, of a run about prices: there what is the same and what is left out is one thing.
pub(super) fn stands(chip: &str) -> Option<Standing> {
    match chip {
        "changed" => Some(Standing::Written),
        "failed" => Some(Standing::Failed),
        "moved" => Some(Standing::Moved),
        "held" => Some(Standing::Held),
        "success" | "skipped" => Some(Standing::Left),
        "planned" => Some(Standing::Ready),
        _ => None,
    }
}

/// The same page of a run about prices.
pub(super) fn wanted_models(asked: &Asked, whole: bool) -> StandingPage {
    let page = wanted(asked, whole);
    StandingPage {
        only: stands(asked.chip),
        search: asked.search.clone(),
        odd_first: page.order == ItemOrder::Status,
        backwards: page.backwards,
        skip: page.skip,
        limit: page.limit,
    }
}

/// What the API's files of the items are asked for, so that they have what the table shows.
pub(super) fn exported(asked: &Asked) -> String {
    let page = wanted(asked, true);
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    if let Some(search) = &page.search {
        query.append_pair("search", search);
    }
    for status in &page.statuses {
        query.append_pair("status", status.code());
    }
    if page.changed {
        query.append_pair("changed", "true");
    }
    let sort = match page.order {
        ItemOrder::Key => None,
        ItemOrder::Name => Some("name"),
        ItemOrder::Status => Some("status"),
    };
    query.extend_pairs(sort.map(|sort| ("sort", sort)));
    if page.backwards {
        query.append_pair("order", "desc");
    }
    query.finish()
}

/// The rows of the page that is asked for, and how many match on all pages.
pub(super) async fn rows(
    app: &App,
    f: &Frame,
    run: &Run,
    stays: &Stays,
    asked: &Asked,
) -> Result<(Rows, u64), StoreError> {
    let (store, page) = (app.store(), wanted(asked, false));
    Ok(match run.subject {
        Subject::Models => {
            let (ids, total) = store.channel_page(&run.id, &page).await?;
            let mut rows = store.changes_of(&run.id, &ids).await?;
            let place: BTreeMap<i64, usize> = ids.iter().copied().zip(0..).collect();
            rows.sort_by_key(|row| place.get(&row.channel_id).copied());
            let view = |row: &ChangeRow| list(app, f, run, stays.list(row), asked, row);
            (Rows::Lists(rows.iter().map(view).collect()), total)
        }
        Subject::Prices => {
            let names = store
                .standing_page(&run.id, &wanted_models(asked, false))
                .await?;
            let counts = store.standing_counts(&run.id, &asked.search).await?;
            let only = stands(asked.chip);
            let counts = counts.into_iter();
            let counts = counts.filter(|(standing, _)| only.is_none_or(|only| only == *standing));
            let total = counts.map(|(_, count)| count).sum();
            let mut rows = store.price_rows_of(&run.id, &names).await?;
            let place: BTreeMap<&String, usize> = names.iter().zip(0..).collect();
            rows.sort_by_key(|row| place.get(&row.model).copied());
            let models = rows.chunk_by(|one, next| one.model == next.model);
            let limits = limits(run);
            let rows = models.filter_map(|rows| price(f, run, stays, rows, &limits));
            (Rows::Prices(rows.collect()), total)
        }
    })
}

fn list(
    app: &App,
    f: &Frame,
    run: &Run,
    stays: Option<Reason>,
    asked: &Asked,
    row: &ChangeRow,
) -> ListRow {
    let wrote = run.state.ended() && may_be_undone(row);
    let lists = Lists::of(row);
    let pick = row.channel_id.to_string();
    let open = asked.text("open") == pick;
    ListRow {
        id: row.channel_id,
        name: row.channel_name.clone(),
        href: list_at(f, row.channel_id),
        badge: badge(row),
        status: match row.status() {
            ItemStatus::Held => f.lang.state(State::Held),
            _ => f.lang.state(row.state),
        },
        added: lists.added.len(),
        removed: lists.removed.len(),
        message: message(f, row),
        notes: row.notes.iter().map(|note| f.lang.note(note)).collect(),
        finished: Some(Moment::new(
            row.finished_at.unwrap_or(row.read_at),
            app.now(),
            f.lang,
        )),
        can: wrote && stays.is_none(),
        stays: stays
            .filter(|_| wrote)
            .map(|reason| Staying::of(f, &reason)),
        detail: open.then(|| Detail::new(app, f, row, lists, None)),
        pick,
    }
}

fn price(
    f: &Frame,
    run: &Run,
    stays: &Stays,
    rows: &[PriceRow],
    limits: &PriceLimits,
) -> Option<PriceItem> {
    let model = &rows.first()?.model;
    let wrote = rows.iter().filter(|row| price_may_be_undone(row));
    let wrote: Vec<PriceRow> = wrote.filter(|_| run.state.ended()).cloned().collect();
    let stays = stays.prices(&wrote);
    let can = stays.contains(&None);
    let reason = stays.into_iter().flatten().next().filter(|_| !can);
    Some(PriceItem {
        item: Item::of(rows, f, limits)?,
        href: price_at(f, model),
        can,
        stays: reason.map(|reason| Staying::of(f, &reason)),
    })
}

/// What all rows that match are chosen by.
pub(super) async fn all_that_match(
    store: &Store,
    run: &Run,
    asked: &Asked,
) -> Result<Vec<String>, StoreError> {
    let page = wanted(asked, true);
    Ok(match run.subject {
        Subject::Models => {
            let (ids, _) = store.channel_page(&run.id, &page).await?;
            ids.iter().map(i64::to_string).collect()
        }
        Subject::Prices => {
            let page = wanted_models(asked, true);
            let names = store.standing_page(&run.id, &page).await?;
            names.iter().map(|name| model_id(name)).collect()
        }
    })
}

/// What the table's form chose of a run; `None` for nothing.
pub(super) async fn chosen(
    store: &Store,
    run: &Run,
    chosen: Chosen,
) -> Result<Option<Only>, StoreError> {
    let (page, picks) = match &chosen {
        Chosen::All(asked) => (wanted(asked, true), None),
        Chosen::These(picks) => (
            ItemPage {
                limit: u32::MAX,
                ..ItemPage::default()
            },
            Some(picks),
        ),
    };
    Ok(match (run.subject, picks) {
        (Subject::Models, Some(picks)) => {
            let ids: Vec<i64> = picks.iter().filter_map(|id| id.parse().ok()).collect();
            (!ids.is_empty()).then_some(Only::Channels(ids))
        }
        (Subject::Models, None) => {
            let (ids, _) = store.channel_page(&run.id, &page).await?;
            (!ids.is_empty()).then_some(Only::Channels(ids))
        }
        (Subject::Prices, picks) => {
            let page = match &chosen {
                Chosen::All(asked) => wanted_models(asked, true),
                Chosen::These(_) => StandingPage {
                    limit: u32::MAX,
                    ..StandingPage::default()
                },
            };
            let mut names = store.standing_page(&run.id, &page).await?;
            if let Some(picks) = picks {
                names.retain(|name| picks.contains(&model_id(name)));
            }
            (!names.is_empty()).then_some(Only::Models(names))
        }
    })
}
