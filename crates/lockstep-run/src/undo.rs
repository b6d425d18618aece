//! Undo: a run whose changes are another run's, turned round.

use lockstep_core::change::{State, Subject};
use lockstep_core::failure::FailureKind;
use lockstep_core::hash::Digest;
use lockstep_core::hold::Reason;
use lockstep_core::models::list::NonEmptyModels;
use lockstep_store::changes::ChangeRow;
use lockstep_store::runs::{NewRun, Run};
use lockstep_store::steps::{Holds, Planned};

use crate::error::EngineError;
use crate::request::UNDO;
use crate::row::{digest, plan_digest};
use crate::session::Session;
use crate::stays::{Stays, taken_back};

impl Session {
    /// Plans to take back what a run wrote, or the chosen channels of it. Nothing is read from the gateway: what is
    /// there now is compared when it is written, and whatever somebody edited since is a conflict and stays. What is known
    /// to stay is skipped, with its reason.
    pub async fn plan_undo(&self, run_id: &str, only: Option<&[i64]>) -> Result<Run, EngineError> {
        let store = self.store();
        let parent = store.run(run_id).await?;
        let known = Stays::of(store, &parent).await?;
        let rows: Vec<(ChangeRow, Option<Reason>)> = store
            .changes(run_id)
            .await?
            .into_iter()
            .filter(may_be_undone)
            .filter(|row| only.is_none_or(|ids| ids.contains(&row.channel_id)))
            .map(|row| {
                let stays = known.list(&row);
                (row, stays)
            })
            .collect();
        if rows.is_empty() {
            return Err(EngineError::NothingToUndo(run_id.to_owned()));
        }
        if let Some(by) = taken_back(rows.iter().map(|(_, stays)| stays)) {
            let run = run_id.to_owned();
            return Err(EngineError::UndoneAlready { run, by });
        }
        let held = self.hold().await?;
        let new = NewRun {
            parent: Some(parent.id.clone()),
            site_id: parent.site_id.clone(),
            subject: Subject::Models,
            trigger: UNDO.to_owned(),
            actor: self.engine.actor.clone(),
            go_on: false,
            unattended: false,
            selection: Some(rows.iter().map(|(row, _)| row.channel_id).collect()),
            settings: parent.settings.clone(),
            policy_override: None,
            policy_hash: store.policy_hash(&parent.site_id).await?,
            told: false,
        };
        let run = self.make_run(new).await?;
        store.start_reading(&run.id, held.fence, self.now()).await?;
        let now = self.now();
        let rows: Vec<ChangeRow> = rows
            .into_iter()
            .map(|(row, stays)| turned_round(&run.id, row, stays, now))
            .collect();
        let digests: Vec<Digest> = rows.iter().map(digest).collect();
        let total = rows.len() as u64;
        store
            .record_read(&run.id, held.fence, rows, Vec::new(), self.requests())
            .await?;
        store
            .mark_planned(
                &run.id,
                held.fence,
                Vec::new(),
                Planned {
                    hash: plan_digest(&digests),
                    total,
                    holds: Holds::Leave,
                },
                self.now(),
            )
            .await?;
        Ok(store.run(&run.id).await?)
    }
}

/// Whether an undo looks at the row: the gateway may have the text that it was to write. What it has not is found out
/// before anything is taken back.
pub fn may_be_undone(row: &ChangeRow) -> bool {
    match row.state {
        State::Applied | State::Unverified => true,
        State::Failed => row
            .failure
            .as_ref()
            .is_some_and(|failure| failure.kind == FailureKind::FieldsChanged),
        _ => false,
    }
}

/// Whether a list can be given back: the gateway ignores an empty one.
pub fn was_listed(models: &str) -> bool {
    NonEmptyModels::new(models.to_owned()).is_some()
}

fn turned_round(run: &str, row: ChangeRow, stays: Option<Reason>, now: i64) -> ChangeRow {
    let was = row.before;
    let is = row.after.unwrap_or_default();
    ChangeRow {
        run_id: run.to_owned(),
        base: Digest::of([&is]),
        before: is,
        after: stays.is_none().then_some(was),
        state: match stays {
            None => State::Ready,
            Some(_) => State::Skipped,
        },
        skip: stays,
        upstream: None,
        hold: None,
        failure: None,
        held_add: Vec::new(),
        held_remove: Vec::new(),
        kept: Vec::new(),
        dropped: Vec::new(),
        notes: Vec::new(),
        attempts: 1,
        http_status: None,
        read_at: now,
        finished_at: Some(now),
        channel_id: row.channel_id,
        channel_name: row.channel_name,
        provider: row.provider,
        page: row.page,
    }
}
