//! What is in a run, page by page: its channels, or its models, by what a person is told of them.

use lockstep_core::change::State;
use lockstep_core::channel::Provider;

use super::like;
use crate::blobs::ROWS_PER_STATEMENT;
use crate::change_rows;
use crate::changes::ChangeRow;
use crate::columns::Columns;
use crate::prices::{PriceRow, rows as price_rows};
use crate::sql::{QueryBuilder, Row};
use crate::status::ItemStatus;
use crate::{Store, StoreError};

/// A channel of a run, without its lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelHead {
    /// The run.
    pub run_id: String,
    /// The gateway's channel id.
    pub channel_id: i64,
    /// The channel's name when it was read.
    pub channel_name: String,
    /// The provider behind it.
    pub provider: Provider,
    /// What a person is told of it.
    pub status: ItemStatus,
}

/// A model of a price run, without its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelHead {
    /// The model.
    pub model: String,
    /// What a person is told of it.
    pub status: ItemStatus,
}

/// Which channels or models of a run are meant, and which page of them.
#[derive(Clone, Debug, Default)]
pub struct ItemPage {
    /// What is searched for, as in [`Store::channel_heads`] and [`Store::model_heads`].
    pub search: Option<String>,
    /// Only those of which a person is told so; all where it is empty.
    pub statuses: Vec<ItemStatus>,
    /// Only those that were written, or of which a part was.
    pub changed: bool,
    /// The order.
    pub order: ItemOrder,
    /// Whether it is turned round.
    pub backwards: bool,
    /// How many come before the page.
    pub skip: usize,
    /// The most entries of the page.
    pub limit: u32,
}

impl ItemPage {
    /// The page of a whole list, and the length of that.
    fn cut<T>(&self, all: Vec<T>) -> (Vec<T>, u64) {
        let total = all.len() as u64;
        let some = all.into_iter().skip(self.skip).take(self.limit as usize);
        (some.collect(), total)
    }
}

/// An order of channels or models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ItemOrder {
    /// By the channel's id, or the model's name.
    #[default]
    Key,
    /// By the channel's name, or the model's.
    Name,
    /// By what a person is told of it.
    Status,
}

impl Store {
    /// The run's channels in the order of their ids. `search`: only those whose name or id has it, whose failure or
    /// hold has that code, or whose list has such a name where it changes or waits. Case is ignored.
    pub async fn channel_heads(
        &self,
        run_id: &str,
        search: Option<&str>,
    ) -> Result<Vec<ChannelHead>, StoreError> {
        let mut query = QueryBuilder::new(
            "SELECT c.run_id, c.channel_id, c.channel_name, c.provider_kind, c.provider_url, c.state, \
             CAST(CASE WHEN c.hold IS NULL THEN 0 ELSE 1 END AS BIGINT) AS held FROM change c WHERE c.run_id = ",
        );
        query.push_bind(run_id);
        if let Some(text) = search {
            push_channel_search(&mut query, text);
        }
        query.push(" ORDER BY c.channel_id");
        let rows = query
            .build()
            .persistent(false)
            .fetch_all(self.readers())
            .await?;
        rows.iter().map(channel_head).collect()
    }

    /// The ids of a page of the run's channels, and how many there are on all pages. Only the page is taken out of the
    /// database; of a search all ids are, since searching once more to count them would cost more.
    pub async fn channel_page(
        &self,
        run_id: &str,
        page: &ItemPage,
    ) -> Result<(Vec<i64>, u64), StoreError> {
        let mut query = QueryBuilder::new("SELECT c.channel_id FROM change c WHERE c.run_id = ");
        query.push_bind(run_id);
        if let Some(text) = &page.search {
            push_channel_search(&mut query, text);
        }
        push_kept(&mut query, page);
        let turned = if page.backwards { " DESC" } else { "" };
        query.push(" ORDER BY ");
        match page.order {
            ItemOrder::Key => {}
            ItemOrder::Name => {
                query.push("LOWER(c.channel_name)").push(turned).push(", ");
            }
            ItemOrder::Status => {
                push_rank(&mut query);
                query.push(turned).push(", ");
            }
        }
        query.push("c.channel_id").push(turned);
        if page.search.is_none() {
            push_place(&mut query, page);
        }
        let rows = query.build().persistent(false);
        let rows = rows.fetch_all(self.readers()).await?;
        let id = |row: &Row| Columns::new(row, "change", "channel_id").number("channel_id");
        let ids = rows
            .iter()
            .map(id)
            .collect::<Result<Vec<_>, StoreError>>()?;
        if page.search.is_some() {
            return Ok(page.cut(ids));
        }
        if page.statuses.is_empty() {
            let counts = self.counts(run_id).await?;
            let total = if page.changed {
                counts.changed
            } else {
                counts.total
            };
            return Ok((ids, total));
        }
        let mut query =
            QueryBuilder::new("SELECT COUNT(*) AS total FROM change c WHERE c.run_id = ");
        query.push_bind(run_id);
        push_kept(&mut query, page);
        let query = query.build().persistent(false);
        let row = query.fetch_one(self.readers()).await?;
        let total = Columns::new(&row, "change", "total").number("total")?;
        Ok((ids, u64::try_from(total).unwrap_or(0)))
    }

    /// The names of a page of a price run's models, and how many there are on all pages.
    pub async fn model_page(
        &self,
        run_id: &str,
        page: &ItemPage,
    ) -> Result<(Vec<String>, u64), StoreError> {
        if page.statuses.is_empty()
            && !page.changed
            && page.search.is_none()
            && page.order != ItemOrder::Status
        {
            let mut query =
                QueryBuilder::new("SELECT DISTINCT p.model FROM price_change p WHERE p.run_id = ");
            query.push_bind(run_id).push(" ORDER BY p.model");
            query.push(if page.backwards { " DESC" } else { "" });
            push_place(&mut query, page);
            let rows = query.build().persistent(false);
            let rows = rows.fetch_all(self.readers()).await?;
            let names = rows
                .iter()
                .map(model)
                .collect::<Result<Vec<_>, StoreError>>()?;
            return Ok((names, self.counts(run_id).await?.total));
        }
        let mut query = QueryBuilder::new("SELECT model, COUNT(*) OVER () AS total");
        push_models(&mut query, run_id, page);
        let turned = if page.backwards { " DESC" } else { "" };
        query.push(" ORDER BY ");
        if page.order == ItemOrder::Status {
            query.push("place").push(turned).push(", ");
        }
        query.push("model").push(turned);
        push_place(&mut query, page);
        let query = query.build().persistent(false);
        let rows = query.fetch_all(self.readers()).await?;
        let names = rows.iter().map(model).collect::<Result<_, StoreError>>()?;
        if let Some(row) = rows.first() {
            return Ok((names, total(row)?));
        }
        if page.skip == 0 {
            return Ok((names, 0));
        }
        let mut query = QueryBuilder::new("SELECT COUNT(*) AS total");
        push_models(&mut query, run_id, page);
        let query = query.build().persistent(false);
        Ok((names, total(&query.fetch_one(self.readers()).await?)?))
    }

    /// The models of a price run in their order. `search`: only those of which the name or a source has it. Case is
    /// ignored.
    pub async fn model_heads(
        &self,
        run_id: &str,
        search: Option<&str>,
    ) -> Result<Vec<ModelHead>, StoreError> {
        let mut query = QueryBuilder::new(
            "SELECT p.model, p.state, CAST(MAX(CASE WHEN p.hold IS NULL THEN 0 ELSE 1 END) AS BIGINT) AS held \
             FROM price_change p WHERE p.run_id = ",
        );
        query.push_bind(run_id);
        if let Some(text) = search {
            push_model_search(&mut query, run_id, text);
        }
        query.push(" GROUP BY p.model, p.state ORDER BY p.model, p.state");
        let rows = query
            .build()
            .persistent(false)
            .fetch_all(self.readers())
            .await?;
        let read = |row: &Row| {
            let columns = Columns::new(row, "price_change", "model");
            let state = columns.read("state", State::from_code)?;
            Ok((columns.text("model")?, state, columns.flag("held")?))
        };
        let states: Vec<(String, State, bool)> =
            rows.iter().map(read).collect::<Result<_, StoreError>>()?;
        let head = |model: &[(String, State, bool)]| {
            let name = model.first()?.0.clone();
            let held = model.iter().any(|(_, _, held)| *held);
            let states: Vec<State> = model.iter().map(|(_, state, _)| *state).collect();
            Some(ModelHead {
                model: name,
                status: ItemStatus::of_model(&states, held),
            })
        };
        let models = states.chunk_by(|one, next| one.0 == next.0);
        Ok(models.filter_map(head).collect())
    }

    /// The run's changes of these channels, in the order of their ids.
    pub async fn changes_of(
        &self,
        run_id: &str,
        channels: &[i64],
    ) -> Result<Vec<ChangeRow>, StoreError> {
        let mut found = Vec::with_capacity(channels.len());
        for some in channels.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::new(&change_rows::select("c.run_id = "));
            query.push_bind(run_id).push(" AND c.channel_id IN (");
            let mut ids = query.separated(", ");
            for id in some {
                ids.push_bind(*id);
            }
            query.push(")");
            let query = query.build().persistent(false);
            for row in &query.fetch_all(self.readers()).await? {
                found.push(change_rows::from_row(row)?);
            }
        }
        found.sort_by_key(|row| row.channel_id);
        Ok(found)
    }

    /// The run's price rows of these models, in the order of the models, and of one model in that of its fields.
    pub async fn price_rows_of(
        &self,
        run_id: &str,
        models: &[String],
    ) -> Result<Vec<PriceRow>, StoreError> {
        let mut found = Vec::new();
        for some in models.chunks(ROWS_PER_STATEMENT) {
            let mut query = QueryBuilder::new(&price_rows::select("c.run_id = "));
            query.push_bind(run_id).push(" AND c.model IN (");
            let mut names = query.separated(", ");
            for name in some {
                names.push_bind(name.clone());
            }
            query.push(")");
            let query = query.build().persistent(false);
            let rows = query.fetch_all(self.readers()).await?;
            found.extend(price_rows::in_order(&rows)?);
        }
        found.sort_by(|one, other| (&one.model, one.field).cmp(&(&other.model, other.field)));
        Ok(found)
    }
}

/// Takes those of a run's channels that a page is to have, whatever is searched for.
fn push_kept(query: &mut QueryBuilder, page: &ItemPage) {
    if !page.statuses.is_empty() {
        push_statuses(query, &page.statuses);
    }
    if page.changed {
        query
            .push(" AND c.state = ")
            .push_bind(State::Applied.code());
    }
}

/// Looks for a text in what a channel is called, in its codes and in its lists.
fn push_channel_search(query: &mut QueryBuilder, text: &str) {
    let part = like(text);
    query
        .push(" AND (LOWER(c.channel_name) LIKE ")
        .push_bind(part.clone());
    query
        .push(" ESCAPE '\\' OR CAST(c.channel_id AS TEXT) LIKE ")
        .push_bind(part.clone());
    // A code is looked for whole, as a value of the JSON that it is stored in: its keys are no codes.
    let code = like(&format!(":\"{text}\""));
    for column in [
        " ESCAPE '\\' OR COALESCE(c.failure, '') LIKE ",
        " ESCAPE '\\' OR COALESCE(c.hold, '') LIKE ",
    ] {
        query.push(column).push_bind(code.clone());
    }
    // A list that stays as it is tells nothing of this run, and there may be ten thousands of them.
    query.push(" ESCAPE '\\' OR ((c.after_hash <> c.before_hash OR c.hold IS NOT NULL)");
    for (start, list) in [
        (" AND (", "before"),
        (" OR ", "after"),
        (" OR ", "upstream"),
    ] {
        query
            .push(start)
            .push("EXISTS (SELECT 1 FROM blob b WHERE b.hash = c.")
            .push(list);
        query
            .push("_hash AND LOWER(b.text) LIKE ")
            .push_bind(part.clone())
            .push(" ESCAPE '\\')");
    }
    query.push(")))");
}

/// Looks for a text in a model's name and in the names of the sources that were chosen for it.
fn push_model_search(query: &mut QueryBuilder, run_id: &str, text: &str) {
    let part = like(text);
    query
        .push(" AND (LOWER(p.model) LIKE ")
        .push_bind(part.clone());
    query.push(" ESCAPE '\\' OR p.model IN (SELECT s.model FROM price_change s WHERE s.run_id = ");
    query
        .push_bind(run_id)
        .push(" AND LOWER(COALESCE(s.source, '')) LIKE ");
    query.push_bind(part).push(" ESCAPE '\\'))");
}

/// Takes the models of a page, each with the place of what a person is told of it in the order of [`ItemStatus`].
fn push_models(query: &mut QueryBuilder, run_id: &str, page: &ItemPage) {
    // What is told of a model follows from all of its fields.
    query.push(" FROM (SELECT model, changed, CASE");
    for weight in 0..=ItemStatus::LIGHTEST {
        let place = ItemStatus::of_weight(weight) as i64;
        query.push(&format!(" WHEN weight = {weight} THEN {place}"));
    }
    query.push(" END AS place FROM (SELECT p.model AS model, MIN(CASE");
    for (state, held) in states() {
        let weight = ItemStatus::weight(state, held);
        query.push(&format!(
            " WHEN p.state = '{}' AND p.hold IS {}NULL THEN {weight}",
            state.code(),
            if held { "NOT " } else { "" }
        ));
    }
    query
        .push(" END) AS weight, MAX(CASE WHEN p.state = ")
        .push_bind(State::Applied.code());
    query.push(" THEN 1 ELSE 0 END) AS changed FROM price_change p WHERE p.run_id = ");
    query.push_bind(run_id);
    if let Some(text) = &page.search {
        push_model_search(query, run_id, text);
    }
    query.push(" GROUP BY p.model) weighed) told WHERE 1 = 1");
    if page.changed {
        query.push(" AND changed = 1");
    }
    if !page.statuses.is_empty() {
        let places: Vec<String> = page
            .statuses
            .iter()
            .map(|status| (*status as i64).to_string())
            .collect();
        query.push(&format!(" AND place IN ({})", places.join(", ")));
    }
}

/// Takes the states of which a person is told so, by the one rule that says it.
pub(crate) fn push_statuses(query: &mut QueryBuilder, statuses: &[ItemStatus]) {
    query.push(" AND (1 = 0");
    for (state, held, status) in told() {
        if statuses.contains(&status) {
            query.push(" OR c.state = ").push_bind(state.code());
            query.push(null(held));
        }
    }
    query.push(")");
}

/// The place of what a person is told in the order of [`ItemStatus`].
pub(crate) fn push_rank(query: &mut QueryBuilder) {
    query.push("CASE");
    for (state, held, status) in told() {
        query.push(" WHEN c.state = ").push_bind(state.code());
        query.push(null(held)).push(" THEN ");
        query.push(&(status as i64).to_string());
    }
    query.push(" END");
}

/// What a person is told of each state, with a hold and without.
fn told() -> impl Iterator<Item = (State, bool, ItemStatus)> {
    states().map(|(state, held)| (state, held, ItemStatus::of(state, held)))
}

/// Each state with a hold and without.
fn states() -> impl Iterator<Item = (State, bool)> {
    let states = State::ALL.iter().copied();
    states.flat_map(|state| [(state, false), (state, true)])
}

fn null(held: bool) -> &'static str {
    if held {
        " AND c.hold IS NOT NULL"
    } else {
        " AND c.hold IS NULL"
    }
}

fn push_place(query: &mut QueryBuilder, page: &ItemPage) {
    query.push(" LIMIT ").push_bind(i64::from(page.limit));
    let skip = i64::try_from(page.skip).unwrap_or(i64::MAX);
    query.push(" OFFSET ").push_bind(skip);
}

fn model(row: &Row) -> Result<String, StoreError> {
    Columns::new(row, "price_change", "model").text("model")
}

fn total(row: &Row) -> Result<u64, StoreError> {
    let total = Columns::new(row, "price_change", "total").number("total")?;
    Ok(u64::try_from(total).unwrap_or(0))
}

pub(crate) fn channel_head(row: &Row) -> Result<ChannelHead, StoreError> {
    let columns = Columns::new(row, "change", "channel_id");
    let state = columns.read("state", State::from_code)?;
    Ok(ChannelHead {
        run_id: columns.text("run_id")?,
        channel_id: columns.number("channel_id")?,
        channel_name: columns.text("channel_name")?,
        provider: Provider {
            kind: columns.number("provider_kind")?,
            base_url: columns.text("provider_url")?,
        },
        status: ItemStatus::of(state, columns.flag("held")?),
    })
}
