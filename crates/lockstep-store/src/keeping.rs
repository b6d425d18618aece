//! How long history is kept: old runs go with their rows, and texts that nothing names any more go after them.

use lockstep_core::change::Subject;

use crate::blobs::UNUSED;
use crate::columns::Columns;
use crate::schedule::forget_lost_ticks;
use crate::sql::{Connection, QueryBuilder, Row};
use crate::{Store, StoreError, sql};

/// A plan lives a day, so no run is forgotten before; in milliseconds.
const DAY: i64 = 86_400_000;

/// How many runs one transaction looks at, and how many rows of them it removes at most, unless one run has more: others
/// write in between.
const RUNS_AT_ONCE: i64 = 20;
const ROWS_AT_ONCE: u64 = 5_000;

/// How many texts one transaction removes. Each looks through the rows of the last hour, so they are not few.
const TEXTS_AT_ONCE: usize = 2_000;

/// A run that ended so long before names no text anew, in milliseconds: what is late comes within minutes.
const AT_REST: i64 = 3_600_000;

/// Where rows of runs name texts.
const OF_RUNS: [(&str, &str); 9] = [
    ("change", "before_hash"),
    ("change", "after_hash"),
    ("change", "upstream_hash"),
    ("change", "detail"),
    ("price_change", "old_hash"),
    ("price_change", "new_hash"),
    ("price_change", "detail"),
    ("image", "before_hash"),
    ("image", "after_hash"),
];

/// Where what is remembered of channels names texts.
const OF_MEMORY: [(&str, &str); 2] = [("memory", "settled_hash"), ("memory", "left_hash")];

/// What is kept of a site's history: what is younger, and the newest runs whatever their age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// How long runs are kept, in milliseconds; at least a day.
    pub age_ms: i64,
    /// How many of the newest runs of each subject are kept.
    pub runs: u32,
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Runs with their rows.
    pub runs: u64,
    /// Texts.
    pub texts: u64,
}

impl Store {
    /// Forgets runs of the site that are neither young nor among the newest, oldest first. What is still needed stays:
    /// runs that are under way, that something held refers to, that another run was made from, that a schedule shows as
    /// its last, and the newest one that somebody reviewed.
    pub async fn forget_old_runs(
        &self,
        site_id: &str,
        now: i64,
        keep: Keep,
    ) -> Result<Forgotten, StoreError> {
        let before = now.saturating_sub(keep.age_ms.max(DAY));
        let mut forgotten = Forgotten::default();
        for subject in [Subject::Models, Subject::Prices] {
            loop {
                let site_id = site_id.to_owned();
                let runs = self
                    .write(move |db| Box::pin(forget_some(db, site_id, subject, before, keep.runs)))
                    .await?;
                if runs == 0 {
                    break;
                }
                forgotten.runs += runs;
            }
        }
        let site_id = site_id.to_owned();
        self.write(move |db| {
            Box::pin(async move { forget_lost_ticks(db, &site_id, before).await })
        })
        .await?;
        if forgotten.runs > 0 {
            forgotten.texts = self.forget_unused_texts(now).await?;
        }
        Ok(forgotten)
    }

    /// Removes the texts that nothing names any more. They are looked for without stopping anybody from writing; each is
    /// looked at again in the transaction that removes it, for a run that is not at rest may name it anew.
    async fn forget_unused_texts(&self, now: i64) -> Result<u64, StoreError> {
        let unused: Vec<String> = sql::query_scalar(UNUSED).fetch_all(self.readers()).await?;
        let mut removed = 0;
        for some in unused.chunks(TEXTS_AT_ONCE) {
            let some = some.to_vec();
            removed += self
                .write(move |db| Box::pin(remove_texts(db, some, now.saturating_sub(AT_REST))))
                .await?;
        }
        Ok(removed)
    }
}

/// Forgets a few runs, and says how many.
async fn forget_some(
    db: &mut Connection,
    site_id: String,
    subject: Subject,
    before: i64,
    runs: u32,
) -> Result<u64, StoreError> {
    let found = sql::query(
        "SELECT id, total FROM run r
         WHERE site_id = $1 AND subject = $2 AND state NOT IN ('queued', 'reading', 'writing')
         AND COALESCE(ended_at, planned_at, started_at) < $3
         AND id NOT IN (SELECT id FROM run WHERE site_id = $1 AND subject = $2 ORDER BY id DESC LIMIT $4)
         AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.site_id = $1 AND h.run_id = r.id)
         AND NOT EXISTS (SELECT 1 FROM price_hold h WHERE h.site_id = $1 AND h.run_id = r.id)
         AND NOT EXISTS (SELECT 1 FROM run c WHERE c.site_id = $1 AND c.parent = r.id)
         AND NOT EXISTS (SELECT 1 FROM schedule s WHERE s.site_id = $1 AND s.last_run = r.id)
         AND id <> COALESCE((SELECT MAX(id) FROM run WHERE site_id = $1 AND subject = $2
                             AND planned_at IS NOT NULL AND unattended = 0), '')
         AND id <> COALESCE((SELECT MAX(id) FROM run WHERE site_id = $1 AND subject = $2
                             AND planned_at IS NOT NULL AND unattended = 0 AND selection IS NULL), '')
         ORDER BY id LIMIT $5",
    )
    .bind(&site_id)
    .bind(subject.code())
    .bind(before)
    .bind(i64::from(runs))
    .bind(RUNS_AT_ONCE)
    .fetch_all(&mut *db)
    .await?;
    let read = |row: &Row| {
        let columns = Columns::new(row, "run", "id");
        Ok((columns.text("id")?, columns.count::<u64>("total")?))
    };
    let found: Vec<(String, u64)> = found.iter().map(read).collect::<Result<_, StoreError>>()?;
    let (mut forgotten, mut rows) = (0, 0);
    for (id, total) in found {
        rows += total;
        if forgotten > 0 && rows > ROWS_AT_ONCE {
            break;
        }
        sql::query("DELETE FROM run WHERE id = $1")
            .bind(id)
            .execute(&mut *db)
            .await?;
        forgotten += 1;
    }
    Ok(forgotten)
}

/// Removes those of the texts that no run after a time, or under way, names.
async fn remove_texts(
    db: &mut Connection,
    texts: Vec<String>,
    since: i64,
) -> Result<u64, StoreError> {
    let mut delete =
        QueryBuilder::new("DELETE FROM blob WHERE hash IN (SELECT hash FROM blob WHERE hash IN (");
    let mut listed = delete.separated(", ");
    for hash in texts {
        listed.push_bind(hash);
    }
    delete.push(")");
    for (table, column) in OF_RUNS {
        delete.push(&format!(
            " EXCEPT SELECT {column} FROM {table}
              WHERE run_id IN (SELECT id FROM run WHERE ended_at IS NULL OR ended_at > "
        ));
        delete.push_bind(since);
        delete.push(")");
    }
    for (table, column) in OF_MEMORY {
        delete.push(&format!(" EXCEPT SELECT {column} FROM {table}"));
    }
    delete.push(")");
    let removed = delete.build().execute(db).await?;
    Ok(removed.rows_affected())
}
