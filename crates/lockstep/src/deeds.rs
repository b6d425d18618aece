//! What people and programs do beside runs, as the history tells it: each kind has its code and its data here, whether
//! it is done by a request, on a page or on the command line.

use std::collections::BTreeMap;

use lockstep_core::change::Subject;
use lockstep_core::hold::Answer;
use lockstep_core::prices::field::Field;
use lockstep_core::settings::Overrides;
use lockstep_store::deeds::NewDeed;
use lockstep_store::notices::NoticeTarget;
use lockstep_store::sites::Site;
use lockstep_store::tokens::ApiToken;
use lockstep_store::{Store, StoreError};
use serde_json::{Value, json};

use crate::view::json::overrides;
use crate::view::schedule::Form;

/// Something that somebody did. What belongs to it is a JSON object without secrets.
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    kind: &'static str,
    data: Value,
}

/// The code of every kind, those that the schedule notes by itself included.
pub(crate) const KINDS: [&str; 28] = [
    "site_added",
    "site_changed",
    "site_removed",
    "site_default",
    "settings_changed",
    "channel_set",
    "provider_set",
    "names_released",
    "holds_answered",
    "prices_answered",
    "source_added",
    "source_changed",
    "source_accepted",
    "source_moved",
    "source_removed",
    "schedule_set",
    "schedule_off",
    "notice_target_added",
    "notice_target_changed",
    "notice_target_removed",
    "token_added",
    "token_removed",
    "sign_in",
    "sessions_ended",
    "password",
    "password_link",
    "tick_lost_models",
    "tick_lost_prices",
];

/// Makes a deed of a kind.
fn deed(kind: &'static str, data: Value) -> Deed {
    debug_assert!(KINDS.contains(&kind), "{kind} is not among the kinds");
    Deed { kind, data }
}

impl Deed {
    /// The code of its kind.
    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }

    /// Notes it of a site, or of none.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub(crate) async fn note(
        &self,
        store: &Store,
        site_id: Option<&str>,
        actor: &str,
        now: i64,
    ) -> Result<(), StoreError> {
        let noted = store.note_deed(site_id, actor, self.kind, &self.data, now);
        noted.await.map(|_id| ())
    }

    /// A store whose next write notes it, in the same transaction.
    pub(crate) fn noted_by(
        self,
        store: &Store,
        site_id: Option<&str>,
        actor: String,
        now: i64,
    ) -> Store {
        store.noting(NewDeed {
            site_id: site_id.map(str::to_owned),
            at: now,
            actor,
            kind: self.kind.to_owned(),
            data: self.data,
        })
    }

    /// A gateway was connected.
    pub(crate) fn site_added(site: &Site) -> Self {
        deed("site_added", name_and_url(site))
    }

    /// Fields of a site were changed; which, by their names.
    pub(crate) fn site_changed(fields: &[&str]) -> Self {
        deed("site_changed", json!({ "changed": fields }))
    }

    /// A site was forgotten.
    pub(crate) fn site_removed(site: &Site) -> Self {
        deed("site_removed", name_and_url(site))
    }

    /// A site was made the one that is meant when none is named.
    pub(crate) fn site_default() -> Self {
        deed("site_default", json!({}))
    }

    /// Settings of a site were set, or taken back to their defaults.
    pub(crate) fn settings_changed(settings: &BTreeMap<String, Option<String>>) -> Self {
        deed("settings_changed", json!({ "settings": settings }))
    }

    /// What a channel has of its own was set.
    pub(crate) fn channel_set(channel: i64, own: &Overrides) -> Self {
        let data = json!({ "channel": channel, "own": overrides(own) });
        deed("channel_set", data)
    }

    /// What all channels of a provider have of their own was set; without a type, of all types at that address.
    pub(crate) fn provider_set(base_url: &str, kind: Option<i64>, own: &Overrides) -> Self {
        let data = json!({ "base_url": base_url, "type": kind, "own": overrides(own) });
        deed("provider_set", data)
    }

    /// Names that were edited by hand were given back to the provider.
    pub(crate) fn names_released(channel: i64, names: &[String]) -> Self {
        let data = json!({ "channel": channel, "names": names });
        deed("names_released", data)
    }

    /// What was held was answered.
    pub(crate) fn holds_answered(answer: Answer, channels: &[i64], models: &[String]) -> Self {
        let data = json!({ "answer": answer.code(), "channels": channels, "models": models });
        deed("holds_answered", data)
    }

    /// Something was decided about prices: `lock`, `keep_kind`, `ignore` or `unlock`.
    pub(crate) fn prices_answered(answer: &str, models: &[String], field: Option<Field>) -> Self {
        let data = json!({ "answer": answer, "models": models, "field": field.map(Field::code) });
        deed("prices_answered", data)
    }

    /// A source of prices was remembered.
    pub(crate) fn source_added(name: &str) -> Self {
        deed("source_added", json!({ "name": name }))
    }

    /// What lets us into a source was changed, or its uploaded list; which, by their names.
    pub(crate) fn source_changed(name: &str, fields: &[&str]) -> Self {
        deed("source_changed", json!({ "name": name, "changed": fields }))
    }

    /// A source's list was taken as it is now, though it had shrunk.
    pub(crate) fn source_accepted(name: &str) -> Self {
        deed("source_accepted", json!({ "name": name }))
    }

    /// A source was moved in the order of preference; its place, from 1.
    pub(crate) fn source_moved(name: &str, position: u32) -> Self {
        deed(
            "source_moved",
            json!({ "name": name, "position": position }),
        )
    }

    /// A source was forgotten.
    pub(crate) fn source_removed(name: &str) -> Self {
        deed("source_removed", json!({ "name": name }))
    }

    /// A schedule was switched on, or changed.
    pub(crate) fn schedule_set(schedule: &Form) -> Self {
        deed("schedule_set", json!({ "schedule": schedule }))
    }

    /// A schedule was switched off.
    pub(crate) fn schedule_off(subject: Subject) -> Self {
        deed("schedule_off", json!({ "subject": subject.code() }))
    }

    /// A place that notices go to was added; of its address, the host.
    pub(crate) fn notice_target_added(target: &NoticeTarget, host: &str) -> Self {
        let data = json!({ "name": target.name, "kind": target.kind, "host": host });
        deed("notice_target_added", data)
    }

    /// A place was made to hear notices, other ones, or none, or was moved to another address with this host; as it is
    /// now.
    pub(crate) fn notice_target_changed(target: &NoticeTarget, host: Option<&str>) -> Self {
        let only: Vec<&str> = target.kinds.iter().map(|kind| kind.code()).collect();
        let mut data = json!({ "name": target.name, "enabled": target.enabled, "only": only });
        if let Some(host) = host {
            data["host"] = host.into();
        }
        deed("notice_target_changed", data)
    }

    /// A place that notices go to was forgotten.
    pub(crate) fn notice_target_removed(name: &str) -> Self {
        deed("notice_target_removed", json!({ "name": name }))
    }

    /// A token of a program was made.
    pub(crate) fn token_added(token: &ApiToken) -> Self {
        let data =
            json!({ "name": token.name, "scopes": token.scopes, "expires_at": token.expires_at });
        deed("token_added", data)
    }

    /// A token of a program was ended.
    pub(crate) fn token_removed(name: &str) -> Self {
        deed("token_removed", json!({ "name": name }))
    }

    /// Somebody signed in, from an address.
    pub(crate) fn sign_in(address: &impl serde::Serialize) -> Self {
        deed("sign_in", json!({ "address": address }))
    }

    /// Sign-ins were ended without signing out; how many.
    pub(crate) fn sessions_ended(count: u64) -> Self {
        deed("sessions_ended", json!({ "count": count }))
    }

    /// A password was set, from an address.
    pub(crate) fn password(address: &impl serde::Serialize) -> Self {
        deed("password", json!({ "address": address }))
    }

    /// A password was set by the file that the server was started with.
    pub(crate) fn password_by_file() -> Self {
        deed("password", json!({ "by": "file" }))
    }

    /// A link that sets a new password was made.
    pub(crate) fn password_link() -> Self {
        deed("password_link", json!({}))
    }
}

fn name_and_url(site: &Site) -> Value {
    json!({ "name": site.name, "url": site.url.to_string() })
}
