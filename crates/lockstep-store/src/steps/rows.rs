//! The rows of a run, whatever it is about: what a step does with them is the same for both subjects.

use crate::sql::QueryBuilder;
use lockstep_core::change::Subject;

use super::entry::Entry;
use crate::changes::ChangeRow;
use crate::events::{NewEvent, Target};
use crate::prices::{self, PriceRow};
use crate::sql::Connection;
use crate::{StoreError, change_rows, events, holds};

/// Rows that a step is given.
pub(super) enum Rows {
    /// Of a run about models.
    Channels(Vec<ChangeRow>),
    /// Of a run about prices.
    Prices(Vec<PriceRow>),
}

impl Rows {
    /// Stores the rows as rows of the run and returns their events. A run about something else is refused.
    pub(super) async fn record(
        &self,
        db: &mut Connection,
        run: &Entry,
    ) -> Result<Vec<NewEvent>, StoreError> {
        match self {
            Self::Channels(rows) => {
                run.be_about(Subject::Models)?;
                let about = (run.site_id.as_str(), run.subject.code());
                change_rows::store(db, &run.id, about, rows).await?;
                Ok(rows.iter().map(channel).collect())
            }
            Self::Prices(rows) => {
                run.be_about(Subject::Prices)?;
                prices::rows::store(db, &run.id, &run.site_id, rows).await?;
                Ok(rows.iter().map(price).collect())
            }
        }
    }
}

/// The event of a channel's row as it is recorded.
fn channel(row: &ChangeRow) -> NewEvent {
    events::item(
        Target::Channel(row.channel_id, &row.channel_name),
        row.state,
        row.hold.as_ref().or(row.skip.as_ref()),
        row.hold.is_some(),
        row.failure.as_ref(),
        row.finished_at.unwrap_or(row.read_at),
    )
}

/// The event of a price's row as it is recorded.
fn price(row: &PriceRow) -> NewEvent {
    events::item(
        Target::Price(&row.model, row.field),
        row.state,
        row.hold.as_ref().or(row.skip.as_ref()),
        row.hold.is_some(),
        row.failure.as_ref(),
        row.finished_at.unwrap_or(row.read_at),
    )
}

/// Keeps what the plan of the run found to wait; with `renew`, forgets what it found to have passed.
pub(super) async fn keep_holds(
    db: &mut Connection,
    run: &Entry,
    renew: bool,
    now: i64,
) -> Result<(), StoreError> {
    let (id, site) = (run.id.as_str(), run.site_id.as_str());
    let everywhere = run.everywhere(db).await?;
    match run.subject {
        Subject::Models => {
            if renew {
                holds::forget_passed(db, id, site, everywhere).await?;
            }
            holds::keep_found(db, id, site, now).await
        }
        Subject::Prices => {
            if renew {
                prices::holds::forget_passed(db, id, site, everywhere).await?;
            }
            prices::holds::keep_found(db, id, site, now).await
        }
    }
}

/// The table of a subject's rows.
pub(super) fn table(subject: Subject) -> &'static str {
    match subject {
        Subject::Models => "change",
        Subject::Prices => "price_change",
    }
}

/// The targets that somebody chose.
pub(super) enum Chosen {
    Channels(Vec<i64>),
    Models(Vec<String>),
}

impl Chosen {
    fn len(&self) -> usize {
        match self {
            Self::Channels(ids) => ids.len(),
            Self::Models(names) => names.len(),
        }
    }

    /// Adds the condition that a row is of one of the targets from `from` on, up to `to`.
    pub(super) fn push(&self, query: &mut QueryBuilder, from: usize, to: usize) {
        match self {
            Self::Channels(ids) => {
                query.push(" AND channel_id IN (");
                let mut list = query.separated(", ");
                for id in ids.iter().take(to).skip(from) {
                    list.push_bind(*id);
                }
            }
            Self::Models(names) => {
                query.push(" AND model IN (");
                let mut list = query.separated(", ");
                for name in names.iter().take(to).skip(from) {
                    list.push_bind(name.clone());
                }
            }
        }
        query.push(")");
    }

    /// The places of the targets in parts of at most `many`.
    pub(super) fn parts(&self, many: usize) -> impl Iterator<Item = (usize, usize)> {
        let len = self.len();
        (0..len)
            .step_by(many)
            .map(move |from| (from, (from + many).min(len)))
    }
}
