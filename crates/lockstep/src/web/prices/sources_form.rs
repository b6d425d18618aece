//! What is typed into the page of sources, with what is wrong with it.

use std::collections::BTreeMap;

use lockstep_core::prices::source::SourceSpec;
use lockstep_store::prices::sources::StoredSource;

use crate::sourcing::{Bad, Typed};
use crate::web::form::Fields;
use crate::web::frame::Place;
use crate::web::words::Words;
use crate::words::Said;

/// The forms of the page, as they were typed.
#[derive(Default)]
pub(super) struct Forms {
    /// A source to add.
    pub(super) own: Form,
    /// The sign-in of a remembered source, with the source's name.
    pub(super) access: Option<(String, Form)>,
    /// A list to upload.
    pub(super) list: Form,
}

/// What was typed into one of them. A token is sent, and never shown again.
#[derive(Default)]
pub(super) struct Form {
    typed: BTreeMap<&'static str, String>,
    pub(super) wrong: BTreeMap<&'static str, String>,
    /// Why its test failed, or its list is not taken.
    pub(super) failed: Option<Said>,
    /// The network of a private address.
    pub(super) network: Option<String>,
    /// Whether a token was typed, which is not shown again and has to be typed once more: without it something else would be
    /// kept.
    pub(super) token_again: bool,
    /// Whether it is shown again as it was typed although nothing is wrong with it.
    pub(super) again: bool,
}

/// The fields that are shown again.
const FIELDS: [&str; 10] = [
    "place",
    "channel",
    "url",
    "name",
    "endpoint",
    "multiplier",
    "recharge",
    "group",
    "user_id",
    "costs",
];

impl Forms {
    pub(super) fn own(form: Form) -> Self {
        Self {
            own: form,
            ..Self::default()
        }
    }

    pub(super) fn access(name: &str, form: Form) -> Self {
        Self {
            access: Some((name.to_owned(), form)),
            ..Self::default()
        }
    }

    pub(super) fn list(form: Form) -> Self {
        Self {
            list: form,
            ..Self::default()
        }
    }

    /// The fields that are wrong of a source to add and of a list, in the order of the page.
    pub(super) fn places(&self, t: &Words) -> Vec<Place> {
        let t = &t.sources;
        let fields = [
            ("url", "url", &t.col_url),
            ("endpoint", "endpoint", &t.col_endpoint),
            ("token", "token", &t.token),
            ("user_id", "user_id", &t.user_id),
            ("name", "source-name", &t.col_name),
            ("multiplier", "multiplier", &t.multiplier),
            ("recharge", "recharge", &t.recharge),
            ("group", "group", &t.group),
        ];
        let list = [
            ("list", "list", &t.list),
            ("name", "list-name", &t.col_name),
            ("multiplier", "list-multiplier", &t.multiplier),
            ("recharge", "list-recharge", &t.recharge),
            ("group", "list-group", &t.group),
        ];
        let own = fields.into_iter();
        let own = own.filter(|(field, ..)| self.own.wrong.contains_key(field));
        let list = list.into_iter();
        let list = list.filter(|(field, ..)| self.list.wrong.contains_key(field));
        own.chain(list)
            .map(|(_, id, label)| Place::new(id, label))
            .collect()
    }

    /// Why the form that was sent came to nothing, above all of them.
    pub(super) fn failed(&self) -> Option<&Said> {
        self.own.failed.as_ref()
    }

    /// The form of a source's sign-in: as it was typed, or as it is stored.
    pub(super) fn take_access(&mut self, source: &StoredSource) -> Form {
        match self.access.take_if(|(name, _)| *name == source.name) {
            Some((_, form)) => form,
            None => {
                let user_id = source.user_id.clone().unwrap_or_default();
                Form {
                    typed: BTreeMap::from([("user_id", user_id)]),
                    ..Form::default()
                }
            }
        }
    }
}

impl Form {
    pub(super) fn typed(fields: &Fields) -> Self {
        let typed = FIELDS.map(|name| (name, fields.trimmed(name).to_owned()));
        Self {
            typed: BTreeMap::from(typed),
            token_again: !fields.trimmed("token").is_empty() || fields.has("token_again"),
            ..Self::default()
        }
    }

    /// Whether a token that was typed once is not there this time.
    pub(super) fn lost_token(&self, fields: &Fields) -> bool {
        self.token_again && fields.trimmed("token").is_empty()
    }

    /// What was typed, to be sent along by a form that does something else first.
    pub(super) fn kept(&self) -> Vec<(&'static str, &str)> {
        let typed = self.typed.iter().map(|(name, text)| (*name, text.as_str()));
        let mut kept: Vec<(&str, &str)> = typed.filter(|(_, text)| !text.is_empty()).collect();
        if self.token_again {
            kept.push(("token_again", "on"));
        }
        kept
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.typed.get(name).map_or("", String::as_str)
    }

    pub(super) fn wrong(&self, name: &str) -> Option<&str> {
        self.wrong.get(name).map(String::as_str)
    }

    /// Whether the further fields are to be seen.
    pub(super) fn is_open(&self) -> bool {
        let further = ["name", "multiplier", "recharge", "group"];
        further.iter().any(|name| self.is_about(name))
    }

    /// Whether the sign-in is to be seen.
    pub(super) fn signs_in(&self) -> bool {
        let about = ["token", "user_id"].iter().any(|name| self.is_about(name));
        about || self.token_again || self.failed.is_some()
    }

    /// Whether it was sent and refused.
    pub(super) fn is_sent_again(&self) -> bool {
        self.again || self.failed.is_some() || !self.wrong.is_empty()
    }

    fn is_about(&self, name: &str) -> bool {
        !self.text(name).is_empty() || self.wrong.contains_key(name)
    }

    /// Whether it can be kept although its test failed.
    pub(super) fn can_be_kept(&self) -> bool {
        self.failed.is_some()
    }

    /// Puts mistakes of a sign-in beside their fields.
    pub(super) fn access_is_wrong(&mut self, t: &Words, bad: &[Bad]) {
        for bad in bad {
            let said = match bad {
                Bad::Key => &t.sources.bad_key,
                Bad::UserId => &t.sources.bad_user_id,
                Bad::NoToken => &t.sources.user_alone,
                Bad::Elsewhere(_) => &t.sources.elsewhere,
                Bad::Source(_) => &t.sources.no_credential,
                Bad::Token | Bad::Header(_) => &t.sources.bad_token,
            };
            let field = match bad.field() {
                "user_id" => "user_id",
                _ => "token",
            };
            self.wrong.insert(field, said.clone());
        }
    }

    /// Adds the options that were typed to what is written of a source, or puts mistakes beside their fields.
    pub(super) fn with_options(
        &mut self,
        place: String,
        names: &[&'static str],
        t: &Words,
    ) -> Option<SourceSpec> {
        let t = &t.sources;
        let mut text = place;
        for name in names {
            let value = self.text(name).replace(',', ",,");
            if value.is_empty() {
                continue;
            }
            let with = format!("{text},{name}={value}");
            match with.parse::<SourceSpec>() {
                Ok(_) => text = with,
                Err(_) => {
                    let wrong = match *name {
                        "endpoint" => &t.bad_endpoint,
                        "multiplier" | "recharge" => &t.bad_number,
                        _ => &t.bad_text,
                    };
                    self.wrong.insert(name, wrong.clone());
                }
            }
        }
        match self.wrong.is_empty() {
            true => text.parse().ok(),
            false => None,
        }
    }
}

/// What is to let us into a source, as it was typed.
pub(super) fn typed(fields: &Fields) -> Typed<'_> {
    Typed {
        token: fields.trimmed("token"),
        user_id: fields.trimmed("user_id"),
        ..Typed::default()
    }
}
