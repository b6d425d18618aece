//! What must hold after every test: the gateway's log and the journal tell the same story.

use std::collections::BTreeMap;

use lockstep_core::change::{RunState, State, Subject};
use lockstep_core::failure::FailureKind;
use lockstep_sim::Channel;
use lockstep_store::changes::ChangeRow;
use lockstep_store::runs::Run;
use lockstep_store::status::{ItemStatus, RunCounts};

use crate::tester::Tester;

/// A run with its rows.
type Journaled = (Run, Vec<ChangeRow>);

/// A write: the channel, its text before, its text after.
type Written = (i64, String, String);

impl Tester {
    /// Ends the test: compares what the gateway saw with what the journal says.
    pub(crate) async fn done(mut self) {
        self.finished = true;
        self.look().await;
    }

    /// Compares what the gateway saw with what the journal says, in the middle of a test.
    pub(crate) async fn look(&self) {
        let mut journal: Vec<Journaled> = Vec::new();
        let runs = self.store().runs(&self.site, 100_000, None).await;
        let mut all: Vec<Run> = Vec::new();
        for (run, counts) in runs.expect("runs") {
            all.push(run.clone());
            if run.subject != Subject::Models {
                continue;
            }
            let rows = self.rows(&run).await;
            assert_eq!(counts, counted(&rows), "the counts of run {}", run.id);
            journal.push((run, rows));
        }
        for (run, rows) in &journal {
            self.a_run_is_sane(run, rows);
        }
        let prices = all.iter().any(|run| run.subject == Subject::Prices);
        self.only_what_may_be_asked_was_asked(prices);
        self.every_write_is_journaled(&journal);
        self.requests_are_counted(&all);
        self.look_at_prices().await;
        self.channels_are_as_they_were_left();
    }

    fn a_run_is_sane(&self, run: &Run, rows: &[ChangeRow]) {
        let id = &run.id;
        let counts = counted(rows);
        let sum = counts.success + counts.failed + counts.held + counts.skipped + counts.planned;
        assert_eq!(counts.total, sum, "each row of run {id} has one status");
        if run.planned_at.is_some() {
            assert_eq!(
                run.total, counts.total,
                "run {id} has a row for each channel"
            );
        }
        if run.approved_at.is_none() {
            assert_eq!(run.writes, 0, "run {id} was never approved");
            assert_eq!(counts.changed, 0, "run {id} was never approved");
        }
        let under_way = rows
            .iter()
            .filter(|row| matches!(row.state, State::Ready | State::Approved))
            .count();
        match run.state {
            RunState::Planned => assert!(rows.iter().all(|row| row.state != State::Approved)),
            RunState::Queued | RunState::Reading | RunState::Writing => {
                assert!(self.expect.unfinished, "run {id} is left {:?}", run.state);
            }
            state => {
                assert_eq!(under_way, 0, "run {id} ended as {state:?}");
                assert!(run.ended_at.is_some());
            }
        }
        let good = counts.success + counts.changed;
        match run.state {
            RunState::Done => assert!(counts.failed == 0 && run.failure.is_none(), "run {id}"),
            RunState::Partial => {
                assert!(good > 0 || run.failure.is_some(), "run {id}");
                assert!(counts.failed > 0 || run.failure.is_some(), "run {id}");
            }
            RunState::Failed => {
                assert_eq!(good, 0, "run {id}");
                assert!(counts.failed > 0 || run.failure.is_some(), "run {id}");
            }
            _ => {}
        }
        for row in rows {
            let failed = row.status() == ItemStatus::Failed;
            assert_eq!(
                failed,
                row.failure.is_some() && row.state != State::Skipped,
                "a failed row says why: {row:?}"
            );
            if matches!(row.state, State::Ready | State::Approved | State::Applied) {
                let after = row.after.as_deref().unwrap_or_default();
                let named = after.split(',').any(|name| !name.trim().is_empty());
                assert!(named, "an empty list is never to be sent: {row:?}");
            }
        }
    }

    fn only_what_may_be_asked_was_asked(&self, prices: bool) {
        for entry in self.gateway.log() {
            let options = ("/api/option/", "/api/log/", "/api/ratio_sync/channels");
            let about_prices = match entry.method.as_str() {
                "GET" => [options.0, options.1, options.2].contains(&entry.path.as_str()),
                "PUT" => entry.path == options.0,
                _ => false,
            };
            if about_prices && prices
                || entry.path == options.0 && entry.method == "GET" && self.expect.options_are_read
            {
                continue;
            }
            let rest = entry.path.strip_prefix("/api/channel/");
            let known = match (entry.method.as_str(), rest) {
                ("GET", Some(rest)) => {
                    let id = rest.strip_prefix("fetch_models/").unwrap_or(rest);
                    id.is_empty() || id.parse::<i64>().is_ok()
                }
                ("PUT", Some(rest)) => rest.is_empty(),
                ("GET", None) => !entry.path.starts_with("/api/option"),
                _ => false,
            };
            assert!(known, "an unexpected request: {entry:?}");
        }
    }

    fn every_write_is_journaled(&self, journal: &[Journaled]) {
        let mut explained: BTreeMap<Written, usize> = BTreeMap::new();
        let mut applied: BTreeMap<Written, usize> = BTreeMap::new();
        let mut approved: Vec<(i64, &str)> = Vec::new();
        for (run, rows) in journal {
            for row in rows {
                let after = row.after.clone().unwrap_or_default();
                let written = (row.channel_id, self.base_of(row), after);
                let may_have_arrived = match row.state {
                    State::Applied | State::Unverified => true,
                    State::Failed => row.failure.as_ref().is_some_and(|failure| {
                        matches!(
                            failure.kind,
                            FailureKind::FieldsChanged | FailureKind::NotStored
                        )
                    }),
                    State::Approved => self.expect.unfinished,
                    _ => false,
                };
                if run.approved_at.is_some()
                    && !matches!(row.state, State::Same | State::Skipped | State::Held)
                {
                    approved.extend(row.after.as_deref().map(|after| (row.channel_id, after)));
                }
                if may_have_arrived {
                    assert!(
                        run.approved_at.is_some(),
                        "written without approval: {row:?}"
                    );
                    *explained.entry(written.clone()).or_default() += 1;
                }
                if row.state == State::Applied {
                    *applied.entry(written).or_default() += 1;
                }
            }
        }
        for entry in self.gateway.writes() {
            let Some(write) = entry.write.as_ref().filter(|write| write.option.is_none()) else {
                continue;
            };
            let channel = write.channel.expect("a channel");
            if write.effective {
                let gap = self.expect.edited_in_the_gap.contains(&channel);
                let before = if gap {
                    String::new()
                } else {
                    write.before.clone()
                };
                let written = (channel, before, write.after.clone());
                let left = explained
                    .get_mut(&written)
                    .filter(|left| **left > 0)
                    .unwrap_or_else(|| panic!("a write that no row explains: {entry:?}"));
                *left -= 1;
                if let Some(left) = applied.get_mut(&written) {
                    *left = left.saturating_sub(1);
                }
            } else if entry.fault.is_none() {
                // The gateway ignores an empty list and answers success: that would look just like this.
                assert!(
                    approved.contains(&(channel, write.after.as_str())),
                    "a write of nothing that was approved: {entry:?}"
                );
            }
        }
        let without_effect: Vec<_> = applied.iter().filter(|(_, left)| **left > 0).collect();
        assert_eq!(
            without_effect.iter().map(|(_, left)| **left).sum::<usize>(),
            self.expect.without_effect,
            "applied rows whose write is not in the log: {without_effect:?}"
        );
    }

    /// The text that a row says was there before, or nothing where nobody could see it.
    fn base_of(&self, row: &ChangeRow) -> String {
        if self.expect.edited_in_the_gap.contains(&row.channel_id) {
            String::new()
        } else {
            row.before.clone()
        }
    }

    fn requests_are_counted(&self, runs: &[Run]) {
        if self.expect.other_counts {
            return;
        }
        let sum = |of: fn(&Run) -> u64| runs.iter().map(of).sum::<u64>();
        let log = self.gateway.log();
        let reads = log.iter().filter(|entry| !entry.is_write()).count() as u64;
        let writes = log.len() as u64 - reads;
        let throttled = self.gateway.count_status(429) as u64;
        assert_eq!(
            (
                sum(|run| run.reads),
                sum(|run| run.writes),
                sum(|run| run.throttled)
            ),
            (reads, writes, throttled),
            "reads, writes and 429s as journaled, and as the gateway saw them"
        );
    }

    /// Every channel holds what its last write left there, and nothing else of it ever changed.
    fn channels_are_as_they_were_left(&self) {
        let mut left = self.at_start.clone();
        for entry in self.gateway.effective_writes() {
            let write = entry.write.expect("a write");
            if write.option.is_some() {
                continue;
            }
            let channel = write.channel.expect("a channel");
            let now = left.get_mut(&channel).expect("a channel of the start");
            if !self.is_edited(channel) {
                assert_eq!(now.models, write.before, "the log of channel {channel}");
            }
            now.models = write.after;
        }
        let untouched = |channels: BTreeMap<i64, Channel>| -> BTreeMap<i64, Channel> {
            let mut channels = channels;
            channels.retain(|id, _| !self.is_edited(*id));
            channels
        };
        let now = self.gateway.channels().into_iter().map(|c| (c.id, c));
        assert_eq!(untouched(now.collect()), untouched(left), "the channels");
    }

    fn is_edited(&self, channel: i64) -> bool {
        self.expect.edited.contains(&channel) || self.expect.edited_in_the_gap.contains(&channel)
    }
}

/// The rows counted a second time, by the words of the states.
fn counted(rows: &[ChangeRow]) -> RunCounts {
    let mut counts = RunCounts::default();
    for row in rows {
        counts.total += 1;
        let held = row.hold.is_some();
        *match (row.state, held) {
            (State::Unread | State::Moved | State::Failed | State::Unverified, _) => {
                &mut counts.failed
            }
            (_, true) | (State::Held, _) => &mut counts.held,
            (State::Skipped | State::Dropped, _) => &mut counts.skipped,
            (State::Ready | State::Approved, _) => &mut counts.planned,
            (State::Same | State::Applied, _) => &mut counts.success,
        } += 1;
        counts.changed += u64::from(row.state == State::Applied);
        counts.unchanged += u64::from(row.state == State::Same);
    }
    counts
}
