//! Lists of runs, page by page: what is looked for is found without reading the long texts.

mod items;

use lockstep_core::change::{RunState, Subject};

use crate::columns::Columns;
use crate::runs::{self, Run};
use crate::sql::{QueryBuilder, Row};
use crate::status::RunCounts;
use crate::{Store, StoreError, sql, tally};

pub use items::{ChannelHead, ItemOrder, ItemPage, ModelHead};
pub(crate) use items::{channel_head, push_rank, push_statuses};

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
    /// Who started or approved them.
    pub by: Option<String>,
    /// The run whose rows they were made from.
    pub parent: Option<String>,
    /// The id of the last run of the page before.
    pub before: Option<String>,
    /// How many of those that are meant come before the page.
    pub skip: u64,
    /// Whether the oldest come first.
    pub oldest_first: bool,
}

impl Store {
    /// The site's runs that are meant, newest first unless told otherwise, at most `limit`, with their counts.
    pub async fn runs_where(
        &self,
        site_id: &str,
        filter: &RunFilter,
        limit: u32,
    ) -> Result<Vec<(Run, RunCounts)>, StoreError> {
        // One transaction, so that a run and its counts are of the same moment.
        let mut db = self.readers().begin().await?;
        let mut query = QueryBuilder::new("SELECT r.* FROM run r WHERE r.site_id = ");
        push_runs(&mut query, site_id, filter);
        if !filter.states.is_empty() {
            query.push(" AND r.state IN (");
            let mut states = query.separated(", ");
            for state in &filter.states {
                states.push_bind(state.code());
            }
            query.push(")");
        }
        let turned = if filter.oldest_first { "" } else { " DESC" };
        query.push(" ORDER BY r.id").push(turned).push(" LIMIT ");
        query.push_bind(i64::from(limit));
        let skip = i64::try_from(filter.skip).unwrap_or(i64::MAX);
        query.push(" OFFSET ").push_bind(skip);
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

    /// How many of the site's runs that are meant are in which state. Every state counts, whatever
    /// [`RunFilter::states`] says, and `skip` and `before` leave none out.
    pub async fn run_states(
        &self,
        site_id: &str,
        filter: &RunFilter,
    ) -> Result<Vec<(RunState, u64)>, StoreError> {
        let mut query =
            QueryBuilder::new("SELECT r.state, COUNT(*) AS runs FROM run r WHERE r.site_id = ");
        let filter = RunFilter {
            before: None,
            ..filter.clone()
        };
        push_runs(&mut query, site_id, &filter);
        query.push(" GROUP BY r.state ORDER BY r.state");
        let rows = query.build().persistent(false);
        let rows = rows.fetch_all(self.readers()).await?;
        let read = |row: &Row| {
            let columns = Columns::new(row, "run", "state");
            let state = columns.read("state", RunState::from_code)?;
            Ok((state, columns.count("runs")?))
        };
        rows.iter().map(read).collect()
    }

    /// Everybody who started or approved a run of the site, in order.
    pub async fn run_people(&self, site_id: &str) -> Result<Vec<String>, StoreError> {
        Ok(sql::query_scalar(
            "SELECT actor FROM run WHERE site_id = $1
             UNION SELECT approved_by FROM run WHERE site_id = $1 AND approved_by IS NOT NULL ORDER BY 1",
        )
        .bind(site_id)
        .fetch_all(self.readers())
        .await?)
    }
}

/// Takes the runs of a site that are meant, whatever their state.
fn push_runs(query: &mut QueryBuilder, site_id: &str, filter: &RunFilter) {
    query.push_bind(site_id);
    if let Some(subject) = filter.subject {
        query.push(" AND r.subject = ").push_bind(subject.code());
    }
    if let Some(trigger) = &filter.trigger {
        query
            .push(" AND r.started_by = ")
            .push_bind(trigger.clone());
    }
    if let Some(by) = &filter.by {
        query.push(" AND (r.actor = ").push_bind(by.clone());
        query.push(" OR r.approved_by = ").push_bind(by.clone());
        query.push(")");
    }
    if let Some(parent) = &filter.parent {
        query.push(" AND r.parent = ").push_bind(parent.clone());
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
    let Some(text) = &filter.search else {
        return;
    };
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
