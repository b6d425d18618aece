//! Changes as rows: the long texts and lists apart, by their digest.

use crate::sql::QueryBuilder;
use lockstep_core::change::State;
use lockstep_core::channel::Provider;
use lockstep_core::hash::Digest;
use sqlx::AssertSqlSafe;

use crate::blobs::{Blobs, ROWS_PER_STATEMENT};
use crate::changes::ChangeRow;
use crate::columns::{Columns, big};
use crate::sql::{Connection, Row};
use crate::wire::{self, Detail};
use crate::{StoreError, sql};

/// A detail that is longer than this, in bytes, goes to the texts: the same names are dropped in every run.
const SHORT_DETAIL: usize = 200;

/// The query of changes, with their texts, that meet a condition on `c`.
pub(crate) fn select(condition: &'static str) -> String {
    format!(
        "SELECT c.*, b.text AS before_text, a.text AS after_text, u.text AS upstream_text, \
                COALESCE(d.text, c.detail) AS detail_text \
         FROM change c \
         LEFT JOIN blob b ON b.hash = c.before_hash \
         LEFT JOIN blob a ON a.hash = c.after_hash \
         LEFT JOIN blob u ON u.hash = c.upstream_hash \
         LEFT JOIN blob d ON d.hash = c.detail \
         WHERE {condition}"
    )
}

/// The query of a run's changes with all but the providers' lists.
pub(crate) fn select_outlines() -> &'static str {
    "SELECT c.*, b.text AS before_text, a.text AS after_text, COALESCE(d.text, c.detail) AS detail_text \
     FROM change c \
     LEFT JOIN blob b ON b.hash = c.before_hash \
     LEFT JOIN blob a ON a.hash = c.after_hash \
     LEFT JOIN blob d ON d.hash = c.detail \
     WHERE c.run_id = $1 ORDER BY c.channel_id"
}

/// The change of a row of [`select`].
pub(crate) fn from_row(row: &Row) -> Result<ChangeRow, StoreError> {
    let columns = Columns::new(row, "change", "channel_id");
    let upstream = match columns.maybe_text("upstream_hash")? {
        Some(_) => Some(wire::from_lines(&columns.text("upstream_text")?)),
        None => None,
    };
    let outline = from_outline(row)?;
    Ok(ChangeRow {
        upstream,
        ..outline
    })
}

/// The change of a row of [`select_outlines`]: without the provider's list.
pub(crate) fn from_outline(row: &Row) -> Result<ChangeRow, StoreError> {
    let columns = Columns::new(row, "change", "channel_id");
    // A text that is named but missing is an inconsistency, not an absent one.
    let text = |hash, text| match columns.maybe_text(hash)? {
        Some(_) => columns.text(text).map(Some),
        None => Ok(None),
    };
    let Detail {
        held_add,
        held_remove,
        kept,
        dropped,
        notes,
    } = columns.read("detail_text", Detail::from_text)?;
    Ok(ChangeRow {
        run_id: columns.text("run_id")?,
        channel_id: columns.number("channel_id")?,
        channel_name: columns.text("channel_name")?,
        provider: Provider {
            kind: columns.number("provider_kind")?,
            base_url: columns.text("provider_url")?,
        },
        page: columns.count("page")?,
        base: Digest::stored(columns.text("base")?),
        before: columns.text("before_text")?,
        after: text("after_hash", "after_text")?,
        upstream: None,
        state: columns.read("state", State::from_code)?,
        hold: columns.maybe_read("hold", wire::reason_from_text)?,
        skip: columns.maybe_read("skip", wire::reason_from_text)?,
        failure: columns.maybe_read("failure", wire::failure_from_text)?,
        held_add,
        held_remove,
        kept,
        dropped,
        notes,
        attempts: columns.count("attempts")?,
        http_status: match columns.maybe_number("http_status")? {
            Some(_) => Some(columns.count("http_status")?),
            None => None,
        },
        read_at: columns.number("read_at")?,
        finished_at: columns.maybe_number("finished_at")?,
    })
}

/// The run's changes of which something is held.
pub(crate) async fn held(db: &mut Connection, run_id: &str) -> Result<Vec<ChangeRow>, StoreError> {
    let sql = select("c.run_id = $1 AND c.hold IS NOT NULL ORDER BY c.channel_id");
    let rows = sql::query(AssertSqlSafe(sql))
        .bind(run_id)
        .fetch_all(db)
        .await?;
    rows.iter().map(from_row).collect()
}

/// Stores changes of a run; a row of the same channel is replaced.
pub(crate) async fn store(
    db: &mut Connection,
    run_id: &str,
    (site_id, subject): (&str, &str),
    rows: &[ChangeRow],
) -> Result<(), StoreError> {
    let mut blobs = Blobs::default();
    let texts: Vec<Texts<'_>> = rows.iter().map(|row| Texts::of(row, &mut blobs)).collect();
    blobs.store(db).await?;
    for some in texts.chunks(ROWS_PER_STATEMENT) {
        let mut insert = QueryBuilder::new(
            "INSERT INTO change (run_id, channel_id, site_id, subject, channel_name, provider_kind, provider_url, \
             page, base, before_hash, after_hash, upstream_hash, state, hold, skip, failure, detail, \
             attempts, http_status, read_at, finished_at) ",
        );
        insert.push_values(some, |mut values, texts| {
            let row = texts.row;
            values
                .push_bind(run_id)
                .push_bind(row.channel_id)
                .push_bind(site_id)
                .push_bind(subject)
                .push_bind(&row.channel_name)
                .push_bind(row.provider.kind)
                .push_bind(&row.provider.base_url)
                .push_bind(i64::from(row.page))
                .push_bind(row.base.as_str())
                .push_bind(&texts.before)
                .push_bind(&texts.after)
                .push_bind(&texts.upstream)
                .push_bind(row.state.code())
                .push_bind(row.hold.as_ref().map(wire::reason_to_text))
                .push_bind(row.skip.as_ref().map(wire::reason_to_text))
                .push_bind(row.failure.as_ref().map(wire::failure_to_text))
                .push_bind(&texts.detail)
                .push_bind(big(u64::from(row.attempts)))
                .push_bind(row.http_status.map(i64::from))
                .push_bind(row.read_at)
                .push_bind(row.finished_at);
        });
        insert.push(
            " ON CONFLICT (run_id, channel_id) DO UPDATE SET channel_name = excluded.channel_name, \
             provider_kind = excluded.provider_kind, provider_url = excluded.provider_url, page = excluded.page, \
             base = excluded.base, before_hash = excluded.before_hash, after_hash = excluded.after_hash, \
             upstream_hash = excluded.upstream_hash, state = excluded.state, hold = excluded.hold, \
             skip = excluded.skip, failure = excluded.failure, detail = excluded.detail, \
             attempts = excluded.attempts, http_status = excluded.http_status, read_at = excluded.read_at, \
             finished_at = excluded.finished_at",
        );
        insert.build().persistent(false).execute(&mut *db).await?;
    }
    Ok(())
}

/// A row with the digests of its long texts.
struct Texts<'a> {
    row: &'a ChangeRow,
    before: String,
    after: Option<String>,
    upstream: Option<String>,
    detail: String,
}

impl<'a> Texts<'a> {
    fn of(row: &'a ChangeRow, blobs: &mut Blobs) -> Self {
        let detail = Detail {
            held_add: row.held_add.clone(),
            held_remove: row.held_remove.clone(),
            kept: row.kept.clone(),
            dropped: row.dropped.clone(),
            notes: row.notes.clone(),
        }
        .to_text();
        Self {
            row,
            before: blobs.put(&row.before),
            after: row.after.as_ref().map(|text| blobs.put(text)),
            upstream: row
                .upstream
                .as_ref()
                .map(|names| blobs.put(&wire::to_lines(names))),
            detail: if detail.len() > SHORT_DETAIL {
                blobs.put(&detail)
            } else {
                detail
            },
        }
    }
}
