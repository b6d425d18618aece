//! Notices: where they go, what is wrong now, and what was sent.

use std::collections::BTreeMap;

use lockstep_core::change::Subject;
use lockstep_core::hash::Digest;
use lockstep_core::notices::{Finding, Known, Looked, Notice, NoticeKind, Telling, Told, settle};
use secrecy::{ExposeSecret as _, SecretString};

use crate::columns::Columns;
use crate::sql::{Connection, Row};
use crate::{Store, StoreError, sites, sql, wire};

/// How long, in milliseconds, it is remembered what was sent: 90 days.
const SENT_KEPT_MS: i64 = 90 * 86_400_000;

/// Where notices go. What is secret of it is read by [`Store::notice_secret`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeTarget {
    /// UUIDv7 text.
    pub id: String,
    /// The name that people use.
    pub name: String,
    /// What stands there: the code of a sender.
    pub kind: String,
    /// The kinds of notices that go there; none for all.
    pub kinds: Vec<NoticeKind>,
    /// Whether anything is sent there.
    pub enabled: bool,
    /// When it was added, in Unix milliseconds.
    pub created_at: i64,
}

/// A target to add.
#[derive(Debug)]
pub struct NewNoticeTarget {
    /// Its name.
    pub name: String,
    /// The code of its sender.
    pub kind: String,
    /// The kinds of notices that go there; none for all.
    pub kinds: Vec<NoticeKind>,
    /// Its address and secrets, as its sender reads them. It is stored encrypted.
    pub secret: SecretString,
}

/// What is wrong now of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenNotice {
    /// The subject of the runs that found it.
    pub subject: Subject,
    /// The kind.
    pub kind: NoticeKind,
    /// What was found.
    pub findings: Vec<Finding>,
    /// The run that last found it.
    pub run_id: String,
    /// Since when just this is so, in Unix milliseconds.
    pub since: i64,
    /// When it was told, if it was.
    pub told_at: Option<i64>,
}

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
    /// The run; `None` for a test.
    pub run_id: Option<String>,
    /// The code of the notice's kind, or `test`.
    pub kind: String,
    /// When sending began, in Unix milliseconds.
    pub at: i64,
    /// When it ended. `None` while it is sent, or when its process ended before.
    pub done_at: Option<i64>,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it did not arrive.
    pub error: Option<String>,
}

impl Store {
    /// Adds a target. [`StoreError::Conflict`] when its name is taken.
    pub async fn add_notice_target(
        &self,
        new: NewNoticeTarget,
        now: i64,
    ) -> Result<NoticeTarget, StoreError> {
        let id = self.new_id(now);
        let sealed = self
            .seal()
            .close(new.secret.expose_secret(), &place(&id))
            .ok_or_else(|| {
                StoreError::Unavailable("the address is too long to be encrypted".to_owned())
            })?;
        self.write(move |db| {
            Box::pin(async move {
                let codes: Vec<&str> = new.kinds.iter().map(|kind| kind.code()).collect();
                sql::query(
                    "INSERT INTO notice_target (id, name, kind, sealed, kinds, enabled, created_at)
                     VALUES ($1, $2, $3, $4, $5, 1, $6)",
                )
                .bind(&id)
                .bind(&new.name)
                .bind(&new.kind)
                .bind(sealed)
                .bind(wire::to_text(&codes))
                .bind(now)
                .execute(&mut *db)
                .await
                .map_err(|error| taken(error, &new.name))?;
                let row = sql::query("SELECT * FROM notice_target WHERE id = $1")
                    .bind(&id)
                    .fetch_one(db)
                    .await?;
                target(&row)
            })
        })
        .await
    }

    /// All targets, by name.
    pub async fn notice_targets(&self) -> Result<Vec<NoticeTarget>, StoreError> {
        let rows = sql::query("SELECT * FROM notice_target ORDER BY name")
            .fetch_all(self.readers())
            .await?;
        rows.iter().map(target).collect()
    }

    /// The target of a name.
    pub async fn notice_target_by_name(&self, name: &str) -> Result<NoticeTarget, StoreError> {
        let row = sql::query("SELECT * FROM notice_target WHERE name = $1")
            .bind(name)
            .fetch_optional(self.readers())
            .await?;
        row.as_ref()
            .map(target)
            .unwrap_or_else(|| Err(StoreError::NotFound(format!("notice target `{name}`"))))
    }

    /// A target's address and secrets, decrypted.
    pub async fn notice_secret(&self, id: &str) -> Result<SecretString, StoreError> {
        let sealed: Option<String> =
            sql::query_scalar("SELECT sealed FROM notice_target WHERE id = $1")
                .bind(id)
                .fetch_optional(self.readers())
                .await?;
        let sealed = sealed.ok_or_else(|| not_found(id))?;
        let opened = self.seal().open(&sealed, &place(id));
        opened
            .map(SecretString::from)
            .ok_or_else(|| StoreError::Inconsistent {
                table: "notice_target",
                column: "sealed",
                row: id.to_owned(),
            })
    }

    /// Sends something there from now on, or nothing.
    pub async fn enable_notice_target(&self, id: &str, enabled: bool) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let set = sql::query("UPDATE notice_target SET enabled = $2 WHERE id = $1")
                    .bind(&id)
                    .bind(i64::from(enabled))
                    .execute(db)
                    .await?;
                there_was(set.rows_affected(), &id)
            })
        })
        .await
    }

    /// Removes a target with its address and secrets. What was sent there stays in the log.
    pub async fn remove_notice_target(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let removed = sql::query("DELETE FROM notice_target WHERE id = $1")
                    .bind(&id)
                    .execute(db)
                    .await?;
                there_was(removed.rows_affected(), &id)
            })
        })
        .await
    }

    /// Settles what a run found with what is known of its site and subject, as [`settle`] says, and answers what is to
    /// be told of it.
    pub async fn settle_notices(
        &self,
        site_id: &str,
        subject: Subject,
        run_id: &str,
        found: BTreeMap<NoticeKind, Vec<Finding>>,
        looked: Looked,
        now: i64,
    ) -> Result<Vec<Notice>, StoreError> {
        let (site_id, run_id) = (site_id.to_owned(), run_id.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                sites::site(db, &site_id).await?;
                let before = all_known(db, &site_id, subject).await?;
                let known = before.iter().map(|(kind, known)| (*kind, known.clone()));
                let settled = settle(known.collect(), found, &looked, &run_id);
                for kind in before.keys() {
                    if !settled.known.contains_key(kind) {
                        forget(db, &site_id, subject, *kind).await?;
                    }
                }
                for (kind, known) in &settled.known {
                    if before.get(kind) != Some(known) {
                        keep(db, (&site_id, subject, *kind), known, now).await?;
                    }
                }
                Ok(settled.notices)
            })
        })
        .await
    }

    /// Takes back that something was told of the run, for nobody was reached: the next run tells it again.
    pub async fn was_not_told(
        &self,
        site_id: &str,
        run_id: &str,
        kind: NoticeKind,
    ) -> Result<(), StoreError> {
        let (site_id, run_id) = (site_id.to_owned(), run_id.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                sql::query(
                    "UPDATE notice SET told = NULL, told_run = NULL, telling = NULL, told_at = NULL
                     WHERE site_id = $1 AND told_run = $2 AND kind = $3 AND telling <> 'recovered'",
                )
                .bind(&site_id)
                .bind(&run_id)
                .bind(kind.code())
                .execute(db)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// What is wrong now on a site, by subject and kind.
    pub async fn open_notices(&self, site_id: &str) -> Result<Vec<OpenNotice>, StoreError> {
        let rows = sql::query("SELECT * FROM notice WHERE site_id = $1 ORDER BY subject, kind")
            .bind(site_id)
            .fetch_all(self.readers())
            .await?;
        let mut open = Vec::with_capacity(rows.len());
        for row in &rows {
            let columns = Columns::new(row, "notice", "kind");
            let (kind, known) = known(row)?;
            if known.findings.is_empty() || kind.is_event() {
                continue;
            }
            open.push(OpenNotice {
                subject: columns.read("subject", Subject::from_code)?,
                kind,
                findings: known.findings,
                run_id: known.run,
                since: columns.number("since")?,
                told_at: columns.maybe_number("told_at")?,
            });
        }
        Ok(open)
    }

    /// Takes it on to send a notice of a run to a target: the id under which the outcome is recorded, or `None` when
    /// somebody else took it before. What was sent more than 90 days ago is forgotten.
    pub async fn claim_notice(
        &self,
        target_id: &str,
        site_id: &str,
        run_id: &str,
        kind: NoticeKind,
        now: i64,
    ) -> Result<Option<String>, StoreError> {
        let of = Some((site_id.to_owned(), run_id.to_owned()));
        self.begin_sending(target_id, of, kind.code(), now).await
    }

    /// Begins to send a test to a target: the id under which the outcome is recorded.
    pub async fn begin_notice_test(&self, target_id: &str, now: i64) -> Result<String, StoreError> {
        let id = self.begin_sending(target_id, None, "test", now).await?;
        id.ok_or_else(|| StoreError::Conflict(target_id.to_owned()))
    }

    /// Records how sending ended: after how many tries, and why it did not arrive, where it did not.
    pub async fn record_notice(
        &self,
        id: &str,
        attempts: u32,
        error: Option<&str>,
        now: i64,
    ) -> Result<(), StoreError> {
        let (id, error) = (id.to_owned(), error.map(str::to_owned));
        self.write(move |db| {
            Box::pin(async move {
                let set = sql::query(
                    "UPDATE notice_sent SET attempts = $2, error = $3, done_at = $4 WHERE id = $1",
                )
                .bind(&id)
                .bind(i64::from(attempts))
                .bind(error)
                .bind(now)
                .execute(db)
                .await?;
                there_was(set.rows_affected(), &id)
            })
        })
        .await
    }

    /// What was sent, newest first.
    pub async fn notices_sent(&self, limit: u32) -> Result<Vec<NoticeSent>, StoreError> {
        let rows = sql::query(
            "SELECT s.*, t.name AS target FROM notice_sent s
             LEFT JOIN notice_target t ON t.id = s.target_id
             ORDER BY s.id DESC LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await?;
        let read = |row: &Row| {
            let columns = Columns::new(row, "notice_sent", "id");
            Ok(NoticeSent {
                id: columns.text("id")?,
                target_id: columns.text("target_id")?,
                target: columns.maybe_text("target")?,
                site_id: columns.maybe_text("site_id")?,
                run_id: columns.maybe_text("run_id")?,
                kind: columns.text("kind")?,
                at: columns.number("at")?,
                done_at: columns.maybe_number("done_at")?,
                attempts: columns.count("attempts")?,
                error: columns.maybe_text("error")?,
            })
        };
        rows.iter().map(read).collect()
    }

    async fn begin_sending(
        &self,
        target_id: &str,
        of: Option<(String, String)>,
        kind: &'static str,
        now: i64,
    ) -> Result<Option<String>, StoreError> {
        let (id, target_id) = (self.new_id(now), target_id.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                sql::query("DELETE FROM notice_sent WHERE at < $1")
                    .bind(now.saturating_sub(SENT_KEPT_MS))
                    .execute(&mut *db)
                    .await?;
                let (site_id, run_id) = of.unzip();
                let begun = sql::query(
                    "INSERT INTO notice_sent (id, target_id, site_id, run_id, kind, at, attempts)
                     VALUES ($1, $2, $3, $4, $5, $6, 0)
                     ON CONFLICT (target_id, run_id, kind) DO NOTHING",
                )
                .bind(&id)
                .bind(&target_id)
                .bind(site_id)
                .bind(run_id)
                .bind(kind)
                .bind(now)
                .execute(db)
                .await?;
                Ok((begun.rows_affected() > 0).then_some(id))
            })
        })
        .await
    }
}

/// What a target's address is bound to, so that it opens in no other row.
fn place(id: &str) -> String {
    format!("notice_target:{id}")
}

fn target(row: &Row) -> Result<NoticeTarget, StoreError> {
    let columns = Columns::new(row, "notice_target", "id");
    let kinds = columns.read("kinds", |text| {
        let codes: Vec<String> = wire::from_text(text)?;
        codes
            .iter()
            .map(|code| NoticeKind::from_code(code))
            .collect()
    })?;
    Ok(NoticeTarget {
        id: columns.text("id")?,
        name: columns.text("name")?,
        kind: columns.text("kind")?,
        kinds,
        enabled: columns.flag("enabled")?,
        created_at: columns.number("created_at")?,
    })
}

fn known(row: &Row) -> Result<(NoticeKind, Known), StoreError> {
    let columns = Columns::new(row, "notice", "kind");
    let told = match columns.maybe_text("told")? {
        Some(digest) => Some(Told {
            digest: Digest::stored(digest),
            run: columns.text("told_run")?,
            telling: columns.read("telling", Telling::from_code)?,
        }),
        None => None,
    };
    let known = Known {
        findings: columns.read("data", wire::findings_from_text)?,
        run: columns.text("run_id")?,
        told,
    };
    Ok((columns.read("kind", NoticeKind::from_code)?, known))
}

async fn all_known(
    db: &mut Connection,
    site_id: &str,
    subject: Subject,
) -> Result<BTreeMap<NoticeKind, Known>, StoreError> {
    let rows = sql::query("SELECT * FROM notice WHERE site_id = $1 AND subject = $2")
        .bind(site_id)
        .bind(subject.code())
        .fetch_all(db)
        .await?;
    rows.iter().map(known).collect()
}

/// Stores what is known of a kind. Its time is since when just this was found, and it was told now if it is told of
/// this run.
async fn keep(
    db: &mut Connection,
    (site_id, subject, kind): (&str, Subject, NoticeKind),
    known: &Known,
    now: i64,
) -> Result<(), StoreError> {
    let told = known.told.as_ref();
    sql::query(
        "INSERT INTO notice (site_id, subject, kind, run_id, data, since, told, told_run, telling, told_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (site_id, subject, kind) DO UPDATE
         SET run_id = excluded.run_id,
             since = CASE WHEN notice.data = excluded.data THEN notice.since ELSE excluded.since END,
             data = excluded.data,
             told_at = CASE WHEN notice.told_run = excluded.told_run THEN notice.told_at ELSE excluded.told_at END,
             told = excluded.told, told_run = excluded.told_run, telling = excluded.telling",
    )
    .bind(site_id)
    .bind(subject.code())
    .bind(kind.code())
    .bind(&known.run)
    .bind(wire::findings_to_text(&known.findings))
    .bind(now)
    .bind(told.map(|told| told.digest.as_str().to_owned()))
    .bind(told.map(|told| told.run.clone()))
    .bind(told.map(|told| told.telling.code()))
    .bind(told.map(|_| now))
    .execute(db)
    .await?;
    Ok(())
}

async fn forget(
    db: &mut Connection,
    site_id: &str,
    subject: Subject,
    kind: NoticeKind,
) -> Result<(), StoreError> {
    sql::query("DELETE FROM notice WHERE site_id = $1 AND subject = $2 AND kind = $3")
        .bind(site_id)
        .bind(subject.code())
        .bind(kind.code())
        .execute(db)
        .await?;
    Ok(())
}

fn taken(error: sqlx::Error, name: &str) -> StoreError {
    match &error {
        sqlx::Error::Database(told) if told.is_unique_violation() => {
            StoreError::Conflict(name.to_owned())
        }
        _ => error.into(),
    }
}

fn there_was(rows: u64, id: &str) -> Result<(), StoreError> {
    if rows == 0 {
        Err(not_found(id))
    } else {
        Ok(())
    }
}

fn not_found(id: &str) -> StoreError {
    StoreError::NotFound(format!("notice target with the id {id}"))
}
