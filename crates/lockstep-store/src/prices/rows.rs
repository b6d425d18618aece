//! Price changes as rows: long values and details apart, by their digest.

use crate::sql::QueryBuilder;
use lockstep_core::change::State;
use lockstep_core::prices::field::Field;

use super::PriceRow;
use crate::blobs::{Blobs, ROWS_PER_STATEMENT};
use crate::columns::Columns;
use crate::sql::{Connection, Row};
use crate::{StoreError, wire};

/// A value or detail that is longer than this, in bytes, goes to the texts: an expression is the same in every run.
const SHORT: usize = 200;

/// The query of price changes, with their texts, that meet a condition on `c`.
pub(crate) fn select(condition: &'static str) -> String {
    format!(
        "SELECT c.*, o.text AS old_text, n.text AS new_text, COALESCE(d.text, c.detail) AS detail_text \
         FROM price_change c \
         LEFT JOIN blob o ON o.hash = c.old_hash \
         LEFT JOIN blob n ON n.hash = c.new_hash \
         LEFT JOIN blob d ON d.hash = c.detail \
         WHERE {condition}"
    )
}

/// The price change of a row of [`select`].
pub(crate) fn from_row(row: &Row) -> Result<PriceRow, StoreError> {
    let columns = Columns::new(row, "price_change", "model");
    // A text that is named but missing is an inconsistency, not an absent one.
    let value = |hash, text, short| match columns.maybe_text(hash)? {
        Some(_) => columns.text(text).map(Some),
        None => columns.maybe_text(short),
    };
    Ok(PriceRow {
        run_id: columns.text("run_id")?,
        model: columns.text("model")?,
        field: columns.read("field", Field::from_code)?,
        old: value("old_hash", "old_text", "old_value")?,
        new: value("new_hash", "new_text", "new_value")?,
        source: columns.maybe_text("source")?,
        state: columns.read("state", State::from_code)?,
        hold: columns.maybe_read("hold", wire::reason_from_text)?,
        skip: columns.maybe_read("skip", wire::reason_from_text)?,
        failure: columns.maybe_read("failure", wire::failure_from_text)?,
        usd_old: columns.maybe_read("usd_old", wire::usd_from_text)?,
        usd_new: columns.maybe_read("usd_new", wire::usd_from_text)?,
        detail: columns.read("detail_text", wire::price_detail_from_text)?,
        read_at: columns.number("read_at")?,
        finished_at: columns.maybe_number("finished_at")?,
    })
}

/// The price changes of rows of one run, by model and then as the fields are counted, which no database knows.
pub(crate) fn in_order(rows: &[Row]) -> Result<Vec<PriceRow>, StoreError> {
    let mut rows: Vec<PriceRow> = rows.iter().map(from_row).collect::<Result<_, _>>()?;
    rows.sort_by(|one, other| (&one.model, one.field).cmp(&(&other.model, other.field)));
    Ok(rows)
}

/// A value with the place where it is kept.
pub(crate) struct Value {
    pub(crate) short: Option<String>,
    pub(crate) hash: Option<String>,
}

impl Value {
    pub(crate) fn of(text: Option<&str>, blobs: &mut Blobs) -> Self {
        let long = text.is_some_and(|text| text.len() > SHORT);
        let kept = text.map(|text| {
            if long {
                blobs.put(text)
            } else {
                text.to_owned()
            }
        });
        if long {
            Self {
                short: None,
                hash: kept,
            }
        } else {
            Self {
                short: kept,
                hash: None,
            }
        }
    }
}

/// Stores price changes of a run; a row of the same model and field is replaced.
pub(crate) async fn store(
    db: &mut Connection,
    run_id: &str,
    site_id: &str,
    rows: &[PriceRow],
) -> Result<(), StoreError> {
    let mut blobs = Blobs::default();
    let texts: Vec<Texts<'_>> = rows.iter().map(|row| Texts::of(row, &mut blobs)).collect();
    blobs.store(db).await?;
    for some in texts.chunks(ROWS_PER_STATEMENT) {
        let mut insert = QueryBuilder::new(
            "INSERT INTO price_change (run_id, model, field, site_id, old_value, old_hash, new_value, new_hash, \
             source, state, hold, skip, failure, usd_old, usd_new, detail, read_at, finished_at) ",
        );
        insert.push_values(some, |mut values, texts| {
            let row = texts.row;
            values
                .push_bind(run_id)
                .push_bind(&row.model)
                .push_bind(row.field.code())
                .push_bind(site_id)
                .push_bind(&texts.old.short)
                .push_bind(&texts.old.hash)
                .push_bind(&texts.new.short)
                .push_bind(&texts.new.hash)
                .push_bind(&row.source)
                .push_bind(row.state.code())
                .push_bind(row.hold.as_ref().map(wire::reason_to_text))
                .push_bind(row.skip.as_ref().map(wire::reason_to_text))
                .push_bind(row.failure.as_ref().map(wire::failure_to_text))
                .push_bind(row.usd_old.as_ref().map(wire::usd_to_text))
                .push_bind(row.usd_new.as_ref().map(wire::usd_to_text))
                .push_bind(&texts.detail)
                .push_bind(row.read_at)
                .push_bind(row.finished_at);
        });
        insert.push(
            " ON CONFLICT (run_id, model, field) DO UPDATE SET old_value = excluded.old_value, \
             old_hash = excluded.old_hash, new_value = excluded.new_value, new_hash = excluded.new_hash, \
             source = excluded.source, state = excluded.state, hold = excluded.hold, skip = excluded.skip, \
             failure = excluded.failure, usd_old = excluded.usd_old, usd_new = excluded.usd_new, \
             detail = excluded.detail, read_at = excluded.read_at, finished_at = excluded.finished_at",
        );
        insert.build().persistent(false).execute(&mut *db).await?;
    }
    Ok(())
}

/// A row with its long texts as digests.
struct Texts<'a> {
    row: &'a PriceRow,
    old: Value,
    new: Value,
    detail: String,
}

impl<'a> Texts<'a> {
    fn of(row: &'a PriceRow, blobs: &mut Blobs) -> Self {
        let detail = wire::price_detail_to_text(&row.detail);
        Self {
            row,
            old: Value::of(row.old.as_deref(), blobs),
            new: Value::of(row.new.as_deref(), blobs),
            detail: if detail.len() > SHORT {
                blobs.put(&detail)
            } else {
                detail
            },
        }
    }
}
