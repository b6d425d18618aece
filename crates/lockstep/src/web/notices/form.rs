//! The form that adds a place: what each kind of place needs, where one gets it, and what is wrong with what was typed.

use super::AT;
use super::rows::{Check, checks, name_of};
use crate::notify::{Address, BadAddress, Vendor};
use crate::places::{Anew, Bad, Given};
use crate::web::form::Fields;
use crate::web::frame::{Frame, Place};
use crate::web::words::{NoticeWords, Words, fill};

/// The form. What is secret of what was typed is never among what it is filled with.
pub(super) struct Form {
    /// The code of what stands at the place.
    pub(super) kind: &'static str,
    pub(super) title: &'static str,
    /// What can stand there.
    pub(super) kinds: Vec<Choice>,
    pub(super) inputs: Inputs,
    pub(super) checks: Vec<Check>,
    /// What is wrong with what it is to be told.
    pub(super) wrong_only: Option<String>,
}

/// One of what can stand at a place.
pub(super) struct Choice {
    pub(super) label: &'static str,
    pub(super) href: String,
    pub(super) here: bool,
}

/// One field.
pub(super) struct Field {
    /// Its word in the page.
    pub(super) id: String,
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    /// Where one gets its value.
    pub(super) hint: &'static str,
    pub(super) input: Input,
    pub(super) optional: bool,
    /// Whether there is one that is not shown, and that stays where nothing is typed.
    pub(super) kept: bool,
    pub(super) value: String,
    pub(super) wrong: Option<String>,
    /// Whether something was typed that is not shown again.
    pub(super) again: bool,
}

/// The fields of a place.
pub(super) struct Inputs {
    pub(super) fields: Vec<Field>,
    /// What most people never need.
    pub(super) more: Vec<Field>,
}

/// What the fields of a place are filled with.
pub(super) struct Filled<'f> {
    /// What stands before their words in the page.
    pub(super) prefix: &'f str,
    pub(super) typed: &'f Fields,
    pub(super) bad: &'f [Bad],
    /// The address that the place has, which stays where nothing is typed; `None` for a new place.
    pub(super) stored: Option<&'f Address>,
}

/// How a field is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Text,
    /// An address that is a secret as a whole: it is seen as it is typed, and not filled in again.
    Address,
    /// Nobody who looks on sees it.
    Secret,
    /// One entry a line.
    Lines,
}

impl Field {
    pub(super) fn is_secret(&self) -> bool {
        self.input == Input::Secret
    }

    pub(super) fn is_lines(&self) -> bool {
        self.input == Input::Lines
    }

    /// What describes it for whoever does not see where things stand.
    pub(super) fn described(&self) -> String {
        let name = &self.id;
        match self.wrong.is_some() || self.again {
            true => format!("{name}-hint {name}-wrong"),
            false => format!("{name}-hint"),
        }
    }
}

impl Form {
    /// The fields that are wrong, in the order of the form.
    pub(super) fn places(&self, t: &Words) -> Vec<Place> {
        let wrong = |field: &&Field| field.wrong.is_some();
        let place = |field: &Field| Place::new(&field.id, field.label);
        let fields = self.inputs.fields.iter().filter(wrong).map(place);
        let only = self.wrong_only.iter();
        let only = only.map(|_| Place::new("only", &t.notices.col_events));
        let more = self.inputs.more.iter().filter(wrong).map(place);
        fields.chain(only).chain(more).collect()
    }

    /// The form of a kind before anything is typed.
    pub(super) fn empty(f: &Frame, vendor: Vendor) -> Self {
        Self::of(f, vendor, &Fields::default(), &[], true)
    }

    /// The form as it was typed, with what is wrong with it.
    pub(super) fn typed(f: &Frame, vendor: Vendor, typed: &Fields, bad: &[Bad]) -> Self {
        Self::of(f, vendor, typed, bad, false)
    }

    fn of(f: &Frame, vendor: Vendor, typed: &Fields, bad: &[Bad], all: bool) -> Self {
        let t = &f.t.notices;
        let inputs = Inputs::of(
            f,
            vendor,
            &Filled {
                prefix: "",
                typed,
                bad,
                stored: None,
            },
        );
        let only: Vec<&str> = typed.all("only").collect();
        let kinds = Vendor::ALL.iter().map(|known| Choice {
            label: name_of(*known, t),
            href: href(f, *known),
            here: *known == vendor,
        });
        Self {
            kind: vendor.code(),
            title: name_of(vendor, t),
            kinds: kinds.collect(),
            inputs,
            checks: checks(f.t, |kind| all || only.contains(&kind.code())),
            wrong_only: (!all && only.is_empty()).then(|| t.none_told.clone()),
        }
    }
}

impl Inputs {
    /// The fields that a kind of place has.
    pub(super) fn of(f: &Frame, vendor: Vendor, filled: &Filled<'_>) -> Self {
        let t = &f.t.notices;
        let field = |name: &'static str, [label, hint]: [&'static String; 2], input, optional| {
            let secret = matches!(input, Input::Address | Input::Secret);
            let value = match secret {
                true => String::new(),
                false => filled.typed.text(name).trim().to_owned(),
            };
            let wrong = filled.bad.iter().find(|bad| bad.field() == name);
            Field {
                id: format!("{}{name}", filled.prefix),
                kept: secret
                    && filled.stored.is_some_and(|stored| match name {
                        "secret" => stored.secret.is_some(),
                        _ => !stored.url.is_empty(),
                    }),
                name,
                label,
                hint,
                input,
                optional,
                value,
                wrong: wrong.map(|bad| said(bad, f.t)),
                again: secret && !filled.typed.trimmed(name).is_empty(),
            }
        };
        let mut fields = Vec::new();
        if filled.stored.is_none() {
            let words = [&t.col_name, &t.name_hint];
            fields.push(field("name", words, Input::Text, false));
        }
        let address = match vendor {
            // The token is all of the address that anybody has.
            Vendor::Telegram => Input::Secret,
            _ => Input::Address,
        };
        fields.push(field("url", url(vendor, t), address, false));
        if let Some(words) = secret(vendor, t) {
            fields.push(field("secret", words, Input::Secret, true));
        }
        if vendor == Vendor::Telegram {
            fields.push(field("chat", [&t.chat, &t.chat_hint], Input::Text, false));
        }
        if vendor == Vendor::Email {
            fields.push(field("from", [&t.from, &t.from_hint], Input::Text, false));
            fields.push(field("to", [&t.to, &t.to_hint], Input::Lines, false));
            fields.push(field("user", [&t.user, &t.user_hint], Input::Text, true));
        }
        let networks = [&f.t.settings.allow_private, &t.networks_hint];
        let more = vec![field("allow_private", networks, Input::Lines, true)];
        Self { fields, more }
    }

    /// Whether the further fields are to be seen.
    pub(super) fn is_open(&self) -> bool {
        let seen = |field: &Field| field.wrong.is_some() || !field.value.is_empty();
        self.more.iter().any(seen)
    }

    /// Whether there is a secret that can be forgotten.
    pub(super) fn has_secret(&self) -> bool {
        let mut fields = self.fields.iter();
        fields.any(|field| field.name == "secret" && field.kept)
    }
}

/// What a form would send of an address that is stored, as far as it may be shown.
pub(super) fn shown(stored: &Address) -> Fields {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Fields::of(&[
        ("chat", &text(&stored.chat)),
        ("user", &text(&stored.user)),
        ("from", &text(&stored.from)),
        ("to", &stored.to.join("\n")),
        ("allow_private", &stored.allow.join("\n")),
    ])
}

/// What was typed anew of a place's address. Nothing typed where something secret was keeps that.
pub(super) fn anew(typed: &Fields) -> Anew {
    let secret = |name: &str| {
        let text = typed.trimmed(name);
        (!text.is_empty()).then(|| text.to_owned())
    };
    let text = |name: &str| typed.has(name).then(|| typed.trimmed(name).to_owned());
    let lines = |name: &str| typed.has(name).then(|| typed.lines(name));
    Anew {
        url: secret("url"),
        secret: match typed.has("no_secret") {
            true => Some(String::new()),
            false => secret("secret"),
        },
        chat: text("chat"),
        user: text("user"),
        from: text("from"),
        to: lines("to"),
        allow: lines("allow_private"),
    }
}

/// What was typed of a place.
pub(super) fn given(vendor: Vendor, typed: &Fields) -> Given {
    let some = |name: &str| {
        let text = typed.trimmed(name);
        (!text.is_empty()).then(|| text.to_owned())
    };
    Given {
        name: typed.trimmed("name").to_owned(),
        kind: vendor.code().to_owned(),
        only: only(typed),
        address: Address {
            url: typed.trimmed("url").to_owned(),
            secret: some("secret"),
            chat: some("chat"),
            user: some("user"),
            from: some("from"),
            to: typed.lines("to"),
            allow: typed.lines("allow_private"),
        },
    }
}

/// The codes of the notices that were ticked. All of them means those of later versions too, and is stored as none.
pub(super) fn only(typed: &Fields) -> Vec<String> {
    let ticked: Vec<String> = typed.all("only").map(str::to_owned).collect();
    let all = lockstep_core::notices::NoticeKind::ALL;
    if all
        .iter()
        .all(|kind| ticked.iter().any(|code| code == kind.code()))
    {
        Vec::new()
    } else {
        ticked
    }
}

/// The address of the form of a kind.
fn href(f: &Frame, vendor: Vendor) -> String {
    let at = f.beside(AT);
    let joint = if at.contains('?') { '&' } else { '?' };
    format!("{at}{joint}kind={}#add", vendor.code())
}

/// What the address is called, and where one gets it.
fn url(vendor: Vendor, t: &'static NoticeWords) -> [&'static String; 2] {
    match vendor {
        Vendor::Webhook => [&t.address, &t.address_webhook],
        Vendor::Telegram => [&t.bot_token, &t.address_telegram],
        Vendor::Ntfy => [&t.topic, &t.address_ntfy],
        Vendor::Feishu => [&t.webhook, &t.address_feishu],
        Vendor::DingTalk => [&t.webhook, &t.address_dingtalk],
        Vendor::WeCom => [&t.webhook, &t.address_wecom],
        Vendor::Email => [&t.server, &t.address_email],
    }
}

/// What the secret is called, and where one gets it; `None` where there is none.
fn secret(vendor: Vendor, t: &'static NoticeWords) -> Option<[&'static String; 2]> {
    match vendor {
        Vendor::Webhook => Some([&t.signing, &t.secret_webhook]),
        Vendor::Ntfy => Some([&t.access_token, &t.secret_ntfy]),
        Vendor::Feishu => Some([&t.signing, &t.secret_feishu]),
        Vendor::DingTalk => Some([&t.signing, &t.secret_dingtalk]),
        Vendor::Email => Some([&t.password, &t.secret_email]),
        Vendor::Telegram | Vendor::WeCom => None,
    }
}

/// What is wrong with a field.
fn said(bad: &Bad, t: &'static Words) -> String {
    let n = &t.notices;
    let Bad::Address(bad) = bad else {
        return match bad {
            Bad::Name => fill(&n.bad_name, &[("n", &crate::places::LONGEST)]),
            Bad::SecretElsewhere => n.secret_again.clone(),
            _ => n.none_told.clone(),
        };
    };
    match bad {
        BadAddress::Unreadable(_) => n.bad_address.clone(),
        BadAddress::Scheme(schemes) => {
            let schemes: Vec<String> = schemes.iter().map(|known| format!("{known}://")).collect();
            fill(&n.bad_scheme, &[("schemes", &schemes.join(" / "))])
        }
        BadAddress::Credentials => n.bad_credentials.clone(),
        BadAddress::NoTopic => n.bad_topic.clone(),
        BadAddress::BotToken => n.bad_bot_token.clone(),
        BadAddress::NoChat | BadAddress::ChatElsewhere => n.bad_chat.clone(),
        BadAddress::Unencrypted => n.bad_unencrypted.clone(),
        BadAddress::TelegramSecret | BadAddress::WeComSecret => n.bad_secret.clone(),
        BadAddress::NoFrom | BadAddress::NoTo | BadAddress::MailElsewhere => n.bad_no_mail.clone(),
        BadAddress::BadFrom { text, .. } | BadAddress::BadTo { text, .. } => {
            fill(&n.bad_mail, &[("text", text)])
        }
        BadAddress::Network { text, .. } => fill(&t.sites.bad_network, &[("text", text)]),
    }
}
