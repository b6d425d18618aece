//! Lists of runs, and of what is in a run, page by page: what is looked for is found without reading the long texts.

use lockstep_core::change::{RunState, State, Subject};
use lockstep_core::channel::Provider;

use crate::blobs::ROWS_PER_STATEMENT;
use crate::change_rows;
use crate::changes::ChangeRow;
use crate::columns::Columns;
use crate::prices::{PriceRow, rows as price_rows};
use crate::runs::{self, Run};
use crate::sql::{QueryBuilder, Row};
use crate::status::{ItemStatus, RunCounts};
use crate::{Store, StoreError, tally};

/// Which runs are meant. What is `None` or empty excludes none.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// What they are about.
    pub subject: Option<Subject>,
    /// How far they got.
    pub states: Vec<RunState>,
    /// What started them.
    pub trigger: Option<String>,
    /// Started then or later, in Unix milliseconds.
    pub from: Option<i64>,
    /// Started before then, in Unix milliseconds.
    pub to: Option<i64>,
    /// Part of the id, of who started or approved it, or of the name of a channel or model in it. Case is ignored.
    pub search: Option<String>,
    /// The id of the last run of the page before.
    pub before: Option<String>,
}

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
    /// The site's runs that are meant, newest first, at most `limit`, with their counts.
    pub async fn runs_where(
        &self,
        site_id: &str,
        filter: &RunFilter,
        limit: u32,
    ) -> Result<Vec<(Run, RunCounts)>, StoreError> {
        // One transaction, so that a run and its counts are of the same moment.
        let mut db = self.readers().begin().await?;
        let mut query = QueryBuilder::new("SELECT r.* FROM run r WHERE r.site_id = ");
        query.push_bind(site_id);
        if let Some(subject) = filter.subject {
            query.push(" AND r.subject = ").push_bind(subject.code());
        }
        if !filter.states.is_empty() {
            query.push(" AND r.state IN (");
            let mut states = query.separated(", ");
            for state in &filter.states {
                states.push_bind(state.code());
            }
            query.push(")");
        }
        if let Some(trigger) = &filter.trigger {
            query
                .push(" AND r.started_by = ")
                .push_bind(trigger.clone());
        }
        if let Some(from) = filter.from {
            query.push(" AND r.started_at >= ").push_bind(from);
        }
        if let Some(to) = filter.to {
            query.push(" AND r.started_at < ").push_bind(to);
        }
        if let Some(before) = &filter.before {
            query.push(" AND r.id < ").push_bind(before.clone());
        }
        if let Some(text) = &filter.search {
            let part = like(text);
            query.push(" AND (r.id LIKE ").push_bind(part.clone());
            for column in [
                " ESCAPE '\\' OR LOWER(r.actor) LIKE ",
                " ESCAPE '\\' OR LOWER(COALESCE(r.approved_by, '')) LIKE ",
                " ESCAPE '\\' OR EXISTS (SELECT 1 FROM change c WHERE c.run_id = r.id AND LOWER(c.channel_name) LIKE ",
            ] {
                query.push(column).push_bind(part.clone());
            }
            query.push(" ESCAPE '\\') OR EXISTS (SELECT 1 FROM price_change p WHERE p.run_id = r.id AND LOWER(p.model) LIKE ");
            query.push_bind(part).push(" ESCAPE '\\'))");
        }
        query
            .push(" ORDER BY r.id DESC LIMIT ")
            .push_bind(i64::from(limit));
        let rows = query.build().persistent(false).fetch_all(&mut db).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let run = runs::from_row(row)?;
            let counts = match tally::stored(row)? {
                Some(counts) => counts,
                None => tally::count(&mut db, &run.id).await?,
            };
            found.push((run, counts));
        }
        Ok(found)
    }

    /// The run's channels in the order of their ids. `search`: only those whose name or id has it, whose failure or
    /// hold has that code, or whose list before or after has such a name. Case is ignored.
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
        if !page.statuses.is_empty() {
            push_statuses(&mut query, &page.statuses);
        }
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
            return Ok((ids, self.counts(run_id).await?.total));
        }
        let mut query =
            QueryBuilder::new("SELECT COUNT(*) AS total FROM change c WHERE c.run_id = ");
        query.push_bind(run_id);
        push_statuses(&mut query, &page.statuses);
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
        // What is told of a model follows from all of its fields, so those are looked at where it matters.
        if !page.statuses.is_empty() || page.order == ItemOrder::Status {
            let mut heads = self.model_heads(run_id, page.search.as_deref()).await?;
            heads.retain(|head| page.statuses.is_empty() || page.statuses.contains(&head.status));
            if page.order == ItemOrder::Status {
                heads.sort_by_key(|head| head.status);
            }
            if page.backwards {
                heads.reverse();
            }
            return Ok(page.cut(heads.into_iter().map(|head| head.model).collect()));
        }
        let mut query =
            QueryBuilder::new("SELECT DISTINCT p.model FROM price_change p WHERE p.run_id = ");
        query.push_bind(run_id);
        if let Some(text) = &page.search {
            push_model_search(&mut query, run_id, text);
        }
        let turned = if page.backwards { " DESC" } else { "" };
        query.push(" ORDER BY p.model").push(turned);
        if page.search.is_none() {
            push_place(&mut query, page);
        }
        let rows = query.build().persistent(false);
        let rows = rows.fetch_all(self.readers()).await?;
        let name = |row: &Row| Columns::new(row, "price_change", "model").text("model");
        let names = rows
            .iter()
            .map(name)
            .collect::<Result<Vec<_>, StoreError>>()?;
        if page.search.is_some() {
            return Ok(page.cut(names));
        }
        Ok((names, self.counts(run_id).await?.total))
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
    // A list that does not change is looked at once.
    for list in [
        " ESCAPE '\\' OR EXISTS (SELECT 1 FROM blob b WHERE b.hash = c.before_hash AND LOWER(b.text) LIKE ",
        " ESCAPE '\\') OR c.after_hash <> c.before_hash AND EXISTS (SELECT 1 FROM blob b WHERE b.hash = c.after_hash \
         AND LOWER(b.text) LIKE ",
    ] {
        query.push(list).push_bind(part.clone());
    }
    query.push(" ESCAPE '\\'))");
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
    let states = State::ALL.iter().copied();
    let both = states.flat_map(|state| [(state, false), (state, true)]);
    both.map(|(state, held)| (state, held, ItemStatus::of(state, held)))
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

fn channel_head(row: &Row) -> Result<ChannelHead, StoreError> {
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

/// The pattern of texts that have this one in them, as `LIKE` reads it with `\` for what is meant literally.
pub(crate) fn like(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
