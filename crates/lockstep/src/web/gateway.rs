//! The form of a gateway: what it is filled with, what is wrong with it, what a look at the gateway found.

use std::collections::BTreeMap;

use lockstep_core::site::BadUrl;
use lockstep_run::doctor::{Finding, Level};
use lockstep_store::sites::Site;

use super::form::Fields;
use super::frame::Place;
use super::words::{Lang, Words, fill};
use crate::connecting::Bad;

/// The form. A token is never among what it is filled with.
#[derive(Default)]
pub(super) struct GatewayForm {
    pub(super) name: String,
    pub(super) url: String,
    pub(super) user_id: String,
    pub(super) console_url: String,
    pub(super) allow_private: String,
    /// Whether a token is stored already.
    pub(super) has_token: bool,
    /// Whether a token was typed that has to be typed again.
    pub(super) token_gone: bool,
    /// What is wrong, by field.
    pub(super) wrong: BTreeMap<&'static str, String>,
    /// What a look at the gateway found; nothing before it was looked at.
    pub(super) found: Vec<Line>,
    /// Whether something wrong was found.
    pub(super) refused: bool,
}

/// One line of a look at a gateway.
pub(super) struct Line {
    pub(super) level: Level,
    pub(super) message: String,
    pub(super) hint: String,
}

impl Line {
    fn of(finding: &Finding, lang: Lang) -> Self {
        let said = lang.finding(finding);
        Self {
            level: finding.level,
            message: said.message,
            hint: said.hint,
        }
    }

    pub(super) fn badge(&self) -> &'static str {
        match self.level {
            Level::Ok => "good",
            Level::Notice => "wait",
            Level::Wrong => "bad",
        }
    }

    pub(super) fn level<'a>(&self, t: &'a super::words::Words) -> &'a str {
        match self.level {
            Level::Ok => &t.sites.ok,
            Level::Notice => &t.sites.notice,
            Level::Wrong => &t.sites.wrong,
        }
    }
}

impl GatewayForm {
    /// What is stored of a site.
    pub(super) fn stored(site: &Site) -> Self {
        Self {
            name: site.name.clone().unwrap_or_default(),
            url: site.url.to_string(),
            user_id: site.user_id.clone(),
            console_url: site.console_url.clone().unwrap_or_default(),
            allow_private: site.allow_private.join("\n"),
            has_token: site.has_token,
            ..Self::default()
        }
    }

    /// What was typed.
    pub(super) fn typed(fields: &Fields, has_token: bool) -> Self {
        let text = |name: &str| fields.trimmed(name).to_owned();
        Self {
            name: text("name"),
            url: text("url"),
            user_id: text("user_id"),
            console_url: text("console_url"),
            allow_private: fields.lines("allow_private").join("\n"),
            has_token,
            token_gone: !fields.trimmed("token").is_empty(),
            ..Self::default()
        }
    }

    /// Puts mistakes beside their fields.
    pub(super) fn mistakes(&mut self, bad: &[Bad], lang: Lang) {
        for bad in bad {
            self.wrong
                .entry(bad.field())
                .or_insert_with(|| said(bad, lang));
        }
    }

    /// Shows what a look at the gateway found.
    pub(super) fn looked(&mut self, (ok, found): &(bool, Vec<Finding>), lang: Lang) {
        self.refused = !ok;
        self.found = found.iter().map(|one| Line::of(one, lang)).collect();
    }

    pub(super) fn wrong(&self, field: &str) -> Option<&str> {
        self.wrong.get(field).map(String::as_str)
    }

    /// The fields that are wrong, in the order of the form.
    pub(super) fn places(&self, t: &Words) -> Vec<Place> {
        let fields = [
            ("name", &t.sites.name),
            ("url", &t.settings.base_url),
            ("token", &t.settings.admin_token),
            ("user_id", &t.settings.user_id),
            ("console_url", &t.settings.console_url),
            ("allow_private", &t.settings.allow_private),
        ];
        let wrong = fields
            .into_iter()
            .filter(|(field, _)| self.wrong.contains_key(field));
        wrong
            .map(|(field, label)| Place::new(field, label))
            .collect()
    }

    /// What else describes a field: its mistake.
    pub(super) fn described(&self, field: &str) -> String {
        match self.wrong(field) {
            Some(_) => format!("{field}-hint {field}-wrong"),
            None => format!("{field}-hint"),
        }
    }
}

fn said(bad: &Bad, lang: Lang) -> String {
    let t = lang.words();
    match bad {
        Bad::Name => t.sites.bad_name.clone(),
        Bad::Url(BadUrl::Credentials) => t.sites.bad_credentials.clone(),
        Bad::Url(BadUrl::Query) => t.sites.bad_query.clone(),
        Bad::Url(BadUrl::Unreadable(_) | BadUrl::Scheme(_)) | Bad::Console => {
            t.sites.bad_url.clone()
        }
        Bad::UserId => t.sites.bad_user_id.clone(),
        Bad::Token => t.sites.bad_token.clone(),
        Bad::TokenAgain => t.sites.token_again.clone(),
        Bad::Network { text, .. } => fill(&t.sites.bad_network, &[("text", text)]),
    }
}
