//! A site of the fleet: a gateway whose channels all change in every round, and what must be true after one.

use std::collections::BTreeMap;

use lockstep_sim::spec::many;
use lockstep_sim::{Entry, Gateway};
use serde_json::Value;

use crate::world::{Rounds, guarded, is_the_truth, lists, start};

/// A gateway and its site.
pub(crate) struct Place {
    pub(crate) gateway: Gateway,
    pub(crate) site: String,
    /// How many channels it has.
    pub(crate) channels: usize,
    rounds: Rounds,
}

impl Place {
    /// The n-th site.
    pub(crate) async fn new(n: usize) -> Self {
        let channels = 3 + n % 3;
        let gateway = start(guarded(many(channels, 12, n as u64))).await;
        let rounds = Rounds::of(&gateway);
        Self {
            gateway,
            site: format!("site-{n}"),
            channels,
            rounds,
        }
    }

    /// Where its runs are in the API.
    pub(crate) fn runs(&self) -> String {
        format!("/api/v1/sites/{}/runs", self.site)
    }

    /// All channels change. Answers what every list is to become.
    pub(crate) fn next_round(&mut self) -> BTreeMap<i64, String> {
        self.rounds.next(&self.gateway)
    }

    /// Every list is the old or the new one, whatever happened so far.
    pub(crate) fn is_old_or_new(
        &self,
        old: &BTreeMap<i64, String>,
        new: &BTreeMap<i64, String>,
        what: &str,
    ) {
        for (id, now) in lists(&self.gateway) {
            assert!(
                now == old[&id] || now == new[&id],
                "{what}: channel {id} of {} is neither old nor new: {now}",
                self.site
            );
        }
    }

    /// All that the run was to write is written, each channel by one effective write; whatever else was sent carried the
    /// same value; and the journal says what the gateway's log says.
    pub(crate) fn is_done_once(&self, told: &Value, new: &BTreeMap<i64, String>, what: &str) {
        let what = format!("{what}: {} (run {})", self.site, told["run"]);
        assert_eq!(told["state"], "done", "{what}: {told}");
        assert_eq!(&lists(&self.gateway), new, "{what}");
        let writes = self.gateway.writes();
        for channel in new.keys() {
            let of_channel: Vec<&Entry> = writes
                .iter()
                .filter(|entry| entry.channel == Some(*channel))
                .collect();
            let effective = of_channel
                .iter()
                .filter_map(|entry| entry.write.as_ref())
                .filter(|write| write.effective);
            assert_eq!(effective.count(), 1, "{what}: channel {channel}");
            for entry in &of_channel {
                if let Some(write) = &entry.write {
                    assert_eq!(write.after, new[channel], "{what}: channel {channel}");
                }
            }
            assert!(
                of_channel.len() <= 4,
                "{what}: channel {channel} was sent {} times",
                of_channel.len()
            );
        }
        is_the_truth(told, &self.gateway);
        assert_eq!(told["statistics"]["changed"], self.channels, "{what}");
    }
}
