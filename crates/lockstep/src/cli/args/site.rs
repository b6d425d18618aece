//! Gateways and channels.

use clap::{Args, Subcommand};

use super::{SourceVerb, Target, Tuning};

#[derive(Debug, Subcommand)]
pub(crate) enum SiteVerb {
    /// Add a gateway; it is tested before it is kept
    Add(SiteAddArgs),
    /// The stored gateways
    List,
    /// Test a gateway's address and token
    Test {
        /// The site [default: the default one]
        name: Option<String>,
    },
    /// Change a gateway
    Edit(SiteEditArgs),
    /// Where the prices of a gateway come from
    #[command(subcommand)]
    Source(SourceVerb),
    /// Forget a gateway with its history
    Remove {
        /// The site; its address, if it has no name
        name: String,
        /// Without asking
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SiteAddArgs {
    /// What you call it
    pub(crate) name: String,
    /// The gateway's base address, e.g. https://your-site.com
    #[arg(long)]
    pub(crate) url: String,
    /// Your user id on the gateway (User Management)
    #[arg(long, value_name = "ID")]
    pub(crate) user_id: String,
    #[command(flatten)]
    pub(crate) token: TokenArgs,
    /// The console's address for people, if it is another one
    #[arg(long, value_name = "URL")]
    pub(crate) console_url: Option<String>,
    /// A private network that price sources may be in
    #[arg(long, value_name = "CIDR")]
    pub(crate) allow_private: Vec<String>,
    /// Make it the default site
    #[arg(long)]
    pub(crate) default: bool,
    /// Keep it although the test fails
    #[arg(long)]
    pub(crate) untested: bool,
    /// Any setting, as KEY=VALUE; see `lockstep config example`. Repeated, its lines add up
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    #[command(flatten)]
    pub(crate) tuning: Tuning,
}

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// Read the system access token from stdin; else LOCKSTEP_TOKEN, else you are asked
    #[arg(long)]
    pub(crate) token_stdin: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SiteEditArgs {
    /// The site
    pub(crate) name: String,
    /// Another name for it
    #[arg(long, value_name = "NAME")]
    pub(crate) rename: Option<String>,
    /// Another base address
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// Another user id
    #[arg(long, value_name = "ID")]
    pub(crate) user_id: Option<String>,
    #[command(flatten)]
    pub(crate) token: TokenArgs,
    /// The console's address for people; blank to forget it
    #[arg(long, value_name = "URL")]
    pub(crate) console_url: Option<String>,
    /// Private networks that price sources may be in; blank to forget them
    #[arg(long, value_name = "CIDR")]
    pub(crate) allow_private: Vec<String>,
    /// Make it the default site
    #[arg(long)]
    pub(crate) default: bool,
    /// Forget a stored setting, so that its default holds again
    #[arg(long, value_name = "SETTING")]
    pub(crate) reset: Vec<String>,
    /// Any setting, as KEY=VALUE; see `lockstep config example`. Repeated, its lines add up
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    #[command(flatten)]
    pub(crate) tuning: Tuning,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ChannelVerb {
    /// The channels as last read, with their latest result
    List {
        #[command(flatten)]
        target: Target,
    },
    /// One channel: what it has of its own, what is yours, its history
    Show {
        /// The channel's id
        id: i64,
        #[command(flatten)]
        target: Target,
    },
    /// Give a channel, or all channels of a provider, settings of its own
    Set(ChannelSetArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ChannelSetArgs {
    /// The channel's id
    #[arg(required_unless_present = "provider", conflicts_with = "provider")]
    pub(crate) id: Option<i64>,
    /// All channels at this provider's address
    #[arg(long, value_name = "URL")]
    pub(crate) provider: Option<String>,
    /// Its policy; blank for the site's
    #[arg(long)]
    pub(crate) policy: Option<String>,
    /// A model name that is always kept; blank for none
    #[arg(long, value_name = "NAME")]
    pub(crate) keep: Vec<String>,
    /// Only these model names; blank for all
    #[arg(long, value_name = "NAME")]
    pub(crate) allow: Vec<String>,
    /// Only names that match; blank for all
    #[arg(long, value_name = "PATTERN")]
    pub(crate) include: Vec<String>,
    /// No names that match; blank for none
    #[arg(long, value_name = "PATTERN")]
    pub(crate) exclude: Vec<String>,
    /// Give a name that was edited by hand back to the provider
    #[arg(long, value_name = "NAME", conflicts_with = "provider")]
    pub(crate) release: Vec<String>,
    /// Forget all that it has of its own, "always allow" too
    #[arg(long)]
    pub(crate) reset: bool,
    #[command(flatten)]
    pub(crate) target: Target,
}
