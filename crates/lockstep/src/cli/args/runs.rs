//! Runs: planned, written, taken back, looked at.

use clap::{Args, Subcommand, ValueEnum};

use super::{Consent, FailOn, PaceArgs, PriceArgs, Target, Tuning, UnitArgs};

/// What a run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SubjectArg {
    /// The channels' model lists
    Models,
    /// The models' prices
    Prices,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// What to plan [default: prices, where a source is remembered or named, and then models]
    pub(crate) subject: Option<SubjectArg>,
    /// Only this channel
    #[arg(long, value_name = "ID")]
    pub(crate) channel: Vec<i64>,
    /// Only channels whose latest result failed
    #[arg(long, conflicts_with = "channel")]
    pub(crate) retry_failed: bool,
    /// What counts for the exit status
    #[arg(long, value_enum, default_value_t)]
    pub(crate) fail_on: FailOn,
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) tuning: Tuning,
    #[command(flatten)]
    pub(crate) prices: PriceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SyncArgs {
    #[command(flatten)]
    pub(crate) plan: PlanArgs,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// The run: its id, the start of it, or the latest of the site
    #[arg(conflicts_with = "held")]
    pub(crate) run: Option<String>,
    /// Only this channel, by id or name; of a price run only this model; with --held any of them
    #[arg(long, value_name = "ID|NAME")]
    pub(crate) only: Vec<String>,
    /// Write what is held
    #[arg(long)]
    pub(crate) held: bool,
    #[command(flatten)]
    pub(crate) consent: Consent,
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct UndoArgs {
    /// The run: its id, the start of it, or the latest that wrote
    pub(crate) run: Option<String>,
    /// Only this channel, by id or name; of a price run only this model
    #[arg(long, value_name = "ID|NAME")]
    pub(crate) only: Vec<String>,
    #[command(flatten)]
    pub(crate) consent: Consent,
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RunsArgs {
    /// One run in full: its id or the start of it
    pub(crate) run: Option<String>,
    /// Only failed channels
    #[arg(long)]
    pub(crate) failed: bool,
    /// Only changed channels
    #[arg(long)]
    pub(crate) changed: bool,
    /// Only held channels
    #[arg(long)]
    pub(crate) held: bool,
    /// Only channels with this in their name, id, message or model names
    #[arg(long, value_name = "TEXT")]
    pub(crate) search: Option<String>,
    /// How many runs
    #[arg(long, default_value_t = 20)]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) unit: UnitArgs,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct HeldArgs {
    #[command(subcommand)]
    pub(crate) answer: Option<HeldVerb>,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HeldVerb {
    /// Keep as it is until the held change becomes another one
    Keep {
        /// The channels by id, the models by name
        #[arg(required = true, value_name = "ID|MODEL")]
        names: Vec<String>,
    },
    /// Always allow this reason on these; the next run writes it
    Allow {
        /// The channels by id, the models by name
        #[arg(required = true, value_name = "ID|MODEL")]
        names: Vec<String>,
    },
    /// Never sync these, held or not: channels by id, models by name
    Never {
        /// The channels by id, the models by name
        #[arg(required = true, value_name = "ID|MODEL")]
        names: Vec<String>,
    },
}
