//! From a plan to the row that is journaled, and the digest by which a shown plan is known again.

use lockstep_core::change::State;
use lockstep_core::channel::Channel;
use lockstep_core::hash::Digest;
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::models::plan::ChannelPlan;
use lockstep_store::changes::ChangeRow;

/// What is known of a channel beside its plan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) run: &'a str,
    pub(crate) channel: &'a Channel,
    pub(crate) page: u32,
    pub(crate) attempts: u32,
    pub(crate) now: i64,
}

/// The row of a planned channel.
pub(crate) fn row(seen: Seen<'_>, plan: &ChannelPlan) -> ChangeRow {
    let held = |part: &lockstep_core::models::plan::Part| {
        if part.verdict.held().is_some() {
            part.names.clone()
        } else {
            Vec::new()
        }
    };
    let read = plan.failure.is_none() && !(plan.skip.is_some() && seen.attempts == 0);
    let http_status = match &plan.failure {
        Some(failure) => failure.http_status,
        None => read.then_some(200),
    };
    ChangeRow {
        run_id: seen.run.to_owned(),
        channel_id: seen.channel.id,
        channel_name: seen.channel.name.clone(),
        provider: seen.channel.provider(),
        page: seen.page,
        base: seen.channel.base(),
        before: plan.before().to_owned(),
        after: plan.after(),
        upstream: read.then(|| plan.upstream.clone()),
        state: plan.state(),
        hold: plan.hold().cloned(),
        skip: plan.skip.clone(),
        failure: plan.failure.clone(),
        held_add: held(&plan.additions),
        held_remove: held(&plan.removals),
        kept: plan.kept(),
        dropped: plan.dropped(),
        notes: plan.notes.clone(),
        attempts: seen.attempts,
        http_status,
        read_at: seen.now,
        finished_at: Some(seen.now),
    }
}

/// The row of a chosen channel that is not on the gateway any more, made from what was last known of it.
pub(crate) fn gone_row(run: &str, known: ChangeRow, now: i64) -> ChangeRow {
    ChangeRow {
        run_id: run.to_owned(),
        state: State::Skipped,
        skip: Some(Reason::plain(ReasonCode::Gone)),
        after: None,
        upstream: None,
        hold: None,
        failure: None,
        held_add: Vec::new(),
        held_remove: Vec::new(),
        kept: Vec::new(),
        dropped: Vec::new(),
        notes: Vec::new(),
        attempts: 0,
        http_status: None,
        read_at: now,
        finished_at: Some(now),
        ..known
    }
}

/// The digest of one row: its target, base, texts and verdict.
pub(crate) fn digest(row: &ChangeRow) -> Digest {
    let parts: [&str; 7] = [
        &row.channel_id.to_string(),
        row.base.as_str(),
        &row.before,
        row.after.as_deref().unwrap_or("\u{0}"),
        row.hold.as_ref().map_or("", |hold| hold.code.code()),
        &row.held_add.join("\n"),
        &row.held_remove.join("\n"),
    ];
    Digest::of(parts)
}

/// The digest of a whole plan, from its rows' digests in channel order.
pub(crate) fn plan_digest<'a>(digests: impl IntoIterator<Item = &'a Digest>) -> Digest {
    Digest::of(digests.into_iter().map(Digest::as_str))
}
