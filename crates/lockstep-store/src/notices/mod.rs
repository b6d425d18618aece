//! Notices: what is wrong now, where it is told, and what is to be sent.

mod outbox;
mod targets;
mod unsettled;

use std::collections::BTreeMap;

use lockstep_core::change::Subject;
use lockstep_core::hash::Digest;
use lockstep_core::notices::{Finding, Known, Looked, Notice, NoticeKind, Telling, Told, settle};

use crate::columns::Columns;
use crate::sql::{Connection, Row};
use crate::{Store, StoreError, sites, sql, wire};

pub use outbox::{DueNotice, NoticeSent, Outcome};
pub use targets::{NewNoticeTarget, NoticeTarget};
pub use unsettled::AtRest;

/// What is wrong now of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenNotice {
    /// The subject of the runs that found it.
    pub subject: Subject,
    /// The kind.
    pub kind: NoticeKind,
    /// What was found.
    pub findings: Vec<Finding>,
    /// The run that last found it; `None` for a tick that no run came of.
    pub run_id: Option<String>,
    /// Since when just this is so, in Unix milliseconds.
    pub since: i64,
    /// When it was told, if it was.
    pub told_at: Option<i64>,
}

impl Store {
    /// Settles what a run found with what is known of its site and subject, as [`settle`] says, and puts what is to be
    /// told of it out for every target that hears it: all in one transaction. Answers what was put out: nothing where
    /// another process has settled the run already. What nobody hears is not told, and is told by the first run after
    /// somebody does.
    pub async fn settle_notices(
        &self,
        run: AtRest<'_>,
        found: BTreeMap<NoticeKind, Vec<Finding>>,
        looked: Looked,
        now: i64,
    ) -> Result<Vec<Notice>, StoreError> {
        let (store, site_id, run_id) =
            (self.clone(), run.site_id.to_owned(), run.run_id.to_owned());
        let AtRest { subject, state, .. } = run;
        self.write(move |db| {
            Box::pin(async move {
                sites::site(db, &site_id).await?;
                let run = AtRest {
                    site_id: &site_id,
                    subject,
                    run_id: &run_id,
                    state,
                };
                if !unsettled::begin(db, run).await? {
                    return Ok(Vec::new());
                }
                let of = (site_id.as_str(), subject, run_id.as_str());
                settle_all(db, &store, of, found, &looked, now).await
            })
        })
        .await
    }

    /// What is wrong now on a site, by subject and kind.
    pub async fn open_notices(&self, site_id: &str) -> Result<Vec<OpenNotice>, StoreError> {
        let rows = sql::query(
            "SELECT n.*, (SELECT d.id FROM deed d WHERE d.id = n.run_id) AS deed
             FROM notice n WHERE site_id = $1 ORDER BY subject, kind",
        )
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
                run_id: outbox::told_run(&columns)?,
                since: columns.number("since")?,
                told_at: columns.maybe_number("told_at")?,
            });
        }
        Ok(open)
    }
}

/// Settles what was found, in a transaction of somebody's.
pub(crate) async fn settle_all(
    db: &mut Connection,
    store: &Store,
    (site_id, subject, run_id): (&str, Subject, &str),
    found: BTreeMap<NoticeKind, Vec<Finding>>,
    looked: &Looked,
    now: i64,
) -> Result<Vec<Notice>, StoreError> {
    let before = all_known(db, site_id, subject).await?;
    let mut settled = settle(before.clone(), found, looked, run_id);
    let targets = targets::all(&mut *db).await?;
    let mut told = Vec::new();
    for notice in settled.notices {
        let kind = notice.kind;
        let mut heard = false;
        for target in targets.iter().filter(|target| target.hears(kind)) {
            heard = true;
            let of = (site_id, subject, run_id);
            outbox::put(db, store.new_id(now), target, of, &notice, now).await?;
        }
        if heard {
            told.push(notice);
        } else if notice.telling == Telling::Recovered {
            settled.known.remove(&kind);
        } else if let Some(known) = settled.known.get_mut(&kind) {
            known.told = None;
        }
    }
    for kind in before.keys() {
        if !settled.known.contains_key(kind) {
            forget(db, site_id, subject, *kind).await?;
        }
    }
    for (kind, known) in &settled.known {
        if before.get(kind) != Some(known) {
            keep(db, (site_id, subject, *kind), known, now).await?;
        }
    }
    Ok(told)
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
