//! What the gateway stores.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::fault::{Edit, Target};
use crate::gateway::Channel;
use crate::gateway::audit::{Audit, By};
use crate::gateway::auth::Role;
use crate::gateway::options::Options;
use crate::spec::{Flavour, Spec};

/// Channels, options and the audit log, with what reads still see of older values.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) channels: BTreeMap<i64, Channel>,
    pub(crate) options: Options,
    pub(crate) audit: Audit,
    stale_channels: BTreeMap<i64, (Channel, Duration)>,
    stale_options: BTreeMap<String, (String, Duration)>,
}

impl State {
    pub(crate) fn new(spec: &Spec, resolve: impl Fn(&str) -> String) -> Self {
        let mut options = spec.options.clone();
        if spec.flavour == Flavour::NewApi {
            options
                .entry("SystemName".to_owned())
                .or_insert_with(|| spec.system_name.clone());
        }
        let mut state = Self {
            channels: BTreeMap::new(),
            options: Options::new(&options),
            audit: Audit::default(),
            stale_channels: BTreeMap::new(),
            stale_options: BTreeMap::new(),
        };
        for channel in &spec.channels {
            let mut channel = channel.clone();
            channel.base_url = channel.base_url.map(|url| resolve(&url));
            state.add_channel(channel);
        }
        state
    }

    pub(crate) fn add_channel(&mut self, mut channel: Channel) -> i64 {
        if channel.id == 0 {
            channel.id = self.channels.keys().next_back().map_or(1, |last| last + 1);
        }
        let id = channel.id;
        self.channels.insert(id, channel);
        id
    }

    /// Makes a change that no request asked for, and answers whether there was what it changes. It is not audited.
    pub(crate) fn edit(&mut self, edit: &Edit, resolve: impl Fn(&str) -> String) -> bool {
        match &edit.0 {
            Target::Written(_) => false,
            Target::Channel(id, change) => self
                .edit_channel(*id, resolve, |channel| change(channel))
                .is_some(),
            Target::Option(key, change) => {
                let text = change(&self.options.text(key).unwrap_or_default());
                self.options.set(key, &text).is_ok()
            }
        }
    }

    /// The same, done by a second admin in the console, and audited as his work.
    pub(crate) fn edit_audited(
        &mut self,
        edit: &Edit,
        now: i64,
        resolve: impl Fn(&str) -> String,
    ) -> bool {
        match &edit.0 {
            Target::Written(_) => false,
            Target::Channel(id, change) => {
                self.edit_channel_audited(*id, now, resolve, |channel| change(channel))
            }
            Target::Option(key, change) => {
                let text = change(&self.options.text(key).unwrap_or_default());
                self.set_option_audited(key, &text, now)
            }
        }
    }

    /// Changes a channel as a second admin would, and answers whether there is one.
    pub(crate) fn edit_channel_audited(
        &mut self,
        id: i64,
        now: i64,
        resolve: impl Fn(&str) -> String,
        change: impl FnOnce(&mut Channel),
    ) -> bool {
        let Some((name, changed)) = self.edit_channel(id, resolve, change) else {
            return false;
        };
        if !changed.is_empty() {
            self.audit
                .channel_updated(now, Role::Admin, By::Session, id, &name, &changed);
        }
        true
    }

    /// Sets an option's text as a second root would, and answers whether the gateway took it without complaint.
    pub(crate) fn set_option_audited(&mut self, key: &str, text: &str, now: i64) -> bool {
        let taken = self.options.set(key, text).is_ok();
        if taken {
            self.audit.option_updated(now, Role::Root, By::Session, key);
        }
        taken
    }

    /// Changes a channel and answers its name with the fields that are different now.
    fn edit_channel(
        &mut self,
        id: i64,
        resolve: impl Fn(&str) -> String,
        change: impl FnOnce(&mut Channel),
    ) -> Option<(String, Vec<String>)> {
        let channel = self.channels.get_mut(&id)?;
        let before = channel.clone();
        change(channel);
        if let Some(url) = &channel.base_url {
            channel.base_url = Some(resolve(url));
        }
        Some((channel.name.clone(), channel.changed_since(&before)))
    }

    /// A channel as reads see it.
    pub(crate) fn visible(&self, id: i64, now: Duration) -> Option<&Channel> {
        match self.stale_channels.get(&id) {
            Some((old, until)) if now < *until && self.channels.contains_key(&id) => Some(old),
            _ => self.channels.get(&id),
        }
    }

    /// All channels as reads see them, by id.
    pub(crate) fn all_visible(&self, now: Duration) -> Vec<&Channel> {
        self.channels
            .keys()
            .filter_map(|id| self.visible(*id, now))
            .collect()
    }

    /// Option texts that reads still see instead of the stored ones.
    pub(crate) fn stale_texts(&self, now: Duration) -> BTreeMap<String, String> {
        self.stale_options
            .iter()
            .filter(|(_, (_, until))| now < *until)
            .map(|(key, (text, _))| (key.clone(), text.clone()))
            .collect()
    }

    /// Lets reads see an old channel until a time. What they saw already stays.
    pub(crate) fn keep_visible(&mut self, old: Channel, now: Duration, until: Duration) {
        let old = self.visible(old.id, now).cloned().unwrap_or(old);
        self.stale_channels.insert(old.id, (old, until));
    }

    /// Lets reads see an old option text until a time. What they saw already stays.
    pub(crate) fn keep_option_visible(
        &mut self,
        key: &str,
        old: String,
        now: Duration,
        until: Duration,
    ) {
        let old = match self.stale_options.remove(key) {
            Some((older, still)) if now < still => older,
            _ => old,
        };
        self.stale_options.insert(key.to_owned(), (old, until));
    }

    /// Shows reads the stored values again.
    pub(crate) fn forget_stale(&mut self) {
        self.stale_channels.clear();
        self.stale_options.clear();
    }
}
