//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

mod access;
mod notice;
mod prices;
mod runs;
mod schedule;
mod serve;
mod site;
mod tuning;

pub(crate) use access::{PasswordVerb, TokenAddArgs, TokenVerb};
pub(crate) use notice::{NoticeAddArgs, NoticeVerb};
pub(crate) use prices::{
    DiffArgs, FieldArg, PriceArgs, PriceVerb, PriceVerbArgs, SourceOptionArgs, SourceTokenArgs,
    SourceVerb, UnitArgs, UnpricedArgs,
};
pub(crate) use runs::{
    ApplyArgs, HeldArgs, HeldVerb, PlanArgs, RunsArgs, SubjectArg, SyncArgs, UndoArgs,
};
pub(crate) use schedule::{ScheduleSetArgs, ScheduleVerb};
pub(crate) use serve::{HealthArgs, ServeArgs};
pub(crate) use site::{ChannelSetArgs, ChannelVerb, SiteAddArgs, SiteEditArgs, SiteVerb};
pub(crate) use tuning::{Consent, FailOn, PaceArgs, Tuning};

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
    /// The database: a file, or postgres://USER@HOST/NAME [default: lockstep.db in the system's data folder]
    #[arg(
        long,
        global = true,
        env = "LOCKSTEP_DATABASE",
        hide_env_values = true,
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
    /// How the log is written, to stderr
    #[arg(
        long,
        global = true,
        env = "LOCKSTEP_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text",
        help_heading = "Everywhere"
    )]
    pub(crate) log_format: LogFormat,
    /// More: all names of a change; twice: the log
    #[arg(long, short, global = true, action = clap::ArgAction::Count, help_heading = "Everywhere")]
    pub(crate) verbose: u8,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// A line to read.
    Text,
    /// An object a line, for programs.
    Json,
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
    /// A private network that price sources may be in, for this command [env: LOCKSTEP_ALLOW_PRIVATE]
    #[arg(long, value_name = "CIDR", help_heading = "Which gateway")]
    pub(crate) allow_private: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// A simulated gateway with its providers, and Lockstep on it
    Demo(DemoArgs),
    /// The server: API, schedule and notices
    Serve(ServeArgs),
    /// Whether the server on this machine can work, for a container's health check
    Health(HealthArgs),
    /// The password of the server's pages
    #[command(subcommand)]
    Password(PasswordVerb),
    /// Tokens of programs that use the server's API
    #[command(subcommand)]
    Token(TokenVerb),
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
    /// How prices differ from their sources; nothing is kept or written
    Diff(DiffArgs),
    /// Served models without a price, and proposals
    Unpriced(UnpricedArgs),
    /// What was decided about prices: locks, what to ignore; the history of one
    Price(PriceVerbArgs),
    /// Who hears of unattended runs: webhooks, bots, mail
    #[command(subcommand)]
    Notice(NoticeVerb),
    /// When runs begin by themselves
    #[command(subcommand)]
    Schedule(ScheduleVerb),
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
    /// Where the pages are served; another port than 7878 where that one is taken
    #[arg(long, default_value = "127.0.0.1:7878", conflicts_with = "once")]
    pub(crate) listen: std::net::SocketAddr,
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

    const PACKAGES: [&str; 3] = [
        include_str!("../../../../../packaging/lockstep.service"),
        include_str!("../../../../../packaging/compose.yaml"),
        include_str!("../../../../../packaging/Dockerfile"),
    ];

    /// Lines that say something to a machine.
    fn lines(package: &str) -> impl Iterator<Item = &str> {
        let lines = package.lines().map(str::trim);
        lines.filter(|line| !line.starts_with('#'))
    }

    /// The variables that a package sets, each with its value.
    fn variables(package: &str) -> Vec<(&str, &str)> {
        let words = lines(package)
            .flat_map(|line| line.match_indices("LOCKSTEP_").map(move |at| &line[at.0..]));
        words
            .filter_map(|word| word.split_once(['=', ':']))
            .map(|(name, value)| {
                let value = value.trim_end_matches('\\').trim();
                (name, value.trim_matches('"'))
            })
            .collect()
    }

    #[test]
    fn every_variable_of_the_packages_is_one_of_the_servers_and_has_a_value_that_it_takes() {
        let mut cli = Cli::command();
        cli.build();
        let serve = cli.find_subcommand("serve").expect("a server");
        let mut set = 0;
        for (name, value) in PACKAGES.into_iter().flat_map(variables) {
            let arg = serve
                .get_arguments()
                .find(|arg| arg.get_env().is_some_and(|env| env == name));
            let long = arg.and_then(|arg| arg.get_long());
            let flag = format!("--{}={value}", long.unwrap_or_else(|| panic!("{name}")));
            let parsed = Cli::try_parse_from(["lockstep", "serve", flag.as_str()]);
            assert!(parsed.is_ok(), "{name}={value}: {:?}", parsed.err());
            set += 1;
        }
        assert_eq!(set, 8, "all of them were looked at");
    }

    #[test]
    fn the_packages_start_commands_that_there_are() {
        let [unit, _, image] = PACKAGES;
        let start = lines(unit).find_map(|line| line.strip_prefix("ExecStart="));
        let mut commands = vec![start.expect("a start").to_owned()];
        for (_, words) in lines(image).filter_map(|line| line.split_once("CMD [")) {
            let words = words.replace(['"', ',', ']'], " ");
            let words = words.trim_start_matches([' ', '/']);
            let rest = words.strip_prefix("lockstep").unwrap_or(words);
            commands.push(format!("lockstep {rest}"));
        }
        assert_eq!(commands.len(), 3, "{commands:?}");
        for command in commands {
            let parsed = Cli::try_parse_from(command.split_whitespace());
            assert!(parsed.is_ok(), "{command}: {:?}", parsed.err());
        }
    }
}
