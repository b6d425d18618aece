//! The yes between a plan and its writes.

use lockstep_core::change::State;
use lockstep_run::review::Approval;
use lockstep_run::{EngineError, Session};
use lockstep_store::changes::ChangeRow;
use lockstep_store::runs::Run;

use super::args::Consent;
use super::context::Context;
use super::run::watch_signals;
use crate::view::{bar, json, table};
use crate::words::en;

impl Consent {
    /// Whether it was given on the command line.
    pub(crate) fn given(self) -> bool {
        self.yes || self.unattended
    }

    pub(crate) fn by(self, actor: &str) -> String {
        match (self.unattended, self.yes) {
            (true, _) => format!("{actor}, --unattended"),
            (_, true) => format!("{actor}, --yes"),
            _ => format!("{actor}, asked"),
        }
    }
}

/// What is to be approved.
pub(crate) struct Proposal<'a> {
    pub(crate) run: Run,
    pub(crate) rows: &'a [ChangeRow],
    /// Only these channels.
    pub(crate) only: Option<Vec<i64>>,
    /// Whether what moves meanwhile may be planned again: the plan is of this moment.
    pub(crate) rebases: bool,
}

/// Asks where nobody said yes yet, and writes. Without a yes the run stays planned.
pub(crate) async fn approve(
    context: &Context,
    session: &Session,
    proposal: Proposal<'_>,
    consent: Consent,
) -> anyhow::Result<Run> {
    let Proposal {
        run,
        rows,
        only,
        rebases,
    } = proposal;
    let ready: Vec<ChangeRow> = rows
        .iter()
        .filter(|row| row.state == State::Ready)
        .filter(|row| {
            only.as_ref()
                .is_none_or(|ids| ids.contains(&row.channel_id))
        })
        .cloned()
        .collect();
    if ready.is_empty() && only.is_some() {
        return Err(EngineError::NothingReady(run.id).into());
    }
    if ready.is_empty() {
        return Ok(session.finish(&run).await?);
    }
    if !consent.given() {
        let names: usize = ready
            .iter()
            .map(|row| {
                let lists = json::Lists::of(row);
                lists.added.len() + lists.removed.len()
            })
            .sum();
        if !context.screen.can_ask() {
            context.screen.hint(&format!(
                "Nothing was written: nobody could be asked. `lockstep apply {} --yes` writes it.",
                table::short(&run.id)
            ));
            return Ok(run);
        }
        let shown = if only.is_some() { &ready } else { rows };
        if let Some(text) = table::changes(&context.screen, shown) {
            context.screen.shows(&text);
        }
        let question = format!(
            "Write {} on {}?",
            en::count(names as u64, "change", "changes"),
            en::count(ready.len() as u64, "channel", "channels"),
        );
        if !context.screen.asks(&question).await {
            context.screen.hint(&format!(
                "Nothing was written. `lockstep apply {}` asks again.",
                table::short(&run.id)
            ));
            return Ok(run);
        }
    }
    let approval = Approval {
        only,
        by: consent.by(&run.actor),
        rebases,
    };
    let watch = watch_signals();
    let work = session.write(&run.id, &approval, &watch);
    Ok(bar::watch(&context.screen, &watch.progress, work).await?)
}
