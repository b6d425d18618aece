//! One map: its text edited, sent, and read back.

use std::collections::BTreeMap;
use std::time::Duration;

use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::prices::field::Field;
use lockstep_core::prices::map_text::{MapText, Raw};
use lockstep_remote::gateway::{OptionText, Sent};

use super::local::LocalPrices;
use super::write::{Writing, Written};
use crate::fenced::Went;

/// How long a write may stay invisible, by the gateway's caches, before it counts as not stored.
const VISIBLE: [Duration; 3] = [
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

impl Writing<'_> {
    /// The map's text, and what it is to become. An undo gives the very text back that had been there, where that says
    /// the same as the edited one and nobody has touched the map since.
    pub(super) fn edited(
        &self,
        field: Field,
        base: &LocalPrices,
        edits: &[(String, Field, Option<String>)],
    ) -> Option<(String, String)> {
        let map = base.map(field)?;
        // An entry that is no number is mended by the write where it is the model's own; any other would become free.
        let mended = |name: &String| edits.iter().any(|(model, _, _)| model == name);
        if !map.unwritable_entries(field).iter().all(mended) {
            return None;
        }
        let mut raw = Vec::with_capacity(edits.len());
        for (model, _, value) in edits {
            let value = match value {
                Some(text) => Some(Raw::of(field, text)?),
                None => None,
            };
            raw.push((model.clone(), value));
        }
        let after = map.edit(&raw);
        let before = base.text(field).to_owned();
        if let Some((original, was_left)) = self.before.get(&field) {
            let untouched = before == *was_left || self.left.get(&field) == Some(&before);
            let says_the_same = MapText::parse(original)
                .is_ok_and(|original| entries(&original) == entries(&after));
            if untouched && says_the_same {
                return Some((before, original.clone()));
            }
        }
        Some((before, after.text().to_owned()))
    }

    /// Sends a map, and finds out what became of it.
    pub(super) async fn put(
        &mut self,
        field: Field,
        before: &str,
        text: &str,
        read_at: i64,
        tries: u32,
    ) -> Written {
        let Some(map) = OptionText::new(field, text) else {
            return Written::Not(Failure::new(
                FailureKind::Rejected,
                format!("the text of {} would not be a map", field.option_key()),
            ));
        };
        let writer = self.session.writer(self.run, self.fence, read_at);
        let sent = writer
            .until_sent(&self.stop, async |writer| writer.put_option(&map).await)
            .await;
        let sent = match sent {
            Went::Sent(sent) => sent,
            Went::Stopped => return Written::Stopped,
            Went::Aged => return Written::Aged,
        };
        let doubt = match sent {
            Sent::NotSent(failure) if failure.kind == FailureKind::Record => {
                return Written::Lost(failure);
            }
            Sent::NotSent(failure) | Sent::Refused(failure) => return Written::Not(failure),
            Sent::Stored(()) => None,
            Sent::Unknown(failure) => Some(failure),
        };
        // It may have arrived, so this is read whoever asked to stop.
        for (look, wait) in std::iter::once(Duration::ZERO).chain(VISIBLE).enumerate() {
            tokio::time::sleep(wait).await;
            let now = match self.session.local(self.max_retries).await {
                Ok(now) => now,
                Err(unread) => {
                    let first = doubt.map_or(String::new(), |doubt| doubt.detail + "; ");
                    let detail = format!("{first}reading back: {}", unread.detail);
                    *self.sent.entry(field).or_default() += 1;
                    return Written::Unknown(Failure::new(FailureKind::Unverified, detail));
                }
            };
            let as_before = now.text(field) == before && before != text;
            if !as_before {
                *self.sent.entry(field).or_default() += 1;
                // The text is ours, or ours with somebody else's edits after it: each row is looked at.
                return Written::Stored(Box::new(now));
            }
            if let Some(failure) = &doubt
                && look == 0
                && self.tries_again(failure, tries)
            {
                // That looks first.
                break;
            }
        }
        // A gateway of several processes shows the old text for up to a minute, whatever it answered.
        Written::Unknown(doubt.unwrap_or_else(|| {
            Failure::status(
                FailureKind::NotStored,
                200,
                format!("{} still has the old text", field.option_key()),
            )
        }))
    }

    /// Whether a write that failed is sent again after so many tries.
    pub(super) fn tries_again(&self, failure: &Failure, tries: u32) -> bool {
        tries <= self.max_retries && failure.kind.worth_a_retry(failure.http_status)
    }
}

/// What a map says, whatever its order and spaces.
fn entries(map: &MapText) -> BTreeMap<String, String> {
    map.entries()
        .map(|(name, value)| (name.into_owned(), value.to_owned()))
        .collect()
}
