//! Runs: what was asked for, how far it got and what came of it.

use std::time::Duration;

use lockstep_core::change::{RunState, Subject};
use lockstep_core::failure::Failure;
use lockstep_core::hash::Digest;
use lockstep_core::site::GatewayUrl;

use crate::columns::Columns;
use crate::sql::{Connection, Row};
use crate::status::RunCounts;
use crate::{Store, StoreError, events, sites, sql, tally, wire};

/// One run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// UUIDv7 text; a later run has a greater id.
    pub id: String,
    /// The run whose rows this one was made from: an undo, a retry, an apply of held parts.
    pub parent: Option<String>,
    /// The site's id.
    pub site_id: String,
    /// The gateway's address when the run was made.
    pub site_url: GatewayUrl,
    /// What it is about.
    pub subject: Subject,
    /// How far it got.
    pub state: RunState,
    /// What started it: a command, a page, a schedule.
    pub trigger: String,
    /// Who started it.
    pub actor: String,
    /// Whether it writes what is ready as soon as it is planned. Once approved: whether a base that moved may be planned
    /// again and written, as nobody was shown more than this run.
    pub go_on: bool,
    /// Whether nobody looks.
    pub unattended: bool,
    /// The channels it is about; `None` for all.
    pub selection: Option<Vec<i64>>,
    /// All settings it runs under, by key, as they were when it was made.
    pub settings: Vec<(String, String)>,
    /// The policy that was asked for this run alone.
    pub policy_override: Option<String>,
    /// The digest of settings and overrides, or sources and answers, that it was made under.
    pub policy_hash: Digest,
    /// The digest of the plan, once planned.
    pub plan_hash: Option<Digest>,
    /// When it was made, in Unix milliseconds.
    pub started_at: i64,
    /// When it was planned.
    pub planned_at: Option<i64>,
    /// When it was approved.
    pub approved_at: Option<i64>,
    /// Who approved it, be it before it was planned.
    pub approved_by: Option<String>,
    /// When it ended.
    pub ended_at: Option<i64>,
    /// Requests that read.
    pub reads: u64,
    /// Requests that wrote.
    pub writes: u64,
    /// How often the gateway asked to wait.
    pub throttled: u64,
    /// Why the run as a whole failed.
    pub failure: Option<Failure>,
    /// The fence of its present holder; 0 before it was first taken.
    pub fence: i64,
    /// Channels in the run, or models in one about prices, as soon as they are known.
    pub total: u64,
}

impl Run {
    /// How long it was worked on: until it was planned, and from the yes until it ended. How long it waited for the yes is
    /// nobody's work. `None` where it is not planned yet.
    pub fn took(&self) -> Option<Duration> {
        let end = self.ended_at.or(self.planned_at)?;
        let waited = match (self.planned_at, self.approved_at) {
            (Some(planned), Some(approved)) if approved <= end => approved.saturating_sub(planned),
            // Nobody said yes until it ended.
            (Some(planned), None) if !self.go_on => end.saturating_sub(planned),
            _ => 0,
        };
        let took = end.saturating_sub(self.started_at) - waited.max(0);
        Some(Duration::from_millis(u64::try_from(took).unwrap_or(0)))
    }
}
/// Makes a run, which is then queued.
pub(crate) async fn create(
    db: &mut Connection,
    id: String,
    new: NewRun,
    now: i64,
) -> Result<Run, StoreError> {
    let site = sites::site(db, &new.site_id).await?;
    events::forget_old(db, &site.id, now).await?;
    sql::query(
        "INSERT INTO run (id, parent, site_id, site_url, subject, state, started_by, actor, go_on, unattended,
                          selection, settings, policy_override, policy_hash, started_at,
                          reads, writes, throttled, fence, total, settled_as)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 0, 0, 0, 0, 0, $16)",
    )
    .bind(&id)
    .bind(&new.parent)
    .bind(&site.id)
    .bind(site.url.as_str())
    .bind(new.subject.code())
    .bind(RunState::Queued.code())
    .bind(&new.trigger)
    .bind(&new.actor)
    .bind(i64::from(new.go_on))
    .bind(i64::from(new.unattended))
    .bind(new.selection.as_ref().map(wire::to_text))
    .bind(wire::to_text(&new.settings))
    .bind(&new.policy_override)
    .bind(new.policy_hash.as_str())
    .bind(now)
    .bind(new.told.then(|| RunState::Queued.code()))
    .execute(&mut *db)
    .await?;
    events::append(db, &id, vec![events::state(RunState::Queued, now, None)]).await?;
    one(db, &id).await
}

/// A run to make.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// The run whose rows this one is made from.
    pub parent: Option<String>,
    /// The site's id; the address is taken from it.
    pub site_id: String,
    /// What it is about.
    pub subject: Subject,
    /// What started it.
    pub trigger: String,
    /// Who started it.
    pub actor: String,
    /// Whether it writes what is ready as soon as it is planned.
    pub go_on: bool,
    /// Whether nobody looks.
    pub unattended: bool,
    /// The channels it is about; `None` for all.
    pub selection: Option<Vec<i64>>,
    /// All settings it runs under, by key.
    pub settings: Vec<(String, String)>,
    /// The policy that was asked for this run alone.
    pub policy_override: Option<String>,
    /// The digest of what plans rest on, as [`Store::policy_hash`] tells it, or [`Store::price_policy_hash`] for a run
    /// about prices.
    pub policy_hash: Digest,
    /// Whether somebody is told what it finds, as soon as it comes to rest.
    pub told: bool,
}

impl Store {
    /// Makes a run, which is then queued.
    pub async fn create_run(&self, new: NewRun, now: i64) -> Result<Run, StoreError> {
        let id = self.new_id(now);
        self.write(move |db| Box::pin(async move { create(db, id, new, now).await }))
            .await
    }

    /// The run of an id.
    pub async fn run(&self, id: &str) -> Result<Run, StoreError> {
        let mut db = self.readers().acquire().await?;
        one(&mut db, id).await
    }

    /// The one run, of the site or of all, whose id starts so; else not found, or [`StoreError::Ambiguous`].
    pub async fn run_by_prefix(
        &self,
        site_id: Option<&str>,
        prefix: &str,
    ) -> Result<Run, StoreError> {
        let prefix = prefix.trim().to_lowercase();
        let none = || StoreError::NotFound(format!("run `{prefix}`"));
        // What no id contains would be a wildcard, or match everything.
        if prefix.is_empty() || !prefix.chars().all(|c| c == '-' || c.is_ascii_hexdigit()) {
            return Err(none());
        }
        let rows = sql::query(
            "SELECT * FROM run WHERE id LIKE $1 AND ($2 IS NULL OR site_id = $2) ORDER BY id",
        )
        .bind(format!("{prefix}%"))
        .bind(site_id)
        .fetch_all(self.readers())
        .await?;
        match rows.as_slice() {
            [] => Err(none()),
            [row] => from_row(row),
            rows => Err(StoreError::Ambiguous {
                prefix,
                matches: rows.len(),
            }),
        }
    }

    /// The site's newest run about the subject.
    pub async fn latest_run(
        &self,
        site_id: &str,
        subject: Subject,
    ) -> Result<Option<Run>, StoreError> {
        let row = sql::query(
            "SELECT * FROM run WHERE site_id = $1 AND subject = $2 ORDER BY id DESC LIMIT 1",
        )
        .bind(site_id)
        .bind(subject.code())
        .fetch_optional(self.readers())
        .await?;
        row.as_ref().map(from_row).transpose()
    }

    /// The site's runs, newest first, with their counts. `before` is the id of the last run of the page before.
    pub async fn runs(
        &self,
        site_id: &str,
        limit: u32,
        before: Option<&str>,
    ) -> Result<Vec<(Run, RunCounts)>, StoreError> {
        // One transaction, so that a run and its counts are of the same moment.
        let mut db = self.readers().begin().await?;
        let rows = sql::query(
            "SELECT * FROM run WHERE site_id = $1 AND ($2 IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
        )
        .bind(site_id)
        .bind(before)
        .bind(i64::from(limit))
        .fetch_all(&mut db)
        .await?;
        let mut runs = Vec::with_capacity(rows.len());
        for row in &rows {
            let run = from_row(row)?;
            let counts = match tally::stored(row)? {
                Some(counts) => counts,
                None => tally::count(&mut db, &run.id).await?,
            };
            runs.push((run, counts));
        }
        Ok(runs)
    }

    /// How many channels of the run have which status, or models of a run about prices.
    pub async fn counts(&self, run_id: &str) -> Result<RunCounts, StoreError> {
        // One transaction, so that what is kept is of the moment at which it is looked for.
        let mut db = self.readers().begin().await?;
        let row = sql::query("SELECT id, tally FROM run WHERE id = $1")
            .bind(run_id)
            .fetch_optional(&mut db)
            .await?;
        match row.as_ref().map(tally::stored).transpose()?.flatten() {
            Some(counts) => Ok(counts),
            None => tally::count(&mut db, run_id).await,
        }
    }

    /// The site's runs that are queued, reading or writing, oldest first.
    pub async fn unfinished_runs(&self, site_id: &str) -> Result<Vec<Run>, StoreError> {
        let rows = sql::query(
            "SELECT * FROM run WHERE site_id = $1 AND state IN ('queued', 'reading', 'writing') ORDER BY id",
        )
        .bind(site_id)
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(from_row).collect()
    }

    /// The runs of all sites that are queued, reading or writing, or planned and to be written without another question,
    /// and whose gateway nobody holds; oldest first. Whoever had them is gone, or never came.
    pub async fn orphaned_runs(&self) -> Result<Vec<Run>, StoreError> {
        let mut runs = self.worked_on().await?;
        if runs.is_empty() {
            return Ok(runs);
        }
        let held = self
            .held_gateways(runs.iter().map(|run| &run.site_url))
            .await?;
        runs.retain(|run| !held.contains(&run.site_url));
        if !runs.is_empty() {
            // Whoever let go of a gateway meanwhile had recorded before how far the run is.
            let still = self.worked_on().await?;
            runs.retain(|run| still.iter().any(|other| other.id == run.id));
        }
        Ok(runs)
    }

    /// The runs that somebody is to work on.
    async fn worked_on(&self) -> Result<Vec<Run>, StoreError> {
        let rows = sql::query(
            "SELECT * FROM run WHERE state IN ('queued', 'reading', 'writing')
             OR (state = 'planned' AND go_on = 1 AND approved_by IS NOT NULL AND approved_at IS NULL)
             ORDER BY id",
        )
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(from_row).collect()
    }

    /// Asks whoever has the run to end it early. Returns whether that is still to come: a run that is over has nobody to
    /// ask. The first who asked is kept.
    pub async fn ask_to_cancel(&self, run_id: &str, by: &str) -> Result<bool, StoreError> {
        let (run_id, by) = (run_id.to_owned(), by.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                let state = one(db, &run_id).await?.state;
                if state.ended() {
                    return Ok(false);
                }
                sql::query(
                    "UPDATE run SET cancelled_by = $2 WHERE id = $1 AND cancelled_by IS NULL",
                )
                .bind(&run_id)
                .bind(by)
                .execute(db)
                .await?;
                Ok(true)
            })
        })
        .await
    }

    /// Who asked that the run ends early, if anybody did.
    pub async fn cancel_asked(&self, run_id: &str) -> Result<Option<String>, StoreError> {
        let asked: Option<Option<String>> =
            sql::query_scalar("SELECT cancelled_by FROM run WHERE id = $1")
                .bind(run_id)
                .fetch_optional(self.readers())
                .await?;
        asked.ok_or_else(|| not_found(run_id))
    }

    /// Whether a run of the site about the subject was ever planned with somebody looking: any run, or one over all
    /// channels.
    pub async fn has_been_planned(
        &self,
        site_id: &str,
        subject: Subject,
        all_channels: bool,
    ) -> Result<bool, StoreError> {
        let planned: Option<i64> = sql::query_scalar(
            "SELECT planned_at FROM run
             WHERE site_id = $1 AND subject = $2 AND planned_at IS NOT NULL AND unattended = 0
             AND (selection IS NULL OR $3 = 0) LIMIT 1",
        )
        .bind(site_id)
        .bind(subject.code())
        .bind(i64::from(all_channels))
        .fetch_optional(self.readers())
        .await?;
        Ok(planned.is_some())
    }
}

async fn one(db: &mut Connection, id: &str) -> Result<Run, StoreError> {
    let row = sql::query("SELECT * FROM run WHERE id = $1")
        .bind(id)
        .fetch_optional(db)
        .await?;
    row.as_ref()
        .map(from_row)
        .unwrap_or_else(|| Err(not_found(id)))
}

pub(crate) fn not_found(id: &str) -> StoreError {
    StoreError::NotFound(format!("run {id}"))
}

pub(crate) fn from_row(row: &Row) -> Result<Run, StoreError> {
    let columns = Columns::new(row, "run", "id");
    Ok(Run {
        id: columns.text("id")?,
        parent: columns.maybe_text("parent")?,
        site_id: columns.text("site_id")?,
        site_url: columns.read("site_url", |text| GatewayUrl::parse(text).ok())?,
        subject: columns.read("subject", Subject::from_code)?,
        state: columns.read("state", RunState::from_code)?,
        trigger: columns.text("started_by")?,
        actor: columns.text("actor")?,
        go_on: columns.flag("go_on")?,
        unattended: columns.flag("unattended")?,
        selection: columns.maybe_read("selection", wire::from_text)?,
        settings: columns.json("settings")?,
        policy_override: columns.maybe_text("policy_override")?,
        policy_hash: Digest::stored(columns.text("policy_hash")?),
        plan_hash: columns.maybe_text("plan_hash")?.map(Digest::stored),
        started_at: columns.number("started_at")?,
        planned_at: columns.maybe_number("planned_at")?,
        approved_at: columns.maybe_number("approved_at")?,
        approved_by: columns.maybe_text("approved_by")?,
        ended_at: columns.maybe_number("ended_at")?,
        reads: columns.count("reads")?,
        writes: columns.count("writes")?,
        throttled: columns.count("throttled")?,
        failure: columns.maybe_read("failure", wire::failure_from_text)?,
        fence: columns.number("fence")?,
        total: columns.count("total")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_in_which_a_plan_waits_for_its_yes_is_nobodys_work() {
        let run = |planned_at, approved_at, ended_at, go_on| Run {
            id: "r".to_owned(),
            parent: None,
            site_id: "s".to_owned(),
            site_url: GatewayUrl::parse("https://gateway.example").expect("an address"),
            subject: Subject::Models,
            state: RunState::Done,
            trigger: "sync".to_owned(),
            actor: "admin".to_owned(),
            go_on,
            unattended: false,
            selection: None,
            settings: Vec::new(),
            policy_override: None,
            policy_hash: Digest::of(["policy"]),
            plan_hash: None,
            started_at: 1_000,
            planned_at,
            approved_at,
            approved_by: None,
            ended_at,
            reads: 0,
            writes: 0,
            throttled: 0,
            failure: None,
            fence: 1,
            total: 1,
        };
        for (run, took) in [
            (run(None, None, None, false), None),
            (run(Some(1_020), None, None, false), Some(20)),
            (run(Some(1_020), Some(61_000), None, false), Some(20)),
            (
                run(Some(1_020), Some(61_000), Some(61_005), false),
                Some(25),
            ),
            // Dropped without a yes, and written without a question.
            (run(Some(1_020), None, Some(61_000), false), Some(20)),
            (run(Some(1_020), Some(1_000), Some(1_050), true), Some(50)),
            (run(None, None, Some(1_007), false), Some(7)),
        ] {
            assert_eq!(run.took(), took.map(Duration::from_millis), "{run:?}");
        }
    }
}
