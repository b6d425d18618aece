//! Results: of each channel what the newest run that had it came to, so that a run over a few hides none of the others.

use lockstep_core::change::{State, Subject};
use lockstep_core::channel::Provider;

use crate::columns::Columns;
use crate::listing::{like, push_rank, push_statuses};
use crate::sql::{QueryBuilder, Row};
use crate::status::{ItemStatus, RunCounts};
use crate::{Store, StoreError};

/// Which results are meant, in which order, and which page of them.
#[derive(Clone, Debug, Default)]
pub struct ResultPage {
    /// What narrows them.
    pub filter: ResultFilter,
    /// The order.
    pub order: ResultOrder,
    /// Whether it is turned round.
    pub backwards: bool,
    /// Whether channels of one provider come together.
    pub by_provider: bool,
    /// How many come before the page.
    pub skip: usize,
    /// The most of the page; `None` for all.
    pub limit: Option<u32>,
}

/// What narrows results.
#[derive(Clone, Debug, Default)]
pub struct ResultFilter {
    /// Only those of which a person is told so; all where it is empty.
    pub statuses: Vec<ItemStatus>,
    /// Only those that were written.
    pub changed: bool,
    /// What is searched for; `None` for nothing.
    pub search: Option<ResultSearch>,
}

/// What is searched for: part of a channel's name or id, an HTTP status, part of a failure's detail, or a code.
#[derive(Clone, Debug, Default)]
pub struct ResultSearch {
    /// The text. Case is ignored.
    pub text: String,
    /// Codes of failures, holds and skips whose words have the text in them.
    pub codes: Vec<&'static str>,
}

/// An order of results. Those alike are in the order of their channels' ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResultOrder {
    /// By the channel's id.
    #[default]
    Id,
    /// By the channel's name.
    Name,
    /// By what a person is told of it.
    Status,
    /// By the HTTP status; those without come first.
    Http,
    /// By how often it was tried.
    Attempts,
    /// By when its outcome was known.
    Finished,
}

/// A channel's result, without its lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultHead {
    /// The run.
    pub run_id: String,
    /// The gateway's channel id.
    pub channel_id: i64,
    /// The provider behind it.
    pub provider: Provider,
}

impl Store {
    /// A page of the site's results. `since` is the id of the run before which nothing counts, as
    /// [`Store::last_full_run`] tells it; empty for all.
    pub async fn results(
        &self,
        site_id: &str,
        since: &str,
        page: &ResultPage,
    ) -> Result<Vec<ResultHead>, StoreError> {
        let mut query = self.latest(site_id, since).await?;
        query.push(
            "SELECT run_id, channel_id, provider_kind, provider_url FROM latest c WHERE newest = 1",
        );
        push_filter(&mut query, &page.filter);
        push_order(&mut query, page);
        if let Some(limit) = page.limit {
            query.push(" LIMIT ").push_bind(i64::from(limit));
            let skip = i64::try_from(page.skip).unwrap_or(i64::MAX);
            query.push(" OFFSET ").push_bind(skip);
        }
        let rows = query.build().persistent(false);
        let rows = rows.fetch_all(self.readers()).await?;
        rows.iter().map(head).collect()
    }

    /// How many of the site's results that are left by the filter there are of which a person is told what.
    pub async fn result_counts(
        &self,
        site_id: &str,
        since: &str,
        filter: &ResultFilter,
    ) -> Result<RunCounts, StoreError> {
        let mut query = self.latest(site_id, since).await?;
        query.push(
            "SELECT state, CAST(CASE WHEN hold IS NULL THEN 0 ELSE 1 END AS BIGINT) AS held, COUNT(*) AS changes \
             FROM latest c WHERE newest = 1",
        );
        push_filter(&mut query, filter);
        query.push(" GROUP BY 1, 2");
        let query = query.build().persistent(false);
        let mut counts = RunCounts::default();
        for row in &query.fetch_all(self.readers()).await? {
            let columns = Columns::new(row, "change", "state");
            let state = columns.read("state", State::from_code)?;
            counts.add(state, columns.flag("held")?, columns.count("changes")?);
        }
        Ok(counts)
    }

    /// The id of the site's newest run over all channels that came to its plan. What is not in it or in a later one is
    /// not on the gateway any more.
    pub async fn last_full_run(&self, site_id: &str) -> Result<Option<String>, StoreError> {
        Ok(crate::sql::query_scalar(
            "SELECT id FROM run WHERE site_id = $1 AND subject = $2 AND selection IS NULL AND planned_at IS NOT NULL \
             AND started_by <> 'undo' ORDER BY id DESC LIMIT 1",
        )
        .bind(site_id)
        .bind(Subject::Models.code())
        .fetch_optional(self.readers())
        .await?)
    }
}

impl Store {
    /// The rows of which the newest of each channel has `newest = 1`. A row's time is when it was read or, once it was to
    /// be written, what became of that: a plan that is applied after a later run is the later result. The runs are named,
    /// so that rows are found by them and not by their site, which has those of all its history.
    pub(crate) async fn latest(
        &self,
        site_id: &str,
        since: &str,
    ) -> Result<QueryBuilder, StoreError> {
        let runs: Vec<String> = crate::sql::query_scalar(
            "SELECT id FROM run WHERE site_id = $1 AND subject = $2 AND id >= $3 ORDER BY id",
        )
        .bind(site_id)
        .bind(Subject::Models.code())
        .bind(since)
        .fetch_all(self.readers())
        .await?;
        let mut query = QueryBuilder::new("WITH latest AS (");
        match runs.split_first() {
            // Most channels are in the first run alone, the one over all of them. Only the others' rows are sorted.
            Some((first, later)) if !later.is_empty() => {
                push_rows(&mut query, "1", std::slice::from_ref(first));
                push_in(&mut query, " AND c.channel_id NOT IN ", later);
                query.push(" UNION ALL ");
                push_rows(&mut query, NEWEST, &runs);
                push_in(&mut query, " AND c.channel_id IN ", later);
            }
            // Of one run there is one row a channel.
            _ => push_rows(&mut query, "1", &runs),
        }
        query.push(") ");
        Ok(query)
    }
}

/// Which of a channel's rows is the newest: the first.
const NEWEST: &str = "ROW_NUMBER() OVER (PARTITION BY c.channel_id \
     ORDER BY COALESCE(c.finished_at, c.read_at) DESC, c.run_id DESC)";

/// The rows of these runs, with a column that says which are the newest.
fn push_rows(query: &mut QueryBuilder, newest: &str, runs: &[String]) {
    query.push(
        "SELECT c.run_id, c.channel_id, c.channel_name, c.provider_kind, c.provider_url, c.state, \
         c.hold, c.skip, c.failure, c.attempts, c.http_status, COALESCE(c.finished_at, c.read_at) AS told_at, ",
    );
    query.push(newest);
    query.push(" AS newest FROM change c WHERE c.run_id IN (");
    push_ids(query, runs);
    query.push(")");
}

/// Narrows rows to channels that these runs have, or do not have.
fn push_in(query: &mut QueryBuilder, condition: &str, runs: &[String]) {
    query.push(condition);
    query.push("(SELECT l.channel_id FROM change l WHERE l.run_id IN (");
    push_ids(query, runs);
    query.push("))");
}

fn push_ids(query: &mut QueryBuilder, runs: &[String]) {
    let mut ids = query.separated(", ");
    for run in runs {
        ids.push_bind(run.clone());
    }
    if runs.is_empty() {
        ids.push_bind("");
    }
}

fn push_filter(query: &mut QueryBuilder, filter: &ResultFilter) {
    if !filter.statuses.is_empty() {
        push_statuses(query, &filter.statuses);
    }
    if filter.changed {
        query
            .push(" AND c.state = ")
            .push_bind(State::Applied.code());
    }
    let Some(search) = &filter.search else {
        return;
    };
    let part = like(&search.text);
    query
        .push(" AND (LOWER(c.channel_name) LIKE ")
        .push_bind(part.clone());
    for column in [
        " ESCAPE '\\' OR CAST(c.channel_id AS TEXT) LIKE ",
        " ESCAPE '\\' OR COALESCE(CAST(c.http_status AS TEXT), '') LIKE ",
    ] {
        query.push(column).push_bind(part.clone());
    }
    // A failure is told only where it is the outcome. Its detail is the last of the JSON that it is stored in.
    query.push(" ESCAPE '\\' OR LOWER(COALESCE(c.failure, '')) LIKE ");
    query.push_bind(format!("%\"detail\":\"{part}"));
    query.push(" ESCAPE '\\'");
    for code in &search.codes {
        let code = like(&format!(":\"{code}\""));
        for column in ["failure", "hold", "skip"] {
            query.push(" OR COALESCE(c.").push(column);
            query.push(", '') LIKE ").push_bind(code.clone());
            query.push(" ESCAPE '\\'");
        }
    }
    query.push(")");
}

fn push_order(query: &mut QueryBuilder, page: &ResultPage) {
    let turned = if page.backwards { " DESC" } else { "" };
    query.push(" ORDER BY ");
    if page.by_provider {
        query.push("c.provider_url, c.provider_kind, ");
    }
    match page.order {
        ResultOrder::Id => {}
        ResultOrder::Name => {
            query.push("LOWER(c.channel_name)").push(turned).push(", ");
        }
        ResultOrder::Status => {
            push_rank(query);
            query.push(turned).push(", ");
        }
        ResultOrder::Http => {
            let column = "COALESCE(c.http_status, 0)";
            query.push(column).push(turned).push(", ");
        }
        ResultOrder::Attempts => {
            query.push("c.attempts").push(turned).push(", ");
        }
        ResultOrder::Finished => {
            query.push("c.told_at").push(turned).push(", ");
        }
    }
    query.push("c.channel_id").push(turned);
}

fn head(row: &Row) -> Result<ResultHead, StoreError> {
    let columns = Columns::new(row, "change", "channel_id");
    Ok(ResultHead {
        run_id: columns.text("run_id")?,
        channel_id: columns.number("channel_id")?,
        provider: Provider {
            kind: columns.number("provider_kind")?,
            base_url: columns.text("provider_url")?,
        },
    })
}
