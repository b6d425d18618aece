//! Ticks that no run came of.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_core::change::Subject;
use lockstep_core::notices::{About, Finding, Looked, NoticeKind, What};
use serde::{Deserialize, Serialize};

use crate::columns::Columns;
use crate::sql::{Connection, Row};
use crate::{Store, StoreError, notices, sql, wire};

/// The kind of a deed that tells of a tick that no run came of.
pub(super) const TICK_LOST: &str = "tick_lost";

/// A tick that no run came of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostTick {
    /// What it was about.
    pub subject: Subject,
    /// The tick, in Unix milliseconds.
    pub tick: i64,
    /// Why, as a code.
    pub why: String,
    /// What belongs to the code: who was busy, which variable is not set.
    pub detail: String,
    /// When it was given up.
    pub at: i64,
}

#[derive(Serialize, Deserialize)]
struct LostText {
    tick: i64,
    why: String,
    detail: String,
}

impl Store {
    /// Records a tick that no run came of, among the deeds, and puts it out to be told. It is over with the first run that
    /// says so.
    pub async fn record_lost_tick(&self, site_id: &str, lost: LostTick) -> Result<(), StoreError> {
        let id = self.new_id(lost.at);
        let (store, site_id) = (self.clone(), site_id.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                let data = LostText {
                    tick: lost.tick,
                    why: lost.why.clone(),
                    detail: lost.detail.clone(),
                };
                sql::query(
                    "INSERT INTO deed (id, site_id, at, actor, kind, data) VALUES ($1, $2, $3, 'schedule', $4, $5)",
                )
                .bind(&id)
                .bind(&site_id)
                .bind(lost.at)
                .bind(kind(lost.subject))
                .bind(wire::to_text(&data))
                .execute(&mut *db)
                .await?;
                let missed = What::Missed {
                    why: lost.why,
                    detail: lost.detail,
                };
                let found = vec![Finding::new(About::Run, missed)];
                let found = BTreeMap::from([(NoticeKind::Missed, found)]);
                // Ids of deeds grow as those of runs do, so this stands in the place of the run that there is not.
                let of = (site_id.as_str(), lost.subject, id.as_str());
                let nothing = Looked::At(BTreeSet::new());
                notices::settle_all(db, &store, of, found, &nothing, lost.at).await?;
                Ok(())
            })
        })
        .await
    }

    /// The ticks of a schedule that no run came of, newest first.
    pub async fn lost_ticks(
        &self,
        site_id: &str,
        subject: Subject,
        limit: u32,
    ) -> Result<Vec<LostTick>, StoreError> {
        let rows = sql::query(
            "SELECT * FROM deed WHERE site_id = $1 AND kind = $2 ORDER BY id DESC LIMIT $3",
        )
        .bind(site_id)
        .bind(kind(subject))
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await?;
        let read = |row: &Row| {
            let columns = Columns::new(row, "deed", "id");
            let LostText { tick, why, detail } = columns.json("data")?;
            Ok(LostTick {
                subject,
                tick,
                why,
                detail,
                at: columns.number("at")?,
            })
        };
        rows.iter().map(read).collect()
    }
}

/// Forgets what was told of lost ticks before a time.
pub(crate) async fn forget_lost_ticks(
    db: &mut Connection,
    site_id: &str,
    before: i64,
) -> Result<(), StoreError> {
    for subject in [Subject::Models, Subject::Prices] {
        sql::query("DELETE FROM deed WHERE site_id = $1 AND kind = $2 AND at < $3")
            .bind(site_id)
            .bind(kind(subject))
            .bind(before)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

fn kind(subject: Subject) -> String {
    format!("{TICK_LOST}_{}", subject.code())
}
