//! Where notices go: what stands there, its address and its secrets.
//!
//! The whole address is a secret: bots carry their token in it. People are shown its host.

use std::fmt;

use lettre::message::Mailbox;
use lockstep_core::prices::source::{Cidr, parse_cidr};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::cut::plain;
use crate::words::en;

/// Telegram's own server, where only a token is given.
const TELEGRAM: &str = "https://api.telegram.org";

/// A part of an address that is shorter is no secret, and too common to be cut out of a text.
const SHORTEST_SECRET: usize = 6;

/// What stands at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vendor {
    /// Anything that takes our own JSON.
    Webhook,
    /// A Telegram bot.
    Telegram,
    /// A topic of ntfy.
    Ntfy,
    /// A custom bot of Feishu or Lark.
    Feishu,
    /// A custom robot of DingTalk.
    DingTalk,
    /// A group robot of WeCom.
    WeCom,
    /// A mail server.
    Email,
}

impl Vendor {
    /// Every vendor.
    pub(crate) const ALL: &[Self] = &[
        Self::Webhook,
        Self::Telegram,
        Self::Ntfy,
        Self::Feishu,
        Self::DingTalk,
        Self::WeCom,
        Self::Email,
    ];

    /// The stable code, as typed and stored.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Telegram => "telegram",
            Self::Ntfy => "ntfy",
            Self::Feishu => "feishu",
            Self::DingTalk => "dingtalk",
            Self::WeCom => "wecom",
            Self::Email => "email",
        }
    }

    /// The vendor of a code.
    pub(crate) fn from_code(code: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|vendor| vendor.code() == code)
    }
}

/// An address with its secrets and what else is needed to send there. It does not print.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Address {
    /// The address. Of Telegram a bot's token is enough.
    pub(crate) url: String,
    /// What signs or lets in: a webhook's key, a bot's signing secret, ntfy's access token, a mailbox' password.
    pub(crate) secret: Option<String>,
    /// Telegram's chat.
    pub(crate) chat: Option<String>,
    /// The user of a mail server; the sender's address, where it is not given.
    pub(crate) user: Option<String>,
    /// Who a mail is from.
    pub(crate) from: Option<String>,
    /// Who a mail is to.
    pub(crate) to: Vec<String>,
    /// Private networks that may be called.
    pub(crate) allow: Vec<String>,
}

/// Why an address cannot be used. The address is not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BadAddress {
    /// It cannot be read as an address.
    Unreadable(String),
    /// It begins with another word than one of these.
    Scheme(&'static [&'static str]),
    /// A user or a password stands in it.
    Credentials,
    /// It does not end in a topic.
    NoTopic,
    /// It is no token of a bot.
    BotToken,
    /// Telegram has to be told the chat.
    NoChat,
    /// Nobody else has chats.
    ChatElsewhere,
    /// Telegram signs nothing.
    TelegramSecret,
    /// WeCom signs nothing.
    WeComSecret,
    /// A password would be sent in the clear.
    Unencrypted,
    /// A mail has to be from somebody.
    NoFrom,
    /// A mail has to be to somebody.
    NoTo,
    /// This is no mail address.
    BadFrom {
        /// What was given.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// This is no mail address.
    BadTo {
        /// What was given.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody else is sent mail.
    MailElsewhere,
    /// This is no network.
    Network {
        /// What was given.
        text: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Address {
    /// The address, checked and in its full form.
    ///
    /// # Errors
    ///
    /// [`BadAddress`] for what the vendor cannot have.
    pub(crate) fn checked(mut self, vendor: Vendor) -> Result<Self, BadAddress> {
        self.url = self.url.trim().to_owned();
        self.secret = self
            .secret
            .map(|secret| secret.trim().to_owned())
            .filter(|secret| !secret.is_empty());
        if vendor == Vendor::Telegram {
            self.telegram()?;
        } else if self.chat.is_some() {
            return Err(BadAddress::ChatElsewhere);
        }
        let url =
            Url::parse(&self.url).map_err(|error| BadAddress::Unreadable(error.to_string()))?;
        let schemes: &'static [&'static str] = match vendor {
            Vendor::Email => &["smtp", "smtps"],
            _ => &["http", "https"],
        };
        if !schemes.contains(&url.scheme()) || url.host_str().is_none_or(str::is_empty) {
            return Err(BadAddress::Scheme(schemes));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadAddress::Credentials);
        }
        match vendor {
            Vendor::Ntfy => {
                topic(&url).ok_or(BadAddress::NoTopic)?;
            }
            Vendor::WeCom if self.secret.is_some() => {
                return Err(BadAddress::WeComSecret);
            }
            Vendor::Email => self.email(&url)?,
            _ => {}
        }
        if vendor != Vendor::Email && (self.from.is_some() || !self.to.is_empty()) {
            return Err(BadAddress::MailElsewhere);
        }
        for network in &self.allow {
            parse_cidr(network).map_err(|error| BadAddress::Network {
                text: network.clone(),
                why: error.to_string(),
            })?;
        }
        Ok(self)
    }

    fn telegram(&mut self) -> Result<(), BadAddress> {
        if self.chat.as_deref().is_none_or(str::is_empty) {
            return Err(BadAddress::NoChat);
        }
        if self.secret.is_some() {
            return Err(BadAddress::TelegramSecret);
        }
        if !self.url.contains("://") {
            let token = self.url.trim_start_matches("bot");
            let fits = |letter: char| letter.is_ascii_alphanumeric() || ":_-".contains(letter);
            if token.is_empty() || !token.chars().all(fits) {
                return Err(BadAddress::BotToken);
            }
            self.url = format!("{TELEGRAM}/bot{token}");
        }
        let base = self.url.trim_end_matches('/');
        let base = base.trim_end_matches("/sendMessage");
        self.url = format!("{base}/sendMessage");
        Ok(())
    }

    fn email(&self, url: &Url) -> Result<(), BadAddress> {
        let mailbox = |text: &str| match text.parse::<Mailbox>() {
            Ok(_) => Ok(()),
            Err(error) => Err((text.to_owned(), error.to_string())),
        };
        let from = self.from.as_deref().ok_or(BadAddress::NoFrom)?;
        mailbox(from).map_err(|(text, why)| BadAddress::BadFrom { text, why })?;
        if self.to.is_empty() {
            return Err(BadAddress::NoTo);
        }
        for to in &self.to {
            mailbox(to).map_err(|(text, why)| BadAddress::BadTo { text, why })?;
        }
        if !encrypted(url) && self.secret.is_some() {
            return Err(BadAddress::Unencrypted);
        }
        Ok(())
    }

    /// The address as it is stored, encrypted by the store.
    pub(crate) fn to_stored(&self) -> SecretString {
        serde_json::to_string(self).unwrap_or_default().into()
    }

    /// The stored address.
    pub(crate) fn read(stored: &SecretString) -> Option<Self> {
        serde_json::from_str(stored.expose_secret()).ok()
    }

    /// What people are shown of it: the host, with its port.
    pub(crate) fn host(&self) -> String {
        let Ok(url) = Url::parse(&self.url) else {
            return String::new();
        };
        let port = url
            .port()
            .map_or_else(String::new, |port| format!(":{port}"));
        format!("{}{port}", url.host_str().unwrap_or_default())
    }

    /// Whether both are at the same server, spoken to in the same way: what is secret of one may be sent to the other.
    pub(crate) fn is_at_the_server_of(&self, other: &Self) -> bool {
        let server = |address: &Self| {
            let url = Url::parse(&address.url).ok()?;
            let host = url.host_str()?.to_owned();
            Some((url.scheme().to_owned(), host, url.port_or_known_default()))
        };
        server(self).is_some_and(|one| Some(one) == server(other))
    }

    /// The private networks that may be called.
    pub(super) fn networks(&self) -> Vec<Cidr> {
        let networks = self.allow.iter();
        networks.flat_map(|text| parse_cidr(text)).collect()
    }

    /// A text of somebody else's, as one line without anything that is secret here: a server may repeat what it was
    /// sent.
    pub(super) fn clean(&self, text: &str) -> String {
        let mut secrets: Vec<String> = vec![self.url.clone()];
        secrets.extend(self.secret.clone());
        if let Ok(url) = Url::parse(&self.url) {
            let path = url.path_segments().into_iter().flatten();
            for part in path.map(str::to_owned) {
                // Telegram speaks of the token without the word before it.
                let token = part.strip_prefix("bot").map(str::to_owned);
                secrets.extend([part].into_iter().chain(token));
            }
            let query = url.query_pairs();
            secrets.extend(query.map(|(_, value)| value.into_owned()));
            secrets.extend(url.query().map(str::to_owned));
        }
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let mut clean = plain(text);
        for secret in secrets {
            let known = KNOWN_PARTS.contains(&secret.as_str());
            if secret.len() >= SHORTEST_SECRET && !known {
                clean = clean.replace(&secret, "[redacted]");
            }
        }
        clean
    }
}

/// Parts of vendors' paths that are no secret.
const KNOWN_PARTS: &[&str] = &["sendMessage", "open-apis", "webhook", "cgi-bin"];

/// The server and the topic of an ntfy address.
pub(super) fn topic(url: &Url) -> Option<(Url, String)> {
    let mut parts: Vec<&str> = url
        .path_segments()?
        .filter(|part| !part.is_empty())
        .collect();
    let topic = parts.pop()?.to_owned();
    let mut server = url.clone();
    server.set_path(&parts.join("/"));
    Some((server, topic))
}

/// Whether a mail server is spoken to over TLS.
pub(super) fn encrypted(url: &Url) -> bool {
    !url.query_pairs()
        .any(|(key, value)| key == "tls" && value == "none")
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.host())
    }
}

impl BadAddress {
    /// The field that it is in, as programs name it.
    pub(crate) fn field(&self) -> &'static str {
        match self {
            Self::Unreadable(_)
            | Self::Scheme(_)
            | Self::Credentials
            | Self::NoTopic
            | Self::BotToken => "url",
            Self::NoChat | Self::ChatElsewhere => "chat",
            Self::TelegramSecret | Self::WeComSecret | Self::Unencrypted => "secret",
            Self::NoFrom | Self::BadFrom { .. } | Self::MailElsewhere => "from",
            Self::NoTo | Self::BadTo { .. } => "to",
            Self::Network { .. } => "allow_private",
        }
    }
}

impl fmt::Display for BadAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&en::bad_address(self))
    }
}

impl std::error::Error for BadAddress {}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(url: &str) -> Address {
        Address {
            url: url.to_owned(),
            ..Address::default()
        }
    }

    fn telegram(url: &str) -> Result<Address, BadAddress> {
        let mut address = at(url);
        address.chat = Some("42".to_owned());
        address.checked(Vendor::Telegram)
    }

    #[test]
    fn a_bots_token_or_its_address_is_enough_for_telegram() {
        let wanted = "https://api.telegram.org/bot123:AB-c_d/sendMessage";
        for given in [
            "123:AB-c_d",
            "bot123:AB-c_d",
            wanted,
            &wanted[..42],
            &wanted[..41],
        ] {
            let url = telegram(given).map(|address| address.url);
            let full = url.expect(given);
            assert!(
                full.ends_with("/sendMessage") && full.contains("/bot123"),
                "{full}"
            );
        }
        assert!(telegram("").is_err() && telegram("a b").is_err());
        assert!(at("123:AB").checked(Vendor::Telegram).is_err(), "no chat");
    }

    #[test]
    fn what_a_vendor_cannot_have_is_refused_without_repeating_the_address() {
        let secret = |url: &str| Address {
            secret: Some("topsecret".to_owned()),
            ..at(url)
        };
        for (vendor, address) in [
            (Vendor::Webhook, at("ftp://host.example/topsecret")),
            (Vendor::Webhook, at("https://user:topsecret@host.example")),
            (Vendor::Webhook, at("topsecret")),
            (Vendor::Ntfy, at("https://ntfy.sh/")),
            (Vendor::WeCom, secret("https://qyapi.example/?key=1")),
            (Vendor::Email, at("smtps://mail.example")),
            (
                Vendor::Email,
                Address {
                    from: Some("a@b.example".to_owned()),
                    to: vec!["c@d.example".to_owned()],
                    ..secret("smtp://mail.example?tls=none")
                },
            ),
            (
                Vendor::Webhook,
                Address {
                    allow: vec!["everything".to_owned()],
                    ..at("https://host.example")
                },
            ),
        ] {
            let told = address.checked(vendor).expect_err("refused").to_string();
            assert!(!told.contains("topsecret"), "{told}");
        }
    }

    #[test]
    fn nothing_secret_stays_in_what_others_say_or_in_what_is_printed() {
        let address = telegram("123456:canaryAB").expect("an address");
        for said in [
            "bot123456:canaryAB is unknown",
            "POST https://api.telegram.org/bot123456:canaryAB/sendMessage",
            "token 123456:canaryAB\u{0}",
        ] {
            let clean = address.clean(said);
            assert!(!clean.contains("canary"), "{clean}");
        }
        let hook = at("https://oapi.dingtalk.com/robot/send?access_token=canary77");
        assert_eq!(hook.clean("bad canary77!"), "bad [redacted]!");
        assert!(!format!("{address:?}{hook:?}").contains("canary"));
        assert_eq!(hook.host(), "oapi.dingtalk.com");
    }
}
