//! How a run goes: its pace, its settings, its approval.

use std::time::Duration;

use clap::{Args, ValueEnum};

/// How fast a run goes; it wins over environment, file and what is stored.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Pace")]
pub(crate) struct PaceArgs {
    /// fixed: by the numbers below; auto: as fast as 70 % of the gateway's own limit allows [env: LOCKSTEP_PACE]
    #[arg(long, value_name = "fixed|auto")]
    pub(crate) pace: Option<String>,
    /// Requests per minute at the fixed pace [default: 20; 1 to 120, recommended 10 to 30] [env: LOCKSTEP_REQUESTS_PER_MINUTE]
    #[arg(long, value_name = "N")]
    pub(crate) requests_per_minute: Option<String>,
    /// Requests at once before the fixed pace sets in [default: 5; 1 to 60, recommended 3 to 10] [env: LOCKSTEP_BURST]
    #[arg(long, value_name = "N")]
    pub(crate) burst: Option<String>,
    /// Channels at once [default: 2; 1 to 8, recommended 1 to 3] [env: LOCKSTEP_CONCURRENCY]
    #[arg(long, value_name = "N")]
    pub(crate) concurrency: Option<String>,
    /// Further tries on failure [default: 3; 0 to 5, recommended 2 to 5] [env: LOCKSTEP_MAX_RETRIES]
    #[arg(long, value_name = "N")]
    pub(crate) max_retries: Option<String>,
    /// Time limit of one try at one channel [default: 60s] [env: LOCKSTEP_CHANNEL_TIMEOUT]
    #[arg(long, value_name = "60s")]
    pub(crate) channel_timeout: Option<String>,
}

/// Settings for this run; they win over environment, file and what is stored.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Settings for this run")]
pub(crate) struct Tuning {
    /// mirror, exact, add-only, prune-only, report-only or exclude [env: LOCKSTEP_POLICY]
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: Option<String>,
    /// A model name that is always kept, beside those that are set
    #[arg(long, value_name = "NAME")]
    pub(crate) keep: Vec<String>,
    /// Only these model names, exactly
    #[arg(long, value_name = "NAME")]
    pub(crate) allow: Vec<String>,
    /// Only names that match: a part of the name, a glob (gpt-*) or regex:...
    #[arg(long, value_name = "PATTERN")]
    pub(crate) include: Vec<String>,
    /// No names that match, beside those that are set
    #[arg(long, value_name = "PATTERN")]
    pub(crate) exclude: Vec<String>,
    /// Leave disabled channels out
    #[arg(long)]
    pub(crate) enabled_only: bool,
    /// Hold removals beyond this share of a channel's list [default: 30%] [env: LOCKSTEP_LIMIT_REMOVAL]
    #[arg(long, value_name = "30%")]
    pub(crate) limit_removal: Option<String>,
    /// Added models without a price: hold: they wait [default]; list: they come and are listed; off [env: LOCKSTEP_PRICE_GATE]
    #[arg(long, value_name = "hold|list|off")]
    pub(crate) price_gate: Option<String>,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
}

/// What counts for the exit status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Every failure and hold
    #[default]
    Any,
    /// Only those that the run before did not have
    New,
}

/// Whether and how a write is approved, and confirmed.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = "Approval")]
pub(crate) struct Consent {
    /// Write without asking
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// As --yes, with the stricter holds of a schedule; for cron
    #[arg(long, conflicts_with = "yes")]
    pub(crate) unattended: bool,
    /// Prices: ask the gateway's price page afterwards whether it bills by what was written, for at most this long; the
    /// page can be a minute behind [default with --verify alone: 65s]
    #[arg(
        long,
        value_name = "65s",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "65s",
        value_parser = patience
    )]
    pub(crate) verify: Option<Duration>,
}

/// How long the price page may be behind.
fn patience(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').unwrap_or(text).parse();
    number
        .map(Duration::from_secs)
        .map_err(|_| "it is no time: write seconds, such as --verify=65s".to_owned())
}
