//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Keeps a New API gateway in step with its providers: plans every change, shows it, writes it, reads it back and
/// can undo it.
#[derive(Debug, Parser)]
#[command(
    name = "lockstep",
    version,
    max_term_width = 100,
    propagate_version = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Flags that every verb takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// The database file [default: lockstep.db in the system's data folder]
    #[arg(
        long,
        global = true,
        env = "LOCKSTEP_DATABASE",
        value_name = "PATH",
        help_heading = "Everywhere"
    )]
    pub(crate) database: Option<PathBuf>,
    /// The file with the key that tokens are encrypted with [default: beside the database]
    #[arg(
        long,
        global = true,
        env = "LOCKSTEP_KEY_FILE",
        value_name = "PATH",
        help_heading = "Everywhere"
    )]
    pub(crate) key_file: Option<PathBuf>,
    /// A configuration file; see `lockstep config example`
    #[arg(
        long,
        global = true,
        env = "LOCKSTEP_CONFIG",
        value_name = "FILE",
        help_heading = "Everywhere"
    )]
    pub(crate) config: Option<PathBuf>,
    /// One JSON object on stdout, and nothing else there
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) json: bool,
    /// No bar, no hints
    #[arg(long, short, global = true, help_heading = "Everywhere")]
    pub(crate) quiet: bool,
    /// More: all names of a change; twice: the log
    #[arg(long, short, global = true, action = clap::ArgAction::Count, help_heading = "Everywhere")]
    pub(crate) verbose: u8,
}

/// Which gateway. The environment is asked later: what is typed wins over all of it.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Target {
    /// A stored site [env: LOCKSTEP_SITE; default: the default one]
    #[arg(
        long,
        value_name = "NAME",
        help_heading = "Which gateway",
        conflicts_with = "url"
    )]
    pub(crate) site: Option<String>,
    /// The gateway's base address, where no site is stored; the token is then in LOCKSTEP_TOKEN [env: LOCKSTEP_URL]
    #[arg(long, value_name = "URL", help_heading = "Which gateway")]
    pub(crate) url: Option<String>,
    /// The user id that the token belongs to [env: LOCKSTEP_USER_ID]
    #[arg(long, value_name = "ID", help_heading = "Which gateway")]
    pub(crate) user_id: Option<String>,
}

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
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
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
}

/// What a run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SubjectArg {
    /// The channels' model lists
    Models,
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

/// Whether and how a write is approved.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = "Approval")]
pub(crate) struct Consent {
    /// Write without asking
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// As --yes, with the stricter holds of a schedule; for cron
    #[arg(long, conflicts_with = "yes")]
    pub(crate) unattended: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// A simulated gateway with its providers, and Lockstep on it
    Demo(DemoArgs),
    /// The gateways that are stored
    #[command(subcommand)]
    Site(SiteVerb),
    /// Channels, and what each has of its own: policy, kept names, rules
    #[command(subcommand)]
    Channel(ChannelVerb),
    /// Show what would change; writes nothing
    Plan(PlanArgs),
    /// Plan, ask, and write what no guard holds
    Sync(SyncArgs),
    /// Write a planned run, or what is held
    Apply(ApplyArgs),
    /// Take a run back
    Undo(UndoArgs),
    /// History; one run in full
    Runs(RunsArgs),
    /// What waits for an answer, and the answers
    Held(HeldArgs),
    /// Look at a gateway: address, kind, token, role, clock, limits
    Doctor(DoctorArgs),
    /// The configuration file
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Copy the database to a file, also while others use it
    Backup(BackupArgs),
    /// Completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Run through plan, sync, history and undo once, and end
    #[arg(long)]
    pub(crate) once: bool,
    /// How many channels the simulated gateway has
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=5000))]
    pub(crate) channels: u16,
}

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

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// What to plan [default: all there is]
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
    /// Only this channel, by id or name
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
    /// Only this channel, by id or name
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
        /// The channels
        #[arg(required = true)]
        ids: Vec<i64>,
    },
    /// Always allow this reason on these channels; the next run writes it
    Allow {
        /// The channels
        #[arg(required = true)]
        ids: Vec<i64>,
    },
    /// Never sync these channels, held or not
    Never {
        /// The channels
        #[arg(required = true)]
        ids: Vec<i64>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) pace: PaceArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Read the configuration file and say every mistake in it
    Check,
    /// Print a configuration file with every key and its default
    Example,
}

#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The file to write; it must not exist
    pub(crate) file: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_tree_is_sound() {
        Cli::command().debug_assert();
    }
}
