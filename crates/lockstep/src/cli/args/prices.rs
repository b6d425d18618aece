//! Prices: their sources, what differs, what has none, and what was decided about them.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use lockstep_core::prices::source::SpecEdit;

use super::{Consent, PaceArgs, Target};

/// Which prices a plan is about, and where they come from.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Prices")]
pub(crate) struct PriceArgs {
    /// Where prices come from, the preferred first: official, models.dev, litellm, channel:ID, http(s)://HOST, file:PATH,
    /// followed by ,name= ,endpoint= ,multiplier= ,recharge= ,group= ,token-env= ,user-id= as needed
    /// [default: the site's sources]
    #[arg(long, value_name = "SOURCE")]
    pub(crate) source: Vec<String>,
    /// add: models without a price [default]; update: those with one; both [env: LOCKSTEP_PRICE_MODE]
    #[arg(long, value_name = "add|update|both")]
    pub(crate) mode: Option<String>,
    /// Not only models that an enabled channel serves
    #[arg(long)]
    pub(crate) all_models: bool,
    /// What models cost more, or less, by their name: PATTERN=FACTOR, the first that matches counts
    #[arg(long, value_name = "PATTERN=FACTOR")]
    pub(crate) markup: Vec<String>,
    /// How reckoned prices are written: none, or a number of decimals or digits, as in `3 digits` [default: none]
    #[arg(long, value_name = "N digits")]
    pub(crate) rounding: Option<String>,
    #[command(flatten)]
    pub(crate) unit: UnitArgs,
}

/// How prices are shown.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct UnitArgs {
    /// Show USD per million tokens [default]
    #[arg(long, conflicts_with = "ratios")]
    pub(crate) dollars: bool,
    /// Show the gateway's ratios
    #[arg(long)]
    pub(crate) ratios: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// Where prices come from; see `lockstep plan --help` [default: the site's sources]
    #[arg(conflicts_with = "request")]
    pub(crate) source: Vec<String>,
    /// A file with the body of POST /api/ratio_sync/fetch; - for stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) request: Option<PathBuf>,
    /// Time limit of one source over all its tries, in seconds [default: 10; at most 120]
    #[arg(long, value_name = "10s", conflicts_with = "request")]
    pub(crate) timeout: Option<String>,
    /// Only models with this in their name
    #[arg(long, value_name = "TEXT")]
    pub(crate) search: Option<String>,
    #[command(flatten)]
    pub(crate) unit: UnitArgs,
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct UnpricedArgs {
    /// Write the proposals that no guard holds
    #[arg(long)]
    pub(crate) apply: bool,
    /// Where proposals come from; see `lockstep plan --help` [default: the site's sources]
    #[arg(long, value_name = "SOURCE")]
    pub(crate) source: Vec<String>,
    #[command(flatten)]
    pub(crate) unit: UnitArgs,
    #[command(flatten)]
    pub(crate) consent: Consent,
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PriceVerbArgs {
    #[command(subcommand)]
    pub(crate) verb: PriceVerb,
    #[command(flatten)]
    pub(crate) target: Target,
}

/// One of the ten price fields, by its name in price lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum FieldArg {
    /// Price per input token; 1 is USD 2 per million
    ModelRatio,
    /// Output tokens
    CompletionRatio,
    /// Tokens read from the cache
    CacheRatio,
    /// Tokens written to the cache
    CreateCacheRatio,
    /// Image input
    ImageRatio,
    /// Audio input
    AudioRatio,
    /// Audio output
    AudioCompletionRatio,
    /// A fixed price per call
    ModelPrice,
    /// How the model is billed
    BillingMode,
    /// The expression that bills
    BillingExpr,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PriceVerb {
    /// What was decided about prices
    Answers,
    /// The prices that a model had, run by run
    Show {
        /// The model
        model: String,
    },
    /// Never change a model's price, or one field of it
    Lock {
        /// The models
        #[arg(required = true)]
        models: Vec<String>,
        /// Only this field
        #[arg(long, value_enum)]
        field: Option<FieldArg>,
    },
    /// Keep the way a model is billed: per token, per call or by expression
    KeepKind {
        /// The models
        #[arg(required = true)]
        models: Vec<String>,
    },
    /// Say nothing more of a model: no proposal, not among the unpriced
    Ignore {
        /// The models
        #[arg(required = true)]
        models: Vec<String>,
    },
    /// Take back what was decided about a model
    Unlock {
        /// The models
        #[arg(required = true)]
        models: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SourceTokenArgs {
    /// Read the access token of that site from stdin and store it encrypted; with token-env= it stays in the environment
    #[arg(long)]
    pub(crate) token_stdin: bool,
    /// The user id at that site that the stored token belongs to
    #[arg(long, value_name = "ID")]
    pub(crate) token_user: Option<String>,
}

/// What of a source is to be changed. An empty text takes it away.
#[derive(Debug, Args)]
pub(crate) struct SourceOptionArgs {
    /// The page to ask for: a path, openrouter or an address; "" for the usual one
    #[arg(long, value_name = "PATH")]
    endpoint: Option<String>,
    /// What its prices are multiplied with; "" for nothing
    #[arg(long, value_name = "NUMBER")]
    multiplier: Option<String>,
    /// What one of its dollars costs; "" for a dollar
    #[arg(long, value_name = "NUMBER")]
    recharge: Option<String>,
    /// The group of the source whose ratio counts; "" for none
    #[arg(long)]
    group: Option<String>,
}

impl SourceOptionArgs {
    /// The change of the source's options.
    pub(crate) fn edit(&self) -> SpecEdit<'_> {
        SpecEdit {
            endpoint: self.endpoint.as_deref(),
            multiplier: self.multiplier.as_deref(),
            recharge: self.recharge.as_deref(),
            group: self.group.as_deref(),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum SourceVerb {
    /// Remember a source; it is tested before it is kept
    Add {
        /// The source: official, models.dev, litellm, channel:ID, http(s)://HOST, file:PATH, with its options
        source: String,
        /// Keep it although the test fails
        #[arg(long)]
        untested: bool,
        #[command(flatten)]
        token: SourceTokenArgs,
        #[command(flatten)]
        target: Target,
    },
    /// Change how a source is asked, what its prices cost, or its access token; it is tested before it is kept
    Edit {
        /// Its name
        name: String,
        #[command(flatten)]
        options: SourceOptionArgs,
        /// Forget its token
        #[arg(long, conflicts_with = "token_stdin")]
        no_token: bool,
        /// Keep it although the test fails
        #[arg(long)]
        untested: bool,
        #[command(flatten)]
        token: SourceTokenArgs,
        #[command(flatten)]
        target: Target,
    },
    /// The remembered sources, the preferred first
    List {
        #[command(flatten)]
        target: Target,
    },
    /// Fetch the remembered sources, or one, and say how far each can be trusted
    Test {
        /// Its name [default: all]
        name: Option<String>,
        #[command(flatten)]
        target: Target,
    },
    /// Take a list that has shrunk for good as the source's list, by which later ones are measured
    Accept {
        /// The source's name, or the source as typed
        name: String,
        #[command(flatten)]
        target: Target,
    },
    /// Forget a source
    Remove {
        /// Its name
        name: String,
        #[command(flatten)]
        target: Target,
    },
}
