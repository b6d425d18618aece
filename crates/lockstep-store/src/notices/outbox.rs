//! What is to be sent, and what was: a row a notice and target, stored with what it tells of.
//!
//! Whoever comes first takes what is due, for as long as sending may take. What is not recorded by then was cut off, and
//! is taken again: everything is sent at least once.

use lockstep_core::change::Subject;
use lockstep_core::notices::{Notice, NoticeKind, Telling};

use super::targets::{self, NoticeTarget};
use crate::columns::Columns;
use crate::sql::{Connection, Row};
use crate::{Store, StoreError, sql, wire};

/// How long, in milliseconds, it is remembered what was sent: 90 days.
const SENT_KEPT_MS: i64 = 90 * 86_400_000;

/// One notice as it was sent, or was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeSent {
    /// UUIDv7 text.
    pub id: String,
    /// The target's id.
    pub target_id: String,
    /// The target's name, while it is there.
    pub target: Option<String>,
    /// The site's id; `None` for a test.
    pub site_id: Option<String>,
    /// The run; `None` for a test, and for a tick that no run came of.
    pub run_id: Option<String>,
    /// The code of the notice's kind, or `test`.
    pub kind: String,
    /// Since when it is to be sent, in Unix milliseconds.
    pub at: i64,
    /// When it ended. `None` while it is to be sent, and where it was given up because the target was.
    pub done_at: Option<i64>,
    /// When it may be tried, or tried again; `None` once that is over.
    pub due_at: Option<i64>,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it did not arrive, or has not yet.
    pub error: Option<String>,
}

/// A notice that was taken to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct DueNotice {
    /// The id under which its outcome is recorded.
    pub id: String,
    /// Until when it is ours, in Unix milliseconds.
    pub until: i64,
    /// The site's id.
    pub site_id: String,
    /// The run that it tells of; `None` for a tick that no run came of.
    pub run_id: Option<String>,
    /// What it is about.
    pub subject: Subject,
    /// What is told, and how.
    pub notice: Notice,
    /// When that was settled, in Unix milliseconds.
    pub at: i64,
    /// How often it was taken or tried before.
    pub attempts: u32,
}

/// How sending a notice ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It arrived.
    Arrived,
    /// It did not, and is tried again.
    Later {
        /// Why it did not arrive.
        why: String,
        /// From when on, in Unix milliseconds.
        at: i64,
    },
    /// It did not, and is not tried again.
    GivenUp {
        /// Why it did not arrive.
        why: String,
    },
}

impl Store {
    /// The targets that something is due for at a time, by name.
    pub async fn targets_to_tell(&self, now: i64) -> Result<Vec<NoticeTarget>, StoreError> {
        let rows = sql::query(
            "SELECT t.* FROM notice_target t WHERE EXISTS (
                 SELECT 1 FROM notice_sent s WHERE s.target_id = t.id AND s.due_at <= $1)
             ORDER BY t.name",
        )
        .bind(now)
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(targets::target).collect()
    }

    /// Takes the oldest notice that is due for a target, until a time: nobody else gets it before. What is told of one
    /// thing stays in its order: while an earlier notice of the same kind, site and subject waits, a later one does too.
    pub async fn take_notice(
        &self,
        target_id: &str,
        now: i64,
        until: i64,
    ) -> Result<Option<DueNotice>, StoreError> {
        let target_id = target_id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let row = sql::query(
                    "SELECT s.*, (SELECT d.id FROM deed d WHERE d.id = s.run_id) AS deed
                     FROM notice_sent s WHERE s.target_id = $1 AND s.due_at <= $2
                     AND NOT EXISTS (
                         SELECT 1 FROM notice_sent b
                         WHERE b.target_id = s.target_id AND b.due_at IS NOT NULL AND b.id < s.id
                         AND b.site_id = s.site_id AND b.subject = s.subject AND b.kind = s.kind)
                     ORDER BY s.id LIMIT 1",
                )
                .bind(&target_id)
                .bind(now)
                .fetch_optional(&mut *db)
                .await?;
                let Some(row) = row else { return Ok(None) };
                let due = due(&row, until)?;
                // Taking it counts, so that what ends the process each time is not tried for ever.
                sql::query(
                    "UPDATE notice_sent SET due_at = $2, attempts = attempts + 1 WHERE id = $1",
                )
                .bind(&due.id)
                .bind(until)
                .execute(db)
                .await?;
                Ok(Some(due))
            })
        })
        .await
    }

    /// Records how sending a notice ended, after how many tries of all. Returns whether it was still ours: who took it
    /// over meanwhile records his own. What reached nobody is no longer taken for told, and the next run tells it again.
    pub async fn record_notice(
        &self,
        due: &DueNotice,
        attempts: u32,
        outcome: Outcome,
        now: i64,
    ) -> Result<bool, StoreError> {
        let due = due.clone();
        self.write(move |db| {
            Box::pin(async move {
                let (error, again) = match &outcome {
                    Outcome::Arrived => (None, None),
                    Outcome::Later { why, at } => (Some(why.clone()), Some(*at)),
                    Outcome::GivenUp { why } => (Some(why.clone()), None),
                };
                let set = sql::query(
                    "UPDATE notice_sent SET attempts = $3, error = $4, due_at = $5, done_at = $6
                     WHERE id = $1 AND due_at = $2",
                )
                .bind(&due.id)
                .bind(due.until)
                .bind(i64::from(attempts))
                .bind(error)
                .bind(again)
                .bind(again.is_none().then_some(now))
                .execute(&mut *db)
                .await?;
                if set.rows_affected() == 0 {
                    return Ok(false);
                }
                if again.is_none() {
                    ended(db, &due.id).await?;
                }
                Ok(true)
            })
        })
        .await
    }

    /// Begins to send a test to a target: the id under which the outcome is recorded.
    pub async fn begin_notice_test(&self, target_id: &str, now: i64) -> Result<String, StoreError> {
        let (id, target_id) = (self.new_id(now), target_id.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                forget_old(db, now).await?;
                sql::query(
                    "INSERT INTO notice_sent (id, target_id, kind, at, attempts)
                     VALUES ($1, $2, 'test', $3, 0)",
                )
                .bind(&id)
                .bind(&target_id)
                .bind(now)
                .execute(db)
                .await?;
                Ok(id)
            })
        })
        .await
    }

    /// Records how a test ended: after how many tries, and why it did not arrive, where it did not.
    pub async fn record_notice_test(
        &self,
        id: &str,
        attempts: u32,
        error: Option<&str>,
        now: i64,
    ) -> Result<(), StoreError> {
        let (id, error) = (id.to_owned(), error.map(str::to_owned));
        self.write(move |db| {
            Box::pin(async move {
                sql::query(
                    "UPDATE notice_sent SET attempts = $2, error = $3, done_at = $4 WHERE id = $1",
                )
                .bind(&id)
                .bind(i64::from(attempts))
                .bind(error)
                .bind(now)
                .execute(db)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// What was sent or is to be, newest first.
    pub async fn notices_sent(&self, limit: u32) -> Result<Vec<NoticeSent>, StoreError> {
        let rows = sql::query(
            "SELECT s.*, t.name AS target, (SELECT d.id FROM deed d WHERE d.id = s.run_id) AS deed
             FROM notice_sent s
             LEFT JOIN notice_target t ON t.id = s.target_id
             ORDER BY s.id DESC LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(sent).collect()
    }

    /// Of each target that is there the newest notice or test.
    pub async fn last_notices_sent(&self) -> Result<Vec<NoticeSent>, StoreError> {
        let rows = sql::query(
            "SELECT s.*, t.name AS target, (SELECT d.id FROM deed d WHERE d.id = s.run_id) AS deed
             FROM notice_target t
             JOIN notice_sent s ON s.id = (
                 SELECT l.id FROM notice_sent l WHERE l.target_id = t.id ORDER BY l.id DESC LIMIT 1)
             ORDER BY t.name",
        )
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(sent).collect()
    }
}

/// Puts a notice out for a target, in the transaction that settles it.
pub(super) async fn put(
    db: &mut Connection,
    id: String,
    target: &NoticeTarget,
    (site_id, subject, run_id): (&str, Subject, &str),
    notice: &Notice,
    now: i64,
) -> Result<(), StoreError> {
    forget_old(db, now).await?;
    sql::query(
        "INSERT INTO notice_sent (id, target_id, site_id, run_id, kind, at, attempts, subject, telling, data, due_at)
         VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8, $9, $6)",
    )
    .bind(id)
    .bind(&target.id)
    .bind(site_id)
    .bind(run_id)
    .bind(notice.kind.code())
    .bind(now)
    .bind(subject.code())
    .bind(notice.telling.code())
    .bind(wire::findings_to_text(&notice.findings))
    .execute(db)
    .await?;
    Ok(())
}

/// Gives up what is still to be sent to a target.
pub(super) async fn drop_due(db: &mut Connection, target_id: &str) -> Result<(), StoreError> {
    let ids: Vec<String> =
        sql::query_scalar("SELECT id FROM notice_sent WHERE target_id = $1 AND due_at IS NOT NULL")
            .bind(target_id)
            .fetch_all(&mut *db)
            .await?;
    for id in ids {
        sql::query("UPDATE notice_sent SET due_at = NULL WHERE id = $1")
            .bind(&id)
            .execute(&mut *db)
            .await?;
        ended(db, &id).await?;
    }
    Ok(())
}

/// Ends a notice for one target: what it said is no longer needed, and where it was the last target and none was
/// reached, it was not told.
async fn ended(db: &mut Connection, id: &str) -> Result<(), StoreError> {
    sql::query("UPDATE notice_sent SET data = NULL WHERE id = $1")
        .bind(id)
        .execute(&mut *db)
        .await?;
    // That something is over needs no second telling: it is forgotten with what it was about.
    sql::query(
        "UPDATE notice SET told = NULL, told_run = NULL, telling = NULL, told_at = NULL
         WHERE telling <> 'recovered' AND EXISTS (
             SELECT 1 FROM notice_sent s
             WHERE s.id = $1 AND s.site_id = notice.site_id AND s.subject = notice.subject
             AND s.kind = notice.kind AND s.run_id = notice.told_run AND s.telling = notice.telling
             AND NOT EXISTS (
                 SELECT 1 FROM notice_sent o
                 WHERE o.site_id = s.site_id AND o.subject = s.subject AND o.kind = s.kind
                 AND o.run_id = s.run_id AND o.telling = s.telling
                 AND (o.due_at IS NOT NULL OR (o.done_at IS NOT NULL AND o.error IS NULL))))",
    )
    .bind(id)
    .execute(db)
    .await?;
    Ok(())
}

async fn forget_old(db: &mut Connection, now: i64) -> Result<(), StoreError> {
    sql::query("DELETE FROM notice_sent WHERE at < $1")
        .bind(now.saturating_sub(SENT_KEPT_MS))
        .execute(db)
        .await?;
    Ok(())
}

fn sent(row: &Row) -> Result<NoticeSent, StoreError> {
    let columns = Columns::new(row, "notice_sent", "id");
    Ok(NoticeSent {
        id: columns.text("id")?,
        target_id: columns.text("target_id")?,
        target: columns.maybe_text("target")?,
        site_id: columns.maybe_text("site_id")?,
        run_id: told_run(&columns)?,
        kind: columns.text("kind")?,
        at: columns.number("at")?,
        done_at: columns.maybe_number("done_at")?,
        due_at: columns.maybe_number("due_at")?,
        attempts: columns.count("attempts")?,
        error: columns.maybe_text("error")?,
    })
}

fn due(row: &Row, until: i64) -> Result<DueNotice, StoreError> {
    let columns = Columns::new(row, "notice_sent", "id");
    Ok(DueNotice {
        id: columns.text("id")?,
        until,
        site_id: columns.text("site_id")?,
        run_id: told_run(&columns)?,
        subject: columns.read("subject", Subject::from_code)?,
        notice: Notice {
            kind: columns.read("kind", NoticeKind::from_code)?,
            telling: columns.read("telling", Telling::from_code)?,
            findings: columns.read("data", wire::findings_from_text)?,
        },
        at: columns.number("at")?,
        attempts: columns.count("attempts")?,
    })
}

/// The run of a row: none, where what was noted of a tick stands in its place.
pub(super) fn told_run(columns: &Columns<'_>) -> Result<Option<String>, StoreError> {
    let deed = columns.maybe_text("deed")?;
    let run = columns.maybe_text("run_id")?;
    Ok(run.filter(|_| deed.is_none()))
}
