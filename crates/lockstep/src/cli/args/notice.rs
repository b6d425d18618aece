//! Where notices go.

use clap::{Args, Subcommand, ValueEnum};
use lockstep_core::notices::NoticeKind;

use crate::notify::Vendor;

#[derive(Debug, Subcommand)]
pub(crate) enum NoticeVerb {
    /// Add a place that notices go to
    Add(NoticeAddArgs),
    /// The places that notices go to
    List,
    /// Send a test
    Test {
        /// The place
        name: String,
    },
    /// Forget a place with its address and secret
    Remove {
        /// The place
        name: String,
    },
    /// What was sent, newest first, and what did not arrive
    Log {
        /// How many
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
}

#[derive(Debug, Args)]
pub(crate) struct NoticeAddArgs {
    /// What you call it
    pub(crate) name: String,
    /// What stands there
    #[arg(value_enum)]
    pub(crate) vendor: VendorArg,
    /// Read the address from the first line of stdin and the secret, if there is one, from the second; else they are in
    /// LOCKSTEP_NOTICE_URL and LOCKSTEP_NOTICE_SECRET
    #[arg(long)]
    pub(crate) stdin: bool,
    /// Telegram: the chat's id, or @channel
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub(crate) chat: Option<String>,
    /// Email: who it is from
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) from: Option<String>,
    /// Email: who it is to; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) to: Vec<String>,
    /// Email: the user of the mail server [default: who it is from]
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Only notices of this kind; may be repeated [default: all]
    #[arg(long, value_enum, value_name = "KIND")]
    pub(crate) only: Vec<NoticeKindArg>,
    /// A private network that this place may be in
    #[arg(long, value_name = "CIDR")]
    pub(crate) allow_private: Vec<String>,
}

/// What stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lowercase")]
pub(crate) enum VendorArg {
    /// Anything that takes Lockstep's own JSON, signed by the secret
    Webhook,
    /// A Telegram bot; its token is the address
    Telegram,
    /// A topic of ntfy; the secret is an access token
    Ntfy,
    /// A custom bot of Feishu or Lark; the secret signs
    Feishu,
    /// A custom robot of DingTalk; the secret signs
    DingTalk,
    /// A group robot of WeCom
    WeCom,
    /// A mail server: smtps://HOST, or smtp://HOST with STARTTLS; the secret is the password
    Email,
}

/// The kinds of notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "kebab-case")]
pub(crate) enum NoticeKindArg {
    /// Something failed
    Failed,
    /// Something waits for an answer
    Held,
    /// Something was written
    Changed,
    /// A source of prices is in trouble
    SourceTrouble,
    /// A source asks another price
    PriceMoved,
    /// A model has no price
    Unpriced,
    /// A model is sold below cost
    BelowCost,
    /// A scheduled run did not begin, or was not allowed to write
    Missed,
}

impl VendorArg {
    pub(crate) fn vendor(self) -> Vendor {
        match self {
            Self::Webhook => Vendor::Webhook,
            Self::Telegram => Vendor::Telegram,
            Self::Ntfy => Vendor::Ntfy,
            Self::Feishu => Vendor::Feishu,
            Self::DingTalk => Vendor::DingTalk,
            Self::WeCom => Vendor::WeCom,
            Self::Email => Vendor::Email,
        }
    }
}

impl NoticeKindArg {
    pub(crate) fn kind(self) -> NoticeKind {
        match self {
            Self::Failed => NoticeKind::Failed,
            Self::Held => NoticeKind::Held,
            Self::Changed => NoticeKind::Changed,
            Self::SourceTrouble => NoticeKind::SourceTrouble,
            Self::PriceMoved => NoticeKind::PriceMoved,
            Self::Unpriced => NoticeKind::Unpriced,
            Self::BelowCost => NoticeKind::BelowCost,
            Self::Missed => NoticeKind::Missed,
        }
    }
}
