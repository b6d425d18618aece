//! What is typed into the page of sources, with what is wrong with it.

use std::collections::BTreeMap;

use lockstep_core::prices::source::{Endpoint, SourceSpec};
use lockstep_store::prices::sources::StoredSource;

use crate::sourcing::{Bad, Typed};
use crate::web::form::Fields;
use crate::web::frame::Place;
use crate::web::words::{Words, fill};
use crate::words::Said;

/// The forms of the page, as they were typed.
#[derive(Default)]
pub(super) struct Forms {
    /// A channel to add.
    pub(super) channel: Form,
    /// Another source to add.
    pub(super) own: Form,
    /// How a remembered source is asked and what its prices cost, with the source's name.
    pub(super) edit: Option<(String, Form)>,
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
    /// Whether the endpoint is one of their own.
    custom: bool,
}

/// An endpoint to choose.
pub(super) struct Choice {
    pub(super) code: &'static str,
    pub(super) label: String,
    pub(super) chosen: bool,
}

/// What stands for an endpoint that is typed beside the choice.
const CUSTOM: &str = "custom";

/// The endpoints that the gateway's own page offers, and what it calls them.
const ENDPOINTS: [(&str, &str); 3] = [
    ("/api/pricing", "pricing"),
    ("/api/ratio_config", "ratio_config"),
    ("openrouter", "OpenRouter"),
];

/// What is asked where no endpoint is named, one after the other.
pub(super) const USUAL: &str = "/api/ratio_config, /api/pricing";

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
    /// The form of a source to add.
    pub(super) fn own(form: Form) -> Self {
        match form.text("place") {
            "channel" => Self {
                channel: form,
                ..Self::default()
            },
            _ => Self {
                own: form,
                ..Self::default()
            },
        }
    }

    pub(super) fn edit(name: &str, form: Form) -> Self {
        Self {
            edit: Some((name.to_owned(), form)),
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
        let channel = [("endpoint", "channel-endpoint", &t.col_endpoint)];
        let channel = channel.into_iter();
        let channel = channel.filter(|(field, ..)| self.channel.wrong.contains_key(field));
        let own = fields.into_iter();
        let own = own.filter(|(field, ..)| self.own.wrong.contains_key(field));
        let list = list.into_iter();
        let list = list.filter(|(field, ..)| self.list.wrong.contains_key(field));
        channel
            .chain(own)
            .chain(list)
            .map(|(_, id, label)| Place::new(id, label))
            .collect()
    }

    /// The form of a source to add that was sent, if it came to nothing: that is said above all of them.
    pub(super) fn failed(&self) -> Option<&Form> {
        let mut added = [&self.channel, &self.own].into_iter();
        added.find(|form| form.failed.is_some())
    }

    /// The form of what a source is: as it was typed, or as it is stored.
    pub(super) fn take_edit(&mut self, source: &StoredSource, spec: &SourceSpec) -> Form {
        match self.edit.take_if(|(name, _)| *name == source.name) {
            Some((_, form)) => form,
            None => Form::of(spec),
        }
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
        let mut typed = BTreeMap::from(typed);
        // One of their own is typed beside the choice.
        let custom = fields.trimmed("endpoint") == CUSTOM && fields.has(CUSTOM);
        if custom {
            typed.insert("endpoint", fields.trimmed(CUSTOM).to_owned());
        }
        Self {
            typed,
            custom,
            token_again: !fields.trimmed("token").is_empty() || fields.has("token_again"),
            ..Self::default()
        }
    }

    /// How a source is asked and what its prices cost, as it is typed.
    fn of(spec: &SourceSpec) -> Self {
        let number = |number: Option<f64>| number.map(|number| number.to_string());
        let endpoint = spec.endpoint.as_ref().and_then(Endpoint::text);
        let typed = [
            ("endpoint", endpoint.map(str::to_owned)),
            ("multiplier", number(spec.multiplier)),
            ("recharge", number(spec.recharge)),
            ("group", spec.group.clone()),
        ];
        let typed = typed.map(|(name, text)| (name, text.unwrap_or_default()));
        Self {
            typed: BTreeMap::from(typed),
            ..Self::default()
        }
    }

    /// Whether an endpoint of their own was chosen and none was typed; then that is said beside the field.
    pub(super) fn lacks_endpoint(&mut self, t: &Words) -> bool {
        let lacks = self.custom && self.text("endpoint").is_empty();
        if lacks {
            let wrong = t.sources.bad_endpoint.clone();
            self.wrong.insert("endpoint", wrong);
        }
        lacks
    }

    /// Puts mistakes beside the options that they are in.
    pub(super) fn options_are_wrong(&mut self, t: &Words, options: &[&'static str]) {
        for option in options {
            self.wrong.insert(option, wrong_option(t, option).clone());
        }
    }

    /// The endpoints to choose from.
    pub(super) fn endpoints(&self, t: &Words) -> Vec<Choice> {
        let typed = self.text("endpoint");
        let known = ENDPOINTS.iter().any(|(code, _)| *code == typed);
        let custom = self.custom || !typed.is_empty() && !known;
        let choice = |code, label: String, chosen| Choice {
            code,
            label,
            chosen,
        };
        let usual = fill(&t.form.default, &[("value", &USUAL)]);
        let mut choices = vec![choice("", usual, !custom && typed.is_empty())];
        for (code, label) in ENDPOINTS {
            choices.push(choice(code, label.to_owned(), !custom && code == typed));
        }
        choices.push(choice(CUSTOM, t.sources.endpoint_custom.clone(), custom));
        choices
    }

    /// The endpoint that is typed beside the choice.
    pub(super) fn custom_endpoint(&self) -> &str {
        let typed = self.text("endpoint");
        match ENDPOINTS.iter().any(|(code, _)| *code == typed) && !self.custom {
            true => "",
            false => typed,
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
                    self.wrong.insert(name, wrong_option(t, name).clone());
                }
            }
        }
        match self.wrong.is_empty() {
            true => text.parse().ok(),
            false => None,
        }
    }
}

/// What is said of an option that cannot be taken.
fn wrong_option<'w>(t: &'w Words, option: &str) -> &'w String {
    let t = &t.sources;
    match option {
        "endpoint" => &t.bad_endpoint,
        "multiplier" | "recharge" => &t.bad_number,
        _ => &t.bad_text,
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
